"""What both benches need: a school in a process of its own, its CPU seconds, and a fast caller."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from staffroom import app, founding
from staffroom.demo_house import command, surroundings

CONNECTIONS = 64
TICKS = os.sysconf("SC_CLK_TCK")


class BenchFailed(Exception):
    """What was to be measured did not happen."""


@dataclass(frozen=True)
class Run:
    """So many were done, and what it cost."""

    name: str
    count: int
    cpu_seconds: float
    seconds: float

    @property
    def per_cpu_second(self) -> float:
        """The figure."""
        return self.count / max(self.cpu_seconds, 1 / TICKS)


def free_port() -> int:
    """A port of this machine that nobody has now."""
    with app.listen("127.0.0.1", 0) as place:
        port: int = place.getsockname()[1]
    return port


def found(folder: Path, port: int) -> str:
    """A school on this machine, open to everybody; answers its address."""
    host = f"127.0.0.1:{port}"
    founding.found(
        folder,
        {
            "server.host": host,
            "server.name": "Bench School",
            "server.public_url": f"http://{host}",
            "server.port": port,
            "federation.mode": "open",
            "federation.danger_allow_http": True,
            "federation.danger_allow_private_addresses": True,
        },
        environ={},
    )
    return f"http://{host}"


@asynccontextmanager
async def process(*words: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Something that serves in a process of its own, from its line `ready …` to the end."""
    serving = await asyncio.create_subprocess_exec(
        *words, stdout=asyncio.subprocess.PIPE, env=surroundings(), start_new_session=True
    )
    try:
        assert serving.stdout is not None
        line = await asyncio.wait_for(serving.stdout.readline(), 60)
        if not line.startswith(b"ready"):
            raise BenchFailed("the server did not start")
        yield serving
    finally:
        if serving.returncode is None:
            serving.terminate()
            try:
                await asyncio.wait_for(serving.wait(), 15)
            except TimeoutError:
                serving.kill()
                await serving.wait()


def school(folder: Path, *words: str) -> tuple[str, ...]:
    """The command that serves the school in `folder`."""
    return tuple(command("serve", "--data", str(folder), *words))


def cpu_seconds(process_id: int) -> float:
    """What a process has used so far, in all its threads, user and system together."""
    fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


async def call_all(port: int, requests: Iterable[bytes], status: bytes) -> float:
    """Send whole HTTP requests over 64 connections; answers the seconds it took.

    Raises BenchFailed when an answer has another status.
    """
    waiting = iter(list(requests))

    async def caller() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            for request in waiting:
                writer.write(request)
                head = await reader.readuntil(b"\r\n\r\n")
                length = _length(head)
                if length:
                    await reader.readexactly(length)
                if head.split(b" ", 2)[1] != status:
                    raise BenchFailed(f"the server answered {head.splitlines()[0].decode()}")
        finally:
            writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(CONNECTIONS)))
    return time.perf_counter() - began


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0
