"""A school that is made to be killed: founded in a moment, on SQLite or on PostgreSQL, where two
processes serve it, of which one can be killed while the other goes on.
"""

import asyncio
import os
import random
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
from aiohttp import ClientSession

from actors import accounts, staff
from staffroom import config, founding
from storage.database import Database, School, Transaction
from tests.e2e.running import DEADLINE, RunningSchool, surroundings, until
from tests.e2e.village import ACTIVITY


class MortalSchool(RunningSchool):
    """A school founded in a moment, on either engine, whose processes can be killed singly."""

    def __init__(self, folder: Path, session: ClientSession, database_url: str | None) -> None:
        super().__init__(folder, session)
        self.database_url = database_url or f"sqlite:///{folder / config.DATABASE_FILE}"
        self.several = database_url is not None
        self.journal = folder.with_name(f"{folder.name}.journal")
        self.environment: dict[str, str] = {}  # what stands between it and its system
        self.place = self.port  # where it listens, if that is not where others find it

    async def open_for(self, *usernames: str, knowing: Callable[[Transaction, str], None]) -> None:
        """Found it for these people, each with a token. `knowing` says whom it is in touch with;
        it is given the id of the first of them."""
        values: dict[str, object] = {
            "server.host": self.host,
            "server.name": "Oakfield School",
            "server.public_url": self.url,
            "database.url": self.database_url if self.several else None,
            "federation.danger_allow_http": True,
            "federation.danger_allow_private_addresses": True,
        }
        await asyncio.to_thread(founding.found, self.folder, values, environ={})

        def begin(tx: Transaction) -> dict[str, str]:
            tokens = {}
            for username in usernames:
                member = staff.add(tx, username=username, name=username.title())
                tokens[username] = accounts.issue_token(tx, member, ("read", "write"))
            knowing(tx, self.uri(usernames[0]))
            return tokens

        async with self.records() as database:
            self.tokens = await database.write(begin)

    @asynccontextmanager
    async def records(self) -> AsyncIterator[Database]:
        """Its database, beside whatever serves it."""
        house = School(self.host, self.url, "", config.secret(self.folder, {}))
        database = await Database.open(self.database_url, house)
        try:
            yield database
        finally:
            await database.close()

    async def post(self, username: str, activity: dict[str, Any]) -> tuple[int, Mapping[str, str]]:
        """POST to somebody's outbox; answers the status and the headers. Raises ClientError."""
        async with self._session.post(
            f"{self.uri(username)}/outbox",
            data=orjson.dumps(activity),
            headers=self._headers(username) | {"Content-Type": ACTIVITY},
        ) as answer:
            await answer.read()
            return answer.status, answer.headers

    async def serve(self) -> None:
        """On PostgreSQL two processes serve it. Returns when it says that it is ready."""
        workers = ("--workers", "2") if self.several else ()
        with self.journal.open("ab") as journal:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "staffroom",
                "serve", "--data", str(self.folder), "--port", str(self.place), *workers,
                stdout=asyncio.subprocess.PIPE,
                stderr=journal,
                env=surroundings() | self.environment,
                start_new_session=True,
            )  # fmt: skip
        assert self.process.stdout is not None
        line = await asyncio.wait_for(self.process.stdout.readline(), DEADLINE)
        assert line.decode().strip() == f"ready {self.url}"

    async def kill(self, *, only_the_first: bool = False) -> None:
        """All of its processes at once, or only the one that started the others: those end then
        by themselves. Not one stays."""
        assert self.process is not None
        if only_the_first:
            self.process.kill()
        else:
            os.killpg(self.process.pid, signal.SIGKILL)
        await self.process.wait()
        await until(self.processes, lambda left: not left)

    async def end(self) -> None:
        """Kill whatever still runs, and show the last of what it wrote down."""
        if self.process is None:
            return
        if self.process.returncode is None:
            await self.kill()
        print(self.journal.read_text()[-2000:], file=sys.stderr)

    def mistakes(self) -> list[str]:
        """Whatever it wrote down as an error, but that one of its processes was killed."""
        lines = self.journal.read_text().splitlines()
        return [line for line in lines if '"level":"error"' in line and '"status":-9' not in line]

    def kill_one(self) -> bool:
        """One of several processes that serve it; false if there is only one."""
        assert self.process is not None
        found = list(children(self.process.pid))
        if found:
            os.kill(random.choice(found), signal.SIGKILL)
        return bool(found)

    async def processes(self) -> list[int]:
        assert self.process is not None
        return [pid for pid, _, group in _running() if group == self.process.pid]


def _running() -> Iterator[tuple[int, int, int]]:
    """The ids of every process that lives: its own, its parent's, its group's."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue  # gone meanwhile
            if fields[0] != "Z":
                yield int(folder.name), int(fields[1]), int(fields[2])


def children(parent: int) -> Iterator[int]:
    """The processes that this one started."""
    return (pid for pid, of, _ in _running() if of == parent)
