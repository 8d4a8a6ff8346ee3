"""Whom an activity goes to: the one INSERT … SELECT that writes a delivery for each inbox."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    bindparam,
    false,
    func,
    or_,
    select,
    union,
    union_all,
)

from storage import audience, sql, tables
from storage.audience import OPEN
from storage.tables import Moment, actors, deliveries, follows, objects, peers, published
from storage.transaction import Transaction

Inboxes = Select[*tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class To:
    """Whom an activity is for. Who is not of another server is left out when it is sent."""

    followers_of: int | None = None
    members_of: int | None = None  # a project: whoever is in it now
    named: tuple[int, ...] = ()  # to their personal inbox, unless a shared one reaches them
    shared: tuple[int, ...] = ()  # named too, but the shared inbox will do
    reached_by: str | None = None  # a post: whoever got or fetched it, answered, likes it …
    deleted: bool = False  # that post is deleted by it: it says nothing that only some may read
    hidden: tuple[int, ...] = ()  # bto and bcc: to their personal inbox, whatever else
    everyone: bool = False  # one inbox of each server where we know anybody


@dataclass(frozen=True, slots=True)
class Shape:
    """What a statement depends on, beside the values it runs with."""

    followers: bool
    members: bool
    named: bool
    shared: bool
    hidden: bool
    reached: Literal["nobody", "everyone", "entitled"]
    everyone: bool
    open: bool  # it may be read by all
    personal: bool  # whoever was reached gets it to the personal inbox


def write(tx: Transaction, activity_id: int, to: To, except_host: str | None) -> int:
    """Write the deliveries of a published activity, and say how many are new."""
    activity = tx.execute(_ACTIVITY, {"of_id": activity_id}).one()
    shape = _shape(to, activity.type, activity.audience)
    by_group = shape.followers or shape.members or shape.everyone
    if not (by_group or shape.named or shape.shared or shape.hidden or to.reached_by):
        return 0
    return tx.execute(
        _insert(sql.on_postgresql(tx), shape),
        {
            "to_activity": activity_id,
            "to_moment": tx.now,
            "to_followers_of": to.followers_of,
            "to_members_of": to.members_of,
            "to_named": to.named,
            "to_shared": to.shared,
            "to_hidden": to.hidden,
            "to_post": to.reached_by,
            "to_all_but": except_host or "",
        },
    ).rowcount


_ACTIVITY = select(published.c.type, published.c.audience).where(
    published.c.id == sql.number("of_id")
)


def _shape(to: To, kind: str, intended: str) -> Shape:
    reached: Literal["nobody", "everyone", "entitled"] = "nobody"
    if to.reached_by is not None:
        deleted = to.deleted or kind == "Delete"
        reached = "everyone" if intended in OPEN or deleted else "entitled"
    return Shape(
        followers=to.followers_of is not None,
        members=to.members_of is not None,
        named=bool(to.named),
        shared=bool(to.shared),
        hidden=bool(to.hidden),
        everyone=to.everyone,
        reached=reached,
        open=intended in OPEN,
        personal=intended not in (*OPEN, "followers", "project"),
    )


@lru_cache(maxsize=256)
def _insert(for_postgresql: bool, shape: Shape) -> Any:
    candidate = union_all(*_addressed(shape), *_reached(shape)).subquery("candidate")
    inboxes = (
        select(
            sql.number("to_activity"),
            func.min(candidate.c.peer_id),
            candidate.c.inbox,
            bindparam("to_moment", type_=Moment()),
        )
        .select_from(candidate)
        .join(peers, peers.c.id == candidate.c.peer_id)
        .where(candidate.c.inbox != "", ~peers.c.blocked, peers.c.host != sql.words("to_all_but"))
        .group_by(candidate.c.inbox)
    )
    return (
        sql.insert_for(for_postgresql, deliveries)
        .from_select(["activity_id", "peer_id", "inbox", "created_at"], inboxes)
        .on_conflict_do_nothing()
        .execution_options(preserve_rowcount=True)
    )


def _addressed(shape: Shape) -> list[Inboxes]:
    """Followers, members, and whom the activity names."""
    by_shared: list[ColumnElement[bool]] = []
    if shape.followers:
        follow = follows.alias()
        accepted = select(follow.c.follower_id).where(
            follow.c.followee_id == sql.number("to_followers_of"), follow.c.state == "accepted"
        )
        by_shared.append(actors.c.id.in_(accepted))
    if shape.members:
        members = audience.members_of(sql.number("to_members_of"))
        by_shared.append(actors.c.id.in_(members))
    if shape.shared:
        by_shared.append(actors.c.id.in_(sql.one_of("to_shared")))
    chosen = [_inboxes(_shared_inbox(), way) for way in by_shared]
    if shape.named:
        twice = and_(actors.c.shared_inbox.is_not(None), or_(false(), *by_shared))
        chosen.append(_inboxes(actors.c.inbox, actors.c.id.in_(sql.one_of("to_named")), ~twice))
    if shape.hidden:
        chosen.append(_inboxes(actors.c.inbox, actors.c.id.in_(sql.one_of("to_hidden"))))
    if shape.everyone:
        # A server without a shared inbox is told at that of anybody there.
        inbox = func.nullif(actors.c.inbox, "")  # of who is known by their id alone
        any_inbox = func.coalesce(func.min(actors.c.shared_inbox), func.min(inbox))
        chosen.append(_inboxes(any_inbox).group_by(actors.c.peer_id))
    return chosen


def _reached(shape: Shape) -> list[Inboxes]:
    """Whoever had to do with a post."""
    if shape.reached == "nobody":
        return []
    post = objects.alias("post")
    reply = objects.alias("reply")
    about = post.c.uri == sql.words("to_post")
    # Anybody can answer what they never saw: of a post that is not for all they learn nothing.
    answered = select(reply.c.author_id.label("id")).where(
        reply.c.in_reply_to == sql.words("to_post")
    )
    people = union(
        *([] if shape.reached == "everyone" and not shape.open else [answered]),
        *(
            select(table.c.actor_id.label("id"))
            .join(post, post.c.id == table.c.object_id)
            .where(about)
            for table in (tables.fetched, tables.likes, tables.announces, tables.votes)
        ),
    ).subquery("people")
    inbox = actors.c.inbox if shape.personal else _shared_inbox()
    met = actors.c.id.in_(select(people.c.id))
    if shape.reached == "entitled":
        sees = audience.visible_to(actors.c.id, false(), post)
        return [_inboxes(inbox, met, sql.any_row([post], about, sees))]
    earlier = published.alias("earlier")
    got = (
        select(deliveries.c.inbox, deliveries.c.peer_id)
        .join(earlier, earlier.c.id == deliveries.c.activity_id)
        .where(
            earlier.c.object_uri == sql.words("to_post"),
            earlier.c.id != sql.number("to_activity"),
            deliveries.c.state != "over",
        )
    )
    return [_inboxes(inbox, met), got]


def _inboxes(inbox: ColumnElement[str], *which: ColumnElement[bool]) -> Inboxes:
    return select(inbox.label("inbox"), actors.c.peer_id).where(
        actors.c.peer_id.is_not(None), actors.c.state == "active", *which
    )


def _shared_inbox() -> ColumnElement[str]:
    return func.coalesce(actors.c.shared_inbox, actors.c.inbox)
