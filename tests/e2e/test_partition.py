"""The line between two schools is cut, and people on both sides go on writing.

Once it is mended both schools read the same within two minutes, though nobody did anything. The
short form, in the town's time, is `tests/federation/test_partition.py`.
"""

import asyncio
import os
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from storage import peers
from storage.database import Transaction
from tests.e2e.crashing import MortalSchool
from tests.e2e.line import Line, in_the_house
from tests.e2e.running import free_port, until

PUBLIC = "https://www.w3.org/ns/activitystreams#Public"
EDITS = int(os.environ.get("STAFFROOM_SOAK_EDITS", "10"))  # on each side
CUT = float(os.environ.get("STAFFROOM_SOAK_CUT_SECONDS", "0"))
SAME_WITHIN = 120.0  # seconds


@dataclass
class Side:
    """One school, its line, its person, and what they wrote as it stands now."""

    school: MortalSchool
    line: Line
    username: str
    notes: list[dict[str, Any]] = field(default_factory=list)
    words: dict[str, str] = field(default_factory=dict)

    async def write(self, text: str) -> None:
        """A post to everybody."""
        followers = f"{self.school.uri(self.username)}/followers"
        note = {"type": "Note", "content": text, "to": [PUBLIC], "cc": [followers]}
        activity = await self.school.act(self.username, note)
        made = (await self.school.read(self.username, activity))["object"]
        self.notes.append(made)
        self.words[made["id"]] = text

    async def change(self, text: str) -> None:
        """One of the posts, whichever it is, says something else."""
        note = random.choice(self.notes)
        update = {"type": "Update", "object": note | {"content": text}}
        await self.school.act(self.username, update)
        self.words[note["id"]] = text

    async def delete(self) -> None:
        """The first post is gone."""
        uri = self.notes.pop(0)["id"]
        await self.school.act(self.username, {"type": "Delete", "object": uri})
        self.words[uri] = "gone"

    async def reads(self) -> dict[str, str]:
        """What they have of the other side."""
        return {
            one["object"]["id"]: "gone"
            if one["object"]["type"] == "Tombstone"
            else one["object"]["content"].removeprefix("<p>").removesuffix("</p>")
            for one in await self.school.inbox(self.username)
            if one["type"] == "Create"
        }

    async def follow(self, other: "Side") -> None:
        """Follow whoever is on the other side, which they have accepted then."""
        await self.school.act(
            self.username, {"type": "Follow", "object": other.school.uri(other.username)}
        )
        following = f"{self.school.uri(self.username)}/following"
        await until(
            lambda: self.school.read(self.username, following),
            lambda seen: bool(seen["totalItems"] == 1),
        )


@pytest.fixture
async def sides(tmp_path: Path) -> AsyncIterator[tuple[Side, Side]]:
    """Alice of Oakfield and Bob of Riverside follow each other."""
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(in_the_house())
        sides: list[Side] = []
        for name, username in (("oakfield", "alice"), ("riverside", "bob")):
            school = MortalSchool(tmp_path / name, session, None)
            school.place = free_port()
            line = Line(school.port, school.place)
            await stack.enter_async_context(line.open())
            sides.append(Side(school, line, username))
        for side, other in zip(sides, reversed(sides), strict=True):

            def knowing(tx: Transaction, _: str, host: str = other.school.host) -> None:
                peers.set_policy(tx, host, "allowed")

            await side.school.open_for(side.username, knowing=knowing)
            stack.push_async_callback(side.school.end)
            await side.school.serve()
        one, other = sides
        await one.follow(other)
        await other.follow(one)
        yield one, other


async def same(one: Side, other: Side, seconds: float) -> None:
    """Each reads what the other wrote, as it stands now."""
    await until(one.reads, lambda seen: seen == other.words, seconds)
    await until(other.reads, lambda seen: seen == one.words, seconds)


@pytest.mark.soak
async def test_two_schools_agree_two_minutes_after_the_line_between_them_is_mended(
    sides: tuple[Side, Side],
) -> None:
    for side in sides:
        for number in range(5):
            await side.write(f"{side.username} wrote {number}")
    await same(*sides, seconds=30)
    one, _ = sides
    before = await one.reads()

    for side in sides:
        side.line.cut()
    numbers = count(1)
    for _ in range(EDITS):
        for side in sides:
            await side.change(f"{side.username} changed their mind {next(numbers)}")
        await asyncio.sleep(CUT / EDITS)
    for side in sides:
        await side.write(f"{side.username} wrote during the cut")
        await side.delete()
    assert await one.reads() == before

    for side in sides:
        side.line.mend()
    await same(*sides, seconds=SAME_WITHIN)
    for side in sides:
        assert await side.school.stop() == 0
        await side.school.command("fsck")
        assert not side.school.mistakes()
