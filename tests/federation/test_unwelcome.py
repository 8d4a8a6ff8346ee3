"""A school that wants to hear nothing of one of ours still hears the others."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import select

from outbox import deliver, dispatch, visit
from storage import follows, peers, tables
from storage.actors import save_remote
from storage.database import Transaction
from tests.federation.inn import Inn
from tests.storage.people import remote_fields
from tests.storage.teachers import PUBLIC
from tests.town import Delivered, Person, Town


class Office:
    """Lee and Alice of Oakfield, and the school of a fan of both."""

    def __init__(self, lee: Person, alice: Person, inn: Inn) -> None:
        self.lee, self.alice, self.inn = lee, alice, inn
        self.school = lee.school

    async def say(self, person: Person, times: int = 1) -> None:
        for _ in range(times):
            note = {"type": "Note", "content": "Lab 2 is free", "to": [PUBLIC]}
            await self.school.write(
                dispatch.send, person.id, {"type": "Create", "object": dict(note)}
            )

    async def step(self) -> int:
        return await deliver.step(self.school.server, dice=lambda: 0.5)

    async def ended(self) -> list[tuple[str, str | None]]:
        return await self.school.read(_rows)

    async def paused(self) -> str | None:
        found = await self.school.read(peers.by_host, "riverside.example")
        assert found is not None
        return found.paused

    def refuse(self, *people: Person) -> None:
        refused = {person.uri for person in people}

        def decide(got: Delivered) -> Any:
            return 403 if got.json["actor"] in refused else 202

        self.inn.decide = decide


def _rows(tx: Transaction) -> list[tuple[str, str | None]]:
    table = tables.deliveries.c
    return [
        (row[0], row[1]) for row in tx.execute(select(table.state, table.reason).order_by(table.id))
    ]


def _follow(tx: Transaction, *people: int) -> None:
    fan = save_remote(tx, remote_fields("fan", "riverside.example"))
    for person in people:
        follows.request(tx, fan.id, person, f"{fan.uri}/follows/{person}")
        follows.accept(tx, fan.id, person)


@pytest.fixture
async def office(town: Town) -> AsyncIterator[Office]:
    oakfield = await town.school("oakfield")
    lee, alice = await oakfield.staff("lee"), await oakfield.staff("alice")
    inn = await Inn(town, "riverside.example").open()
    await oakfield.allow("riverside.example")
    await oakfield.write(_follow, lee.id, alice.id)
    yield Office(lee, alice, inn)
    await inn.shut()


OVER = ("over", "answered 403 to every form of signature, while others were heard")


@pytest.mark.parametrize("first", ["lee", "alice"])
async def test_one_who_is_suspended_there_keeps_nobody_else_waiting(
    office: Office, first: str
) -> None:
    office.refuse(office.lee)
    order = [office.lee, office.alice] if first == "lee" else [office.alice, office.lee]
    for person in (*order, office.lee):
        await office.say(person)
    await office.step()
    expected = [("done", None) if person is office.alice else OVER for person in order]
    assert await office.ended() == [*expected, OVER]
    assert await office.paused() is None


async def test_however_much_they_said_the_others_are_found(office: Office) -> None:
    office.refuse(office.lee)
    await office.say(office.lee, visit.BATCH + 5)
    await office.say(office.alice)
    await office.step()
    assert await office.ended() == [OVER] * (visit.BATCH + 5) + [("done", None)]


async def test_where_all_are_refused_the_lane_waits_and_nothing_is_dropped(office: Office) -> None:
    office.refuse(office.lee, office.alice)
    await office.say(office.lee, 2)
    await office.say(office.alice, 2)
    await office.step()
    assert await office.paused() == "answered 403 to every form of signature"
    assert await office.ended() == [("waiting", None)] * 4
    # Each was asked once, in both forms.
    assert len(office.inn.delivered) == 4
