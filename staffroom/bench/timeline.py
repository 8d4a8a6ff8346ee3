"""Home timelines: a page of forty, where a million posts are and somebody follows five thousand.

The pages begin at random places, so not all of it is what was read a moment ago. The ceiling is
the same page found by its index straight over the driver, with the same columns and without the
question who may see it.
"""

import random
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from actors import staff
from staffroom.bench import load
from staffroom.bench.figures import Figure, Target, percentile
from staffroom.bench.load import BenchFailed, Founded, Ground
from storage import bare, crowds, timelines
from storage.database import Database, Transaction

PAGE = 40
POSTS = 1_000_000
FOLLOWS = 5000
SERVERS = 500
SLICE = 50_000  # rows written in one transaction
CEILING = "the same page by its index, straight over the driver, nothing else asked"
COVERS = "Database.read(timelines.home): thread, transaction, audience, rows as posts and people"


@dataclass(frozen=True)
class Waits:
    """How long each page took, and the same page by the bare query, in seconds."""

    home: list[float]
    bare: list[float]


async def run(ground: Ground) -> AsyncIterator[Figure]:
    """The usual wait, and the longest of a hundred."""
    posts = ground.size(POSTS, 50_000)
    pages = ground.size(2000, 200)
    async with reading(ground, [FOLLOWS]) as (school, database, readers):
        await fill(ground, database, readers, 0, posts)
        bare.settle(school.database_url)
        ground.say(f"{pages:,} pages among {posts:,} posts")
        waits = await read(school, database, readers[FOLLOWS], posts, pages)
    yield _figure("p50", 0.50, waits, 8, posts)
    yield _figure("p99", 0.99, waits, 40, posts)


def _figure(name: str, share: float, waits: Waits, limit: float, posts: int) -> Figure:
    return Figure(
        name=f"home timeline of {PAGE} at {posts:,} posts and {FOLLOWS:,} follows, {name}",
        unit="ms",
        value=percentile(waits.home, share) * 1000,
        ceiling=percentile(waits.bare, share) * 1000,
        ceiling_is=f"{CEILING}, {name}",
        covers=COVERS,
        targets=(Target("ratio", "<=", limit),),
        runs=_tenths(waits, share),
    )


def _tenths(waits: Waits, share: float) -> tuple[tuple[float, float | None], ...]:
    """The same of each tenth of the pages, to show how far it varies."""
    step = max(1, len(waits.home) // 10)
    return tuple(
        (
            percentile(waits.home[start : start + step], share) * 1000,
            percentile(waits.bare[start : start + step], share) * 1000,
        )
        for start in range(0, len(waits.home), step)
    )


@asynccontextmanager
async def reading(
    ground: Ground, follows: list[int]
) -> AsyncIterator[tuple[Founded, Database, dict[int, int]]]:
    """A school whose people follow so many each; last come their ids, by that number."""

    def begin(tx: Transaction) -> dict[int, int]:
        crowds.people(
            tx, [f"far{number}.localhost:1" for number in range(SERVERS)], max(follows) // SERVERS
        )
        readers = {}
        for count in follows:
            reader = staff.add(tx, username=f"reads{count}", name="A reader")
            crowds.follow(tx, [(reader.id, crowds.person_id(number)) for number in range(count)])
            readers[count] = reader.id
        return readers

    async with load.founded(ground) as school, school.opened() as database:
        yield school, database, await database.write(begin)


async def fill(
    ground: Ground, database: Database, readers: dict[int, int], first: int, count: int
) -> None:
    """Posts from number `first` on, by everybody in turn; each reader has those of whom they
    follow."""
    for start in range(first, first + count, SLICE):
        ground.say(f"writing {start:,} posts")
        size = min(SLICE, first + count - start)
        await database.write(crowds.posts, start, size, FOLLOWS)
        for follows, reader in readers.items():
            await database.write(crowds.at_home, reader, start, size, FOLLOWS, follows)


async def read(school: Founded, database: Database, reader: int, posts: int, pages: int) -> Waits:
    """Read pages at random places, each by the real and by the bare query. Raises BenchFailed
    where they are not whole."""
    dice = random.Random(40)  # noqa: S311  the same places in each run
    waits = Waits([], [])
    with bare.home(school.database_url, PAGE) as ask:
        for number in range(pages + 20):
            before = crowds.position(dice.randrange(posts // 5, posts))
            began = time.perf_counter()
            page = await database.read(timelines.home, reader, before=before, limit=PAGE)
            middle = time.perf_counter()
            same = ask(reader, before)
            end = time.perf_counter()
            if len(page) != PAGE or len(same) != PAGE:
                raise BenchFailed(f"a page of {len(page)}, where {len(same)} rows are")
            if number >= 20:  # both know their statement by now
                waits.home.append(middle - began)
                waits.bare.append(end - middle)
    return waits


def median_ms(waits: Waits) -> float:
    return statistics.median(waits.home) * 1000
