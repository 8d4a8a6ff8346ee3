"""A school that did not answer at all is knocked at for an hour: perhaps only the line was cut."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from outbox import deliver, dispatch
from storage import follows, peers
from storage.actors import save_remote
from storage.database import Transaction
from tests.federation.inn import Inn
from tests.storage.people import remote_fields
from tests.storage.teachers import PUBLIC
from tests.town import Person, Town

HOST = "riverside.example"


@pytest.fixture
async def inn(town: Town) -> AsyncIterator[Inn]:
    inn = await Inn(town, HOST).open()
    yield inn
    await inn.shut()


@pytest.fixture
async def alice(town: Town, inn: Inn) -> Person:
    """Somebody at the inn follows her, and she has just written something."""
    oakfield = await town.school("oakfield")
    alice = await oakfield.staff("alice")
    await oakfield.allow(HOST)
    await oakfield.write(_follower, alice.id)
    note = {"type": "Note", "content": "Lab 2 is free", "to": [PUBLIC]}
    await oakfield.write(dispatch.send, alice.id, {"type": "Create", "object": note})
    return alice


def _follower(tx: Transaction, author_id: int) -> None:
    fan = save_remote(tx, remote_fields("fan", HOST))
    follows.request(tx, fan.id, author_id, f"{fan.uri}/follows/1")
    follows.accept(tx, fan.id, author_id)


async def rounds(alice: Person, count: int, **apart: float) -> None:
    for _ in range(count):
        alice.school.town.clock.advance(**apart)
        await deliver.step(alice.school.server, dice=lambda: 0.5)


async def test_a_school_that_is_back_within_the_hour_gets_its_post_within_two_minutes(
    alice: Person, inn: Inn
) -> None:
    await inn.shut()
    await rounds(alice, 10, minutes=1)
    lane = await alice.school.read(peers.by_host, HOST)
    assert lane is not None
    assert lane.due_at is not None
    assert lane.due_at - alice.school.town.clock() > timedelta(minutes=20)
    await inn.open()
    await rounds(alice, 2, minutes=1)
    assert len(inn.fetched) == 1
    assert inn.kinds == ["Create"]
    await rounds(alice, 5, minutes=1)
    assert len(inn.fetched) == 1


async def test_one_that_is_away_for_longer_is_left_in_peace(alice: Person, inn: Inn) -> None:
    await inn.shut()
    await rounds(alice, 10, minutes=1)
    alice.school.town.clock.advance(hours=1)
    await inn.open()
    await rounds(alice, 1, seconds=1)  # its lane is due by now
    assert (inn.fetched, inn.kinds) == ([], ["Create"])
    assert not alice.school.server.silent


async def test_one_that_has_no_time_is_not_asked_whether_it_is_there(
    alice: Person, inn: Inn
) -> None:
    inn.decide = lambda got: 503
    await rounds(alice, 10, minutes=1)
    assert inn.fetched == []
    assert len(inn.delivered) == 3


async def test_one_that_we_talk_to_no_more_is_not_knocked_at(alice: Person, inn: Inn) -> None:
    await inn.shut()
    await rounds(alice, 1, seconds=1)
    await inn.open()
    await alice.school.write(peers.set_policy, HOST, "blocked")
    await rounds(alice, 3, minutes=1)
    assert (inn.fetched, inn.delivered) == ([], [])
