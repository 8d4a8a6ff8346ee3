"""Who wants nothing to do with whom: once per pair, and it holds both ways.

What follows for reading stands in `audience.at_peace`, which every query that shows people or
posts to somebody carries.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, delete, func, or_, select, union

from storage import sql
from storage.actors import COLUMNS as ACTOR_COLUMNS
from storage.actors import Actor
from storage.tables import actors, blocks
from storage.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Block:
    id: int
    uri: str  # of the Block activity
    actor_id: int  # who blocks
    target_id: int
    created_at: datetime


_COLUMNS = sql.columns(blocks, Block)
_ONE, _OTHER = sql.number("the_one"), sql.number("the_other")

_GET = select(*_COLUMNS).where(blocks.c.actor_id == _ONE, blocks.c.target_id == _OTHER)
_BY_URI = select(*_COLUMNS).where(blocks.c.uri == sql.words("of_uri"))
_BETWEEN = (
    select(blocks.c.id)
    .where(
        or_(
            and_(blocks.c.actor_id == _ONE, blocks.c.target_id == _OTHER),
            and_(blocks.c.actor_id == _OTHER, blocks.c.target_id == _ONE),
        )
    )
    .limit(1)
)
_OTHERS = sql.one_of("the_others")
_APART = union(
    select(blocks.c.target_id).where(blocks.c.actor_id == _ONE, blocks.c.target_id.in_(_OTHERS)),
    select(blocks.c.actor_id).where(blocks.c.target_id == _ONE, blocks.c.actor_id.in_(_OTHERS)),
)
_BLOCKED = (
    select(blocks.c.id, *ACTOR_COLUMNS)
    .select_from(blocks)
    .join(actors, actors.c.id == blocks.c.target_id)
    .where(blocks.c.actor_id == sql.number("of_actor"), actors.c.state != "deleted")
)
_OF_ACTOR = sql.newest(_BLOCKED, blocks.c.id)
_COUNT_OF_ACTOR = _BLOCKED.with_only_columns(func.count())

_BLOCKERS_OF = (
    select(*ACTOR_COLUMNS)
    .select_from(blocks)
    .join(actors, actors.c.id == blocks.c.actor_id)
    .where(
        blocks.c.target_id == sql.number("of_actor"),
        actors.c.peer_id.is_(None),
        actors.c.state == "active",
    )
    .order_by(actors.c.id)
)


def add(tx: Transaction, *, uri: str, actor_id: int, target_id: int) -> bool:
    """True if it is new; false if this actor blocks them already, or the id is in use."""
    return sql.is_new(tx, blocks, sql.row_of(Block(tx.new_id(), uri, actor_id, target_id, tx.now)))


def remove(tx: Transaction, actor_id: int, target_id: int) -> bool:
    """Someone blocks no more; what the other one set stays. False if there was nothing."""
    removed = tx.execute(
        delete(blocks).where(blocks.c.actor_id == actor_id, blocks.c.target_id == target_id)
    )
    return removed.rowcount > 0


def get(tx: Transaction, actor_id: int, target_id: int) -> Block | None:
    """The block that this actor set against that one."""
    row = tx.execute(_GET, {"the_one": actor_id, "the_other": target_id}).first()
    return None if row is None else Block(*row)


def by_uri(tx: Transaction, uri: str) -> Block | None:
    """The block of this id; whose it is, the caller checks."""
    row = tx.execute(_BY_URI, {"of_uri": uri}).first()
    return None if row is None else Block(*row)


def between(tx: Transaction, one_id: int, other_id: int) -> bool:
    """Whether either of the two blocks the other."""
    return tx.execute(_BETWEEN, {"the_one": one_id, "the_other": other_id}).first() is not None


def apart(tx: Transaction, actor_id: int, others: Iterable[int]) -> set[int]:
    """Those of `others` who are blocked by this actor, or who block them."""
    asked = sorted(set(others))
    if not asked:
        return set()
    return set(tx.execute(_APART, {"the_one": actor_id, "the_others": asked}).scalars())


def of_actor(
    tx: Transaction, actor_id: int, *, before: int | None, limit: int
) -> list[tuple[int, Actor]]:
    """Whom this actor blocks, the latest first, each with its cursor."""
    rows = tx.execute(_OF_ACTOR, {"of_actor": actor_id, **sql.page(before, limit)})
    return [(row[0], sql.part(Actor, row, 1)) for row in rows]


def blockers_of(tx: Transaction, actor_id: int) -> list[Actor]:
    """Those of our people who block this actor."""
    return [Actor(*row) for row in tx.execute(_BLOCKERS_OF, {"of_actor": actor_id})]


def count_of_actor(tx: Transaction, actor_id: int) -> int:
    """How many those are that `of_actor` lists."""
    return tx.execute(_COUNT_OF_ACTOR, {"of_actor": actor_id}).scalar_one()
