"""One school's SQLite file: one thread writes, four read.

Readers see the file as it was when they began and never wait for the writer, which has a module
of its own. Ten times a second a watch looks whether the file changed, so that what a command
line writes wakes the running server.
"""

import asyncio
import logging
import os
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from threading import Thread

import aiosqlite
from sqlalchemy import Connection, Engine, event

from storage.calls import LONGEST_QUEUE, Answers, Call, Committed, Row, Topics, call_loop, release
from storage.ids import Ids
from storage.reserve import Reserve
from storage.sqlite_file import connect_engine, explained, roll_back
from storage.sqlite_writer import Trouble, Writer
from storage.transaction import RUNNING, Busy, School, Transaction, Unavailable, unavailable

log = logging.getLogger(__name__)

READERS = 4
LOOK_EVERY = 0.1  # seconds


class Reader:
    """Owns one connection that reads. All its methods run on one thread."""

    def __init__(
        self, path: str, school: School, *, now: Callable[[], datetime], answers: Answers
    ) -> None:
        self._engine: Engine = connect_engine(path, begin="BEGIN")
        event.listen(self._engine, "connect", _only_read)
        self._school = school
        self._now = now
        self._answers = answers
        self._ids = Ids(tag=None)  # who only reads needs none
        self._connection: Connection | None = None

    def run(self, queue: "SimpleQueue[Call | None]") -> None:
        """Work until the queue gives None."""
        while (call := queue.get()) is not None:
            self.work(call)
        self.close()

    def work(self, call: Call) -> None:
        """Answer one call from one snapshot of the file."""
        if call.future.cancelled():
            return
        try:
            call.result = self._read(call)
        except BaseException as error:
            call.error = explained(error, only_read=True)
        self._answers.give([call], set())

    def _read(self, call: Call) -> object:
        if self._connection is None:
            self._connection = self._engine.connect()
        connection = self._connection
        try:
            transaction = connection.begin()
            connection.info[RUNNING] = True
            try:
                return call.run(Transaction(connection, self._now(), self._school, self._ids))
            finally:
                connection.info[RUNNING] = False
                roll_back(connection, transaction)
        except Trouble:
            self.close()  # the next call opens a new one
            raise

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(*Trouble):
                connection.close()
        self._engine.dispose()


def _only_read(connection: sqlite3.Connection, _record: object) -> None:
    connection.execute("PRAGMA query_only = ON")


class Sqlite:
    """A SQLite file and the threads that work on it."""

    def __init__(
        self,
        path: str,
        school: School,
        *,
        now: Callable[[], datetime],
        threads: bool,
        loop: asyncio.AbstractEventLoop,
        topics: Topics,
        committed: Committed | None = None,
    ) -> None:
        self._path = path
        self._address = f"{Path(path).absolute().as_uri()}?mode=ro"
        self._loop = loop
        self._topics = topics
        self._threads: list[Thread] = []
        self._inline = not threads
        self._watch: asyncio.Task[None] | None = None
        self._closed = False
        self._ending = asyncio.Event()
        answers = Answers(loop, topics)
        self._reads: SimpleQueue[Call | None] = SimpleQueue()
        self._readers = [
            Reader(path, school, now=now, answers=answers) for _ in range(READERS if threads else 1)
        ]
        self._writer = Writer(
            path,
            school,
            now=now,
            clock=time.monotonic if threads else lambda: 0.0,
            answers=answers,
            written_elsewhere=lambda: call_loop(loop, topics.wake_all),
            committed=committed,
        )

    async def keep_reserve(self) -> None:
        """From now on, until it is closed, a little room is kept free beside the file."""
        reserve = Reserve(Path(f"{self._path}-reserve"), time.monotonic)
        await asyncio.to_thread(reserve.keep)
        self._writer.reserve = reserve

    async def start(self) -> None:
        """Raises Unavailable where the file cannot be opened or made durable."""
        if self._inline:
            self._prove_durable()
            return
        await asyncio.to_thread(self._prove_durable)
        writer_ready: asyncio.Future[None] = self._loop.create_future()
        ready = partial(call_loop, self._loop, partial(release, writer_ready))
        self._threads = [
            Thread(target=self._write, args=(ready,), name="sqlite-writer", daemon=True),
            *(
                Thread(target=reader.run, args=(self._reads,), name="sqlite-reader", daemon=True)
                for reader in self._readers
            ),
        ]
        for thread in self._threads:
            thread.start()
        await writer_ready
        self._watch = asyncio.create_task(self._watch_file())

    def _write(self, ready: Callable[[], None]) -> None:
        """The writer's whole life. If it dies of a mistake of ours, nobody who writes would ever
        be answered again: they are told, and the process is asked to end. Who started it starts
        it again."""
        try:
            self._writer.run(ready)
        except BaseException as error:
            log.critical("the thread that writes died", exc_info=True)
            self._writer.refuse_all(error)
            call_loop(self._loop, partial(os.kill, os.getpid(), signal.SIGTERM))

    def _prove_durable(self) -> None:
        engine = connect_engine(self._path, begin="BEGIN")
        try:
            engine.connect().close()
        except Trouble as error:
            raise unavailable(error) from error
        finally:
            engine.dispose()

    def read(self, call: Call) -> None:
        """Raises Busy, Unavailable."""
        if self._closed:
            raise Unavailable("the database is closed")
        if self._inline:
            self._loop.call_soon(self._readers[0].work, call)
            return
        if self._reads.qsize() >= LONGEST_QUEUE:
            raise Busy(f"{LONGEST_QUEUE} reads wait for the database already")
        self._reads.put(call)

    def write(self, call: Call) -> None:
        """Raises Busy, Unavailable."""
        self._writer.queue.put(call)
        if self._inline:
            self._loop.call_soon(self._work_inline)

    def write_row(self, call: Row) -> None:
        """Raises Busy, Unavailable."""
        self.write(call)

    def _work_inline(self) -> None:
        if len(self._writer.queue):
            self._writer.work()

    async def close(self) -> None:
        """Answer all who wait, then let go of the file."""
        self._closed = True
        self._writer.queue.close()
        if self._inline:
            while len(self._writer.queue):
                self._writer.work()
            self._writer.close()
            self._readers[0].close()
            return
        if self._watch is not None:
            # Not broken off: a connection that was being made would answer a loop that is gone.
            self._ending.set()
            await self._watch
        for _ in self._readers:
            self._reads.put(None)
        for thread in self._threads:
            await asyncio.to_thread(thread.join)

    async def _watch_file(self) -> None:
        """See when the file changes; the writer knows whether it was our own doing."""
        version: int | None = None
        while not self._ending.is_set():
            try:
                async with aiosqlite.connect(self._address, uri=True) as watch:
                    while not self._ending.is_set():
                        before, version = version, await _version(watch)
                        if version != before:
                            self._writer.queue.nudge()
                        await self._pause(LOOK_EVERY)
            except sqlite3.Error as error:
                log.warning("cannot watch the database for other processes: %s", error)
                await self._pause(1.0)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._ending.wait(), seconds)


async def _version(watch: aiosqlite.Connection) -> int:
    async with watch.execute("PRAGMA data_version") as cursor:
        row = await cursor.fetchone()
    assert row is not None
    return int(row[0])
