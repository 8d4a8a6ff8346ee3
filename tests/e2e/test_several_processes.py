"""On PostgreSQL several processes serve one school, and nobody notices that they are several."""

import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from aiohttp import ClientSession, TCPConnector

from storage.database import Transaction
from tests.e2e.conftest import Build
from tests.e2e.crashing import MortalSchool, children
from tests.e2e.running import staffroom, until


async def test_with_sqlite_one_process_serves_a_school(build: Build) -> None:
    oakfield = build("oakfield")
    await oakfield.found()
    status, out, complaint = await staffroom(
        "serve", "--data", str(oakfield.folder), "--workers", "2"
    )
    assert (status, out) == (1, "")
    assert complaint.count("\n") == 1
    assert "--workers 2 needs PostgreSQL" in complaint


def _knows_nobody(_tx: Transaction, _uri: str) -> None:
    """A school that never met another."""


@pytest.fixture
async def oakfield(
    tmp_path: Path, fresh_postgresql: Callable[[], str]
) -> AsyncIterator[MortalSchool]:
    """Served by two processes; each request comes on a connection of its own, to either."""
    async with ClientSession(connector=TCPConnector(force_close=True)) as session:
        school = MortalSchool(tmp_path / "oakfield", session, fresh_postgresql())
        await school.open_for("lee", knowing=_knows_nobody)
        await school.serve()
        yield school
        await school.end()


async def test_a_process_that_dies_is_missed_by_nobody_and_another_takes_its_place(
    oakfield: MortalSchool,
) -> None:
    assert oakfield.process is not None
    parent = oakfield.process.pid
    before = set(children(parent))
    assert len(before) == 2
    killed = max(before)
    os.kill(killed, signal.SIGKILL)
    for _ in range(20):
        await oakfield.read("lee", f"{oakfield.url}/healthz")

    async def those_who_live() -> set[int]:
        return set(children(parent))

    after = await until(those_who_live, lambda living: len(living) == 2 and killed not in living)
    assert len(after & before) == 1
    began = time.monotonic()
    assert await oakfield.stop() == 0
    assert time.monotonic() - began < 10
    assert await until(those_who_live, lambda living: not living) == set()


async def test_who_is_suspended_at_the_command_line_is_heard_by_no_process_two_seconds_later(
    oakfield: MortalSchool,
) -> None:
    outbox = f"{oakfield.uri('lee')}/outbox"
    note = {"type": "Note", "content": "Hello", "to": [f"{oakfield.uri('lee')}/followers"]}
    # A connection for each request: both processes have met Lee's token.
    assert {(await oakfield.post("lee", note))[0] for _ in range(20)} == {201}
    await oakfield.command("staff", "suspend", "lee")
    suspended = time.monotonic()
    statuses = [(await oakfield.post("lee", note))[0] for _ in range(20)]
    while time.monotonic() - suspended < 2 and not all(map(_refused, statuses)):
        statuses = [(await oakfield.post("lee", note))[0] for _ in range(20)]
    assert all(map(_refused, statuses)), f"{outbox} answered {statuses}"


def _refused(status: int) -> bool:
    return status in (401, 403)


async def test_when_the_parent_is_gone_its_children_close_and_the_school_can_open_again(
    oakfield: MortalSchool,
) -> None:
    assert oakfield.process is not None
    oakfield.process.kill()
    await oakfield.process.wait()
    await until(oakfield.processes, lambda left: not left)
    await oakfield.serve()
    assert await oakfield.stop() == 0
