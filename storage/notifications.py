"""What our people are told about: someone follows them, names them, answers, likes, announces, asks
them into a project or asks to be in theirs.

What they may not see any more, and what was done by whom they block or who blocks them, or by a
private project that they are not in any more, is neither shown nor counted.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Literal

from sqlalchemy import and_, func, or_, select, text, update

from storage import audience, objects, sql, tables
from storage.actors import COLUMNS as ACTOR_COLUMNS
from storage.actors import Actor
from storage.audience import Viewer
from storage.objects import Post
from storage.tables import actors, notifications
from storage.transaction import Transaction

Kind = Literal[
    "follow",
    "request",
    "mention",
    "reply",
    "like",
    "announce",
    "accepted",
    "poll",
    "move",
    "invite",  # into a project, the actor
    "join",  # the actor asks to be in a project of theirs
    "joined",  # a project, the actor, took them in
]

# Beyond it a number says no more than "many".
MOST_UNREAD = 99


@dataclass(frozen=True, slots=True)
class Notification:
    id: int
    kind: Kind
    actor: Actor
    post: Post | None
    created_at: datetime
    read_at: datetime | None


def add(
    tx: Transaction,
    *,
    owner_id: int,
    kind: Kind,
    actor_id: int,
    object_id: int | None = None,
    anew: bool = False,
) -> bool:
    """Tell someone, once: the same again is false and changes nothing.

    `anew`: what was told before is told as if for the first time, and not twice.
    """
    row = {
        "id": tx.new_id(),
        "owner_id": owner_id,
        "kind": kind,
        "actor_id": actor_id,
        "object_id": object_id,
        "created_at": tx.now,
    }
    if anew:
        tx.execute(_tell_anew(sql.on_postgresql(tx)), row)
        return True
    return sql.is_new(tx, notifications, row)


@cache
def _tell_anew(for_postgresql: bool) -> Any:
    statement = sql.insert_for(for_postgresql, notifications)
    return statement.on_conflict_do_update(
        index_elements=[
            notifications.c.owner_id,
            notifications.c.kind,
            notifications.c.actor_id,
            text("coalesce(object_id, 0)"),
        ],
        set_={
            "id": statement.excluded.id,
            "created_at": statement.excluded.created_at,
            "read_at": None,
        },
    )


_SHOWN = (
    notifications.c.owner_id == audience.VIEWER,
    audience.welcome(actors),
    audience.at_peace(audience.VIEWER, actors.c.id),
    audience.knows(audience.VIEWER, actors),
    or_(notifications.c.object_id.is_(None), and_(*objects.SHOWN)),
)
_RECENT = sql.newest(
    select(
        notifications.c.id,
        notifications.c.kind,
        notifications.c.created_at,
        notifications.c.read_at,
        *ACTOR_COLUMNS,
        *objects.COLUMNS,
    )
    .select_from(notifications)
    .join(actors, actors.c.id == notifications.c.actor_id)
    .outerjoin(tables.objects, tables.objects.c.id == notifications.c.object_id)
    .where(*_SHOWN),
    notifications.c.id,
)
_UNREAD = select(func.count()).select_from(
    select(notifications.c.id)
    .select_from(notifications)
    .join(actors, actors.c.id == notifications.c.actor_id)
    .outerjoin(tables.objects, tables.objects.c.id == notifications.c.object_id)
    .where(*_SHOWN, notifications.c.read_at.is_(None))
    .limit(MOST_UNREAD)
    .subquery("found")
)


def recent(tx: Transaction, owner_id: int, *, before: int | None, limit: int) -> list[Notification]:
    """One page, newest first, without what the owner may not see."""
    owner = Viewer(owner_id, local=True)
    rows = tx.execute(_RECENT, audience.seen_by(owner, **sql.page(before, limit)))
    return [_row(row) for row in rows]


def unread(tx: Transaction, owner_id: int) -> int:
    """How many of those that `recent` lists were not looked at yet; 99 stands for more."""
    return tx.execute(_UNREAD, audience.seen_by(Viewer(owner_id, local=True))).scalar_one()


def mark_read(tx: Transaction, owner_id: int, up_to: int) -> None:
    """The owner looked at their notifications, up to that id and with it."""
    tx.execute(
        update(notifications)
        .where(
            notifications.c.owner_id == owner_id,
            notifications.c.read_at.is_(None),
            notifications.c.id <= up_to,
        )
        .values(read_at=tx.now)
    )


def _row(row: sql.AnyRow) -> Notification:
    post_at = 4 + len(ACTOR_COLUMNS)
    return Notification(
        id=row[0],
        kind=row[1],
        actor=sql.part(Actor, row, 4),
        post=None if row[post_at] is None else sql.part(Post, row, post_at),
        created_at=row[2],
        read_at=row[3],
    )
