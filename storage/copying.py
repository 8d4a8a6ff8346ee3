"""Every row of a school from one database into another, whichever engines they are.

Both have the same tables. A table comes after those that its rows point to, rows are read and
written in a stream, and in the end both sides are counted.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import psycopg
from psycopg import sql as psycopg_sql
from sqlalchemy import BigInteger, Column, Connection, MetaData, Table, func, insert, select, text

from storage import tables
from storage.tables import Moment
from storage.transaction import unavailable

TOGETHER = 1_000

# How many rows are over, and how many there are.
Progress = Callable[[int, int], None]


class Incomplete(Exception):
    """The copy is not what the original is; the text says where, in one line."""


def _bare(table: Table) -> Table:
    """The same table, with times as the numbers that they are kept as."""
    return Table(
        table.name,
        MetaData(),
        *(
            Column(one.name, BigInteger() if isinstance(one.type, Moment) else one.type)
            for one in table.columns
        ),
    )


TABLES = tuple(_bare(table) for table in tables.metadata.sorted_tables)


def copy_all(source: Connection, target: Connection, progress: Progress) -> dict[str, int]:
    """Copy everything into `target`, which has the tables and no rows; answers how many rows each
    table has now. Both connections are in a transaction. Raises Incomplete, Unavailable.
    """
    expected = count(source)
    whole, over = sum(expected.values()), 0
    to_postgresql = target.dialect.name == "postgresql"
    progress(over, whole)
    for table in TABLES:
        for some in _read(source, table):
            (_copy_in if to_postgresql else _insert)(target, table, some)
            over += len(some)
            progress(over, whole)
    if to_postgresql:
        _go_on_counting(target)
    there = count(target)
    for name, rows in expected.items():
        if there[name] != rows:
            raise Incomplete(f"{name} has {rows:,} rows, and {there[name]:,} in the copy")
    return there


def count(connection: Connection) -> dict[str, int]:
    """How many rows each table has."""
    return {
        table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
        for table in TABLES
    }


def _read(source: Connection, table: Table) -> Iterator[Sequence[Any]]:
    """The rows of a table, a few at a time: a large school does not fill the memory."""
    options = {"yield_per": TOGETHER}
    with source.execute(select(table), execution_options=options) as rows:
        yield from rows.partitions()


def _insert(target: Connection, table: Table, rows: Sequence[Any]) -> None:
    target.execute(insert(table), [row._asdict() for row in rows])


def _copy_in(target: Connection, table: Table, rows: Sequence[Any]) -> None:
    driver = target.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    statement = psycopg_sql.SQL("COPY {} ({}) FROM STDIN").format(
        psycopg_sql.Identifier(table.name),
        psycopg_sql.SQL(", ").join(psycopg_sql.Identifier(one.name) for one in table.columns),
    )
    try:
        with driver.cursor() as cursor, cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row(row)
    except psycopg.OperationalError as error:
        raise unavailable(error) from error
    except psycopg.Error as error:
        said = str(error).partition("\n")[0]
        raise Incomplete(f"PostgreSQL does not take a row of {table.name}: {said}") from error


def _go_on_counting(target: Connection) -> None:
    """What PostgreSQL numbers by itself goes on after the highest number that was copied."""
    target.execute(
        text(
            "SELECT setval(pg_get_serial_sequence('deliveries', 'id'),"
            " coalesce(max(id), 1), max(id) IS NOT NULL) FROM deliveries"
        )
    )
