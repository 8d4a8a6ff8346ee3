"""Who follows whom, and how far the asking has come: requested, accepted or rejected.

Only the one who is followed accepts or rejects, and only what was asked for.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Literal

from sqlalchemy import (
    ColumnElement,
    Integer,
    and_,
    bindparam,
    case,
    delete,
    func,
    or_,
    select,
    update,
)

from storage import audience, sql
from storage.actors import COLUMNS as ACTOR_COLUMNS
from storage.actors import Actor
from storage.tables import actors, follows
from storage.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Follow:
    id: int
    follower_id: int
    followee_id: int
    uri: str  # of the Follow activity
    state: Literal["requested", "accepted", "rejected"]
    created_at: datetime


_COLUMNS = sql.columns(follows, Follow)

NO_LIMIT = 2**31 - 1
# Beyond it a number says no more than "many".
MOST_REQUESTS = 99


_GET = select(*_COLUMNS).where(
    follows.c.follower_id == sql.number("of_follower"),
    follows.c.followee_id == sql.number("of_followee"),
)


def request(tx: Transaction, follower_id: int, followee_id: int, uri: str) -> Follow:
    """Someone asks to follow, perhaps again: the latest id counts, and accepted stays accepted."""
    asked = Follow(tx.new_id(), follower_id, followee_id, uri, "requested", tx.now)
    row = tx.execute(_request(sql.on_postgresql(tx)), sql.row_of(asked)).one()
    return Follow(*row)


@cache
def _request(for_postgresql: bool) -> Any:
    statement = sql.insert_for(for_postgresql, follows)
    return statement.on_conflict_do_update(
        index_elements=[follows.c.follower_id, follows.c.followee_id],
        set_={
            "uri": statement.excluded.uri,
            "state": case((follows.c.state == "accepted", "accepted"), else_="requested"),
        },
    ).returning(*_COLUMNS)


def accept(tx: Transaction, follower_id: int, followee_id: int) -> bool:
    """A request is granted. False if there is none that waits."""
    return _move(tx, follower_id, followee_id, ("requested",), "accepted")


def reject(tx: Transaction, follower_id: int, followee_id: int) -> bool:
    """A request is refused, or one who follows is sent away. False if there is neither."""
    return _move(tx, follower_id, followee_id, ("requested", "accepted"), "rejected")


def remove(tx: Transaction, follower_id: int, followee_id: int) -> bool:
    """Someone follows no more, or takes the request back. False if there was none."""
    return tx.execute(delete(follows).where(_between(follower_id, followee_id))).rowcount > 0


def cut(tx: Transaction, one_id: int, other_id: int) -> None:
    """Neither of the two follows the other any more, or asks to."""
    tx.execute(delete(follows).where(or_(_between(one_id, other_id), _between(other_id, one_id))))


def remove_all(tx: Transaction, actor_id: int) -> None:
    """Nobody follows this actor any more, and they follow nobody."""
    tx.execute(
        delete(follows).where(
            or_(follows.c.follower_id == actor_id, follows.c.followee_id == actor_id)
        )
    )


def get(tx: Transaction, follower_id: int, followee_id: int) -> Follow | None:
    row = tx.execute(_GET, {"of_follower": follower_id, "of_followee": followee_id}).first()
    return None if row is None else Follow(*row)


def by_uri(tx: Transaction, uri: str) -> Follow | None:
    """The follow that was last asked for under this id; whose it is, the caller checks."""
    row = tx.execute(
        select(*_COLUMNS).where(follows.c.uri == uri).order_by(follows.c.id.desc()).limit(1)
    ).first()
    return None if row is None else Follow(*row)


def followers(
    tx: Transaction, actor_id: int, *, before: int | None, limit: int
) -> list[tuple[int, Actor]]:
    """Who follows this actor, newest first, each with its cursor."""
    rows = tx.execute(_PAGE_OF_FOLLOWERS, {"of_actor": actor_id, **sql.page(before, limit)})
    return [(row[0], sql.part(Actor, row, 1)) for row in rows]


def following(
    tx: Transaction, actor_id: int, *, before: int | None, limit: int
) -> list[tuple[int, Actor]]:
    """Whom this actor follows, newest first, each with its cursor."""
    rows = tx.execute(_PAGE_OF_FOLLOWING, {"of_actor": actor_id, **sql.page(before, limit)})
    return [(row[0], sql.part(Actor, row, 1)) for row in rows]


def count_followers(tx: Transaction, actor_id: int) -> int:
    return tx.execute(_COUNT_FOLLOWERS, {"of_actor": actor_id}).scalar_one()


def count_following(tx: Transaction, actor_id: int) -> int:
    return tx.execute(_COUNT_FOLLOWING, {"of_actor": actor_id}).scalar_one()


def _accepted(whose: ColumnElement[int], other: ColumnElement[int]) -> sql.Rows:
    return (
        select(follows.c.id, *ACTOR_COLUMNS)
        .select_from(follows)
        .join(actors, actors.c.id == other)
        .where(
            whose == sql.number("of_actor"),
            follows.c.state == "accepted",
            audience.welcome(actors),
            audience.known_to_all(actors),
        )
    )


_FOLLOWERS = _accepted(follows.c.followee_id, follows.c.follower_id)
_FOLLOWING = _accepted(follows.c.follower_id, follows.c.followee_id)
_PAGE_OF_FOLLOWERS = sql.newest(_FOLLOWERS, follows.c.id)
_PAGE_OF_FOLLOWING = sql.newest(_FOLLOWING, follows.c.id)
_COUNT_FOLLOWERS = _FOLLOWERS.with_only_columns(func.count())
_COUNT_FOLLOWING = _FOLLOWING.with_only_columns(func.count())


_REQUESTS = (
    select(*_COLUMNS, *ACTOR_COLUMNS)
    .select_from(follows)
    .join(actors, actors.c.id == follows.c.follower_id)
    .where(
        follows.c.followee_id == sql.number("of_followee"),
        follows.c.state == "requested",
        audience.welcome(actors),
        audience.knows(sql.number("of_followee"), actors),
    )
)
_OLDEST_REQUESTS = _REQUESTS.order_by(follows.c.id).limit(sql.LARGEST_PAGE)
_COUNT_REQUESTS = select(func.count()).select_from(
    _REQUESTS.with_only_columns(follows.c.id).limit(MOST_REQUESTS).subquery("found")
)


def requests(tx: Transaction, followee_id: int) -> list[tuple[Follow, Actor]]:
    """Who waits for an answer from this actor, the longest waiting first, at most 80."""
    rows = tx.execute(_OLDEST_REQUESTS, {"of_followee": followee_id})
    return [(sql.part(Follow, row), sql.part(Actor, row, len(_COLUMNS))) for row in rows]


def count_requests(tx: Transaction, followee_id: int) -> int:
    """How many wait for an answer from this actor; 99 stands for more."""
    return tx.execute(_COUNT_REQUESTS, {"of_followee": followee_id}).scalar_one()


_OUR_FOLLOWERS = (
    select(follows.c.uri, *ACTOR_COLUMNS)
    .select_from(follows)
    .join(actors, actors.c.id == follows.c.follower_id)
    .where(
        follows.c.followee_id == sql.number("of_followee"),
        follows.c.state == "accepted",
        actors.c.peer_id.is_(None),
        actors.c.state == "active",
        actors.c.moved_to.is_(None),
    )
    .order_by(actors.c.id)
    .limit(bindparam("most", type_=Integer))
)


def our_followers(tx: Transaction, actor_id: int, limit: int = NO_LIMIT) -> list[tuple[str, Actor]]:
    """Those of our people who follow this actor and act here, each with the id of the Follow."""
    rows = tx.execute(_OUR_FOLLOWERS, {"of_followee": actor_id, "most": limit})
    return [(row[0], sql.part(Actor, row, 1)) for row in rows]


_OUR_FOLLOWEES = (
    select(follows.c.uri, *ACTOR_COLUMNS)
    .select_from(follows)
    .join(actors, actors.c.id == follows.c.followee_id)
    .where(
        follows.c.follower_id == sql.number("of_follower"),
        follows.c.state.in_(("requested", "accepted")),
        actors.c.peer_id.is_(None),
        actors.c.state == "active",
    )
    .order_by(actors.c.id)
)


def our_followees(tx: Transaction, actor_id: int) -> list[tuple[str, Actor]]:
    """Those of ours whom this actor follows or asks to, each with the id of the Follow."""
    rows = tx.execute(_OUR_FOLLOWEES, {"of_follower": actor_id})
    return [(row[0], sql.part(Actor, row, 1)) for row in rows]


def end_all(tx: Transaction, followee_id: int) -> None:
    """Nobody follows this actor any more, nor asks to."""
    tx.execute(delete(follows).where(follows.c.followee_id == followee_id))


def _between(follower_id: int, followee_id: int) -> ColumnElement[bool]:
    return and_(follows.c.follower_id == follower_id, follows.c.followee_id == followee_id)


def _move(
    tx: Transaction, follower_id: int, followee_id: int, old: tuple[str, ...], new: str
) -> bool:
    changed = tx.execute(
        update(follows)
        .where(_between(follower_id, followee_id), follows.c.state.in_(old))
        .values(state=new)
    )
    return changed.rowcount > 0
