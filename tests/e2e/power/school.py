"""A school whose files are on a disk that can fail, and those who bring it something."""

import asyncio
import shutil
import sqlite3
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import orjson
from aiohttp import ClientError, ClientSession, ClientTimeout
from argon2 import PasswordHasher

from staffroom import config
from storage import accounts, actors
from storage.database import Transaction
from tests.e2e.crashing import MortalSchool
from tests.e2e.power.disk import Disk
from tests.e2e.running import until
from tests.e2e.village import Village

PASSWORD = "the hall is free on monday"
PATIENCE = ClientTimeout(total=30)
WORKED_ON = 60.0  # seconds until all that was kept has had its effect


class SchoolOnDisk(MortalSchool):
    """A school that is served from a disk of ours, once it is founded."""

    disk: Disk

    def __init__(self, folder: Path, session: ClientSession) -> None:
        super().__init__(folder, session, None)

    def put_on(self, library: Path) -> None:
        """From now on it is served from such a disk."""
        self._library = library
        self.disk = Disk(library, self.folder)
        self.environment = self.disk.environment

    async def serve(self) -> None:
        """Start serving; what is there now is on the disk."""
        self.disk.settle()
        await super().serve()

    def move_to(self, folder: Path) -> None:
        """Move to another folder, on a disk that needs none of our tricks."""
        shutil.copytree(self.folder, folder)
        self.folder = folder
        self.database_url = f"sqlite:///{folder / config.DATABASE_FILE}"
        self.put_on(self._library)
        self.environment = {}

    async def set_password(self) -> None:
        """From now on Alice can sign in."""
        kept = await asyncio.to_thread(PasswordHasher().hash, PASSWORD)

        def change(tx: Transaction) -> None:
            alice = actors.by_uri(tx, self.uri("alice"))
            assert alice is not None
            accounts.set_password(tx, alice.id, kept)

        async with self.records() as database:
            await database.write(change)

    @property
    def serving(self) -> bool:
        """Whether the process that was started last still runs."""
        return self.process is not None and self.process.returncode is None

    def integrity(self) -> str:
        """What SQLite says of the file itself."""
        connection = sqlite3.connect(self.folder / "staffroom.sqlite")
        try:
            return str(connection.execute("PRAGMA integrity_check").fetchone()[0])
        finally:
            connection.close()


@dataclass
class Promises:
    """What those outside saw: what was promised to them, and every answer they got."""

    kept: set[str] = field(default_factory=set)
    answers: Counter[str] = field(default_factory=Counter)

    def note(self, status: int, headers: Any) -> int:
        """An answer. Whoever is turned away is told when to come again."""
        self.answers[str(status)] += 1
        if status in (503, 507):
            assert "Retry-After" in headers
        return status

    def note_silence(self, error: Exception) -> None:
        """There was no answer."""
        self.answers[type(error).__name__] += 1


class Visitors:
    """The village, which brings activities to Alice, and Alice, who writes posts herself: what
    each was promised is remembered here, outside of the school."""

    def __init__(self, school: SchoolOnDisk, village: Village, session: ClientSession) -> None:
        self.school = school
        self.village = village
        self.came = Promises()
        self.wrote = Promises()
        self._session = session
        self._numbers = count()

    async def bring(self) -> int | None:
        """The village brings one activity; the status, None if there was no answer."""
        brought = self.village.create(next(self._numbers), self.school.uri("alice"))
        try:
            async with asyncio.timeout(PATIENCE.total):
                status, headers = await self.village.bring(self._session, self.school.url, brought)
        except (ClientError, TimeoutError) as error:
            self.came.note_silence(error)
            return None
        if status == 202:
            self.came.kept.add(brought.id)
        return self.came.note(status, headers)

    async def write(self) -> int | None:
        """Alice writes a post; the status, None if there was no answer."""
        public = "https://www.w3.org/ns/activitystreams#Public"
        note = {"type": "Note", "content": f"<p>{next(self._numbers)}</p>", "to": [public]}
        try:
            async with self._session.post(
                f"{self.school.uri('alice')}/outbox",
                data=orjson.dumps(note),
                headers={
                    "Authorization": f"Bearer {self.school.tokens['alice']}",
                    "Content-Type": "application/activity+json",
                },
                timeout=PATIENCE,
            ) as answer:
                if answer.status == 201:
                    self.wrote.kept.add(answer.headers["Location"])
                return self.wrote.note(answer.status, answer.headers)
        except (ClientError, TimeoutError) as error:
            self.wrote.note_silence(error)
            return None

    @property
    def answers(self) -> Counter[str]:
        """All that anybody was answered so far."""
        return self.came.answers + self.wrote.answers

    async def nothing_lost(self) -> None:
        """Everything that was promised is there, once, and the school is sound."""

        async def there() -> Counter[str]:
            return Counter(one["id"] for one in await self.school.inbox("alice"))

        async def missing() -> set[str]:
            return self.came.kept - (await there()).keys()

        # What nobody was thanked for may be there as well, so that a number would say nothing.
        await until(missing, lambda seen: not seen, WORKED_ON)
        assert set((await there()).values()) <= {1}
        for location in self.wrote.kept:
            await self.school.read("alice", location)
        await self.school.command("fsck")
