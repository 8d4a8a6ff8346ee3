"""The few pieces that the query modules share: inserts that meet a row already there, rows that
become dataclasses, pages that go from the newest to the oldest.
"""

from collections.abc import Sequence
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any, TypeVar

import orjson
from sqlalchemy import (
    ColumnElement,
    FromClause,
    Row,
    Select,
    Table,
    Text,
    case,
    cast,
    func,
    literal,
    literal_column,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite

from storage.transaction import Transaction

# The most that one page of anything holds.
LARGEST_PAGE = 80

Rows = Select[*tuple[Any, ...]]
AnyRow = Row[*tuple[Any, ...]]
Insert = postgresql.Insert | sqlite.Insert
S = TypeVar("S", bound=Select[*tuple[Any, ...]])
T = TypeVar("T")


def insert(tx: Transaction, table: Table) -> Insert:
    """An INSERT that knows ON CONFLICT, for the engine that `tx` runs on."""
    return postgresql.insert(table) if on_postgresql(tx) else sqlite.insert(table)


def insert_ignore(tx: Transaction, table: Table) -> Insert:
    """An INSERT that leaves alone what is there already.

    The SELECT of an INSERT … SELECT must have a WHERE, else SQLite reads ON CONFLICT as a join.
    """
    return insert(tx, table).on_conflict_do_nothing()


def on_postgresql(tx: Transaction) -> bool:
    return tx.connection.dialect.name == "postgresql"


def lock(tx: Transaction, table: Table, *which: ColumnElement[bool]) -> None:
    """Hold these rows until COMMIT, taken in the order of their ids, so that nobody deadlocks.

    The next statement sees what others committed before the lock was had. On SQLite there is one
    writer, and nothing to do.
    """
    if on_postgresql(tx):
        tx.execute(holding(select(table.c.id).where(*which).order_by(table.c.id))).all()


def holding(statement: S) -> S:
    """`statement`, holding the rows it finds until COMMIT.

    PostgreSQL keeps what a new row refers to from changing its key. We change no keys, so this
    lock lets those pass: else two who first refer to a peer, then lock it, wait for each other.
    """
    return statement.with_for_update(key_share=True)


def columns(table: FromClause, cls: type[Any]) -> list[ColumnElement[Any]]:
    """The columns that the dataclass `cls` is made of, in its order."""
    return [table.c[field.name] for field in fields(cls)]


def part(cls: type[T], row: Sequence[Any], start: int = 0) -> T:
    """A dataclass from the columns of `row` that begin at `start`."""
    return cls(*row[start : start + len(fields(cls))])  # type: ignore[arg-type]


def any_row(tables: Sequence[FromClause], *which: ColumnElement[bool]) -> ColumnElement[bool]:
    """True where `tables` have such a row. All other tables are those of the statement around it,
    however deep this stands in it."""
    return (
        select(literal_column("1"))
        .select_from(*tables)
        .where(*which)
        .correlate_except(*tables)
        .exists()
    )


def newest(statement: Rows, position: ColumnElement[int], before: int | None, limit: int) -> Rows:
    """One page of `statement`, newest first, of what stands before the cursor `before`."""
    if before is not None:
        statement = statement.where(position < before)
    return statement.order_by(position.desc()).limit(max(0, min(limit, LARGEST_PAGE)))


def json_text(document: dict[str, Any] | str) -> str:
    """A document as it is kept: JSON text. Text is taken to be that already."""
    return document if isinstance(document, str) else orjson.dumps(document).decode()


def json_object(tx: Transaction, **members: ColumnElement[Any] | str) -> ColumnElement[str]:
    """JSON text that the database makes of `members`, for many rows at once.

    A leading underscore of a name stands for @.
    """
    pairs: list[ColumnElement[Any]] = []
    for name, value in members.items():
        key = f"@{name[1:]}" if name.startswith("_") else name
        pairs += [literal(key), literal(value) if isinstance(value, str) else value]
    if on_postgresql(tx):
        return cast(func.json_build_object(*pairs), Text)
    return func.json_object(*pairs, type_=Text)


def earlier(one: ColumnElement[Any], other: ColumnElement[Any]) -> ColumnElement[Any]:
    """The smaller of two moments; both engines have it under another name."""
    return case((one < other, one), else_=other)


def rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
