"""Somebody sets the clock of a school back, and the school notices."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from staffroom import timekeeping
from tests.town import Person, Stranger, Town


@pytest.fixture
async def alice(town: Town) -> Person:
    return await (await town.school("oakfield")).staff("alice")


class Watch:
    """A watch over the clock of a school that looks only when a test says so."""

    def __init__(self, person: Person) -> None:
        self._server = person.school.server
        self._looks: asyncio.Queue[None] = asyncio.Queue()
        self._paused = asyncio.Event()

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """From the first look on, while the body runs."""
        task = asyncio.create_task(
            timekeeping.watch(self._server, steady=lambda: 0.0, pause=self._pause)
        )
        await self._paused.wait()
        yield
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    async def look(self) -> None:
        """Look once more."""
        self._paused.clear()
        self._looks.put_nowait(None)
        await self._paused.wait()

    async def _pause(self, _seconds: float) -> None:
        self._paused.set()
        await self._looks.get()


async def put_off(town: Town, alice: Person) -> Stranger:
    """Eve of the village follows Alice, and what Alice says is brought there in vain."""
    village = await town.stranger("village")
    eve = village.person("eve")
    follow = eve.activity("Follow", alice.uri, to=[alice.uri], cc=[])
    assert (await eve.send(f"{alice.uri}/inbox", follow)).status == 202
    await town.settle()
    village.answers["*"] = 500
    await alice.say("The hall is free on Monday.")
    await town.settle()
    village.answers.clear()
    return village


async def test_what_was_put_off_goes_out_when_the_clock_was_set_back(
    town: Town, alice: Person
) -> None:
    watch = Watch(alice)
    async with watch.kept():
        village = await put_off(town, alice)
        tried = len(village.activities("Create"))
        town.clock.advance(days=-3)
        await town.settle()
        assert len(village.activities("Create")) == tried  # it would wait for three days
        await watch.look()
        await town.settle()
        assert len(village.activities("Create")) == tried + 1


async def test_what_was_put_off_goes_out_if_the_clock_was_set_back_while_the_school_was_closed(
    town: Town, alice: Person
) -> None:
    village = await put_off(town, alice)
    tried = len(village.activities("Create"))
    town.clock.advance(days=-3)
    async with Watch(alice).kept():
        await town.settle()
    assert len(village.activities("Create")) == tried + 1


async def test_a_clock_that_is_trimmed_starts_nothing(town: Town, alice: Person) -> None:
    watch = Watch(alice)
    async with watch.kept():
        village = await put_off(town, alice)
        tried = len(village.activities("Create"))
        for _ in range(3):
            town.clock.advance(seconds=-1)
            await watch.look()
        await town.settle()
        assert len(village.activities("Create")) == tried
