"""Whether a database has the tables that this version of Staffroom needs.

Asked whenever a school is opened, so nothing here needs the library that makes and changes tables:
that is in `storage/migrate.py`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError

from storage import postgresql, sqlite_file

State = Literal["empty", "current", "older", "newer"]

ADDRESSES = "the database must be sqlite:///path/of/a/file or postgresql://…"
MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_TIMEOUT = 60.0  # seconds to wait for a server that still writes


class NewerSchema(Exception):
    """The database was made by a newer Staffroom than this one. Nothing was touched."""


class OlderSchema(Exception):
    """The database lacks what this Staffroom needs: `staffroom migrate` comes first."""


class NoTables(OlderSchema):
    """Nothing was ever kept in this database."""


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


def on_sqlite(url: str) -> bool:
    """Whether that is a file of SQLite, which one process serves. Raises ValueError."""
    return parse(url).get_backend_name() == "sqlite"


def state(url: str) -> State:
    """Where the tables stand, compared with this program. Touches nothing. Raises Unavailable."""
    address = parse(url)
    if address.get_backend_name() == "sqlite" and not Path(address.database or "").exists():
        return "empty"
    with connected(address) as connection:
        return state_of(connection)


def require_current(url: str) -> None:
    """Raises NewerSchema, OlderSchema, Unavailable."""
    found = state(url)
    if found == "newer":
        raise newer()
    if found == "empty":
        raise NoTables("the database is empty; run `staffroom migrate` first")
    if found != "current":
        raise OlderSchema(f"the tables are {found}; run `staffroom migrate` first")


def state_of(connection: Connection) -> State:
    if not inspect(connection).has_table("alembic_version"):
        return "empty"
    revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if revision is None:
        return "empty"
    known = revisions()
    if revision == known[-1]:
        return "current"
    return "older" if revision in known else "newer"


def revisions() -> list[str]:
    """Every step that ever made or changed the tables, in order: a file of its number each."""
    return sorted(file.name.partition("_")[0] for file in MIGRATIONS.glob("versions/[0-9]*_*.py"))


def newer() -> NewerSchema:
    return NewerSchema("this database was made by a newer Staffroom; nothing was changed")


@contextmanager
def connected(address: URL, *, writing: bool = False) -> Iterator[Connection]:
    """A connection of its own, closed at the end. Raises Unavailable.

    With `writing` nobody else writes to a SQLite file from the beginning of a transaction on.
    """
    engine = _engine(address, "BEGIN IMMEDIATE" if writing else "BEGIN")
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


def _engine(address: URL, begin: str) -> Engine:
    if address.get_backend_name() == "sqlite":
        return sqlite_file.connect_engine(address.database or "", begin=begin, timeout=BUSY_TIMEOUT)
    return create_engine(address, poolclass=NullPool, connect_args={"connect_timeout": 5})
