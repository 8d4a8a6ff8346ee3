"""What an administrator types, and what they are told."""

import io
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest

from actors import accounts
from actors.server import Server
from staffroom import cli, config
from staffroom.cli import main
from staffroom.command import with_school


def commands(group: click.Group, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        yield (*words, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*words, name))


class Said:
    """What a command said and how it ended."""

    def __init__(self, status: int, out: str, complaint: str) -> None:
        self.status = status
        self.out = out
        self.complaint = complaint


Staffroom = Callable[..., Said]


@pytest.fixture
def staffroom(capsys: pytest.CaptureFixture[str]) -> Staffroom:
    def run(*words: str) -> Said:
        with pytest.raises(SystemExit) as end:
            main(list(words))
        said = capsys.readouterr()
        status = end.value.code
        assert isinstance(status, int)
        return Said(status, said.out, said.err)

    return run


@pytest.fixture
def oakfield(staffroom: Staffroom, tmp_path: Path) -> Path:
    folder = tmp_path / "oakfield"
    said = staffroom(
        "init", "--data", str(folder), "--domain", "oakfield.example", "--name", "Oakfield"
    )
    assert said.status == 0, said.complaint
    return folder


def refused(said: Said, words: str) -> None:
    """It ended badly, with one line that holds these words and nothing on stdout."""
    assert said.status != 0
    assert words in said.complaint
    assert said.complaint.count("\n") == 1
    assert said.out == ""


@pytest.mark.parametrize("words", [(), *commands(cli.cli)], ids=" ".join)
def test_every_command_explains_itself_with_an_example(
    staffroom: Staffroom, words: tuple[str, ...]
) -> None:
    said = staffroom(*words, "--help")
    assert said.status == 0
    assert "Example:" in said.out
    assert f"staffroom {words[0] if words else 'init'}" in said.out
    assert "--data DIR" in said.out


def test_a_school_is_founded_for_its_owner_alone(oakfield: Path) -> None:
    assert stat.S_IMODE(oakfield.stat().st_mode) == 0o700
    for file in oakfield.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    assert config.load(oakfield, {}).server.name == "Oakfield"


