"""How the processes of one school on PostgreSQL wake each other, and tell their ids apart.

One session listens and holds this process's id tag: an advisory lock, so that it is free again
the moment the process is gone. Another session rings: at most once in 20 ms however much was
written, because NOTIFY inside transactions would cost a third of the commits. What is not heard
is found by those who poll.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any

import psycopg
from sqlalchemy import Dialect

from storage.calls import Topics, call_loop
from storage.ids import GATE, TAG_LOCKS, TAGS, Ids, highest_id, limit
from storage.transaction import Unavailable

log = logging.getLogger(__name__)

CHANNEL = "staffroom"
GATHER = 0.020  # seconds
RETRY = 0.5  # seconds between attempts to connect again

Session = psycopg.AsyncConnection[tuple[Any, ...]]


class Bell:
    """Owns the listening and the ringing session of one process."""

    def __init__(
        self,
        connect_args: Mapping[str, Any],
        dialect: Dialect,
        ids: Ids,
        topics: Topics,
        *,
        now: Callable[[], datetime],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._connect_args = connect_args
        self._highest_id = str(highest_id().compile(dialect=dialect))
        self._ids = ids
        self._topics = topics
        self._now = now
        self._loop = loop
        self._tag = 0  # the one we had last
        self._listening: Session | None = None
        self._ringing: Session | None = None
        self._gathered: set[str] = set()
        self._rung = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Raises Unavailable where PostgreSQL does not answer or has no tag left."""
        try:
            self._listening = await self._open_listening()
        except psycopg.Error as error:
            raise Unavailable("PostgreSQL does not answer") from error
        self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._ring())]

    def ring(self, topics: set[str]) -> None:
        """Wake the other processes soon. From any thread."""
        if topics:
            call_loop(self._loop, partial(self._gather, topics))

    async def close(self) -> None:
        """Ring for what is left, give the tag back and hang up."""
        await asyncio.sleep(0)  # what threads rang for arrives
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._send()
        self._ids.tag = None
        if self._listening is not None:
            with suppress(psycopg.Error):  # a closed session would give the tag back a bit later
                await self._listening.execute("SELECT pg_advisory_unlock_all()")
            await self._listening.close()
        if self._ringing is not None:
            await self._ringing.close()

    def _gather(self, topics: set[str]) -> None:
        self._gathered |= topics
        self._rung.set()

    async def _ring(self) -> None:
        while True:
            await self._rung.wait()
            await asyncio.sleep(GATHER)
            await self._send()

    async def _send(self) -> None:
        self._rung.clear()
        topics, self._gathered = self._gathered, set()
        if not topics:
            return
        try:
            if self._ringing is None:
                self._ringing = await self._connect()
            await self._ringing.execute(
                "SELECT pg_notify(%s, %s)", [CHANNEL, " ".join(sorted(topics))]
            )
        except psycopg.Error as error:
            log.info("other processes were not woken: %s", error)
            if self._ringing is not None:
                await self._ringing.close()
                self._ringing = None

    async def _listen(self) -> None:
        while True:
            try:
                if self._listening is None:
                    self._listening = await self._open_listening()
                    self._topics.wake_all()  # who knows what rang meanwhile
                async for note in self._listening.notifies():
                    if self._ringing is None or note.pid != self._ringing.info.backend_pid:
                        self._topics.wake(note.payload.split())
            except (psycopg.Error, Unavailable) as error:
                # Said once, not at each attempt until PostgreSQL is back.
                level = logging.INFO if self._listening is None else logging.WARNING
                log.log(level, "the session that listens to PostgreSQL is lost: %s", error)
            self._ids.tag = None  # the lock went with the session
            if self._listening is not None:
                with suppress(psycopg.Error):
                    await self._listening.close()
                self._listening = None
            await asyncio.sleep(RETRY)

    async def _open_listening(self) -> Session:
        session = await self._connect()
        try:
            async with session.transaction():
                await session.execute(
                    "SELECT pg_advisory_xact_lock_shared(%s, %s)", [TAG_LOCKS, GATE]
                )
                self._tag = await self._claim_tag(session)
            row = await (
                await session.execute(self._highest_id, {"limit": limit(self._now())})
            ).fetchone()
            self._ids.rise_above(row[0] if row else None)
            await session.execute(f"LISTEN {CHANNEL}")
        except BaseException:
            await session.close()
            raise
        self._ids.tag = self._tag
        return session

    async def _claim_tag(self, session: Session) -> int:
        """The tag we had last if it is free, else the lowest free one. Raises Unavailable."""
        candidates: list[int] = [self._tag, *range(TAGS)]
        for tag in candidates:
            found = await session.execute("SELECT pg_try_advisory_lock(%s, %s)", [TAG_LOCKS, tag])
            if await found.fetchone() == (True,):
                return tag
        raise Unavailable(f"{TAGS} processes use this database already")

    async def _connect(self) -> Session:
        return await psycopg.AsyncConnection.connect(**self._connect_args, autocommit=True)
