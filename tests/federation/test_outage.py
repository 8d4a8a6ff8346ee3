"""The database goes away in the middle of the work, and the work goes on when it is back."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from inbox import worker
from outbox import deliver
from outbox.ledger import Ledger
from staffroom import serving, workers
from storage import deliveries, peers, received
from storage.database import Database, Transaction, Unavailable
from storage.lanes import Trip
from storage.peers import Peer
from storage.received import Received
from tests.conftest import PostgresqlServer, started_postgresql
from tests.town import Person, Stranger, Town
from tests.town.streets import Authority

PATIENCE = 10.0  # seconds that it may take until all goes on


@pytest.fixture
def crashing() -> Iterator[PostgresqlServer]:
    """A PostgreSQL that this test may end."""
    with started_postgresql() as server:
        yield server


@pytest.fixture
async def fragile(authority: Authority, crashing: PostgresqlServer) -> AsyncIterator[Town]:
    """A town that keeps everything there."""
    async with Town(authority, lambda: crashing.create(template=crashing.template)) as town:
        yield town


async def follower_from_the_village(town: Town) -> tuple[Person, Stranger]:
    """Eve of the village follows Alice of Oakfield."""
    oakfield = await town.school("oakfield")
    alice = await oakfield.staff("alice")
    village = await town.stranger("village")
    eve = village.person("eve")
    follow = eve.activity("Follow", alice.uri, to=[alice.uri], cc=[])
    assert (await eve.send(f"{alice.uri}/inbox", follow)).status == 202
    await town.settle()
    return alice, village


@asynccontextmanager
async def working(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def until(so: Callable[[], Awaitable[bool]]) -> None:
    """Look again and again until it is so; a database that is away says nothing."""
    loop = asyncio.get_running_loop()
    end = loop.time() + PATIENCE
    while True:
        with suppress(Unavailable):
            if await so():
                return
        assert loop.time() < end, "not in time"
        await asyncio.sleep(0.01)


async def warned(caplog: pytest.LogCaptureFixture, room: str) -> bool:
    return any(
        record.name in (room, "staffroom.workers")
        for record in caplog.records
        if record.levelno >= logging.WARNING
    )


async def test_what_was_brought_while_the_database_went_away_is_noted_when_it_is_back(
    fragile: Town, crashing: PostgresqlServer, caplog: pytest.LogCaptureFixture
) -> None:
    alice, village = await follower_from_the_village(fragile)
    server = alice.school.server

    async def brought() -> bool:
        return bool(village.activities("Create"))

    async def noted() -> bool:
        lane, waiting = await alice.school.read(_lane, village.host)
        return lane.leased_until is None and not waiting

    village.let_go.clear()
    await alice.say("The hall is free on Monday.")
    async with working(workers.kept_going("outbox", deliver.work, server)):
        await until(brought)
        crashing.crash()
        village.let_go.set()
        await until(partial(warned, caplog, "outbox.deliver"))
        crashing.restart()
        await until(noted)
    lane, _ = await alice.school.read(_lane, village.host)
    assert lane.failures == 0
    assert len(village.activities("Create")) == 1
    assert [record.exc_info for record in caplog.records if record.exc_info] == []


async def test_a_school_is_not_to_blame_if_our_database_goes_away_before_we_brought_anything(
    fragile: Town, crashing: PostgresqlServer, caplog: pytest.LogCaptureFixture
) -> None:
    alice, village = await follower_from_the_village(fragile)
    server = alice.school.server
    await alice.say("The hall is free on Monday.")
    (claimed,) = await server.database.write(_lease)
    crashing.crash()
    trip = Trip(claimed, [], more=True)
    visit = asyncio.create_task(deliver.visit(server, Ledger(server), trip, deliver.dice))
    await until(partial(warned, caplog, "outbox.deliver"))
    crashing.restart()
    await asyncio.wait_for(visit, PATIENCE)
    lane, waiting = await alice.school.read(_lane, village.host)
    assert (lane.leased_until, lane.failures, waiting) == (None, 0, 1)
    await fragile.settle()
    assert len(village.activities("Create")) == 1


def _lane(tx: Transaction, host: str) -> tuple[Peer, int]:
    lane = peers.by_host(tx, host)
    assert lane is not None
    return lane, deliveries.waiting(tx)


async def test_what_was_in_hand_when_the_database_went_away_is_worked_on_when_it_is_back(
    fragile: Town, crashing: PostgresqlServer, caplog: pytest.LogCaptureFixture
) -> None:
    alice, village = await follower_from_the_village(fragile)
    server = alice.school.server
    eve = village.person("eve")
    await alice.post({"type": "Follow", "object": eve.uri})
    note = eve.note("The hall is taken.")
    boost = eve.activity("Announce", note["id"])
    assert (await eve.send(f"{alice.uri}/inbox", boost)).status == 202
    village.let_go.clear()

    async def asked_for() -> bool:
        return note["id"].removeprefix(village.url) in village.fetched

    async def worked_on() -> bool:
        return await alice.school.read(received.pending) == 0

    async with working(workers.kept_going("inbox", worker.work, server)):
        await until(asked_for)
        crashing.crash()
        village.let_go.set()
        await until(partial(warned, caplog, "inbox.worker"))
        crashing.restart()
        await until(worked_on)
    assert (await alice.inbox())[0]["id"] == boost["id"]
    assert [record.exc_info for record in caplog.records if record.exc_info] == []


async def test_a_school_takes_up_what_it_had_in_hand_when_it_was_killed_and_nobody_elses_work(
    fresh_postgresql: Callable[[], str], authority: Authority
) -> None:
    async with Town(authority, fresh_postgresql) as town:
        alice, village = await follower_from_the_village(town)
        oakfield = alice.school
        await alice.say("The hall is free on Monday.")
        eve = village.person("eve")
        assert (await eve.send(oakfield.shared_inbox, eve.create("It is not."))).status == 202
        in_hand = await oakfield.write(_claim)
        assert "It is not." in in_hand[-1].body.decode()

        house = oakfield.server.school
        other = await Database.open(oakfield.database_url, house, now=town.clock)
        await other.write(serving.take_up)
        assert await other.write(_claim) == []  # the first is still at work
        await oakfield.shut()
        await other.write(serving.take_up)
        assert [lane.host for lane in await other.write(_lease)] == [village.host]
        assert await other.write(_claim) == in_hand
        await other.close()


def _claim(tx: Transaction) -> list[Received]:
    _lease(tx)
    return received.claim(tx, limit=10, lease=timedelta(minutes=10))


def _lease(tx: Transaction) -> list[deliveries.Lane]:
    return deliveries.claim(tx, limit=10, lease=timedelta(minutes=10))
