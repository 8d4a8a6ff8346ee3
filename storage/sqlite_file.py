"""How we open a SQLite file, and how we read its complaints.

The driver opens no transactions by itself (it would open them late and show savepoints early):
our begin event does. What cannot promise to survive a power cut is not used at all.
"""

import sqlite3
from collections.abc import Callable

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event
from sqlalchemy.engine import RootTransaction
from sqlalchemy.exc import DBAPIError

from storage.transaction import Unavailable, forbid_ending, unavailable

BUSY_TIMEOUT = 5.0  # seconds to wait for another process that writes

# What SQLite says when the file, not the statement, is at fault.
# https://www.sqlite.org/rescode.html
FILE_TROUBLE = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_INTERRUPT,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_READONLY,
}


def connect_engine(path: str, *, begin: str, timeout: float = BUSY_TIMEOUT) -> Engine:
    """An engine for the file at `path` whose transactions open with the statement `begin`.

    Connecting raises Unavailable where commits would not be durable.
    """
    engine = create_engine(
        URL.create("sqlite", database=path),
        poolclass=NullPool,
        connect_args={
            "isolation_level": None,
            "timeout": timeout,
            "cached_statements": 512,
            "check_same_thread": True,
        },
        hide_parameters=True,  # what people write has no place in a log
    )

    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA fullfsync = ON")  # else macOS leaves writes in the drive
        connection.execute("PRAGMA foreign_keys = ON")
        require_durable(connection)

    def open_transaction(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine, "connect", prepare)
    event.listen(engine, "begin", open_transaction)
    forbid_ending(engine)
    return engine


def driver_of(connection: Connection) -> sqlite3.Connection:
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    return driver


def roll_back(connection: Connection, transaction: RootTransaction) -> None:
    """Undo everything. Where COMMIT failed, or a function tried to end the transaction,
    SQLAlchemy takes it for ended while SQLite still holds it: so tell both."""
    if connection.get_transaction() is transaction:
        transaction.rollback()
    driver_of(connection).rollback()


def require_durable(connection: sqlite3.Connection) -> None:
    """Raises Unavailable unless what this connection commits survives a power cut."""
    (journal,) = connection.execute("PRAGMA journal_mode").fetchone()
    (synchronous,) = connection.execute("PRAGMA synchronous").fetchone()
    (foreign_keys,) = connection.execute("PRAGMA foreign_keys").fetchone()
    if (journal, synchronous, foreign_keys) != ("wal", 2, 1):
        raise Unavailable(
            "SQLite must run with journal_mode=wal, synchronous=2 and foreign_keys=1, not with "
            f"journal_mode={journal}, synchronous={synchronous} and foreign_keys={foreign_keys}"
        )


def for_want_of_room(error: BaseException | None, no_room: Callable[[], bool]) -> bool:
    """Whether it was a full disk that made this happen: SQLite says so, or it only says that the
    file cannot be used, and there is `no_room`."""
    while error is not None:
        driver_error = error.orig if isinstance(error, DBAPIError) else error
        code = getattr(driver_error, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_FULL:
            return True
        if code in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN) and no_room():
            return True
        error = error.__cause__
    return False


def explained(error: BaseException, *, only_read: bool = False) -> BaseException:
    """What a caller is told: Unavailable where the file is at fault, else `error` itself.

    With `only_read` a refused write is the fault of the function, which should have said write.
    """
    driver_error = error.orig if isinstance(error, DBAPIError) else error
    if not isinstance(driver_error, sqlite3.Error):
        return error
    code = getattr(driver_error, "sqlite_errorcode", 0) & 0xFF
    if code not in FILE_TROUBLE or (only_read and code == sqlite3.SQLITE_READONLY):
        return error
    return unavailable(error)
