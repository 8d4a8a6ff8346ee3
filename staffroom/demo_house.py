"""One school of the demo: its data directory, its process, and the commands run about it."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from staffroom.config import CannotOpen
from staffroom.demo_cast import Cast

FIRST_PORT = 8101
TIME_TO_START = 60.0  # seconds
TIME_TO_STOP = 10.0


@dataclass(frozen=True)
class Keys:
    """What opens an account: a password for a browser, a token for a program."""

    password: str
    token: str


class House:
    """One school of the demo: where it lives, and its process."""

    def __init__(self, cast: Cast, folder: Path, port: int) -> None:
        self.cast = cast
        self.folder = folder
        self.port = port
        self.host = f"127.0.0.1:{port}"
        self.url = f"http://{self.host}"
        self.process: asyncio.subprocess.Process | None = None

    async def run(self, *words: str, typed: str = "") -> str:
        """Run a `staffroom` command about this school; answers what it printed."""
        process = await asyncio.create_subprocess_exec(
            *command(*words, "--data", str(self.folder)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=surroundings(),
        )
        try:
            out, complaint = await process.communicate(typed.encode())
        except asyncio.CancelledError:
            process.kill()
            await process.wait()
            raise
        if process.returncode:
            raise CannotOpen(f"{self.cast.name}: {complaint.decode().strip()}")
        return out.decode().strip()

    async def serve(self) -> None:
        """Start serving; returns when the school is ready."""
        self.process = await asyncio.create_subprocess_exec(
            *command("serve", "--data", str(self.folder), "--port", str(self.port), "--traffic"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=surroundings(),
            # Ctrl-C reaches the demo alone, which then asks the schools to close.
            start_new_session=True,
        )
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        line = await asyncio.wait_for(self.process.stdout.readline(), TIME_TO_START)
        if not line.startswith(b"ready "):
            complaint = await self.process.stderr.read()
            raise CannotOpen(f"{self.cast.name} did not start: {complaint.decode().strip()}")

    async def journal(self) -> AsyncIterator[dict[str, Any]]:
        """What the server writes down, line by line."""
        assert self.process is not None
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            with suppress(orjson.JSONDecodeError):
                found = orjson.loads(line)
                if isinstance(found, dict):
                    yield found

    async def close(self) -> None:
        """Ask the process to end, and make it if it does not."""
        if self.process is None or self.process.returncode is not None:
            return
        self.process.terminate()
        try:
            await asyncio.wait_for(self.process.wait(), TIME_TO_STOP)
        except TimeoutError:
            self.process.kill()
            await self.process.wait()


def command(*words: str) -> list[str]:
    """A `staffroom` command as this very Python would run it."""
    return [sys.executable, "-m", "staffroom", *words]


def surroundings() -> dict[str, str]:
    """The environment without settings of another school."""
    return {name: value for name, value in os.environ.items() if not name.startswith("STAFFROOM_")}


def free_place() -> socket.socket:
    """A place of our own on this machine, from port 8101 upwards."""
    for port in range(FIRST_PORT, FIRST_PORT + 100):
        try:
            return socket.create_server(("127.0.0.1", port))
        except OSError:
            continue
    return socket.create_server(("127.0.0.1", 0))
