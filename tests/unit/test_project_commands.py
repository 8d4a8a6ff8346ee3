"""What an administrator sees of projects, and how they start them, invite into them and remove."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from staffroom.command import read, write
from storage import actors, memberships, projects
from storage.actors import Actor
from storage.memberships import Membership
from storage.projects import Project
from storage.transaction import Transaction
from tests.storage.people import colleague
from tests.unit.test_cli import Said, Staffroom, oakfield, refused, staffroom

__all__ = ["oakfield", "staffroom"]


@pytest.fixture
def alices(staffroom: Staffroom, oakfield: Path) -> Path:
    """A school with Alice and her private project."""
    data = ("--data", str(oakfield))
    for username in ("alice", "tom"):
        assert staffroom("staff", "add", username, "--name", username.title(), *data).status == 0
    said = staffroom(
        "project", "add", "Ripple-Tanks", "--name", "Ripple tanks", "--owner", "alice",
        "--aim", "Lend & borrow", "--private",
        "--starts", "2026-09-01", "--ends", "2027-07-16", "--moves", "ask", *data,
    )  # fmt: skip
    assert (said.status, said.out) == (0, "https://oakfield.example/projects/ripple-tanks\n")
    return oakfield


def found(tx: Transaction) -> tuple[Actor, Project]:
    actor = actors.by_uri(tx, f"{tx.school.url}/projects/ripple-tanks")
    assert actor is not None
    known = projects.get(tx, actor.id)
    assert known is not None
    return actor, known


def test_a_project_is_started_with_all_that_was_said_of_it(alices: Path) -> None:
    actor, known = read(alices, found)
    assert (actor.type, actor.name) == ("Group", "Ripple tanks")
    assert actor.summary == "<p>Lend &amp; borrow</p>"
    assert (known.openness, known.moves) == ("private", "ask")
    # By the school's own clock, which is an hour ahead in summer.
    assert known.starts_at == datetime(2026, 8, 31, 23, 0, tzinfo=UTC)
    assert known.ends_at == datetime(2027, 7, 16, 22, 59, 59, tzinfo=UTC)


def test_projects_are_listed_with_who_is_in_them(staffroom: Staffroom, alices: Path) -> None:
    data = ("--data", str(alices))
    add = ("project", "add", "maths", "--name", "Maths", "--owner", "@Tom", *data)
    assert staffroom(*add).status == 0

    def bob_joins_and_carys_asks(tx: Transaction) -> None:
        project, _ = found(tx)
        bob, carys = colleague(tx, "bob"), colleague(tx, "carys")
        memberships.begin(tx, project.id, bob.id, "editor", f"{bob.uri}/joins/1")
        memberships.ask(tx, project.id, carys.id, "observer", f"{carys.uri}/joins/1")

    write(alices, bob_joins_and_carys_asks)
    assert staffroom("project", "list", *data).out.splitlines() == [
        "maths\tMaths\topen\t1 member\tled by @tom@oakfield.example",
        "ripple-tanks\tRipple tanks\tprivate\t2 members\tled by @alice@oakfield.example",
    ]
    lines = staffroom("project", "members", "ripple-tanks", *data).out.splitlines()
    assert [line.split("\t")[:4] for line in lines] == [
        ["@bob@riverside.example", "Bob", "editor", "member"],
        ["@alice@oakfield.example", "Alice", "lead", "member"],
        ["@carys@riverside.example", "Carys", "observer", "asks to join"],
    ]
    write(alices, lambda tx: memberships.end(tx, found(tx)[0].id, _bob(tx).id))
    now = staffroom("project", "members", "ripple-tanks", *data).out
    assert "@bob@" not in now
    past = staffroom("project", "members", "ripple-tanks", "--past", *data).out
    assert past.startswith(now)
    assert past.removeprefix(now).split("\t")[:4] == [
        "@bob@riverside.example", "Bob", "editor", "was a member",
    ]  # fmt: skip


def _bob(tx: Transaction) -> Actor:
    (bob,) = actors.by_handle(tx, "bob", "riverside.example")
    return bob


def standing_of(directory: Path, username: str) -> Membership | None:
    def look(tx: Transaction) -> Membership | None:
        project, _ = found(tx)
        person = actors.local_by_username(tx, username)
        assert person is not None
        return memberships.now(tx, project.id, person.id)

    return read(directory, look)


def tom_asks(tx: Transaction) -> None:
    project, _ = found(tx)
    tom = actors.local_by_username(tx, "tom")
    assert tom is not None
    memberships.ask(tx, project.id, tom.id, "editor", f"{tom.uri}/joins/1")


def test_somebody_is_invited_into_a_project_and_taken_out_again(
    staffroom: Staffroom, alices: Path
) -> None:
    def project(*words: str) -> Said:
        return staffroom("project", *words, "--data", str(alices))

    said = project("invite", "ripple-tanks", "tom", "--role", "observer")
    assert (said.status, said.out) == (0, "@tom@oakfield.example is invited into ripple-tanks\n")
    asked = standing_of(alices, "tom")
    assert asked is not None
    assert (asked.state, asked.role) == ("invited", "observer")
    lines = project("members", "ripple-tanks").out.splitlines()
    assert [line.split("\t")[3] for line in lines] == ["member", "is invited"]

    said = project("remove", "ripple-tanks", "@tom@oakfield.example")
    assert (said.status, said.out) == (0, "@tom@oakfield.example is no longer in ripple-tanks\n")
    assert standing_of(alices, "tom") is None
    refused(
        project("remove", "ripple-tanks", "tom"), "@tom@oakfield.example is not in ripple-tanks"
    )
    refused(project("remove", "ripple-tanks", "https://oakfield.example/users/tom"), "is not in")
    # Who asked waited for nothing else.
    write(alices, tom_asks)
    assert (
        project("invite", "ripple-tanks", "tom").out == "@tom@oakfield.example is in ripple-tanks\n"
    )
    # Somebody has to be responsible.
    refused(project("remove", "ripple-tanks", "alice"), "the only lead stays")
    assert standing_of(alices, "alice") is not None


MISTAKES: tuple[tuple[tuple[str, ...], str], ...] = (
    (("add", "tom", "--name", "x", "--owner", "alice"), "the name tom is taken"),
    (("add", "Ripple-Tanks", "--name", "x", "--owner", "alice"), "is taken"),
    (("add", "1st", "--name", "x", "--owner", "alice"), "cannot be the name of a project"),
    (("add", "new", "--name", "x", "--owner", "alice"), "kept for the school itself"),
    (("add", "x", "--name", "x", "--owner", "nobody"), "nobody here is called nobody"),
    (("add", "x", "--name", "x", "--owner", "ripple-tanks"), "nobody here is called"),
    (("add", "x", "--name", "x", "--owner", "alice", "--starts", "Monday"), "'Monday'"),
    (
        (
            "add", "x", "--name", "x", "--owner", "tom",
            "--starts", "2026-09-02", "--ends", "2026-09-01",
        ),
        "cannot end before it begins",
    ),
    (("members", "tom"), "there is no project tom here"),
    (("members", "nowhere"), "there is no project nowhere here"),
    (("invite", "nowhere", "tom"), "there is no project nowhere here"),
    (("invite", "ripple-tanks", "Mrs Smith"), "is not a handle"),
    (("invite", "ripple-tanks", "nobody"), "@nobody@oakfield.example: there is no such account"),
    (("invite", "ripple-tanks", "https://oakfield.example/x#y"), "https://oakfield.example/x"),
    (("invite", "ripple-tanks", "alice"), "@alice@oakfield.example is in the project already"),
    (("invite", "ripple-tanks", "school"), "projects are for people"),
    (("invite", "ripple-tanks", "tom", "--role", "head"), "'head' is not one of"),
    (("remove", "ripple-tanks", "@a@"), "is not a handle"),
)  # fmt: skip


def test_a_mistake_about_a_project_is_told_in_one_line(staffroom: Staffroom, alices: Path) -> None:
    for words, said in MISTAKES:
        refused(staffroom("project", *words, "--data", str(alices)), said)
    assert staffroom("project", "list", "--data", str(alices)).out.count("\n") == 1
