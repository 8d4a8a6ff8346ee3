"""One post to ten thousand followers at a thousand servers: how long its author waits.

The ceiling is one transaction that writes the same rows, with nothing looked up, in a second
school that nobody serves. In between everything is delivered, so that nothing else goes on when
the next post is written.
"""

import asyncio
import time
from collections.abc import AsyncIterator

from aiohttp import ClientSession

from staffroom.bench import load
from staffroom.bench.figures import Figure, Target, beside
from staffroom.bench.load import Ground
from staffroom.bench.posting import populate, post
from staffroom.bench.sinks import taking
from storage import actors, crowds
from storage.crowds import PostRows
from storage.database import Transaction

PEERS = 1000
EACH = 10  # followers at each of them
REST = 0.3  # seconds for what is still being noted


async def run(ground: Ground) -> AsyncIterator[Figure]:
    """The wait until the outbox answers."""
    waits: list[float] = []
    ceilings: list[float] = []
    peers = ground.size(PEERS, 100)
    async with (
        taking() as sink,
        load.founded(ground) as school,
        load.founded(ground) as other,
        other.opened() as beside_it,
        school.opened() as database,
        ClientSession() as session,
    ):
        hosts = sink.hosts(peers)
        token = await populate(school, hosts, each=EACH, form="cavage")
        await populate(other, hosts, each=EACH, form="cavage")
        alice = await beside_it.read(_alice)
        async with load.process(*load.serving(school)) as served:
            uri = await post(session, school, token)  # knows the statements after this
            await sink.reach(peers)
            rows: PostRows = await database.read(crowds.rows_of, uri)
            await beside_it.write(crowds.write_again, rows, alice)
            for number in range(ground.rounds(7)):
                ground.say(f"10,000 followers, round {number + 1}")
                await asyncio.sleep(REST)
                before = sink.count
                began = time.perf_counter()
                await post(session, school, token)
                waits.append((time.perf_counter() - began) * 1000)
                await sink.reach(before + peers)
                await asyncio.sleep(REST)
                began = time.perf_counter()
                await beside_it.write(crowds.write_again, rows, alice)
                ceilings.append((time.perf_counter() - began) * 1000)
            memory = served.peak_mib()
    yield beside(
        f"one post to {peers * EACH:,} followers at {peers:,} servers",
        waits,
        ceilings,
        unit="ms until the call returns",
        ceiling_is="one transaction writing the same rows by the driver, nothing looked up",
        covers="POST to the outbox until its 201: token, post, activity with its proof, one "
        "delivery per shared inbox, all on disk",
        targets=(Target("ratio", "<=", 3),),
        memory_mib=memory,
    )


def _alice(tx: Transaction) -> int:
    found = actors.local_by_username(tx, "alice")
    assert found is not None
    return found.id
