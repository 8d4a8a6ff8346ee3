"""A school grows out of SQLite and takes everything along to PostgreSQL."""

import os
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from staffroom import app, config
from staffroom.cli import main
from storage import schema, snapshot, tables
from tests.conftest import PostgresqlServer

Type = Callable[..., tuple[int, str, str]]


@pytest.fixture
def typed(capsys: pytest.CaptureFixture[str]) -> Type:
    """A command as an administrator types it; its status, and what it said."""

    def run(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            main(list(words))
        said = capsys.readouterr()
        assert isinstance(end.value.code, int)
        return end.value.code, said.out, said.err

    return run


@pytest.fixture(scope="module")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Oakfield, with Lee and Ana, and a line that its administrator wrote into the settings."""
    folder = tmp_path_factory.mktemp("school") / "oakfield"
    for words in (
        ("init", "--domain", "oakfield.example", "--name", "Oakfield"),
        ("staff", "add", "lee", "--name", "Lee"),
        ("staff", "add", "ana", "--name", "Ana"),
        ("peers", "allow", "riverside.example"),
    ):
        with pytest.raises(SystemExit) as end:
            main([*words, "--data", str(folder)])
        assert end.value.code == 0
    with (folder / config.FILE).open("a") as settings:
        settings.write("# Ask Priya before you change this.\n")
    return folder


@pytest.fixture
def oakfield(founded: Path, tmp_path: Path) -> Path:
    return shutil.copytree(founded, tmp_path / "oakfield")


@pytest.fixture
def empty_url(pg_server: PostgresqlServer) -> Iterator[str]:
    """A PostgreSQL database with nothing in it."""
    url = pg_server.create()
    yield url
    pg_server.drop(url)


def everything(url: str) -> dict[str, set[str]]:
    """All rows of all tables."""
    with snapshot.of(url) as tx:
        return {
            table.name: {str(row) for row in tx.execute(table.select())}
            for table in tables.metadata.sorted_tables
        }


def test_a_school_takes_everything_along_and_its_file_stays_as_it_was(
    typed: Type, oakfield: Path, empty_url: str
) -> None:
    file = f"sqlite:///{oakfield / config.DATABASE_FILE}"
    before, settings = everything(file), (oakfield / config.FILE).read_text()
    status, out, complaint = typed("migrate", "--data", str(oakfield), "--to", empty_url)
    assert (status, complaint) == (0, "")
    assert everything(empty_url) == before == everything(file)
    counted = {line.split()[0]: line.split()[1:] for line in out.splitlines()}
    assert counted["accounts"] == ["2", "2"]
    assert set(counted) >= set(before)
    changed = (oakfield / config.FILE).read_text()
    assert config.load(oakfield, {}).database.url == empty_url
    assert "# Ask Priya before you change this." in changed
    assert stat.S_IMODE((oakfield / config.FILE).stat().st_mode) == 0o600
    # It works there, and there is a way back.
    status, out, _ = typed("staff", "list", "--data", str(oakfield))
    assert status == 0
    assert "lee" in out
    assert (oakfield / f"{config.FILE}.before").read_text() == settings
    # There it is already.
    status, _, complaint = typed("migrate", "--data", str(oakfield), "--to", empty_url)
    assert status == 1
    assert "on PostgreSQL already" in complaint


def test_where_something_is_kept_already_nothing_is_touched(
    typed: Type, oakfield: Path, empty_url: str
) -> None:
    settings = (oakfield / config.FILE).read_text()
    with psycopg.connect(empty_url) as connection:
        connection.execute("CREATE TABLE somebody_elses (id int)")
    for target, words in (
        (empty_url, "in use already"),
        (f"sqlite:///{oakfield}/other.sqlite", "must be a PostgreSQL database"),
        ("postgresql://staffroom@127.0.0.1:1/nowhere", "the database cannot be used now"),
    ):
        status, out, complaint = typed("migrate", "--data", str(oakfield), "--to", target)
        assert (status, out) == (1, "")
        assert words in complaint
        assert complaint.count("\n") == 1
    assert (oakfield / config.FILE).read_text() == settings
    with psycopg.connect(empty_url) as connection:
        found = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
        assert found.fetchone() == (1,)


def test_what_does_not_arrive_whole_is_not_there_at_all(
    typed: Type, oakfield: Path, empty_url: str
) -> None:
    settings = (oakfield / config.FILE).read_text()
    # A text that PostgreSQL does not take: no door lets one in.
    file = str(oakfield / config.DATABASE_FILE)
    address = schema.parse(f"sqlite:///{file}")
    with schema.connected(address, writing=True) as connection, connection.begin():
        connection.execute(tables.school.update().values(name="Oak\0field"))
    status, out, complaint = typed("migrate", "--data", str(oakfield), "--to", empty_url)
    assert (status, out) == (1, "")
    assert "school" in complaint
    assert complaint.count("\n") == 1
    assert schema.state(empty_url) == "empty"
    assert (oakfield / config.FILE).read_text() == settings


def test_a_school_that_is_being_served_does_not_move_house(
    typed: Type, oakfield: Path, empty_url: str
) -> None:
    with app.serving_alone(config.load(oakfield, os.environ)):
        status, _, complaint = typed("migrate", "--data", str(oakfield), "--to", empty_url)
    assert status == 1
    assert "being served" in complaint
    assert schema.state(empty_url) == "empty"
