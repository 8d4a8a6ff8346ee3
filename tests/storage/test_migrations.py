"""A school's tables, made and brought up to date."""

import asyncio
import logging
import re
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, inspect, text

from storage import migrate, schema
from storage.database import Database, Unavailable
from storage.schema import NewerSchema, OlderSchema
from storage.tables import metadata
from tests.conftest import OAKFIELD, PostgresqlServer

NEXT_REVISION = '''"""What the next release changes."""

import sqlalchemy as sa
from alembic import op

revision = "9999"
down_revision = "{head}"


def upgrade() -> None:
    {statement}
'''


@pytest.fixture(params=["sqlite", "postgresql"])
def bare_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A place for a database where there is none yet."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'new school.sqlite'}"
        return
    server: PostgresqlServer = request.getfixturevalue("pg_server")
    url = server.create()
    yield url
    server.drop(url)


@pytest.fixture
def next_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Make this program one that has a further migration with the given statement."""

    def release(statement: str) -> None:
        folder = tmp_path / "migrations"
        shutil.copytree(schema.MIGRATIONS, folder)
        head = max(re.findall(r"\d{4}(?=_)", " ".join(p.name for p in folder.rglob("*.py"))))
        (folder / "versions" / "9999_next.py").write_text(
            NEXT_REVISION.format(head=head, statement=statement)
        )
        monkeypatch.setattr(schema, "MIGRATIONS", folder)

    return release


def engine(url: str) -> Engine:
    return create_engine(schema.parse(url))


def execute(url: str, *statements: str) -> list[Any]:
    """Run statements on a database; the rows of the last."""
    rows: list[Any] = []
    found = engine(url)
    with found.begin() as connection:
        for statement in statements:
            result = connection.execute(text(statement))
            rows = [tuple(row) for row in result] if result.returns_rows else []
    found.dispose()
    return rows


def describe(connection: Connection) -> list[Any]:
    """Every table, column, index and constraint, as the database itself tells it."""
    if connection.dialect.name == "sqlite":
        found = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE sql > ''"))
        parts = [(name, sorted(re.split(r",\s*|\s*\n\s*", sql))) for name, sql in found]
    else:
        found = connection.execute(
            text("""
                SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
                UNION ALL
                SELECT conname, conrelid::regclass || pg_get_constraintdef(oid)
                FROM pg_constraint WHERE connamespace = 'public'::regnamespace
                UNION ALL
                SELECT table_name || '.' || column_name,
                       concat_ws(' ', data_type, is_nullable, column_default)
                FROM information_schema.columns WHERE table_schema = 'public'
            """)
        )
        parts = [(name, [told]) for name, told in found]
    return sorted(part for part in parts if not part[0].startswith("alembic_version"))


# --- the tables are those of storage/tables.py -------------------------------------------------


@pytest.mark.filterwarnings("ignore:.*expression-based index")  # for those: the next test
def test_the_migrations_make_the_tables_that_the_program_knows(database_url: str) -> None:
    found = engine(database_url)
    with found.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    found.dispose()


def test_the_migrations_make_each_index_and_constraint_as_the_tables_have_it(
    database_url: str, bare_url: str
) -> None:
    if schema.parse(database_url).drivername != schema.parse(bare_url).drivername:
        return
    told = []
    for url in (database_url, bare_url):
        found = engine(url)
        if url == bare_url:
            metadata.create_all(found)
        with found.connect() as connection:
            told.append(describe(connection))
        found.dispose()
    assert told[0] == told[1]
    assert "uq_actors_local_username" in str(told[0])


# --- where a database stands -------------------------------------------------------------------


def test_a_new_school_begins_with_nothing_and_ends_current(bare_url: str) -> None:
    assert schema.state(bare_url) == "empty"
    migrate.upgrade(bare_url)
    assert schema.state(bare_url) == "current"
    migrate.upgrade(bare_url)
    assert schema.state(bare_url) == "current"


def test_asking_where_a_school_stands_makes_no_file(tmp_path: Path) -> None:
    assert schema.state(f"sqlite:///{tmp_path / 'none.sqlite'}") == "empty"
    assert not list(tmp_path.iterdir())


def test_only_its_owner_may_read_the_file_of_a_school(tmp_path: Path) -> None:
    path = tmp_path / "school.sqlite"
    migrate.upgrade(f"sqlite:///{path}")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_school_whose_folder_is_missing_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        migrate.upgrade(f"sqlite:///{tmp_path / 'nowhere' / 'school.sqlite'}")


def test_a_postgresql_that_does_not_answer_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        schema.state("postgresql://staffroom@127.0.0.1:1/school")


@pytest.mark.parametrize(
    "url",
    [
        "mysql://localhost/school",
        "sqlite://",
        "sqlite:///:memory:",
        "postgres:/x",
        "postgresql://localhost:port/school",
        "school",
    ],
)
def test_a_database_we_cannot_keep_a_school_in_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="the database must be"):
        schema.parse(url)


def test_each_step_is_a_file_of_its_number_in_one_row() -> None:
    steps = list(ScriptDirectory(str(schema.MIGRATIONS)).walk_revisions())
    assert [step.revision for step in reversed(steps)] == schema.revisions()


async def test_a_database_without_tables_is_not_opened(bare_url: str) -> None:
    with pytest.raises(OlderSchema, match="staffroom migrate"):
        await Database.open(bare_url, OAKFIELD)


async def test_an_older_database_is_not_opened_until_it_is_migrated(
    database_url: str, next_release: Callable[[str], None]
) -> None:
    next_release('op.add_column("peers", sa.Column("motto", sa.Text()))')
    assert schema.state(database_url) == "older"
    with pytest.raises(OlderSchema):
        await Database.open(database_url, OAKFIELD)
    migrate.upgrade(database_url)
    assert schema.state(database_url) == "current"
    await (await Database.open(database_url, OAKFIELD)).close()
    assert execute(database_url, "SELECT motto FROM peers") == []


async def test_a_database_of_a_newer_release_is_left_alone(database_url: str) -> None:
    execute(database_url, "UPDATE alembic_version SET version_num = '9999'")
    assert schema.state(database_url) == "newer"
    with pytest.raises(NewerSchema, match="newer Staffroom"):
        migrate.upgrade(database_url)
    with pytest.raises(NewerSchema):
        await Database.open(database_url, OAKFIELD)
    assert execute(database_url, "SELECT version_num FROM alembic_version") == [("9999",)]


def test_migrating_is_quiet(
    bare_url: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.INFO)
    migrate.upgrade(bare_url)
    assert caplog.records == []
    assert capfd.readouterr() == ("", "")


# --- rebuilding a table ------------------------------------------------------------------------

PEER_WITH_ACTOR = (
    "INSERT INTO peers (id, host, created_at) VALUES (1, 'hillview.example', 0)",
    "INSERT INTO actors (id, uri, peer_id, type, username, host, url, inbox, document, created_at,"
    " updated_at) VALUES (1, 'https://a', 1, 'Person', 'amara', 'a', 'u', 'i', '{}', 0, 0)",
)
REBUILD = """with op.batch_alter_table("peers", recreate="always") as peers:
        peers.add_column(sa.Column("motto", sa.Text()))"""


def test_rebuilding_a_table_keeps_the_rows_that_point_to_it(
    fresh_sqlite: Callable[[], str], next_release: Callable[[str], None]
) -> None:
    url = fresh_sqlite()
    execute(url, *PEER_WITH_ACTOR)
    next_release(REBUILD)
    migrate.upgrade(url)
    assert execute(url, "SELECT motto FROM peers") == [(None,)]
    assert execute(url, "SELECT peer_id FROM actors") == [(1,)]


def test_a_migration_that_leaves_rows_without_their_parent_is_undone(
    fresh_sqlite: Callable[[], str], next_release: Callable[[str], None]
) -> None:
    url = fresh_sqlite()
    execute(url, *PEER_WITH_ACTOR)
    next_release('op.execute("DELETE FROM peers")')
    with pytest.raises(RuntimeError, match="point nowhere"):
        migrate.upgrade(url)
    assert schema.state(url) == "older"
    assert execute(url, "SELECT id FROM peers") == [(1,)]


def test_a_migration_that_fails_leaves_the_database_as_it_was(
    database_url: str, next_release: Callable[[str], None]
) -> None:
    next_release(
        """op.add_column("peers", sa.Column("motto", sa.Text()))
    op.execute("INSERT INTO nowhere VALUES (1)")"""
    )
    with pytest.raises(Exception, match="nowhere"):
        migrate.upgrade(database_url)
    assert schema.state(database_url) == "older"
    found = engine(database_url)
    assert "motto" not in {column["name"] for column in inspect(found).get_columns("peers")}
    found.dispose()


# --- interrupted, and all at once --------------------------------------------------------------

KILL_AT = """
import os, signal, sys
from sqlalchemy import Engine, event
from storage import migrate, schema

