"""The line between two schools is cut for ten minutes, and people on both sides go on writing.

Nobody restarts anything: two minutes after the line is whole again both schools read the same.
`tests/e2e/test_partition.py` does it with real processes and real time.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from tests.town import Person, Town

CUT = 10 * 60  # seconds
HEALED = 120
STEP = 10
EDITS = 8  # on each side, spread over the cut


@dataclass
class Side:
    """One school's person, and what they wrote: the words of each post as they stand last."""

    person: Person
    posts: list[dict[str, object]] = field(default_factory=list)
    words: dict[str, str] = field(default_factory=dict)

    async def write(self, text: str) -> None:
        note = await self.person.say(text)
        self.posts.append(note)
        self.words[str(note["id"])] = text

    async def edit(self, number: int, text: str) -> None:
        note = self.posts[number % len(self.posts)]
        await self.person.post({"type": "Update", "object": note | {"content": text}})
        self.words[str(note["id"])] = text

    async def delete(self, number: int) -> None:
        uri = str(self.posts.pop(number)["id"])
        await self.person.post({"type": "Delete", "object": uri})
        self.words[uri] = "gone"

    async def read(self) -> dict[str, str]:
        """What they read of the other side."""
        return {
            one["object"]["id"]: "gone"
            if one["object"]["type"] == "Tombstone"
            else one["object"]["content"].removeprefix("<p>").removesuffix("</p>")
            for one in await self.person.inbox()
            if one["type"] == "Create"
        }


@pytest.fixture
async def sides(town: Town) -> tuple[Side, Side]:
    """Alice of Oakfield and Bob of Riverside follow each other."""
    alice = await (await town.school("oakfield")).staff("alice")
    bob = await (await town.school("riverside")).staff("bob")
    await alice.post({"type": "Follow", "object": bob.uri})
    await bob.post({"type": "Follow", "object": alice.uri})
    await town.settle()
    return Side(alice), Side(bob)


@asynccontextmanager
async def line_cut(town: Town) -> AsyncIterator[None]:
    """No school reaches another; their own people do, who find the way to their new places."""
    town.streets.cut |= town.schools.keys()
    places = {school: await school.move_away() for school in town.schools.values()}
    yield
    town.streets.cut.clear()
    for school, place in places.items():
        await school.move_away(place)


async def pass_time(town: Town, seconds: int) -> None:
    """The clock moves on, and everybody does what they do."""
    for _ in range(0, seconds, STEP):
        town.clock.advance(seconds=STEP)
        await town.settle()


async def test_two_schools_agree_two_minutes_after_the_line_between_them_is_mended(
    town: Town, sides: tuple[Side, Side]
) -> None:
    for side in sides:
        for number in range(3):
            await side.write(f"{side.person.username} wrote {number}")
    await town.settle()

    one, other = sides
    assert await one.read() == other.words
    before = dict(other.words)

    async with line_cut(town):
        for edit in range(EDITS):
            for side in sides:
                await side.edit(edit, f"{side.person.username} changed their mind {edit}")
                await side.write(f"{side.person.username} wrote during the cut {edit}")
            await pass_time(town, CUT // EDITS)
        for side in sides:
            await side.delete(0)
        assert await one.read() == before
    await pass_time(town, HEALED)
    assert await one.read() == other.words
    assert await other.read() == one.words
