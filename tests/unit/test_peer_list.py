"""An administrator sees how it stands with each other server, and blocks servers and people."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from staffroom import peer_commands, peer_list
from staffroom.config import load
from staffroom.peer_list import standings
from storage import actors, deliveries, peers, schema, sqlite_file
from storage.deliveries import To
from storage.ids import Ids
from storage.transaction import School, Transaction
from tests.storage.people import colleague, later, person, post, send
from tests.unit import test_cli
from tests.unit.test_cli import Staffroom, refused

oakfield, staffroom = test_cli.oakfield, test_cli.staffroom

MORNING = datetime(2026, 9, 1, 8, 30, tzinfo=UTC)


class Office:
    """The database of a school that was founded, for writing into it beside the command line."""

    def __init__(self, folder: Path) -> None:
        self.settings = load(folder)
        path = str(schema.parse(self.settings.database.url).database)
        self.engine: Engine = sqlite_file.connect_engine(path, begin="BEGIN IMMEDIATE")

    def transaction(self, now: datetime = MORNING) -> tuple[Any, Transaction]:
        server = self.settings.server
        house = School(server.host, server.public_url, server.name, b"s" * 32)
        connection = self.engine.connect()
        connection.begin()
        return connection, Transaction(connection, now, house, Ids(tag=1))


@pytest.fixture
def office(oakfield: Path) -> Office:
    return Office(oakfield)


def fail(tx: Transaction, host: str, days: int) -> None:
    """A lane that failed on so many days."""
    for _ in range(days):
        peer = peers.by_host(tx, host)
        assert peer is not None
        due_at = tx.now + timedelta(days=1)
        deliveries.release(
            tx, peer.id, outcome="failure", due_at=due_at, error="answered 503\x1b[2J"
        )
        later(tx, days=1)


def tell(office: Office) -> None:
    """Servers in every state that a lane can be in."""
    connection, tx = office.transaction()
    ada = person(tx, "ada")
    for name in ("idle", "waiting", "failing", "dead", "paused", "a.bad"):
        host = f"{name}.example"
        someone = colleague(tx, "bob", host)
        peers.set_policy(tx, host, "allowed")
        if name != "idle":
            send(tx, ada, post(tx, ada), To(named=(someone.id,)))
    peers.set_policy(tx, "bad.example", "blocked")
    peers.set_policy(tx, "a.bad.example", "unlisted")
    peers.set_policy(tx, "a.bad.example", "allowed")
    peers.heard(tx, "idle.example")
    paused = peers.by_host(tx, "paused.example")
    assert paused is not None
    deliveries.release(tx, paused.id, outcome="paused", error="answered 403 to both forms")
    fail(tx, "failing.example", 1)
    tx.now = MORNING
    fail(tx, "dead.example", 8)
    connection.commit()
    connection.close()


SINCE = "2026-09-01 08:30:00Z"
EXPECTED = {
    "a.bad.example": (
        "blocked by bad.example",
        f"shut: nothing is sent to who is blocked; 1 waiting since {SINCE}",
    ),
    "bad.example": ("blocked", "shut: nothing is sent to who is blocked"),
    "dead.example": (
        "allowed",
        f"dead since {SINCE}, one probe a day (answered 503 [2J); 1 waiting since {SINCE}",
    ),
    "failing.example": (
        "allowed",
        f"failing since {SINCE}, next try 2026-09-02 08:30:00Z (answered 503 [2J); "
        f"1 waiting since {SINCE}",
    ),
    "idle.example": ("allowed", "idle"),
    "paused.example": (
        "allowed",
        f"paused since {SINCE}: answered 403 to both forms; 1 waiting since {SINCE}",
    ),
    "waiting.example": ("allowed", f"1 waiting since {SINCE}"),
}


def test_the_list_says_how_each_lane_stands_and_why(
    staffroom: Staffroom,
    oakfield: Path,
    office: Office,
) -> None:
    tell(office)
    lines = [line.split("\t") for line in listed(staffroom, oakfield).splitlines()]
    assert {line[0]: (line[1], line[2]) for line in lines} == EXPECTED
    assert [line[3] for line in lines if line[0] == "idle.example"] == [SINCE]
    assert {line[4] for line in lines} == {"never"}


def test_programs_get_the_same_as_json(
    staffroom: Staffroom,
    oakfield: Path,
    office: Office,
) -> None:
    tell(office)
    found = json.loads(listed(staffroom, oakfield, "--json"))
    states = {peer["host"]: peer["state"] for peer in found["peers"]}
    assert states == {
        "a.bad.example": "shut",
        "bad.example": "shut",
        "dead.example": "dead",
        "failing.example": "failing",
        "idle.example": "idle",
        "paused.example": "paused",
        "waiting.example": "waiting",
    }
    (dead,) = (peer for peer in found["peers"] if peer["host"] == "dead.example")
    assert (dead["waiting"], dead["oldest"]) == (1, "2026-09-01T08:30:00Z")
    assert (dead["last_heard"], dead["last_success"]) == (None, None)
    assert found["blocked_people"] == []


def test_on_a_terminal_it_is_a_table(
    monkeypatch: pytest.MonkeyPatch, office: Office, capsys: pytest.CaptureFixture[str]
) -> None:
    tell(office)
    monkeypatch.setenv("COLUMNS", "220")
    connection, tx = office.transaction()
    peer_commands._print_tables(standings(peers.listing(tx)), [("@eve@[red].example", "urn:eve")])
    connection.close()
    shown = capsys.readouterr().out
    for word in (*peer_list.COLUMNS, "blocked by bad.example", "one probe a day", "@eve@[red]"):
        assert word in shown


def listed(staffroom: Staffroom, oakfield: Path, *more: str) -> str:
    said = staffroom("peers", "list", "--data", str(oakfield), *more)
    assert said.status == 0, said.complaint
    return str(said.out)


def test_a_person_of_another_server_is_blocked_for_everybody_and_allowed_again(
    staffroom: Staffroom,
    oakfield: Path,
    office: Office,
) -> None:
    connection, tx = office.transaction()
    person(tx, "ada")
    mallory = colleague(tx, "Mallory", "forum.example")
    connection.commit()

    def state() -> str:
        connection, tx = office.transaction()
        found = actors.by_uri(tx, mallory.uri)
        connection.close()
        assert found is not None
        return found.state

    data = ("--data", str(oakfield))
    said = staffroom("peers", "block", "@mallory@Forum.example", "spam.example", *data)
    assert said.out == "@mallory@forum.example is blocked\nspam.example is blocked\n"
    assert state() == "suspended"
    lines = listed(staffroom, oakfield).splitlines()
    assert lines[0].startswith("forum.example\tunlisted")
    assert lines[-1] == f"@Mallory@forum.example\tblocked\t{mallory.uri}"
    assert staffroom("peers", "allow", "@mallory@forum.example", *data).status == 0
    assert state() == "active"
    assert staffroom("peers", "block", "@mallory@forum.example", *data).status == 0
    assert staffroom("peers", "remove", "mallory@forum.example", *data).status == 0
    assert state() == "active"

    # All or none, each with what is wrong.
    unknown = staffroom("peers", "block", "good.example", "@nobody@forum.example", *data)
    refused(unknown, "nobody here knows @nobody@forum.example")
    ours = staffroom("peers", "block", "good.example", "@ada@oakfield.example", *data)
    refused(ours, "staffroom staff suspend ada")
    refused(staffroom("peers", "block", "@@forum.example", *data), "is not a handle")
    assert "good.example" not in listed(staffroom, oakfield)
