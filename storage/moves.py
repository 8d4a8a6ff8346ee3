"""Somebody moves school: that they go (out), that they came (in), or that whoever follows them here
is to go along (along), and when the next step of it is due.

What goes along stands in `moved_things`. FEP-7628
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import (
    Integer,
    and_,
    bindparam,
    case,
    delete,
    select,
    update,
)

from storage import sql
from storage.tables import Moment, moved_things, moves
from storage.transaction import Transaction

Direction = Literal["out", "in", "along"]


@dataclass(frozen=True, slots=True)
class Move:
    id: int
    actor_id: int  # one of ours; along: who is followed here, and is elsewhere now
    direction: Direction
    other_id: int  # who they are at the other school, or were
    list: str | None  # which of the other's lists is being read, None when all are
    next_page: str | None
    pages: int  # read so far
    failures: int  # in a row
    last_error: str | None
    due_at: datetime | None  # the next step; None when nothing is left to do
    created_at: datetime
    ended_at: datetime | None


_COLUMNS = sql.columns(moves, Move)

_ID = moves.c.id == sql.number("of_move")
_MOMENT = bindparam("moment", type_=Moment())
_NEXT = bindparam("next_at", type_=Moment())
_MOST = bindparam("most", type_=Integer)


# --- the moves -----------------------------------------------------------------------------------


_BY_ID = select(*_COLUMNS).where(_ID)
_OF_ACTOR = (
    select(*_COLUMNS)
    .where(moves.c.actor_id == sql.number("of_actor"), moves.c.direction != "along")
    # What began anew keeps its id.
    .order_by(moves.c.created_at.desc(), moves.c.id.desc())
)
_BETWEEN = sql.holding(
    select(*_COLUMNS).where(
        moves.c.actor_id == sql.number("of_actor"),
        moves.c.direction == sql.words("of_direction"),
        moves.c.other_id == sql.number("of_other"),
    )
)
_DUE = (
    select(moves.c.id)
    .where(moves.c.due_at <= _MOMENT)
    .order_by(moves.c.due_at)
    .limit(_MOST)
    .with_for_update(skip_locked=True, key_share=True)
)
_CLAIM = (
    update(moves)
    .where(moves.c.id.in_(sql.one_of("taken")))
    .values(due_at=bindparam("lease_end", type_=Moment()))
    .returning(*_COLUMNS)
)
_OPEN = and_(_ID, moves.c.ended_at.is_(None))
_PUT_OFF = (
    update(moves)
    .where(_OPEN)
    .values(due_at=_NEXT, last_error=sql.words("error"), failures=moves.c.failures + 1)
)
_NEXT_STEP = update(moves).where(_OPEN).values(due_at=_NEXT)
_READ_ON = (
    update(moves)
    .where(_OPEN)
    .values(
        list=sql.words("of_list"),
        next_page=sql.words("page"),
        pages=case((sql.words("page").is_(None), 0), else_=moves.c.pages + 1),
        failures=0,
        last_error=None,
    )
)
_TAKE_UP = update(moves).where(moves.c.due_at.is_not(None)).values(due_at=_NEXT)
_ENDED = update(moves).where(_OPEN).values(due_at=None, ended_at=_MOMENT)


def begin(
    tx: Transaction, actor_id: int, direction: Direction, other_id: int, *, due_at: datetime
) -> tuple[Move, bool]:
    """One of ours moves there, or came from there: first the list of whom they follow is read at
    the other school. False, and nothing changes, while that is under way already; what ended
    begins anew."""
    move = Move(
        id=tx.new_id(),
        actor_id=actor_id,
        direction=direction,
        other_id=other_id,
        list="following",
        next_page=None,
        pages=0,
        failures=0,
        last_error=None,
        due_at=due_at,
        created_at=tx.now,
        ended_at=None,
    )
    if not sql.is_new(tx, moves, sql.row_of(move)):
        asked = {"of_actor": actor_id, "of_direction": direction, "of_other": other_id}
        known = Move(*tx.execute(_BETWEEN, asked).one())
        if known.ended_at is None:
            return known, False
        move = replace(move, id=known.id)
        tx.execute(delete(moved_things).where(moved_things.c.move_id == known.id))
        tx.execute(update(moves).where(moves.c.id == known.id).values(sql.row_of(move)))
    tx.wake("moves")
    return move, True


def by_id(tx: Transaction, move_id: int) -> Move | None:
    row = tx.execute(_BY_ID, {"of_move": move_id}).first()
    return None if row is None else Move(*row)


def of_actor(tx: Transaction, actor_id: int) -> list[Move]:
    """Where one of ours moved to and came from, the latest first."""
    return [Move(*row) for row in tx.execute(_OF_ACTOR, {"of_actor": actor_id})]


def claim(tx: Transaction, limit: int, lease: timedelta) -> list[Move]:
    """The moves of which a step is due, the longest waiting first. Nobody else gets them for as
    long as `lease`: then they are due again, so that what a crash broke off is taken up."""
    taken = list(tx.execute(_DUE, {"moment": tx.now, "most": limit}).scalars())
    if not taken:
        return []
    claimed = tx.execute(_CLAIM, {"taken": sorted(taken), "lease_end": tx.now + lease})
    by_id = {row.id: Move(*row) for row in claimed}
    return [by_id[move_id] for move_id in taken]


def put_off(tx: Transaction, move_id: int, due_at: datetime, error: str | None = None) -> None:
    """The next step is then. With an `error`, the last one failed."""
    asked: dict[str, Any] = {"of_move": move_id, "next_at": due_at}
    if error is None:
        tx.execute(_NEXT_STEP, asked)
    else:
        tx.execute(_PUT_OFF, asked | {"error": error})


def take_up(tx: Transaction) -> None:
    """A step of each that is not over is due now: for a school that opens, and is alone."""
    tx.execute(_TAKE_UP, {"next_at": tx.now})


def read_on(tx: Transaction, move_id: int, list_: str | None, next_page: str | None) -> None:
    """One more page was read; it goes on with that page of that list, or nothing is left. Pages are
    counted from the beginning of a list."""
    tx.execute(_READ_ON, {"of_move": move_id, "of_list": list_, "page": next_page})


def end(tx: Transaction, move_id: int) -> None:
    """Nothing is left to do."""
    tx.execute(_ENDED, {"of_move": move_id, "moment": tx.now})
