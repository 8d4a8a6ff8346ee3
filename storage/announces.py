"""Who passed on which post, and to whom: once per actor and post."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, select

from storage import audience as audiences
from storage import sql
from storage.actors import COLUMNS as ACTOR_COLUMNS
from storage.actors import Actor
from storage.audience import OPEN
from storage.tables import actors, announces, timelines
from storage.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Announce:
    id: int
    uri: str  # of the Announce activity
    actor_id: int
    object_id: int
    audience: str
    created_at: datetime


_COLUMNS = sql.columns(announces, Announce)


def add(tx: Transaction, *, uri: str, actor_id: int, object_id: int, audience: str) -> bool:
    """True if it is new; false if this actor announced the post already, or the id is in use."""
    row = Announce(tx.new_id(), uri, actor_id, object_id, audience, tx.now)
    return sql.is_new(tx, announces, sql.row_of(row))


def remove(tx: Transaction, actor_id: int, object_id: int) -> bool:
    """Taken back, from the timelines too that it brought the post to."""
    tx.execute(
        delete(timelines).where(
            timelines.c.object_id == object_id, timelines.c.announced_by == actor_id
        )
    )
    removed = tx.execute(
        delete(announces).where(
            announces.c.actor_id == actor_id, announces.c.object_id == object_id
        )
    )
    return removed.rowcount > 0


def get(tx: Transaction, actor_id: int, object_id: int) -> Announce | None:
    row = tx.execute(
        select(*_COLUMNS).where(
            announces.c.actor_id == actor_id, announces.c.object_id == object_id
        )
    ).first()
    return None if row is None else Announce(*row)


def by_uri(tx: Transaction, uri: str) -> Announce | None:
    """The announce of this id; whose it is, the caller checks."""
    row = tx.execute(select(*_COLUMNS).where(announces.c.uri == uri)).first()
    return None if row is None else Announce(*row)


_OF_OBJECT = (
    select(announces.c.id, *ACTOR_COLUMNS)
    .select_from(announces)
    .join(actors, actors.c.id == announces.c.actor_id)
    .where(
        announces.c.object_id == sql.number("of_object"),
        announces.c.audience.in_(OPEN),
        audiences.welcome(actors),
        audiences.known_to_all(actors),
    )
)
_PAGE_OF_OBJECT = sql.newest(_OF_OBJECT, announces.c.id)
_COUNT = _OF_OBJECT.with_only_columns(func.count())


def of_object(
    tx: Transaction, object_id: int, *, before: int | None, limit: int
) -> list[tuple[int, Actor]]:
    """Who passed a post on to everybody, newest first, each with its cursor."""
    rows = tx.execute(_PAGE_OF_OBJECT, {"of_object": object_id, **sql.page(before, limit)})
    return [(row[0], sql.part(Actor, row, 1)) for row in rows]


def count(tx: Transaction, object_id: int) -> int:
    """How many of those whom `of_object` lists."""
    return tx.execute(_COUNT, {"of_object": object_id}).scalar_one()
