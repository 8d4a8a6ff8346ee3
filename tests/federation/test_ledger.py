"""What became of a delivery is written down soon, together with that of others."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import select

from outbox import deliver, dispatch
from outbox.ledger import Ledger
from outbox.visit import LEASE
from storage import deliveries, follows, peers, tables
from storage.actors import save_remote
from storage.database import Transaction
from storage.deliveries import Ending
from storage.lanes import Closing
from tests.federation.inn import Inn
from tests.storage.people import remote_fields
from tests.storage.teachers import PUBLIC
from tests.town import Delivered, Person, Town

HOST = "riverside.example"


@pytest.fixture
async def inn(town: Town) -> AsyncIterator[Inn]:
    inn = await Inn(town, HOST).open()
    yield inn
    await inn.shut()


@pytest.fixture
async def alice(town: Town, inn: Inn) -> Person:
    """Somebody at the inn follows her, and she wrote twice."""
    oakfield = await town.school("oakfield")
    alice = await oakfield.staff("alice")
    await oakfield.allow(HOST)
    await oakfield.write(_follower, alice.id)
    for _ in range(2):
        note = {"type": "Note", "content": "Lab 2 is free", "to": [PUBLIC]}
        await oakfield.write(dispatch.send, alice.id, {"type": "Create", "object": note})
    return alice


def _follower(tx: Transaction, author_id: int) -> None:
    fan = save_remote(tx, remote_fields("fan", HOST))
    follows.request(tx, fan.id, author_id, f"{fan.uri}/follows/1")
    follows.accept(tx, fan.id, author_id)


def _rows(tx: Transaction) -> list[tuple[int, str]]:
    rows = tx.execute(
        select(tables.deliveries.c.id, tables.deliveries.c.state).order_by(tables.deliveries.c.id)
    )
    return [(row.id, row.state) for row in rows]


async def test_what_was_brought_is_on_disk_before_the_next_is_answered(
    alice: Person, inn: Inn
) -> None:
    """Else a power cut during a long visit would bring all of it once more."""
    waits, go_on = asyncio.Event(), asyncio.Event()

    async def decide(got: Delivered) -> int:
        if len(inn.delivered) == 2:
            waits.set()
            await go_on.wait()
        return 202

    inn.decide = decide
    visiting = asyncio.create_task(deliver.step(alice.school.server))
    await waits.wait()
    async with asyncio.timeout(10):
        while [state for _, state in await alice.school.read(_rows)] != ["done", "waiting"]:
            pass
    go_on.set()
    assert await visiting == 2
    assert [state for _, state in await alice.school.read(_rows)] == ["done", "done"]


async def test_what_is_written_waits_for_all_that_was_noted_before(alice: Person, inn: Inn) -> None:
    server = alice.school.server
    ledger = Ledger(server, pace=0)
    (first, _), (second, _) = await alice.school.read(_rows)
    ledger.note(Ending(first, "over", "for a reason"), server.now() + LEASE)
    await ledger.write([Ending(second, "done")], server.now() + LEASE)
    assert [state for _, state in await alice.school.read(_rows)] == ["over", "done"]


async def test_an_end_that_cannot_be_written_does_not_take_the_others_along(
    alice: Person, inn: Inn
) -> None:
    server = alice.school.server
    ledger = Ledger(server, pace=0)
    (first, _), (second, _) = await alice.school.read(_rows)
    until = server.now() + LEASE
    (lane,) = await alice.school.write(deliveries.claim, limit=1, lease=LEASE)
    no_text: Any = object()
    wrong = Closing(lane.peer_id, "failure", error=no_text)
    ended = await asyncio.gather(
        ledger.write([Ending(first, "done")], until),
        ledger.write([], until, wrong),
        ledger.write([Ending(second, "done")], until),
        return_exceptions=True,
    )
    assert [isinstance(error, Exception) for error in ended] == [False, True, False]
    assert [state for _, state in await alice.school.read(_rows)] == ["done", "done"]


async def test_whoever_broke_off_has_written_it_down_and_nothing_comes_after(
    alice: Person, inn: Inn
) -> None:
    server = alice.school.server
    ledger = Ledger(server, pace=60)
    await ledger.write([], server.now() + LEASE)  # the next is a minute away
    (lane,) = await alice.school.write(deliveries.claim, limit=1, lease=LEASE)
    leaving = asyncio.create_task(
        ledger.write([], server.now() + LEASE, Closing(lane.peer_id, "paused", error="no"))
    )
    await asyncio.sleep(0)
    leaving.cancel()
    await ledger.close()
    peer = await alice.school.read(peers.by_host, HOST)
    assert peer is not None
    assert (peer.paused, peer.leased_until) == (None, server.now() + LEASE)
