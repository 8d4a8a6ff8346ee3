"""From nothing to the first 202, and what a school holds in memory.

The ceiling is a Python that imports the same packages, everything that a serving school has loaded
from outside its own eight rooms, and does nothing. Whoever writes is known from an earlier run, so
that nothing is asked over the network.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import ClientSession

from staffroom.bench import load, posting
from staffroom.bench.figures import Figure, Target, beside
from staffroom.bench.load import BenchFailed, Founded, Ground, Served
from staffroom.bench.senders import Senders, writing
from staffroom.bench.sinks import taking
from staffroom.demo_house import command, surroundings

ROOMS = ("staffroom", "pages", "api", "inbox", "outbox", "actors", "storage", "federation")
TIME_TO_START = 30.0  # seconds
KNOCK_AGAIN = 0.002
IDLE = 3.0  # seconds
CROWD = 1000  # servers that posts go to and come from
POSTS = 10
CEILING = "a Python that imports the same packages, without our own rooms"

LIST = f"""
import sys, staffroom.serving
print(" ".join(name for name in sys.modules if name.partition(".")[0] not in {ROOMS!r}))
"""
IMPORT = """
import importlib, sys
for name in sys.argv[1].split():
    try:
        importlib.import_module(name)
    except ImportError:
        pass
print("ready", flush=True)
sys.stdin.read()
"""


@dataclass(frozen=True)
class Begun:
    seconds: float
    cpu_seconds: float
    memory_mib: float


async def run(ground: Ground) -> AsyncIterator[Figure]:
    """The start, the memory of an idle school, and of one that has much to do."""
    packages = await asyncio.to_thread(_packages)
    starts: list[Begun] = []
    imports: list[Begun] = []
    async with writing() as senders, load.founded(ground) as school:
        await _start(school, senders)  # whoever writes is known after this
        for number in range(ground.rounds(7)):
            ground.say(f"start {number + 1}")
            starts.append(await _start(school, senders))
            imports.append(await _imported(packages))
    yield beside(
        "start to first 202",
        [one.seconds * 1000 for one in starts],
        [one.seconds * 1000 for one in imports],
        unit="ms",
        ceiling_is=CEILING,
        covers="`staffroom serve` from its process to the 202 for a signed activity",
        targets=(Target("ratio", "<=", 3),),
        cpu_seconds=sum(one.cpu_seconds for one in starts),
    )
    yield beside(
        "memory idle",
        [one.memory_mib for one in starts],
        [one.memory_mib for one in imports],
        unit="MiB",
        ceiling_is=CEILING,
        covers=f"resident, {IDLE:g} s after the first 202",
        targets=(Target("ratio", "<=", 1.6),),
    )
    yield await _under_load(ground)


def _packages() -> str:
    """Everything that a serving school imports from outside our rooms, in that order."""
    asked = subprocess.run(  # noqa: S603  this very Python
        [sys.executable, "-c", LIST], capture_output=True, check=True, text=True, env=surroundings()
    )
    return asked.stdout.strip()


async def _start(school: Founded, senders: Senders) -> Begun:
    """Serve until somebody's signed activity is taken, then a while longer."""
    (request,) = senders.requests(school.url, 1)
    began = time.perf_counter()
    async with _process(*command("serve", "--data", str(school.folder))) as served:
        await _taken(school.port, request)
        seconds, used = time.perf_counter() - began, served.cpu_seconds()
        await asyncio.sleep(IDLE)
        return Begun(seconds, used, served.memory_mib())


async def _taken(port: int, request: bytes) -> None:
    """Knock until the door is open and the activity is taken."""
    end = time.monotonic() + TIME_TO_START
    while time.monotonic() < end:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(KNOCK_AGAIN)
            continue
        try:
            status = await load.call(reader, writer, request)
        finally:
            writer.close()
        if status != b"202":
            raise BenchFailed(f"the server answered {status.decode()}")
        return
    raise BenchFailed("the server did not start")


async def _imported(packages: str) -> Begun:
    began = time.perf_counter()
    async with _process(sys.executable, "-c", IMPORT, packages) as importing:
        assert importing.stdout is not None
        await importing.stdout.readline()
        seconds = time.perf_counter() - began
        return Begun(seconds, importing.cpu_seconds(), importing.memory_mib())


@dataclass(frozen=True)
class Running(Served):
    stdout: asyncio.StreamReader | None


@asynccontextmanager
async def _process(*words: str) -> AsyncIterator[Running]:
    """A process from its first moment on, whatever it says."""
    running = await asyncio.create_subprocess_exec(
        *words,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=surroundings(),
        start_new_session=True,
    )
    try:
        yield Running(running.pid, running.stdout)
    finally:
        await load.end(running)


async def _under_load(ground: Ground) -> Figure:
    """A thousand servers are written to, and write, all at once."""
    crowd = ground.size(CROWD, 100)
    async with (
        taking() as sink,
        writing(servers=crowd, people=crowd) as senders,
        load.founded(ground) as school,
        ClientSession() as session,
    ):
        token = await posting.populate(school, sink.hosts(crowd), form="cavage")
        async with load.process(*load.serving(school)) as served:
            for number in range(ground.rounds(2)):
                ground.say(f"{crowd:,} servers, round {number + 1}")
                requests = senders.requests(school.url, crowd * 3)
                await asyncio.gather(
                    load.call_all(school.port, requests),
                    posting.delivered(sink, served, session, school, token, POSTS, crowd),
                )
            used, peak = served.cpu_seconds(), served.peak_mib()
    return Figure(
        name=f"memory under load of {crowd:,} servers",
        unit="MiB",
        value=peak,
        covers=f"the most resident while {POSTS} posts go to {crowd:,} servers and {crowd * 3:,} "
        f"signed activities by {crowd:,} people at as many servers come in and have their effects",
        targets=(Target("value", "<=", 512),),
        runs=((peak, None),),
        cpu_seconds=used,
    )
