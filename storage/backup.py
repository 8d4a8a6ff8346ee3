"""A school's database in one SQLite file: copied while the school goes on, and brought back.

On SQLite the copy is the file itself as it was at one moment, made by SQLite's own backup; on
PostgreSQL it is the rows of one snapshot. Either can come back on either engine.
https://www.sqlite.org/backup.html
"""

import asyncio
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import aiosqlite
from sqlalchemy import Connection, delete, text, update
from sqlalchemy.exc import DBAPIError

from storage import copying, migrate, postgresql, schema, snapshot, sqlite_file, tables
from storage.copying import Progress
from storage.transaction import Unavailable, unavailable

PAGES = 1_024  # that are copied between two looks at the progress: 4 MiB


class NotEmpty(Exception):
    """There is something already where a school is to come back to. Nothing was touched."""


# --- taking a copy -------------------------------------------------------------------------------


def take(url: str, file: Path, progress: Progress) -> dict[str, int]:
    """Copy the database at `url`, as it is at one moment, into the new and private `file`; how many
    rows each table has. Raises Unavailable, Incomplete, NewerSchema, OlderSchema.
    """
    schema.require_current(url)
    os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    copy = f"sqlite:///{file}"
    try:
        if schema.on_sqlite(url):
            path = Path(schema.parse(url).database or "").absolute()
            asyncio.run(_copy_file(f"{path.as_uri()}?mode=rw", file, progress))
        else:
            migrate.upgrade(copy)
            with snapshot.of(url) as tx, _writing(copy) as target:
                copying.copy_all(tx.connection, target, progress)
        with snapshot.of(copy) as tx:
            rows = copying.count(tx.connection)
        _close(file)
        return rows
    except sqlite3.Error as error:
        raise unavailable(error) from error


async def _copy_file(source: str, target: Path, progress: Progress) -> None:
    """Holding one snapshot all the time: else SQLite would begin again at every write of others."""

    def copied(_status: int, left: int, of: int) -> None:
        progress(of - left, of)

    with closing(sqlite3.connect(target, check_same_thread=False)) as copy:
        copy.execute("PRAGMA synchronous = OFF")  # whoever asked for it syncs the whole
        async with aiosqlite.connect(source, uri=True, isolation_level=None) as school:
            await school.execute("PRAGMA query_only = ON")
            await school.execute("BEGIN")
            await school.execute_fetchall("SELECT count(*) FROM sqlite_schema")
            await school.backup(copy, pages=PAGES, progress=copied)


def _close(file: Path) -> None:
    """The copy becomes one file, without a log beside it. Raises Unavailable if it is damaged."""
    with closing(sqlite3.connect(file, isolation_level=None)) as copy:
        copy.execute("PRAGMA journal_mode = DELETE")
        _require_sound(copy)


def _require_sound(connection: sqlite3.Connection) -> None:
    (said,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if said != "ok":
        raise Unavailable(f"the database is damaged: {' '.join(said.split())}")


# --- bringing it back ----------------------------------------------------------------------------


def modernise(file: Path) -> None:
    """Give a copy the tables of this version. Raises NewerSchema, Unavailable if it is damaged."""
    try:
        with closing(sqlite3.connect(file)) as copy:
            _require_sound(copy)
    except sqlite3.Error as error:
        raise unavailable(error) from error
    migrate.upgrade(f"sqlite:///{file}")


def let_go(file: Path) -> None:
    """In a copy that becomes a school again nobody has anything in hand, and nobody is signed in.
    Raises Unavailable."""
    with _writing(f"sqlite:///{file}") as connection:
        for statement in _LET_GO:
            connection.execute(statement)


_LET_GO = (
    update(tables.received)
    .where(tables.received.c.claimed_until.is_not(None))
    .values(claimed_until=None, claimed_by=None),
    update(tables.peers)
    .where(tables.peers.c.leased_until.is_not(None))
    .values(leased_until=None, leased_by=None),
    update(tables.wanted)
    .where(tables.wanted.c.claimed_until.is_not(None))
    .values(claimed_until=None),
    # A session that was ended after the copy was made must not live again.
    delete(tables.sessions),
)


def require_empty(url: str) -> None:
    """Raises NotEmpty where something is kept at `url`, NewerSchema, Unavailable."""
    address = schema.parse(url)
    if address.get_backend_name() == "sqlite":
        path = Path(address.database or "")
        if path.exists():
            raise NotEmpty(f"there is a database in {path} already")
        return
    if schema.state(url) != "empty":
        raise NotEmpty(f"the database {address.database} is in use already: give an empty one")


def give_to_postgresql(file: Path, url: str, progress: Progress) -> None:
    """Make the tables at `url`, and bring everything from `file` there; if that fails they are
    gone again. Raises Unavailable, Incomplete."""
    migrate.upgrade(url)
    try:
        with snapshot.of(f"sqlite:///{file}") as tx, _writing(url) as target:
            copying.copy_all(tx.connection, target, progress)
    except BaseException:
        with _writing(url) as target:
            tables.metadata.drop_all(target)
            target.execute(text("DROP TABLE IF EXISTS alembic_version"))
        raise


@contextmanager
def _writing(url: str) -> Iterator[Connection]:
    """One transaction that writes, committed at the end. Raises Unavailable."""
    address = schema.parse(url)
    sqlite = address.get_backend_name() == "sqlite"
    engine = (
        sqlite_file.connect_engine(address.database or "", begin="BEGIN IMMEDIATE")
        if sqlite
        else postgresql.connect_engine(address, size=1)
    )
    try:
        with engine.begin() as connection:
            yield connection
    except DBAPIError as error:
        explained = sqlite_file.explained(error) if sqlite else postgresql.explained(error)
        raise explained from error
    finally:
        engine.dispose()
