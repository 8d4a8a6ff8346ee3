"""What an administrator types to check a school, to keep a copy of it and to bring it back."""

import json
import re
import shutil
import signal
import sqlite3
import stat
import tarfile
from collections.abc import Callable
from contextlib import closing
from io import BytesIO
from pathlib import Path

import pytest

from staffroom import backup_file, config, founding
from staffroom.cli import main
from storage import schema
from tests.conftest import PostgresqlServer
from tests.unit.test_cli import Staffroom, refused, staffroom

__all__ = ["staffroom"]

DATABASE = config.DATABASE_FILE


def tree(folder: Path) -> list[str]:
    """Everything in a folder, by name."""
    return sorted(str(one.relative_to(folder)) for one in folder.rglob("*"))


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Oakfield, with Alice in it, and a backup of it beside it; each test has its own."""
    folder = tmp_path_factory.mktemp("original")
    school = folder / "oakfield"
    founding.found(school, {"server.host": "oakfield.example", "server.name": "Oakfield"}, {})
    for words in (
        ("staff", "add", "alice", "--name", "Alice"),
        ("backup", str(folder / "oakfield.backup")),
    ):
        with pytest.raises(SystemExit) as end:
            main([*words, "--data", str(school)])
        assert end.value.code == 0
    return folder


@pytest.fixture
def oakfield(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original / "oakfield", tmp_path / "oakfield"))


@pytest.fixture
def copy(original: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "backups"
    folder.mkdir()
    return Path(shutil.copy2(original / "oakfield.backup", folder))


def altered(copy: Path, **parts: Callable[[bytes], bytes]) -> Path:
    """A backup of which some parts are others, put together as well as anybody could."""
    found: dict[str, bytes] = {}
    with tarfile.open(copy) as tar:
        for member in tar:
            content = tar.extractfile(member)
            assert content is not None
            found[member.name] = content.read()
    for name, change in parts.items():
        found[name.replace("_", ".")] = change(found[name.replace("_", ".")])
    with tarfile.open(copy, "w:gz") as tar:
        for name, text in found.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            tar.addfile(member, BytesIO(text))
    return copy


# --- fsck ----------------------------------------------------------------------------------------


def test_a_sound_school_is_said_to_be_so_in_one_line(staffroom: Staffroom, oakfield: Path) -> None:
    said = staffroom("fsck", "--data", str(oakfield))
    assert said.status == 0, said.complaint
    assert said.complaint == ""
    assert said.out.startswith("oakfield.example is sound: ")
    assert said.out.endswith("nothing set aside\n")
    assert said.out.count("\n") == 1


def test_the_first_thing_broken_is_named_and_with_all_the_others(
    staffroom: Staffroom, oakfield: Path
) -> None:
    with closing(sqlite3.connect(oakfield / DATABASE)) as database, database:
        database.execute("UPDATE actors SET state = 'away', suspended_here = 1")
        database.execute("UPDATE keys SET private = x'01' WHERE algorithm = 'rsa'")
    refused(staffroom("fsck", "--data", str(oakfield)), "unknown word in actors.state")
    said = staffroom("fsck", "--all", "--data", str(oakfield))
    assert said.status == 1
    assert [line.partition(":")[0] for line in said.out.splitlines()] == [
        "unknown word in actors.state",
        "key that does not open",
    ]
    assert "2 of " in said.complaint


def test_what_is_set_aside_is_told_with_its_reasons(staffroom: Staffroom, oakfield: Path) -> None:
    with closing(sqlite3.connect(oakfield / DATABASE)) as database, database:
        for number in (1, 2):
            database.execute(
                "INSERT INTO received (id, uri, actor_uri, owner_id, type, body, state, tries,"
                " reason, due_at, received_at)"
                " VALUES (?, ?, 'https://r.example/b', 0, 'Like', '', 'aside', 3,"
                " 'KeyError: x', 0, 0)",
                (number, str(number)),
            )
    said = staffroom("fsck", "--data", str(oakfield))
    assert said.status == 0, said.complaint
    assert said.out.endswith("2 set aside (2 arrivals: KeyError: x)\n")


def test_the_keys_must_open_with_the_secret_of_the_school(
    staffroom: Staffroom, oakfield: Path
) -> None:
    (oakfield / "secret").write_bytes(b"x" * 32)
    refused(staffroom("fsck", "--data", str(oakfield)), "key that does not open")


def test_a_damaged_file_is_named_before_anything_else(staffroom: Staffroom, oakfield: Path) -> None:
    file = oakfield / DATABASE
    with closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA journal_mode = DELETE")
        (root,) = database.execute(
            "SELECT rootpage FROM sqlite_schema WHERE name = 'ix_keys_actor'"
        ).fetchone()
        (size,) = database.execute("PRAGMA page_size").fetchone()
    with file.open("r+b") as database_file:
        database_file.seek((root - 1) * size + size - 30)
        database_file.write(b"\x00" * 30)
    said = staffroom("fsck", "--data", str(oakfield))
    refused(said, "damaged file: the SQLite file passes integrity_check")
    file.write_bytes(b"no database at all" * 100)
    refused(staffroom("fsck", "--data", str(oakfield)), "file is not a database")


# --- backup --------------------------------------------------------------------------------------


def test_a_backup_is_one_private_file_and_any_tool_opens_it(copy: Path, oakfield: Path) -> None:
    assert tree(copy.parent) == ["oakfield.backup"]
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    with tarfile.open(copy) as tar:
        assert tar.getnames() == ["about.json", "staffroom.toml", "secret", "school.sqlite"]
        about = tar.extractfile("about.json")
        assert about is not None
        said = json.loads(about.read())
    assert (said["host"], said["engine"]) == ("oakfield.example", "sqlite")
    assert said["rows"]["accounts"] == 1


def test_a_backup_replaces_the_one_of_yesterday_once_it_is_whole(
    staffroom: Staffroom, oakfield: Path, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = copy.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(tarfile.TarFile, "addfile", full)
        refused(staffroom("backup", str(copy), "--data", str(oakfield)), "No space left")
    assert copy.read_bytes() == before
    assert tree(copy.parent) == ["oakfield.backup"]
    assert staffroom("backup", str(copy), "--data", str(oakfield)).status == 0
    assert copy.read_bytes() != before


def test_a_backup_goes_into_a_folder_that_is_there(
    staffroom: Staffroom, oakfield: Path, tmp_path: Path
) -> None:
    away = tmp_path / "not mounted" / "today.backup"
    refused(staffroom("backup", str(away), "--data", str(oakfield)), "there is no folder")
    assert not away.parent.exists()


def test_a_backup_that_is_broken_off_leaves_nothing(
    staffroom: Staffroom, oakfield: Path, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = copy.read_bytes()

    def end(*_: object) -> None:
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(backup_file, "write", end)
    assert staffroom("backup", str(copy), "--data", str(oakfield)).status == 143
    assert copy.read_bytes() == before
    assert tree(copy.parent) == ["oakfield.backup"]


# --- restore -------------------------------------------------------------------------------------


def test_a_school_comes_back_with_its_people_its_keys_and_its_settings(
    staffroom: Staffroom, oakfield: Path, copy: Path, tmp_path: Path
) -> None:
    kept = {name: (oakfield / name).read_bytes() for name in (config.FILE, config.KEY_FILE)}
    shutil.rmtree(oakfield)
    there = tmp_path / "new" / "oakfield"
    said = staffroom("restore", str(copy), "--data", str(there))
    assert said.status == 0, said.complaint
    assert "oakfield.example is sound" in said.out
    assert tree(there) == sorted([config.FILE, config.KEY_FILE, DATABASE])
    assert {name: (there / name).read_bytes() for name in kept} == kept
    assert {stat.S_IMODE(one.stat().st_mode) for one in there.iterdir()} == {0o600}
    assert stat.S_IMODE(there.stat().st_mode) == 0o700
    assert "alice" in staffroom("staff", "list", "--data", str(there)).out


def test_a_school_never_comes_back_over_another(
    staffroom: Staffroom, oakfield: Path, copy: Path
) -> None:
    before = tree(oakfield)
    refused(staffroom("restore", str(copy), "--data", str(oakfield)), "is not empty")
    assert tree(oakfield) == before


def test_what_a_power_cut_left_of_a_restore_is_cleared_away(
    staffroom: Staffroom, copy: Path, tmp_path: Path
) -> None:
    there = tmp_path / "there"
    (there / ".being-restored").mkdir(parents=True)
    (there / ".being-restored" / "school.sqlite").write_bytes(b"half")
    (there / "lost+found").mkdir()
    assert staffroom("restore", str(copy), "--data", str(there)).status == 0
    assert ".being-restored" not in tree(there)


def _flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


SPOILT: dict[str, tuple[Callable[[Path], object], str]] = {
    "no backup": (lambda copy: copy.write_bytes(b"Dear parents" * 1000), "no backup"),
    "nothing": (lambda copy: copy.write_bytes(b""), "no backup"),
    "another archive": (
        lambda copy: tarfile.open(copy, "w:gz").close(),
        "about.json is missing",
    ),
    "cut short": (lambda copy: copy.write_bytes(copy.read_bytes()[:-3000]), "damaged"),
    "a bit fell over": (lambda copy: copy.write_bytes(_flipped(copy.read_bytes())), "damaged"),
    "another database": (
        lambda copy: altered(copy, school_sqlite=_flipped),
        "school.sqlite is not what was put in",
    ),
    "another form": (
        lambda copy: altered(copy, about_json=lambda said: said.replace(b": 1,", b": 9,", 1)),
        "in another form",
    ),
    "sizes that are none": (
        lambda copy: altered(
            copy, about_json=lambda said: said.replace(b'"size": ', b'"size": null, "was": ')
        ),
        "cannot be read",
    ),
    "words for sizes": (
        lambda copy: altered(
            copy, about_json=lambda said: re.sub(rb'"size": (\d+)', rb'"size": "\1"', said)
        ),
        "cannot be read",
    ),
    "a thousand lists in each other": (
        lambda copy: altered(copy, about_json=lambda _: b"[" * 100_000),
        "cannot be read",
    ),
    "no about": (lambda copy: altered(copy, about_json=lambda _: b"[]"), "cannot be read"),
}  # fmt: skip


@pytest.mark.parametrize("kind", SPOILT)
def test_a_spoilt_backup_is_refused_in_one_line_and_leaves_nothing(
    staffroom: Staffroom, copy: Path, tmp_path: Path, kind: str
) -> None:
    spoil, words = SPOILT[kind]
    spoil(copy)
    there = tmp_path / "there"
    refused(staffroom("restore", str(copy), "--data", str(there)), words)
    assert not there.exists()


def _with_database(oakfield: Path, statement: str) -> None:
    with closing(sqlite3.connect(oakfield / DATABASE)) as database, database:
        database.execute(statement)


def test_a_backup_of_a_newer_staffroom_is_refused(
    staffroom: Staffroom, oakfield: Path, copy: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    _with_database(oakfield, "UPDATE alembic_version SET version_num = '9999'")
    with monkeypatch.context() as patch:  # as that one does
        patch.setattr(schema, "require_current", lambda _url: None)
        assert staffroom("backup", str(copy), "--data", str(oakfield)).status == 0
    there = tmp_path / "there"
    refused(staffroom("restore", str(copy), "--data", str(there)), "newer Staffroom")
    assert not there.exists()


def test_a_broken_school_comes_back_only_if_that_is_wanted(
    staffroom: Staffroom, oakfield: Path, copy: Path, tmp_path: Path
) -> None:
    _with_database(oakfield, "UPDATE accounts SET role = 'king'")
    assert staffroom("backup", str(copy), "--data", str(oakfield)).status == 0
    there = tmp_path / "there"
    refused(staffroom("restore", str(copy), "--data", str(there)), "unknown word in accounts.role")
    assert not there.exists()
    said = staffroom("restore", str(copy), "--unchecked", "--data", str(there))
    assert said.status == 0, said.complaint
    assert (there / config.FILE).exists()


def test_another_secret_in_the_environment_is_not_the_schools(
    staffroom: Staffroom, copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAFFROOM_SECRET", "ab" * 32)
    there = tmp_path / "there"
    refused(staffroom("restore", str(copy), "--data", str(there)), "STAFFROOM_SECRET")
    assert not there.exists()


def test_a_school_moves_to_postgresql_and_back_by_its_backup(
    staffroom: Staffroom, copy: Path, tmp_path: Path, pg_server: PostgresqlServer
) -> None:
    url = pg_server.create()
    try:
        there = tmp_path / "there"
        data = ("--data", str(there))
        said = staffroom("restore", str(copy), "--database-url", url, *data)
        assert said.status == 0, said.complaint
        assert tree(there) == sorted([config.FILE, config.KEY_FILE])
        assert config.load(there, {}).database.url == url
        assert "alice" in staffroom("staff", "list", *data).out
        assert staffroom("fsck", *data).status == 0
        other = tmp_path / "other"
        refused(
            staffroom("restore", str(copy), "--database-url", url, "--data", str(other)),
            "in use already",
        )
        assert not other.exists()
        assert staffroom("backup", str(copy), *data).status == 0
        said = staffroom(
            "restore", str(copy), "--database-url", f"sqlite:///{tmp_path / 'x.sqlite'}",
            "--data", str(other),
        )  # fmt: skip
        assert said.status == 0, said.complaint
        assert "alice" in staffroom("staff", "list", "--data", str(other)).out
    finally:
        pg_server.drop(url)
