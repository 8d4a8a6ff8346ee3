"""Intake with everything that follows: the post is there, in timelines, in notifications.

The same requests as in durable intake and the same ceiling; the clock of the server's processor
runs until the last of them has had its effects. Meanwhile somebody else asks the server for
something small, again and again: they wait as long as its loop is busy with other things.
"""

import asyncio
import time
from collections.abc import AsyncIterator

from actors import staff
from staffroom.bench import bare, intake, load
from staffroom.bench.figures import Figure, Rounds, Run, Target, beside, percentile
from staffroom.bench.load import BenchFailed, Founded, Ground, Served
from staffroom.bench.senders import PEOPLE, Senders, writing
from storage import actors, follows, received
from storage.database import Database, Transaction

READERS = ("alice", "ben", "carol", "dan", "eve")
FOLLOWERS = 2  # of each who writes
TIME_TO_WORK = 120.0  # seconds
LOOK_AGAIN = 0.02
ASKED_EVERY = 0.005

COVERS = (
    "durable intake, then the worker: author and object, the home timelines of two followers, one "
    "post in ten naming one of ours with a notification; until nothing is left to work on"
)


async def run(ground: Ground) -> AsyncIterator[Figure]:
    """The rate, and the lag of the server's loop meanwhile."""
    rounds = Rounds()
    lags: list[float] = []
    bare_lags: list[float] = []
    at_once = ground.size(2000, 300)
    bare_port = load.free_port()
    async with (
        writing() as senders,
        load.founded(ground) as school,
        load.process(*load.serving(school)) as served,
        load.process(*bare.COMMAND, str(bare_port)) as ceiling,
        school.opened() as database,
    ):
        names = await _acquaint(school, database, senders)
        for number in range(ground.rounds(5)):
            ground.say(f"round {number + 1}")
            requests = senders.requests(school.url, at_once, naming=names)
            waits, stop = await _asking(school.port)
            rounds.figures.append(await _with_effects(served, school, database, requests))
            lags.append(await _answered(waits, stop))
            waits, stop = await _asking(bare_port)
            rounds.ceilings.append((await intake.timed(ceiling, bare_port, requests))[0])
            bare_lags.append(await _answered(waits, stop))
        memory = served.peak_mib()
    yield rounds.figure(
        "intake with all effects",
        ceiling_is=intake.CEILING,
        covers=COVERS,
        targets=(Target("ratio", ">=", 0.05),),
        memory_mib=memory,
    )
    yield beside(
        "lag of the loop meanwhile, p99",
        lags,
        bare_lags,
        unit="ms",
        ceiling_is="the same of the bare handler under the same requests",
        covers="seen from outside: a path that is not there, asked for every 5 ms on a "
        "connection of its own, from the request sent to its 404; so more than the lag alone",
        targets=(Target("value", "<=", 50),),
    )


async def _with_effects(
    served: Served, school: Founded, database: Database, requests: list[bytes]
) -> Run:
    before, began = served.cpu_seconds(), time.perf_counter()
    await load.call_all(school.port, requests)
    await _worked_on(database)
    seconds = time.perf_counter() - began
    return Run(len(requests), await served.at_rest() - before, seconds)


async def _worked_on(database: Database) -> None:
    end = time.monotonic() + TIME_TO_WORK
    while await database.read(received.pending):
        if time.monotonic() > end:
            raise BenchFailed(f"what came was not worked on within {TIME_TO_WORK:g} s")
        await asyncio.sleep(LOOK_AGAIN)


async def _acquaint(school: Founded, database: Database, senders: Senders) -> list[str]:
    """Our people follow those who write; answers the ids of ours."""
    ours = await database.write(_readers)
    # Whoever writes is known after this, their keys included.
    await load.call_all(school.port, senders.requests(school.url, PEOPLE * 4))
    await _worked_on(database)
    await database.write(_follow, senders.people)
    return ours


def _readers(tx: Transaction) -> list[str]:
    return [staff.add(tx, username=name, name=name.title()).uri for name in READERS]


def _follow(tx: Transaction, writers: list[str]) -> None:
    for number, uri in enumerate(writers):
        writer = actors.by_uri(tx, uri)
        if writer is None:
            raise BenchFailed(f"{uri} is not known")
        for step in range(FOLLOWERS):
            reader = actors.local_by_username(tx, READERS[(number + step) % len(READERS)])
            assert reader is not None
            follows.request(tx, reader.id, writer.id, f"{reader.uri}/follows/{number}")
            follows.accept(tx, reader.id, writer.id)


# --- the lag -----------------------------------------------------------------------------------


async def _asking(port: int) -> tuple[asyncio.Task[list[float]], asyncio.Event]:
    """Begin to ask for something small, until the event is set."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    stop = asyncio.Event()
    request = f"GET /nothing HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()

    async def ask() -> list[float]:
        waits = []
        try:
            while not stop.is_set():
                asked = time.perf_counter()
                await load.call(reader, writer, request)
                waits.append(time.perf_counter() - asked)
                await asyncio.sleep(ASKED_EVERY)
        finally:
            writer.close()
        return waits

    return asyncio.create_task(ask()), stop


async def _answered(asking: asyncio.Task[list[float]], stop: asyncio.Event) -> float:
    """Ask no more: the p99 of how long it took, in ms."""
    stop.set()
    return percentile(await asking, 0.99) * 1000
