"""What each of our people finds in their inbox: the activities that came for them."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import and_, func, or_, select, union

from storage import audience, objects, sql, tables
from storage.audience import Viewer
from storage.objects import Post
from storage.tables import actors, arrivals, received
from storage.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Arrival:
    received_id: int
    type: str
    body: bytes  # as it came: what it embeds may be edited or deleted since
    post: Post | None  # what it is about, as it stands now; a tombstone if it was deleted


def note(
    tx: Transaction,
    received_id: int,
    *,
    owners: Iterable[int],
    followers_of: int | None,
    everyone: bool,
    members_of: int | None = None,
) -> None:
    """An activity is for these of our people; nobody finds it twice.

    `followers_of`: those who follow this actor here. `members_of`: those who are in this project.
    `everyone`: all people of this school.
    """
    named = sorted(set(owners))
    if not named and followers_of is None and members_of is None and not everyone:
        return
    tx.execute(
        _note(sql.on_postgresql(tx), everyone, members_of is not None),
        {
            "the_received": received_id,
            "the_owners": named,
            # No row has the id 0.
            "the_followee": followers_of or 0,
            "the_project": members_of,
        },
    )


@cache
def _note(for_postgresql: bool, everyone: bool, members: bool) -> Any:
    follows = tables.follows
    sources = [
        select(actors.c.id).where(actors.c.id.in_(sql.one_of("the_owners"))),
        select(follows.c.follower_id.label("id")).where(
            follows.c.followee_id == sql.number("the_followee"), follows.c.state == "accepted"
        ),
    ]
    if members:
        sources.append(audience.members_of(sql.number("the_project")))
    if everyone:
        sources.append(
            select(actors.c.id).where(actors.c.peer_id.is_(None), actors.c.type == "Person")
        )
    found = union(*sources).subquery("found")
    readers = (
        select(actors.c.id, sql.number("the_received"))
        .select_from(found)
        .join(actors, actors.c.id == found.c.id)
        .where(actors.c.peer_id.is_(None), actors.c.state == "active")
    )
    return (
        sql.insert_for(for_postgresql, arrivals)
        .from_select(["owner_id", "received_id"], readers)
        .on_conflict_do_nothing()
    )


_SENDER = actors.alias("sender")
_SHOWN = (
    select(arrivals.c.received_id, received.c.type, received.c.body, *objects.COLUMNS)
    .select_from(arrivals)
    .join(received, received.c.id == arrivals.c.received_id)
    .outerjoin(tables.objects, tables.objects.c.uri == received.c.object_uri)
    .outerjoin(_SENDER, _SENDER.c.uri == received.c.actor_uri)
    .where(
        arrivals.c.owner_id == audience.VIEWER,
        or_(
            tables.objects.c.id.is_(None),
            tables.objects.c.deleted_at.is_not(None),
            audience.VISIBLE,
        ),
        or_(
            _SENDER.c.id.is_(None),
            and_(
                audience.welcome(_SENDER),
                audience.at_peace(audience.VIEWER, _SENDER.c.id),
                audience.knows(audience.VIEWER, _SENDER),
            ),
        ),
    )
)
_INBOX = sql.newest(_SHOWN, arrivals.c.received_id)
_COUNT = _SHOWN.with_only_columns(func.count())


def inbox(tx: Transaction, owner_id: int, *, before: int | None, limit: int) -> list[Arrival]:
    """One page of someone's inbox, newest first; `before` is a `received_id`.

    Left out is what they may not see, or not any more: an activity about a post hidden from them,
    or by someone who was suspended or blocked, or blocks the owner, or by a private project that
    the owner is not in any more.
    """
    owner = Viewer(owner_id, local=True)
    rows = tx.execute(_INBOX, audience.seen_by(owner, **sql.page(before, limit)))
    return [
        Arrival(row[0], row[1], row[2], None if row[3] is None else sql.part(Post, row, 3))
        for row in rows
    ]


def count(tx: Transaction, owner_id: int) -> int:
    """How many of those that `inbox` lists: a number would tell of what is hidden, too."""
    return tx.execute(_COUNT, audience.seen_by(Viewer(owner_id, local=True))).scalar_one()
