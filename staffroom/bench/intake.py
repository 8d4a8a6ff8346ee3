"""Durable intake: signed activities that another server brings, each answered 202 when on disk.

The ceiling is an aiohttp handler that reads the same requests and answers 202 without a look. Both
run in a process of their own; this process brings what it signed before.
"""

from collections.abc import AsyncIterator

from staffroom.bench import bare, load
from staffroom.bench.figures import Figure, Rounds, Run, Target, beside, percentile
from staffroom.bench.load import Calls, Ground, Served
from staffroom.bench.senders import PEOPLE, writing

CEILING = "a bare aiohttp handler answering 202 to the same body"
COVERS = (
    "HTTP, size limit, strict parse, whether we talk to them, RSA signature and digest, row on "
    "disk (one commit for all in flight), 202; 64 connections, 50 people with known keys, one "
    "Note each; nothing worked on meanwhile"
)


async def run(ground: Ground) -> AsyncIterator[Figure]:
    """The rate, and how long one request waits."""
    rounds = Rounds()
    waits: list[float] = []
    bare_waits: list[float] = []
    at_once = ground.size(4000, 500)
    bare_port = load.free_port()
    async with (
        writing() as senders,
        load.founded(ground) as school,
        load.process(*load.serving(school, "--workers", "0")) as served,
        load.process(*bare.COMMAND, str(bare_port)) as ceiling,
    ):
        # Connections are warm and keys known after this.
        await load.call_all(school.port, senders.requests(school.url, PEOPLE * 4))
        for number in range(ground.rounds(5)):
            ground.say(f"round {number + 1}")
            requests = senders.requests(school.url, at_once)
            run_, calls = await timed(served, school.port, requests)
            rounds.figures.append(run_)
            waits.append(percentile(calls.each, 0.99) * 1000)
            run_, calls = await timed(ceiling, bare_port, requests)
            rounds.ceilings.append(run_)
            bare_waits.append(percentile(calls.each, 0.99) * 1000)
        memory = served.peak_mib()
    yield rounds.figure(
        "durable intake",
        ceiling_is=CEILING,
        covers=COVERS,
        targets=(Target("ratio", ">=", 0.15),),
        memory_mib=memory,
    )
    yield beside(
        "durable intake, p99 at 64 connections",
        waits,
        bare_waits,
        unit="ms",
        ceiling_is=CEILING,
        covers="from the request sent to the 202 read, in the same runs",
        targets=(Target("value", "<=", 100),),
    )


async def timed(server: Served, port: int, requests: list[bytes]) -> tuple[Run, Calls]:
    """Bring these to a server: what it cost, and how long each took."""
    before = server.cpu_seconds()
    calls = await load.call_all(port, requests)
    return Run(len(requests), server.cpu_seconds() - before, calls.seconds), calls
