"""Bring a school's database to the tables that this version of Staffroom needs.

Everything happens in one transaction: a migration that is interrupted leaves the database as it
was, and can be run again. A database made by a newer Staffroom is left alone.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError

from storage import postgresql, sqlite_file
from storage.transaction import unavailable

State = Literal["empty", "current", "older", "newer"]

ADDRESSES = "the database must be sqlite:///path/of/a/file or postgresql://…"
MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_TIMEOUT = 60.0  # seconds to wait for a server that still writes
MIGRATION_LOCK = 0x53544D47  # PostgreSQL: one process migrates, others wait


class NewerSchema(Exception):
    """The database was made by a newer Staffroom than this one. Nothing was touched."""


class OlderSchema(Exception):
    """The database lacks what this Staffroom needs: `staffroom migrate` comes first."""


def parse(url: str) -> URL:
    """The address of a database: sqlite:///path or postgresql://…. Raises ValueError."""
    try:
        address = make_url(url)
    except (ArgumentError, ValueError) as error:  # the second for a port that is no number
        raise ValueError(ADDRESSES) from error
    backend = address.get_backend_name()
    if backend in ("postgresql", "postgres"):
        return address.set(drivername="postgresql+psycopg")
    if backend == "sqlite" and address.database not in (None, "", ":memory:"):
        return address.set(drivername="sqlite")
    raise ValueError(ADDRESSES)


def state(url: str) -> State:
    """Where the tables stand, compared with this program. Touches nothing. Raises Unavailable."""
    address = parse(url)
    if address.get_backend_name() == "sqlite" and not Path(address.database or "").exists():
        return "empty"
    with _connection(address) as connection:
        return _state(connection)


def require_current(url: str) -> None:
    """Raises NewerSchema, OlderSchema, Unavailable."""
    found = state(url)
    if found == "newer":
        raise _newer()
    if found != "current":
        raise OlderSchema(f"the tables are {found}; run `staffroom migrate` first")


def upgrade(url: str) -> None:
    """Make the tables, or bring them up to date. Raises NewerSchema, Unavailable."""
    address = parse(url)
    if address.get_backend_name() == "sqlite":
        _create_file(Path(address.database or ""))
    with _connection(address) as connection:
        sqlite = connection.dialect.name == "sqlite"
        if sqlite:
            # With foreign keys on, rebuilding a table deletes every row that points to it.
            # Only before BEGIN does SQLite take this.
            connection.connection.cursor().execute("PRAGMA foreign_keys = OFF")
        with connection.begin():
            if not sqlite:
                connection.execute(
                    text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK}
                )
            if _state(connection) == "newer":
                raise _newer()
            _run(connection)
            if sqlite:
                _check_references(connection)


def _run(connection: Connection) -> None:
    config = _config()
    config.attributes["connection"] = connection
    logger = logging.getLogger("alembic")
    level = logger.level
    logger.setLevel(logging.WARNING)  # it tells each step to whoever listens
    try:
        command.upgrade(config, "head")
    finally:
        logger.setLevel(level)


def _check_references(connection: Connection) -> None:
    broken = connection.execute(text("PRAGMA foreign_key_check")).fetchmany(5)
    if broken:
        raise RuntimeError(f"the migration would leave rows that point nowhere: {broken}")


def _state(connection: Connection) -> State:
    if not inspect(connection).has_table("alembic_version"):
        return "empty"
    revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    scripts = ScriptDirectory.from_config(_config())
    if revision is None:
        return "empty"
    if revision == scripts.get_current_head():
        return "current"
    known = {script.revision for script in scripts.walk_revisions()}
    return "older" if revision in known else "newer"


def _newer() -> NewerSchema:
    return NewerSchema("this database was made by a newer Staffroom; nothing was changed")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config


def _create_file(path: Path) -> None:
    """Make the file if need be, for our eyes only; its log files take after it."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        return
    except OSError as error:
        raise unavailable(error) from error


@contextmanager
def _connection(address: URL) -> Iterator[Connection]:
    engine = _engine(address)
    try:
        with engine.connect() as connection:
            yield connection
    except DBAPIError as error:
        raise _explained(error, address) from error
    finally:
        engine.dispose()


def _explained(error: DBAPIError, address: URL) -> BaseException:
    if address.get_backend_name() == "sqlite":
        return sqlite_file.explained(error)
    return postgresql.explained(error)


def _engine(address: URL) -> Engine:
    if address.get_backend_name() == "sqlite":
        return sqlite_file.connect_engine(
            address.database or "", begin="BEGIN IMMEDIATE", timeout=BUSY_TIMEOUT
        )
    return create_engine(address, poolclass=NullPool, connect_args={"connect_timeout": 5})
