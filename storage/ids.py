"""Ids: 63 bits, ordered by time, never the same twice.

From the left: 43 bits of milliseconds since 1970, 8 bits for the process (its tag), 12 bits that
count within the millisecond. Who needs more than 4,096 in one millisecond borrows from the next.
Ids only ever grow, also when the clock goes back and when the process starts anew: each process
begins above the highest id that the tables hold.
"""

from datetime import datetime, timedelta
from threading import Lock

from sqlalchemy import BigInteger, Select, Table, bindparam, func, select, union_all

from storage import tables

SEQUENCE_BITS = 12
TAG_BITS = 8
TAGS = 1 << TAG_BITS
# On PostgreSQL a tag is an advisory lock: this is their class, and the tag the object.
TAG_LOCKS = 0x53544146
GATE = TAGS  # who takes a tag holds this one of them shared: see storage/alone.py
PER_MILLISECOND = 1 << SEQUENCE_BITS

MILLISECOND = timedelta(milliseconds=1)
# An id further ahead than this is a damaged row, and no reason to leave the present.
FARTHEST = timedelta(days=366)


class NoTag(Exception):
    """This process has lost its tag, so its ids could be another's too."""


class Ids:
    """Gives out the ids of one process. Used by several threads."""

    def __init__(self, tag: int | None) -> None:
        self._lock = Lock()
        self._last = 0  # milliseconds and sequence of the last id, as one number
        self.tag = tag  # None: give none

    def next(self, now: datetime) -> int:
        """The next id, at `now` or a little later. Raises NoTag."""
        earliest = _milliseconds(now) << SEQUENCE_BITS
        with self._lock:
            tag = self.tag
            if tag is None:
                raise NoTag("this process holds no id tag")
            self._last = last = max(self._last + 1, earliest)
        sequence = last & (PER_MILLISECOND - 1)
        return (last >> SEQUENCE_BITS << TAG_BITS | tag) << SEQUENCE_BITS | sequence

    def rise_above(self, highest: int | None) -> None:
        """Give from now on only ids above `highest`, an id that some process gave."""
        if highest is None:
            return
        millisecond = highest >> (TAG_BITS + SEQUENCE_BITS)
        with self._lock:
            self._last = max(self._last, (millisecond + 1 << SEQUENCE_BITS) - 1)


def moment(id_: int) -> int:
    """The milliseconds since 1970 at which an id was given."""
    return id_ >> (TAG_BITS + SEQUENCE_BITS)


def first_at(now: datetime) -> int:
    """The lowest id that can be given at `now`: whatever was given before is below it."""
    return _milliseconds(now) << (TAG_BITS + SEQUENCE_BITS)


def limit(now: datetime) -> int:
    """The id above which a row cannot be honest at `now`."""
    return _milliseconds(now + FARTHEST) << (TAG_BITS + SEQUENCE_BITS)


def highest_id() -> Select[int | None]:
    """The highest id in all tables below `limit`: one step into an index for each of them."""
    tops = [
        select(func.max(table.c.id).label("top")).where(table.c.id < bindparam("limit"))
        for table in tables.metadata.sorted_tables
        if _has_given_ids(table)
    ]
    return select(func.max(union_all(*tops).subquery("tops").c.top))


def _has_given_ids(table: Table) -> bool:
    column = table.c.get("id")
    return column is not None and isinstance(column.type, BigInteger) and not column.autoincrement


def _milliseconds(now: datetime) -> int:
    return (now - tables.EPOCH) // MILLISECOND
