"""The few pieces that the query modules share: inserts that meet a row already there, rows that
become dataclasses, pages that go from the newest to the oldest.

To build a statement costs ten times what it costs to run it, so whatever runs often is built
once: as a constant of its module, or by a function that remembers what it built, with
`bindparam` for what varies.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, TypeVar

import orjson
from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    FromClause,
    Integer,
    Row,
    Select,
    Table,
    Text,
    bindparam,
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

# Above every id: before it is everything.
_END = 2**63 - 1

Rows = Select[*tuple[Any, ...]]
AnyRow = Row[*tuple[Any, ...]]
Insert = postgresql.Insert | sqlite.Insert
S = TypeVar("S", bound=Select[*tuple[Any, ...]])
T = TypeVar("T")


# --- writing -----------------------------------------------------------------------------------


def insert(tx: Transaction, table: Table) -> Insert:
    """An INSERT that knows ON CONFLICT, for the engine that `tx` runs on."""
    return insert_for(on_postgresql(tx), table)


def insert_for(for_postgresql: bool, table: Table) -> Insert:
    """The same where there is no transaction yet: for statements that are built once."""
    return postgresql.insert(table) if for_postgresql else sqlite.insert(table)


def insert_ignore(tx: Transaction, table: Table) -> Insert:
    """An INSERT that leaves alone what is there already.

    The SELECT of an INSERT … SELECT must have a WHERE, else SQLite reads ON CONFLICT as a join.
    """
    return _insert_ignore(on_postgresql(tx), table)


@lru_cache(maxsize=64)
def _insert_ignore(for_postgresql: bool, table: Table) -> Insert:
    return insert_for(for_postgresql, table).on_conflict_do_nothing()


def is_new(tx: Transaction, table: Table, row: dict[str, Any]) -> bool:
    """Insert a row; false, and nothing changes, where a constraint says it is there already."""
    return tx.execute(_insert_new(on_postgresql(tx), table), row).first() is not None


@lru_cache(maxsize=64)
def _insert_new(for_postgresql: bool, table: Table) -> Any:
    return _insert_ignore(for_postgresql, table).returning(*table.primary_key)


def on_postgresql(tx: Transaction) -> bool:
    return tx.connection.dialect.name == "postgresql"


def holding(statement: S) -> S:
    """`statement`, holding the rows it finds until COMMIT.

    PostgreSQL keeps what a new row refers to from changing its key. We change no keys, so this
    lock lets those pass: else two who first refer to a peer, then lock it, wait for each other.
    """
    return statement.with_for_update(key_share=True)


# --- rows and dataclasses ----------------------------------------------------------------------


def columns(table: FromClause, cls: type[Any]) -> list[ColumnElement[Any]]:
    """The columns that the dataclass `cls` is made of, in its order."""
    return [table.c[name] for name in _names(cls)]


def part(cls: type[T], row: Sequence[Any], start: int = 0) -> T:
    """A dataclass from the columns of `row` that begin at `start`."""
    return cls(*row[start : start + len(_names(cls))])


def row_of(instance: Any) -> dict[str, Any]:
    """What a dataclass holds, by column."""
    return {name: getattr(instance, name) for name in _names(type(instance))}


def _names(cls: type[Any]) -> tuple[str, ...]:
    names: tuple[str, ...] = cls.__match_args__  # the fields of a dataclass, in order
    return names


# --- asking ------------------------------------------------------------------------------------


def number(name: str) -> BindParameter[int]:
    """A place for an id in a statement that is built once."""
    return bindparam(name, type_=BigInteger)


def words(name: str) -> BindParameter[str]:
    """A place for text."""
    return bindparam(name, type_=Text)


def one_of(name: str) -> BindParameter[Any]:
    """A place for a list, after IN."""
    return bindparam(name, expanding=True)


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


def newest(statement: Rows, position: ColumnElement[int]) -> Rows:
    """A page of `statement`, newest first. Runs with the parameters of `page`."""
    return (
        statement.where(position < number("page_before"))
        .order_by(position.desc())
        .limit(bindparam("page_limit", type_=Integer))
    )


def page(before: int | None, limit: int) -> dict[str, Any]:
    """At most `limit` of what stands before the cursor `before`; None: from the newest on."""
    return {
        "page_before": _END if before is None else before,
        "page_limit": max(0, min(limit, LARGEST_PAGE)),
    }


# --- documents ---------------------------------------------------------------------------------


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


def rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
