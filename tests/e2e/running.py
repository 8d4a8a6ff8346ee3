"""Schools as real processes, as an administrator runs them: the command line, and HTTP."""

import asyncio
import os
import socket
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import orjson
from aiohttp import ClientError, ClientSession

T = TypeVar("T")

DEADLINE = 60.0  # seconds that anything may take
LOOK_AGAIN = 0.1


def surroundings() -> dict[str, str]:
    """The environment without settings of ours."""
    return {name: value for name, value in os.environ.items() if not name.startswith("STAFFROOM_")}


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.create_server(("127.0.0.1", 0)) as place:
        port: int = place.getsockname()[1]
    return port


async def until(
    look: Callable[[], Awaitable[T]], enough: Callable[[T], bool], seconds: float = DEADLINE
) -> T:
    """Look again and again until it is enough; fails with what was seen last."""
    end = asyncio.get_running_loop().time() + seconds
    while True:
        try:
            seen: T | ClientError = await look()
        except ClientError as error:
            seen = error
        if not isinstance(seen, ClientError) and enough(seen):
            return seen
        if asyncio.get_running_loop().time() > end:
            raise AssertionError(f"not within {seconds} s; last seen: {seen!r}")
        await asyncio.sleep(LOOK_AGAIN)


async def staffroom(*words: str, cwd: Path | None = None, typed: str = "") -> tuple[int, str, str]:
    """Run a command to its end, with what is typed; answers its status, stdout and stderr."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "staffroom", *words,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=surroundings(),
        cwd=cwd,
    )  # fmt: skip
    out, complaint = await asyncio.wait_for(process.communicate(typed.encode()), 3 * DEADLINE)
    return process.returncode or 0, out.decode(), complaint.decode()


class RunningSchool:
    """One school with a data directory of its own."""

    def __init__(self, folder: Path, session: ClientSession) -> None:
        self.folder = folder
        self.port = free_port()
        self.host = f"127.0.0.1:{self.port}"
        self.url = f"http://{self.host}"
        self.process: asyncio.subprocess.Process | None = None
        self.tokens: dict[str, str] = {}
        self._session = session

    async def command(self, *words: str, typed: str = "") -> str:
        """A command about this school that works; answers what it printed."""
        status, out, complaint = await staffroom(*words, "--data", str(self.folder), typed=typed)
        assert status == 0, complaint
        return out.strip()

    async def found(self, *members: str, password: str | None = None) -> None:
        """Found it, with these people, each with a token and, if given, that password."""
        await self.command(
            "init",
            "--domain", self.host,
            "--public-url", self.url,
            "--name", f"School {self.folder.name}",
            "--danger-allow-http",
            "--danger-allow-private-addresses",
        )  # fmt: skip
        for username in members:
            known = () if password is None else ("--password-stdin",)
            printed = await self.command(
                "staff", "add", username, "--name", username.title(), "--token", *known,
                typed=password or "",
            )  # fmt: skip
            self.tokens[username] = printed.splitlines()[-1]

    async def serve(self) -> None:
        """Start serving; returns when it says that it is ready."""
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "staffroom",
            "serve", "--data", str(self.folder), "--port", str(self.port),
            stdout=asyncio.subprocess.PIPE,
            env=surroundings(),
        )  # fmt: skip
        assert self.process.stdout is not None
        line = await asyncio.wait_for(self.process.stdout.readline(), DEADLINE)
        assert line.decode().strip() == f"ready {self.url}"

    async def kill(self) -> None:
        """As a power cut does it."""
        assert self.process is not None
        self.process.kill()
        await self.process.wait()

    async def stop(self) -> int:
        """As an administrator does it; answers the status."""
        assert self.process is not None
        if self.process.returncode is None:
            self.process.terminate()
        return await asyncio.wait_for(self.process.wait(), 10)

    def uri(self, username: str) -> str:
        """The id of one of its people."""
        return f"{self.url}/users/{username}"

    async def act(self, username: str, activity: dict[str, Any]) -> str:
        """POST to somebody's outbox; answers the id of the activity."""
        async with self._session.post(
            f"{self.uri(username)}/outbox",
            data=orjson.dumps(activity),
            headers=self._headers(username) | {"Content-Type": "application/activity+json"},
        ) as answer:
            assert answer.status == 201, await answer.text()
            return answer.headers["Location"]

    async def read(self, username: str, url: str) -> dict[str, Any]:
        """GET something as one of its people."""
        async with self._session.get(url, headers=self._headers(username)) as answer:
            body = await answer.read()
            assert answer.status == 200, body
            found = orjson.loads(body)
            assert isinstance(found, dict)
            return found

    async def inbox(self, username: str) -> list[dict[str, Any]]:
        """Everything in somebody's inbox, newest first."""
        page: Any = await self.read(username, f"{self.uri(username)}/inbox")
        found: list[dict[str, Any]] = []
        following = page.get("first")
        while following is not None:
            page = following
            if isinstance(page, str):
                page = await self.read(username, page)
            found += page["orderedItems"]
            following = page.get("next")
        return found

    def _headers(self, username: str) -> dict[str, str]:
        return {
            "Authorization": f"Bearer {self.tokens[username]}",
            "Accept": "application/activity+json",
        }
