"""What an administrator types when somebody changes school."""

import json
from pathlib import Path

import pytest

from staffroom.command import read
from storage import actors, farewells
from storage.database import Transaction
from tests.unit.test_cli import Staffroom, oakfield, refused, staffroom

__all__ = ["oakfield", "staffroom"]

OLD = "https://oakfield.example/users/bob"
NEW = "https://oakfield.example/users/robert"


@pytest.fixture
def both(staffroom: Staffroom, oakfield: Path) -> Path:
    """Bob has a second account at the same school."""
    for username in ("bob", "robert"):
        added = staffroom("staff", "add", username, "--name", "Bob", "--data", str(oakfield))
        assert added.status == 0, added.complaint
    return oakfield


def test_somebody_moves_and_the_second_time_nothing_happens(
    staffroom: Staffroom, both: Path
) -> None:
    data = ("--data", str(both))
    refused(staffroom("move", "start", "bob", NEW, *data), "does not say that it was the old one")
    refused(staffroom("move", "start", "bob", "@nobody@oakfield.example", *data), "no such account")
    refused(staffroom("move", "start", "nobody", NEW, *data), "nobody here is called nobody")
    said = staffroom("staff", "alias", "robert", "@bob@oakfield.example", *data)
    assert said.out == f"@robert@oakfield.example was {OLD}\n"
    assert staffroom("staff", "alias", "robert", OLD, *data).out == said.out
    assert "did not move" in staffroom("move", "status", "bob", *data).out

    said = staffroom("move", "start", "bob", "@robert@oakfield.example", *data)
    assert said.status == 0, said.complaint
    assert said.out.startswith(f"@bob@oakfield.example moved to {NEW}.")
    first = read(both, _last_move)
    for typed in (NEW, "@Robert@oakfield.example", "robert@oakfield.example"):
        again = staffroom("move", "start", "bob", typed, *data)
        assert again.out == f"@bob@oakfield.example already moved to {NEW}\n"
    assert read(both, _last_move) == first

    told = json.loads(staffroom("move", "status", "bob", "--json", *data).out)
    assert told["account"] == OLD
    (move,) = told["moves"]
    assert (move["direction"], move["other"], move["things"]) == ("out", NEW, [])
    lines = staffroom("move", "status", "bob", *data).out.splitlines()
    assert lines[0].startswith(f"to {NEW}, begun ")
    assert lines[0].endswith(", going on")
    assert lines[1].split() == ["waiting", "asked", "moved", "refused", "unreachable"]


def test_an_alias_is_of_a_known_school_and_can_be_taken_back(
    staffroom: Staffroom, both: Path
) -> None:
    data = ("--data", str(both))
    refused(staffroom("staff", "alias", "bob", NEW, "--remove", *data), "does not say that they")
    refused(staffroom("staff", "alias", "bob", OLD, *data), "not this one")
    assert staffroom("staff", "alias", "bob", NEW, *data).status == 0
    taken_back = staffroom("staff", "alias", "bob", "robert@oakfield.example", "--remove", *data)
    assert taken_back.out == f"@bob@oakfield.example was not {NEW}\n"
    # A school that nobody here talks to is not asked, and cannot send anybody.
    stranger = "https://stranger.example/users/bob"
    refused(staffroom("staff", "alias", "bob", stranger, *data), "stranger.example")
    refused(staffroom("staff", "alias", "bob", "not an account", *data), "not an account")


def _last_move(tx: Transaction) -> str | None:
    actor = actors.by_uri(tx, OLD)
    assert actor is not None
    return farewells.latest(tx, actor.id)
