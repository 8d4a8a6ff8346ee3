"""The clock is wrong, is set right, leaps; and a school is closed for the whole summer.

Two schools with one clock on the wall: what Alice of Oakfield writes reaches Bob of Riverside, once
and in the order in which she wrote it, whatever the clock says.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from storage import peers
from storage.database import Transaction
from tests.e2e.crashing import MortalSchool
from tests.e2e.power.clock import WallClock
from tests.e2e.running import until

PUBLIC = "https://www.w3.org/ns/activitystreams#Public"
SUMMER = 45  # days
# How often the clock is set forward in them.
SOAK = "STAFFROOM_SOAK_DAYS" in os.environ
STEPS = int(os.environ.get("STAFFROOM_SOAK_DAYS", "1"))
SOON = 60.0  # seconds from a sign of life to what waited (SECURITY P6)


@dataclass
class Town:
    """Two schools and their clock."""

    clock: WallClock
    oakfield: MortalSchool
    riverside: MortalSchool
    numbers: "count[int]"
    written: list[str]

    async def write(self) -> None:
        """Alice writes a post."""
        text = f"<p>Number {next(self.numbers)}</p>"
        alice = self.oakfield.uri("alice")
        note = {"type": "Note", "content": text, "to": [PUBLIC], "cc": [f"{alice}/followers"]}
        await self.oakfield.act("alice", note)
        self.written.append(text)

    async def read(self) -> list[str]:
        """What Bob got of it, the oldest first."""
        got = [one for one in await self.riverside.inbox("bob") if one["type"] == "Create"]
        return [one["object"]["content"] for one in reversed(got)]

    async def all_read(self, seconds: float = SOON) -> None:
        """Everything is there in the end, once and in order."""
        await until(self.read, lambda seen: len(seen) >= len(self.written), seconds)
        assert await self.read() == self.written


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    """Both are open, and Bob follows Alice."""
    clock = WallClock(tmp_path / "clock")
    async with ClientSession() as session:
        oakfield = MortalSchool(tmp_path / "oakfield", session, None)
        riverside = MortalSchool(tmp_path / "riverside", session, None)
        for school, other, username in (
            (oakfield, riverside, "alice"),
            (riverside, oakfield, "bob"),
        ):
            await school.open_for(username, knowing=partial(_allow, other.host))
            school.environment = clock.environment
        try:
            await asyncio.gather(oakfield.serve(), riverside.serve())
            follow = {"type": "Follow", "object": oakfield.uri("alice")}
            await until(lambda: riverside.post("bob", follow), lambda seen: seen[0] == 201)

            async def followers() -> Any:
                return await oakfield.read("alice", f"{oakfield.uri('alice')}/followers")

            await until(followers, lambda seen: seen["totalItems"] > 0)
            yield Town(clock, oakfield, riverside, count(), [])
        finally:
            await oakfield.end()
            await riverside.end()


def _allow(host: str, tx: Transaction, _first: str) -> None:
    peers.set_policy(tx, host, "allowed")


LEAPS = ({"hours": 1}, {"hours": -1}, {"days": 3}, {"days": -3})
MOMENTS = (
    datetime(2027, 10, 31, 1, tzinfo=UTC),  # summer time ends
    datetime(2038, 1, 19, 3, 14, 8, tzinfo=UTC),  # 32 bits are too few
)


# The town has the same with a clock of its own (test_timekeeping, test_outage) in every run.
@pytest.mark.soak
async def test_whatever_the_clock_says_posts_arrive_once_and_in_order(
    town: Town, tell: Callable[[str], None]
) -> None:
    await town.write()
    await town.all_read()
    for leap in LEAPS:
        await town.write()  # is perhaps on its way
        town.clock.move(**leap)
        await town.write()
        await town.all_read()
    await set_back_while_one_is_closed(town)
    tell(await closed_all_summer(town))
    for moment in MOMENTS if SOAK else ():
        await pass_by(town, moment)
    for school in (town.oakfield, town.riverside):
        assert await school.stop() == 0
        assert "Traceback" not in school.journal.read_text()


async def set_back_while_one_is_closed(town: Town) -> None:
    """What is to be tried again later is not put off by as much as the clock was wrong."""
    await town.riverside.kill()
    await town.write()
    await failed_at(town)
    town.clock.move(days=-3)
    await town.riverside.serve()
    await town.all_read()


async def closed_all_summer(town: Town) -> str:
    """Riverside is switched off for 45 days, in which Alice goes on writing."""
    await town.riverside.kill()
    for _ in range(STEPS):
        await town.write()
        before = town.clock.now()
        town.clock.move(days=SUMMER / STEPS)
        await town.write()
        await failed_at(town, before)
    await town.riverside.serve()
    opened = time.monotonic()
    waited = len(town.written) - 2 * STEPS
    await until(town.read, lambda seen: len(seen) > waited, SOON)
    started = time.monotonic() - opened
    await town.all_read()
    return f"{SUMMER} days of silence: {2 * STEPS} posts, the first after {started:.1f} s"


async def pass_by(town: Town, moment: datetime) -> None:
    """Alice writes before and after, and the clock goes on by itself."""
    town.clock.show(moment - timedelta(seconds=2))
    while town.clock.now() < moment + timedelta(seconds=2):
        await town.write()
    await town.all_read()


async def failed_at(town: Town, after: datetime | None = None) -> datetime | None:
    """Wait until Oakfield has knocked at Riverside in vain (after that moment)."""

    def last(tx: Transaction) -> datetime | None:
        peer = peers.by_host(tx, town.riverside.host)
        return None if peer is None else peer.failed_at

    async with town.oakfield.records() as database:

        async def look() -> datetime | None:
            return await database.read(last)

        return await until(look, lambda seen: seen is not None and (after is None or seen > after))