def test_a_school_is_founded_once(staffroom: Staffroom, oakfield: Path) -> None:
    secret = (oakfield / "secret").read_bytes()
    again = ("--data", str(oakfield), "--domain", "other.example", "--name", "Other")
    refused(staffroom("init", *again), "there is a school in")
    assert (oakfield / "secret").read_bytes() == secret


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--domain", "not a domain"), "is not a domain for a school"),
        (("--domain", "127.0.0.1"), "is not a domain for a school"),
        (("--domain", "x.example", "--public-url", "http://x.example"), "server.public_url"),
        (("--domain", "x.example", "--database-url", "mysql://x"), "database.url must begin"),
    ],
)
def test_a_founding_that_cannot_be_leaves_nothing(
    staffroom: Staffroom, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    folder = tmp_path / "school"
    refused(staffroom("init", "--data", str(folder), "--name", "School", *words), said)
    assert not folder.exists()


def test_a_database_that_cannot_be_reached_can_be_tried_again(
    staffroom: Staffroom, tmp_path: Path
) -> None:
    folder = str(tmp_path / "school")
    words = ("init", "--data", folder, "--domain", "x.example", "--name", "X")
    nowhere = "postgresql://nobody@127.0.0.1:1/nothing"
    said = staffroom(*words, "--database-url", nowhere)
    refused(said, "staffroom: the database cannot be used now: ")
    assert "refused" in said.complaint
    assert staffroom(*words).status == 0


def test_people_are_added_listed_and_suspended(staffroom: Staffroom, oakfield: Path) -> None:
    data = ("--data", str(oakfield))
    added = staffroom(
        "staff", "add", "alice", "--name", "Alice Okafor", "--title", "Head of Science",
        "--subject", "Physics", "--subject", "Chemistry", "--role", "admin", *data,
    )  # fmt: skip
    assert (added.status, added.out) == (0, "@alice@oakfield.example\n")
    token = staffroom("staff", "token", "alice", "--scopes", "read", *data)
    assert token.status == 0
    assert len(token.out.split()) == 1
    listed = staffroom("staff", "list", *data).out
    assert listed == "@alice@oakfield.example\tAlice Okafor\tadmin\tactive\n"
    assert staffroom("staff", "suspend", "@Alice", *data).status == 0
    refused(staffroom("staff", "token", "alice", *data), "@alice@oakfield.example is suspended")
    assert staffroom("staff", "list", *data).out.endswith("\tsuspended\n")


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """What stands on stdin from now on; nobody sits there."""
    return lambda text: monkeypatch.setattr("sys.stdin", io.StringIO(text))


def test_a_password_is_read_from_stdin_and_never_from_the_command_line(
    staffroom: Staffroom, oakfield: Path, typed: Callable[[str], None]
) -> None:
    data = ("--data", str(oakfield))
    typed("short\n")
    add = ("staff", "add", "alice", "--name", "Alice", *data)
    refused(staffroom(*add, "--password-stdin"), "not a good password: use at least 12 characters")
    assert staffroom("staff", "list", *data).out == ""
    typed("three ripple tanks\nand more\n")
    assert staffroom(*add, "--password-stdin").status == 0
    assert password_of(oakfield, "alice", "three ripple tanks")

    change = ("staff", "password", "@Alice", *data)
    typed("")
    refused(staffroom(*change), "nobody is here to type a password: use --password-stdin")
    refused(staffroom(*change, "--password-stdin"), "not a good password")
    typed("alice alice alice")
    refused(staffroom(*change, "--password-stdin"), "your username")
    assert password_of(oakfield, "alice", "three ripple tanks")
    typed("four ripple tanks")
    said = staffroom(*change, "--password-stdin")
    assert (said.status, said.out) == (0, "@alice@oakfield.example has a new password\n")
    assert password_of(oakfield, "alice", "four ripple tanks")
    refused(staffroom("staff", "password", "nobody", *data), "nobody here is called nobody")


def password_of(directory: Path, username: str, password: str) -> bool:
    """Whether it opens that account."""

    async def check(server: Server) -> bool:
        return await accounts.check_password(server, username, password, "here") is not None

    return with_school(directory, check)


def test_people_are_readmitted_and_removed(
    staffroom: Staffroom, oakfield: Path, typed: Callable[[str], None]
) -> None:
    data = ("--data", str(oakfield))
    assert staffroom("staff", "add", "alice", "--name", "Alice", *data).status == 0
    refused(staffroom("staff", "readmit", "alice", *data), "is not suspended")
    assert staffroom("staff", "suspend", "alice", *data).status == 0
    assert staffroom("staff", "readmit", "alice", *data).out == "@alice@oakfield.example is back\n"
    assert staffroom("staff", "list", *data).out.endswith("\tactive\n")

    typed("y\n")
    refused(staffroom("staff", "remove", "alice", *data), "say --yes")
    removed = staffroom("staff", "remove", "alice", "--yes", *data)
    assert (removed.status, removed.out) == (0, "@alice@oakfield.example is removed\n")
    assert staffroom("staff", "list", *data).out == ""
    for word in ("suspend", "readmit", "token", "password"):
        refused(staffroom("staff", word, "alice", *data), "nobody here is called alice")
    refused(staffroom("staff", "remove", "alice", "--yes", *data), "nobody here is called alice")
    add = staffroom("staff", "add", "Alice", "--name", "Alice", *data)
    refused(add, "Alice was removed, and their username is never given again")


def test_where_the_school_is_may_be_said_before_the_command(
    staffroom: Staffroom, oakfield: Path
) -> None:
    said = staffroom("--data", str(oakfield), "staff", "list")
    assert (said.status, said.out) == (0, "")
    elsewhere = str(oakfield / "elsewhere")
    refused(staffroom("--data", str(oakfield), "staff", "list", "--data", elsewhere), "elsewhere")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("staff", "add", "Mrs Smith", "--name", "x"), "cannot be a username"),
        (("staff", "add", "school", "--name", "x"), "kept for the school itself"),
        (("staff", "add", "bob", "--name", "x", "--role", "head"), "'head' is not one of"),
        (("staff", "token", "nobody"), "nobody here is called nobody"),
        (("staff", "token", "oakfield.example"), "nobody here is called"),
        (("staff", "suspend", "nobody"), "nobody here is called nobody"),
        (("peers", "allow", "not a host"), "is not a host"),
        (("peers", "allow", "127.0.0.1"), "is not a host"),
        (("peers", "allow"), "HOST"),
        (("no-such-command",), "No such command"),
        (("staff", "list", "--no-such-option"), "No such option"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_mistake_is_told_in_one_line(
    staffroom: Staffroom, oakfield: Path, words: tuple[str, ...], said: str
) -> None:
    refused(staffroom("--data", str(oakfield), *words), said)


def test_a_taken_username_and_an_unknown_scope_are_refused(
    staffroom: Staffroom, oakfield: Path
) -> None:
    data = ("--data", str(oakfield))
    assert staffroom("staff", "add", "alice", "--name", "Alice", *data).status == 0
    refused(staffroom("staff", "add", "ALICE", "--name", "Alice", *data), "is taken")
    refused(staffroom("staff", "token", "alice", "--scopes", "everything", *data), "is not a scope")


def test_other_servers_are_allowed_blocked_and_taken_off_the_list(
    staffroom: Staffroom, oakfield: Path
) -> None:
    data = ("--data", str(oakfield))
    assert staffroom("peers", "allow", "Riverside.example", "hillcrest.example", *data).status == 0
    assert staffroom("peers", "block", "spam.example", *data).status == 0
    assert staffroom("peers", "remove", "hillcrest.example", *data).status == 0
    assert staffroom("peers", "list", *data).out.splitlines() == [
        "hillcrest.example\tunlisted\tidle\tnever\tnever",
        "riverside.example\tallowed\tidle\tnever\tnever",
        "spam.example\tblocked\tshut: nothing is sent to who is blocked\tnever\tnever",
    ]
    refused(staffroom("peers", "allow", "good.example", "bad host", *data), "is not a host")
    # A slip of the pen must not look like a school that was taken off.
    refused(staffroom("peers", "remove", "riversid.example", *data), "is not on the list")
    refused(staffroom("peers", "block", "oakfield.example", *data), "is this school")
    assert "riversid.example" not in staffroom("peers", "list", *data).out
    assert "good.example" not in staffroom("peers", "list", *data).out


@pytest.mark.parametrize(
    "words", [(), ("staff",), ("peers",), ("project",), ("move",), ("reports",), ("config",)]
)
def test_half_a_command_is_answered_with_what_there_is(
    staffroom: Staffroom, words: tuple[str, ...]
) -> None:
    said = staffroom(*words)
    assert (said.status, said.out) == (2, "")
    assert said.complaint.startswith(f"Usage: {' '.join(('staffroom', *words))} [OPTIONS] COMMAND")
    assert "Example:" in said.complaint


def test_an_empty_list_says_so_to_who_sits_there_and_nothing_to_a_program(
    staffroom: Staffroom, oakfield: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = ("--data", str(oakfield))
    for words in (("reports", "list"), ("reports", "list", "--all"), ("peers", "list")):
        assert staffroom(*words, *data).out == ""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert staffroom("reports", "list", *data).out == "no open reports\n"
    assert staffroom("reports", "list", "--all", *data).out == "no reports\n"
    assert staffroom("peers", "list", *data).out.startswith("no other servers yet")


def test_settings_are_described(staffroom: Staffroom) -> None:
    assert staffroom("config", "describe").out.strip() == config.describe()


def test_migrating_a_current_database_changes_nothing(staffroom: Staffroom, oakfield: Path) -> None:
    said = staffroom("migrate", "--data", str(oakfield))
    assert (said.status, said.out) == (0, "the database is current\n")


def test_a_directory_without_a_school_says_what_to_do(staffroom: Staffroom, tmp_path: Path) -> None:
    for words in (("serve",), ("staff", "list"), ("peers", "list"), ("migrate",)):
        refused(staffroom(*words, "--data", str(tmp_path)), "run staffroom init first")


def test_the_secret_of_another_school_opens_nothing(
    staffroom: Staffroom, oakfield: Path, tmp_path: Path
) -> None:
    other = str(tmp_path / "second-machine")
    database = f"sqlite:///{oakfield / 'staffroom.sqlite'}"
    words = ("init", "--data", other, "--name", "Oakfield", "--database-url", database)
    refused(staffroom(*words, "--domain", "oakfield.example"), "with another secret")
    refused(staffroom(*words, "--domain", "other.example"), "holds another school already")
