"""How far each regular round through what we keep has come.

A round goes through a table by its ids, which are ordered by time, up to a line: what is older
than so many days. There it waits, and goes on in small steps as the line moves. Once in a while it
begins anew, because what was kept then may be kept by nobody now.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import bindparam, select

from storage import ids, sql
from storage.tables import Moment, rounds
from storage.transaction import Transaction

# What grew old within less than this waits for the next time.
STRIDE = timedelta(hours=1)
# How long after its beginning a round begins anew.
LASTS = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Round:
    name: str
    position: int  # all up to this id was looked at
    began_at: datetime


@dataclass(frozen=True, slots=True)
class Slice:
    """A few rows that were looked at."""

    found: tuple[int, ...]  # those that something is to be done about
    last: int  # the id up to which all were looked at


_BY_NAME = select(*sql.columns(rounds, Round)).where(rounds.c.name.in_(sql.one_of("names")))


def by_name(tx: Transaction, names: Iterable[str]) -> dict[str, Round]:
    """Where these rounds stand; those that never began stand at the start."""
    found = {row.name: Round(*row) for row in tx.execute(_BY_NAME, {"names": sorted(names)})}
    return {name: found.get(name, Round(name, 0, tx.now)) for name in names}


def start_of(current: Round, line: int, now: datetime) -> Round | None:
    """The round to go on with, up to the id `line`; None while it has nothing to look at."""
    if has_grown(current, line, now):
        return current
    if now - current.began_at >= LASTS:
        return Round(current.name, 0, now)
    return None


def start_behind(current: Round, ahead: Round, line: int, now: datetime) -> Round | None:
    """The same for a round that follows another, and begins anew when that did."""
    if ahead.began_at > current.began_at:
        current = Round(current.name, 0, ahead.began_at)
    return current if has_grown(current, line, now) else None


def has_grown(current: Round, line: int, now: datetime) -> bool:
    """Whether enough has grown old to be looked at since."""
    return line - current.position >= ids.first_at(now) - ids.first_at(now - STRIDE)


def reached(tx: Transaction, current: Round, position: int) -> None:
    """The round has come so far."""
    tx.execute(
        _reached(sql.on_postgresql(tx)),
        {"name": current.name, "position": position, "began_at": current.began_at},
    )


@cache
def _reached(for_postgresql: bool) -> Any:
    statement = sql.insert_for(for_postgresql, rounds).values(
        name=sql.words("name"),
        position=sql.number("position"),
        began_at=bindparam("began_at", type_=Moment()),
    )
    return statement.on_conflict_do_update(
        index_elements=[rounds.c.name],
        set_={
            "position": statement.excluded.position,
            "began_at": statement.excluded.began_at,
        },
    )
