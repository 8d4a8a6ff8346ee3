"""What holds in a school that is sound, and the rows for which it does not.

Every check is a question for rows that must not be there. They are asked one after the other, of
one snapshot, while the school goes on: first the file and the tables themselves, then what the
rows say of each other (`storage/invariants.py`). SECURITY §4, "invariants"
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

import orjson
from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
    and_,
    func,
    inspect,
    or_,
    select,
    text,
)

from storage import contents, ids, invariants, sql, tables
from storage.invariants import Invariant
from storage.transaction import Transaction

# Rows that one check counts, and rows that it names.
MOST = 1_000
NAMED = 5

Look = Callable[[Transaction], Iterator[str]]


@dataclass(frozen=True, slots=True)
class Check:
    """Something that holds, and the look for what breaks it: rows in words, "deliveries 17"."""

    name: str
    rule: str
    look: Look
    vital: bool = False  # where it does not hold, nothing else can be asked


@dataclass(frozen=True, slots=True)
class Finding:
    """A check that found something: how much, and the first of it."""

    name: str
    rule: str
    count: int
    first: tuple[str, ...]
    vital: bool

    def __str__(self) -> str:
        many = f"more than {MOST:,}" if self.count > MOST else f"{self.count:,}"
        more = ", …" if self.count > len(self.first) else ""
        return f"{self.name}: {self.rule}. Not so: {many} ({', '.join(self.first)}{more})"


@dataclass(frozen=True, slots=True)
class Aside:
    """What could not be done and waits for a person, by its reason."""

    what: str  # arrivals|deliveries
    reason: str
    count: int


def broken(tx: Transaction) -> Iterator[Finding]:
    """Look at everything, and give what is not as it should be, the most serious first.

    Whoever stops asking saves the rest of the work.
    """
    for check in every(tx):
        finding = find(tx, check)
        if finding is not None:
            yield finding
            if check.vital:
                return


def find(tx: Transaction, check: Check) -> Finding | None:
    """What breaks one check, if anything does."""
    found = check.look(tx)
    first = tuple(islice(found, NAMED))
    if not first:
        return None
    count = len(first) + sum(1 for _ in islice(found, MOST + 1 - len(first)))
    return Finding(check.name, check.rule, count, first, check.vital)


def every(tx: Transaction) -> list[Check]:
    """All checks, in their order. Those of a damaged file come first: what follows builds on it."""
    found = [] if sql.on_postgresql(tx) else [_FILE]
    found += [_TABLES, *_references(), *_uniqueness(), *_words(), *_given_ids(), *_documents()]
    return found + [_of(one) for one in invariants.EVERY]


def rows(tx: Transaction) -> dict[str, int]:
    """How many rows each table has."""
    return {
        table.name: tx.execute(select(func.count()).select_from(table)).scalar_one()
        for table in tables.metadata.sorted_tables
    }


def set_aside(tx: Transaction) -> list[Aside]:
    """What waits for a person because it could not be done, the most frequent reason first."""
    found = []
    for what, table in (("arrivals", tables.received), ("deliveries", tables.deliveries)):
        many = func.count()
        statement = (
            select(table.c.reason, many)
            .where(table.c.state == "aside")
            .group_by(table.c.reason)
            .order_by(many.desc(), table.c.reason)
        )
        found += [Aside(what, reason or "?", count) for reason, count in tx.execute(statement)]
    return found


# --- the file and the tables ---------------------------------------------------------------------


def _damage(tx: Transaction) -> Iterator[str]:
    for (line,) in tx.execute(text("PRAGMA integrity_check(100)")):
        if line != "ok":
            yield " ".join(line.split())


_FILE = Check("damaged file", "the SQLite file passes integrity_check", _damage, vital=True)


def _missing(tx: Transaction) -> Iterator[str]:
    """Tables, columns, constraints and indexes that this version makes and that are not there."""
    there = inspect(tx.connection)
    names = set(there.get_table_names())
    indexes = _indexes(tx)
    for table in tables.metadata.sorted_tables:
        if table.name not in names:
            yield f"table {table.name}"
            continue
        columns = {column["name"] for column in there.get_columns(table.name)}
        yield from (f"{table.name}.{one.name}" for one in table.c if one.name not in columns)
        wanted = {str(one.name) for one in table.indexes}
        wanted |= {str(one.name) for one in table.constraints if isinstance(one, UniqueConstraint)}
        yield from (f"{name} of {table.name}" for name in sorted(wanted - indexes))


def _indexes(tx: Transaction) -> set[str]:
    """The names of all indexes, and of the constraints that are indexes."""
    if sql.on_postgresql(tx):
        asked = text("SELECT indexname FROM pg_indexes WHERE schemaname = current_schema()")
        return set(tx.execute(asked).scalars())
    found = set()
    for name, words in tx.execute(text("SELECT name, coalesce(sql, '') FROM sqlite_schema")):
        found |= {name, *re.findall(r"CONSTRAINT \"?(\w+)", words)}
    return found


_TABLES = Check(
    "missing table",
    "every table, column and index of this version is there",
    _missing,
    vital=True,
)


# --- what is true of every table alike -----------------------------------------------------------


def _key(table: Table) -> list[Column[Any]]:
    return list(table.primary_key.columns)


def _in_words(table: Table, key: Iterable[object]) -> str:
    return f"{table.name} {'/'.join(str(part) for part in key)}"


def _rows(table: Table, which: ColumnElement[bool]) -> Look:
    """The rows of `table` for which `which` is true."""
    key = _key(table)
    statement = select(*key).where(which).limit(MOST + 1)

    def look(tx: Transaction) -> Iterator[str]:
        for row in tx.execute(statement, invariants.moments(tx)):
            yield _in_words(table, row)

    return look


def _of(one: Invariant) -> Check:
    return Check(one.name, one.rule, _rows(one.table, one.which))


def _references() -> Iterator[Check]:
    for table in tables.metadata.sorted_tables:
        for key in sorted(table.foreign_keys, key=lambda key: key.parent.name):
            yield _reference(table, key.parent, key.column)
    for column in contents.UNBOUND:
        yield _reference(column.table, column, tables.actors.c.id)


def _reference(table: Table, column: Column[Any], to: Column[Any]) -> Check:
    target = to.table.alias("target")
    lost = and_(
        column.is_not(None),
        column != 0,  # no row has it; in `received` it stands for the shared inbox
        ~sql.any_row([target], target.c[to.name] == column),
    )
    name = f"{table.name}.{column.name}"
    return Check(
        f"dangling {name}", f"what {name} points to is in {to.table.name}", _rows(table, lost)
    )


def _uniqueness() -> Iterator[Check]:
    for table in tables.metadata.sorted_tables:
        for one in sorted(table.constraints, key=lambda one: str(one.name)):
            if isinstance(one, UniqueConstraint | PrimaryKeyConstraint):
                yield _once(table, list(one.columns), None)
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            if index.unique:
                partly = index.dialect_options["sqlite"]["where"]
                yield _once(table, list(index.expressions), partly)


def _once(table: Table, columns: list[Any], partly: ColumnElement[bool] | None) -> Check:
    words = ", ".join(str(getattr(one, "name", one)) for one in columns)
    statement = select(*columns).select_from(table)
    if partly is not None:
        statement = statement.where(partly)
    statement = statement.group_by(*columns).having(func.count() > 1).limit(MOST + 1)

    def look(tx: Transaction) -> Iterator[str]:
        for row in tx.execute(statement):
            yield _in_words(table, row)

    return Check(
        f"twice in {table.name}", f"no two rows of {table.name} have the same {words}", look
    )


def _words() -> Iterator[Check]:
    for column, words in contents.WORDS.items():
        name = f"{column.table.name}.{column.name}"
        known = ", ".join(words)
        wrong = _rows(column.table, column.not_in(words))
        yield Check(f"unknown word in {name}", f"{name} is one of {known}", wrong)


def _given_ids() -> Iterator[Check]:
    """An id says when it was given. One that lies far ahead would be above all others for ever."""
    for table in tables.metadata.sorted_tables:
        if _has_given_ids(table):
            yield Check(
                f"impossible {table.name}.id",
                f"every id in {table.name} was given before now",
                partial(_impossible_ids, table),
            )


def _has_given_ids(table: Table) -> bool:
    column = table.c.get("id")
    return column is not None and isinstance(column.type, BigInteger) and not column.autoincrement


def _impossible_ids(table: Table, tx: Transaction) -> Iterator[str]:
    which = or_(table.c.id <= 0, table.c.id >= ids.limit(tx.now))
    yield from _rows(table, which)(tx)


def _documents() -> Iterator[Check]:
    for column, whole in contents.DOCUMENTS.items():
        name = f"{column.table.name}.{column.name}"
        yield Check(
            f"unreadable {name}", f"every {name} is JSON", partial(_unreadable, column, whole)
        )


def _unreadable(column: Column[Any], whole: ColumnElement[bool], tx: Transaction) -> Iterator[str]:
    """Read a few at a time, so that a large school does not fill the memory."""
    table = column.table
    key = _key(table)
    statement = select(column, *key).where(whole).execution_options(yield_per=500)
    for document, *of_row in tx.execute(statement):
        try:
            orjson.loads(document)
        except orjson.JSONDecodeError:
            yield _in_words(table, of_row)


# --- for who can open the keys -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SealedKey:
    uri: str
    public: bytes
    private: bytes  # sealed with the school's secret


def sealed_keys(tx: Transaction) -> Iterator[SealedKey]:
    """The private keys of our own actors: whether the school's secret opens them is a matter for
    who has it."""
    key = tables.keys
    statement = select(key.c.uri, key.c.public, key.c.private).where(key.c.private.is_not(None))
    for row in tx.execute(statement.order_by(key.c.id)):
        yield SealedKey(*row)