url, steps = sys.argv[1], int(sys.argv[2])

@event.listens_for(Engine, "after_cursor_execute")
def count(connection, cursor, statement, parameters, context, executemany):
    global steps
    if statement.lstrip().startswith(("CREATE", "INSERT")):
        steps -= 1
        if not steps:
            os.kill(os.getpid(), signal.SIGKILL)

migrate.upgrade(url)
"""


@pytest.mark.parametrize("step", [1, 2, 17, 40, -1])
def test_a_migration_that_was_killed_can_be_run_again(bare_url: str, step: int) -> None:
    if step == -1:  # the last: the version is written, COMMIT has not come
        step = 1 + len(metadata.tables) + sum(len(t.indexes) for t in metadata.tables.values()) + 1
    killed = subprocess.run([sys.executable, "-c", KILL_AT, bare_url, str(step)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert schema.state(bare_url) == "empty"
    migrate.upgrade(bare_url)
    assert schema.state(bare_url) == "current"


async def test_several_processes_that_migrate_at_once_all_succeed(bare_url: str) -> None:
    upgrade = f"from storage import migrate; migrate.upgrade({bare_url!r})"
    started = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", upgrade) for _ in range(3)
    ]
    assert [await process.wait() for process in started] == [0, 0, 0]
    assert schema.state(bare_url) == "current"
