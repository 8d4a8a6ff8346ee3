"""What all benches need: a school in a process of its own, what it uses, and a fast caller."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

import click

from staffroom import app, config, founding
from staffroom.bench.figures import MIB
from staffroom.demo_house import command, surroundings
from storage import bare
from storage.database import Database, School

CONNECTIONS = 64
TIME_TO_START = 60.0  # seconds
TIME_TO_END = 15.0
LOOK_AGAIN = 0.1  # seconds
AT_REST = 0.1  # share of a processor that a server takes which only waits, at most
CLOCK_OF_ALL_THREADS = 2  # CPUCLOCK_SCHED of Linux


class BenchFailed(click.ClickException):
    """What was to be measured did not happen."""


@dataclass(frozen=True)
class Ground:
    """Where schools are founded to be measured, and how thoroughly."""

    folder: Path
    postgresql: str | None = None  # a database of a server where we may make others
    quick: bool = False
    say: Callable[[str], None] = lambda words: None  # tells a person what goes on

    @property
    def database(self) -> str:
        return "PostgreSQL" if self.postgresql else "SQLite"

    def rounds(self, usual: int) -> int:
        """How often to measure."""
        return 1 if self.quick else usual

    def size(self, usual: int, small: int) -> int:
        """How much to measure."""
        return small if self.quick else usual


@dataclass(frozen=True)
class Founded:
    """A school that was founded for a bench."""

    folder: Path
    port: int
    url: str
    database_url: str

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Database]:
        """Its database, from this process; also while it is served."""
        host = self.url.partition("://")[2]
        house = School(host, self.url, "Bench School", config.secret(self.folder))
        database = await Database.open(self.database_url, house)
        try:
            yield database
        finally:
            await database.close()


@asynccontextmanager
async def founded(ground: Ground, **more: object) -> AsyncIterator[Founded]:
    """A school on this machine, open to everybody. `more` are settings of its federation."""
    port = free_port()
    host = f"127.0.0.1:{port}"
    folder = ground.folder / f"school-{port}"
    url = f"sqlite:///{folder / config.DATABASE_FILE}"
    if ground.postgresql:
        name = f"staffroom_bench_{secrets.token_hex(4)}"
        url = await asyncio.to_thread(bare.make_database, ground.postgresql, name)
    settings: dict[str, object] = {
        "server.host": host,
        "server.name": "Bench School",
        "server.public_url": f"http://{host}",
        "server.port": port,
        "database.url": url,
        "federation.mode": "open",
        "federation.danger_allow_http": True,
        "federation.danger_allow_private_addresses": True,
        **{f"federation.{name}": value for name, value in more.items()},
    }
    try:
        await asyncio.to_thread(founding.found, folder, settings, {})
        yield Founded(folder, port, f"http://{host}", url)
    finally:
        if ground.postgresql:
            await asyncio.to_thread(bare.drop_database, ground.postgresql, name)


def free_port() -> int:
    """A port of this machine that nobody has now."""
    with app.listen("127.0.0.1", 0) as place:
        port: int = place.getsockname()[1]
    return port


# --- processes ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Served:
    """Something that runs in a process of its own, with its children if it has any."""

    pid: int

    def cpu_seconds(self) -> float:
        """What it has used so far, in all threads, user and system together."""
        return sum(map(_cpu_seconds, self._family()))

    def memory_mib(self) -> float:
        """What it holds in memory now; what processes share is counted for each."""
        return sum(_status(pid, "VmRSS") for pid in self._family())

    def peak_mib(self) -> float:
        """The most that it ever held."""
        return sum(_status(pid, "VmHWM") for pid in self._family())

    async def at_rest(self) -> float:
        """Wait until it has nothing more to do; what it has used until then, in CPU seconds.

        What it does after the last answer is a part of the work as well.
        """
        used = self.cpu_seconds()
        while True:
            await asyncio.sleep(LOOK_AGAIN)
            now = self.cpu_seconds()
            if now - used < AT_REST * LOOK_AGAIN:
                return now
            used = now

    def _family(self) -> list[int]:
        found, waiting = [], [self.pid]
        while waiting:
            pid = waiting.pop()
            found.append(pid)
            with suppress(OSError):  # a child may end at any moment
                children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
                waiting += map(int, children.split())
        return found


@asynccontextmanager
async def process(*words: str) -> AsyncIterator[Served]:
    """Something that serves in a process of its own, from its line `ready …` to the end."""
    with TemporaryFile() as journal:
        serving = await asyncio.create_subprocess_exec(
            *words,
            stdout=asyncio.subprocess.PIPE,
            stderr=journal,
            env=surroundings(),
            start_new_session=True,
        )
        try:
            assert serving.stdout is not None
            try:
                line = await asyncio.wait_for(serving.stdout.readline(), TIME_TO_START)
            except TimeoutError:
                line = b""
            if not line.startswith(b"ready"):
                raise BenchFailed(f"the server did not start: {_last_line(journal)}")
            yield Served(serving.pid)
        finally:
            await end(serving)


def _last_line(journal: IO[bytes]) -> str:
    journal.seek(0)
    return next(reversed(journal.read().decode(errors="replace").splitlines()), "it says nothing")


async def end(serving: asyncio.subprocess.Process) -> None:
    """Ask a process to end, and make it if it does not."""
    if serving.returncode is not None:
        return
    serving.terminate()
    try:
        await asyncio.wait_for(serving.wait(), TIME_TO_END)
    except TimeoutError:
        serving.kill()
        await serving.wait()


def serving(school: Founded, *words: str) -> tuple[str, ...]:
    """The command that serves this school."""
    return tuple(command("serve", "--data", str(school.folder), *words))


def _cpu_seconds(pid: int) -> float:
    """Of one process, to the nanosecond: /proc tells it only to the hundredth of a second."""
    try:
        return time.clock_gettime((~pid << 3) | CLOCK_OF_ALL_THREADS)
    except OSError:
        return 0.0  # it has ended


def _status(pid: int, name: str) -> float:
    """A size from /proc, in MiB."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    found = next((line for line in lines if line.startswith(f"{name}:")), "0 0")
    return int(found.split()[1]) * 1024 / MIB


# --- calling -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Calls:
    """How long a burst of requests took, and each of them, in seconds."""

    seconds: float
    each: list[float]


async def call_all(
    port: int, requests: Iterable[bytes], *, status: bytes = b"202", connections: int = CONNECTIONS
) -> Calls:
    """Send whole HTTP requests over so many connections, the next when one is answered.

    Raises BenchFailed when an answer has another status.
    """
    waiting = iter(list(requests))
    each: list[float] = []

    async def caller() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            for request in waiting:
                asked = time.perf_counter()
                found = await call(reader, writer, request)
                each.append(time.perf_counter() - asked)
                if found != status:
                    raise BenchFailed(f"the server answered {found.decode()}")
        finally:
            writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(connections)))
    return Calls(time.perf_counter() - began, each)


async def call(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> bytes:
    """One request over a connection that stays open; answers the status."""
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    length = _length(head)
    if length:
        await reader.readexactly(length)
    return head.split(b" ", 2)[1]


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


def told(ground: Ground, name: str) -> Ground:
    """The same ground, whose words begin with the name of a bench."""
    say = ground.say
    return replace(ground, say=lambda words: say(f"{name}: {words}"))


def outbox_headers(token: str) -> dict[str, str]:
    """How one of our people's programs posts to their outbox."""
    return {"Authorization": f"Bearer {token}", "Content-Type": "application/activity+json"}
