"""One transaction per test on each engine, thrown away afterwards.

What needs two connections, or a commit, takes `database_url` or `database` instead.
"""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine

from storage import postgresql, schema, sqlite_file
from storage.actors import Actor
from storage.ids import Ids
from storage.transaction import Transaction
from tests.conftest import OAKFIELD, PostgresqlServer
from tests.storage.people import colleague
from tests.storage.teachers import teacher

# The first morning of a school year.
MORNING = datetime(2026, 9, 1, 8, 30, tzinfo=UTC)


@pytest.fixture(scope="session")
def sqlite_engine(
    migrated_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    path = tmp_path_factory.mktemp("storage") / "school.sqlite"
    shutil.copyfile(migrated_file, path)
    engine = sqlite_file.connect_engine(str(path), begin="BEGIN IMMEDIATE")
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def postgresql_engine(pg_server: PostgresqlServer) -> Iterator[Engine]:
    url = pg_server.create(template=pg_server.template)
    engine = postgresql.connect_engine(schema.parse(url), size=2)
    yield engine
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest) -> Engine:
    """An engine on a migrated, empty database."""
    found = request.getfixturevalue(f"{request.param}_engine")
    assert isinstance(found, Engine)
    return found


@pytest.fixture
def tx(engine: Engine) -> Iterator[Transaction]:
    """A transaction that began on `MORNING`; tests move `tx.now` on as they need it."""
    with engine.connect() as connection:
        running = connection.begin()
        yield Transaction(connection, MORNING, OAKFIELD, Ids(tag=1))
        running.rollback()


@pytest.fixture
def alice(tx: Transaction) -> Actor:
    return teacher(tx, "alice")


@pytest.fixture
def head(tx: Transaction) -> Actor:
    return teacher(tx, "head")


@pytest.fixture
def bob(tx: Transaction) -> Actor:
    """Of Riverside; a stranger so far."""
    return colleague(tx, "bob")
