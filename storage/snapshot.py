"""One look at a school's whole database, however long it takes: to check it and to copy it.

Whoever serves the school goes on meanwhile; what they write is not seen, and nothing is written.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy import Engine, event, select
from sqlalchemy.exc import DBAPIError

from storage import postgresql, schema, sqlite_file, tables
from storage.ids import Ids
from storage.transaction import School, Transaction, utcnow


@contextmanager
def of(url: str, now: Callable[[], datetime] = utcnow) -> Iterator[Transaction]:
    """A transaction that sees the database at `url` as it is at this moment, and cannot write.

    Raises schema.NewerSchema, schema.OlderSchema, Unavailable.
    """
    schema.require_current(url)
    address = schema.parse(url)
    sqlite = address.get_backend_name() == "sqlite"
    engine = (
        _only_reading(address.database or "")
        if sqlite
        else postgresql.connect_engine(address, size=1, only_read=True)
    )
    nobody = School(host="", url="", name="", secret=b"")
    try:
        with engine.connect() as connection:
            running = connection.begin()
            try:
                # The first question is what the snapshot begins with.
                connection.execute(select(tables.school.c.id)).all()
                yield Transaction(connection, now(), nobody, Ids(tag=None))
            finally:
                running.rollback()
    except (DBAPIError, sqlite3.Error) as error:
        explained = sqlite_file.explained(error) if sqlite else _of_postgresql(error)
        if explained is error:
            raise
        raise explained from error
    finally:
        engine.dispose()


def _only_reading(path: str) -> Engine:
    engine = sqlite_file.connect_engine(path, begin="BEGIN")

    def refuse_writes(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA query_only = ON")

    event.listen(engine, "connect", refuse_writes)
    return engine


def _of_postgresql(error: Exception) -> Exception:
    return postgresql.explained(error) if isinstance(error, DBAPIError) else error
