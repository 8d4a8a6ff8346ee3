"""Who likes which post: once per actor and post."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, select

from storage import audience, objects, sql, tables
from storage.actors import COLUMNS as ACTOR_COLUMNS
from storage.actors import Actor
from storage.audience import Viewer
from storage.objects import Post
from storage.tables import actors, likes
from storage.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Like:
    id: int
    uri: str  # of the Like activity
    actor_id: int
    object_id: int
    created_at: datetime


_COLUMNS = sql.columns(likes, Like)


def add(tx: Transaction, *, uri: str, actor_id: int, object_id: int) -> bool:
    """True if it is new; false if this actor likes the post already, or the id is in use."""
    return sql.is_new(tx, likes, sql.row_of(Like(tx.new_id(), uri, actor_id, object_id, tx.now)))


def remove(tx: Transaction, actor_id: int, object_id: int) -> bool:
    removed = tx.execute(
        delete(likes).where(likes.c.actor_id == actor_id, likes.c.object_id == object_id)
    )
    return removed.rowcount > 0


def get(tx: Transaction, actor_id: int, object_id: int) -> Like | None:
    row = tx.execute(
        select(*_COLUMNS).where(likes.c.actor_id == actor_id, likes.c.object_id == object_id)
    ).first()
    return None if row is None else Like(*row)


def by_uri(tx: Transaction, uri: str) -> Like | None:
    """The like of this id; whose it is, the caller checks."""
    row = tx.execute(select(*_COLUMNS).where(likes.c.uri == uri)).first()
    return None if row is None else Like(*row)


_OF_OBJECT = (
    select(likes.c.id, *ACTOR_COLUMNS)
    .select_from(likes)
    .join(actors, actors.c.id == likes.c.actor_id)
    .where(
        likes.c.object_id == sql.number("of_object"),
        audience.welcome(actors),
        audience.known_to_all(actors),
    )
)
_PAGE_OF_OBJECT = sql.newest(_OF_OBJECT, likes.c.id)
_COUNT = _OF_OBJECT.with_only_columns(func.count())

_BY_ACTOR = (
    select(likes.c.id, *objects.COLUMNS)
    .select_from(likes)
    .join(tables.objects, tables.objects.c.id == likes.c.object_id)
    .where(
        likes.c.actor_id == sql.number("of_actor"),
        audience.at_peace(audience.VIEWER, likes.c.actor_id),
        *objects.SHOWN,
    )
)
_PAGE_BY_ACTOR = sql.newest(_BY_ACTOR, likes.c.id)
_COUNT_BY_ACTOR = _BY_ACTOR.with_only_columns(func.count())


def of_object(
    tx: Transaction, object_id: int, *, before: int | None, limit: int
) -> list[tuple[int, Actor]]:
    """Who likes a post, newest first, each with its cursor."""
    rows = tx.execute(_PAGE_OF_OBJECT, {"of_object": object_id, **sql.page(before, limit)})
    return [(row[0], sql.part(Actor, row, 1)) for row in rows]


def by_actor(
    tx: Transaction, viewer: Viewer, actor_id: int, *, before: int | None, limit: int
) -> list[tuple[int, Post]]:
    """What an actor likes, as far as the viewer may see it, newest first, with cursors."""
    rows = tx.execute(
        _PAGE_BY_ACTOR, audience.seen_by(viewer, of_actor=actor_id, **sql.page(before, limit))
    )
    return [(row[0], sql.part(Post, row, 1)) for row in rows]


def count(tx: Transaction, object_id: int) -> int:
    """How many of those whom `of_object` lists."""
    return tx.execute(_COUNT, {"of_object": object_id}).scalar_one()


def count_by_actor(tx: Transaction, viewer: Viewer, actor_id: int) -> int:
    """How many of those that `by_actor` lists."""
    return tx.execute(_COUNT_BY_ACTOR, audience.seen_by(viewer, of_actor=actor_id)).scalar_one()
