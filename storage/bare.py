"""The ceilings of the benches that are the database's own: a query straight over its driver.

What a bench compares with must not pass through anything of ours: one connection, one thread, the
text of the statement, the rows as the driver gives them.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, Protocol

import psycopg
from psycopg import sql as psycopg_sql
from sqlalchemy import select
from sqlalchemy.dialects import sqlite

from storage import objects, schema, sql
from storage.actors import Actor
from storage.tables import actors, timelines
from storage.tables import objects as posts

Rows = list[Any]


class Ask(Protocol):
    """Run the query: the page of a reader before a position."""

    def __call__(self, reader_id: int, before: int) -> Rows: ...


@contextmanager
def home(url: str, limit: int) -> Iterator[Ask]:
    """A page of a home timeline, found by its index, with the same columns as the real one; no
    question about who may see it.

    https://www.sqlite.org/eqp.html shows that it only searches indexes.
    """
    author, announcer = actors.alias("author"), actors.alias("announcer")
    statement = (
        select(
            timelines.c.position,
            *objects.COLUMNS,
            *sql.columns(author, Actor),
            *sql.columns(announcer, Actor),
        )
        .select_from(timelines)
        .join(posts, posts.c.id == timelines.c.object_id)
        .join(author, author.c.id == posts.c.author_id)
        .outerjoin(announcer, announcer.c.id == timelines.c.announced_by)
        .where(
            timelines.c.reader_id == sql.number("reader"),
            timelines.c.position < sql.number("before"),
        )
        .order_by(timelines.c.position.desc())
        .limit(limit)
    )
    address = schema.parse(url)
    if address.get_backend_name() == "sqlite":
        compiled = statement.compile(dialect=sqlite.dialect(paramstyle="named"))
        text, fixed = str(compiled), dict(compiled.params)
        with closing(sqlite3.connect(address.database or "")) as file:

            def ask(reader_id: int, before: int) -> Rows:
                values = {**fixed, "reader": reader_id, "before": before}
                return file.execute(text, values).fetchall()

            yield ask
        return
    compiled = statement.compile(dialect=address.get_dialect()())
    text, fixed = str(compiled), dict(compiled.params)
    with psycopg.connect(_plain(url), autocommit=True) as connection:

        def ask_server(reader_id: int, before: int) -> Rows:
            values = {**fixed, "reader": reader_id, "before": before}
            return connection.execute(text.encode(), values).fetchall()

        yield ask_server


def settle(url: str) -> None:
    """What a server does by itself in the hours after much was written: look at it, tidy up."""
    address = schema.parse(url)
    if address.get_backend_name() == "sqlite":
        with closing(sqlite3.connect(address.database or "")) as file:
            file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return
    with psycopg.connect(_plain(url), autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")


def make_database(server: str, name: str) -> str:
    """A new, empty database beside the one at `server`; answers its address."""
    _administer(server, "CREATE DATABASE {}", name)
    return _plain(server, name)


def drop_database(server: str, name: str) -> None:
    """Remove it again, whoever still uses it."""
    _administer(server, "DROP DATABASE IF EXISTS {} WITH (FORCE)", name)


def _administer(server: str, statement: str, name: str) -> None:
    with psycopg.connect(_plain(server), autocommit=True) as connection:
        connection.execute(psycopg_sql.SQL(statement).format(psycopg_sql.Identifier(name)))


def _plain(url: str, name: str | None = None) -> str:
    """An address as the driver itself takes it."""
    address = schema.parse(url).set(drivername="postgresql")
    if name is not None:
        address = address.set(database=name)
    return address.render_as_string(hide_password=False)
