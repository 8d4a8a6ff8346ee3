"""A school's PostgreSQL database: each function is one transaction on one of a few threads.

Where two functions wait for each other's rows, PostgreSQL ends one of them, and it is run again;
so is one whose connection was lost before COMMIT. If the connection is lost during COMMIT nobody
knows the outcome, and that is what the caller is told. Rows from the door share a transaction.
"""

import asyncio
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.engine import RootTransaction
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from storage.calls import (
    LONGEST_QUEUE,
    Answers,
    Call,
    Committed,
    Queue,
    Row,
    Topics,
    Work,
    by_function,
    run_rows,
    told,
)
from storage.ids import Ids
from storage.postgresql_bell import Bell
from storage.transaction import (
    RUNNING,
    Busy,
    School,
    Transaction,
    Unavailable,
    forbid_ending,
    unavailable,
)

WRITERS = 3
WORKERS = 3  # threads for work in the background, which leaves those of the people alone
READERS = 4
RERUNS = 3

# A server that fell silent is given up after about 25 seconds, a lock after 5.
CONNECT_ARGS = {
    "application_name": "staffroom",
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "options": "-c lock_timeout=5s -c idle_in_transaction_session_timeout=60s",
}

# https://www.postgresql.org/docs/current/errcodes-appendix.html
DEADLOCK, SERIALIZATION = "40P01", "40001"
# Connection, resources, operator, system; a lock not had in time; a server that only reads.
ONLY_READS = "25006"
SERVER_TROUBLE = ("08", "53", "57", "58", "55P03", ONLY_READS)


def connect_engine(address: URL, *, size: int, only_read: bool = False) -> Engine:
    engine = create_engine(
        address,
        pool_size=size,
        max_overflow=0,
        isolation_level="REPEATABLE READ" if only_read else "READ COMMITTED",
        connect_args=CONNECT_ARGS,
        hide_parameters=True,  # what people write has no place in a log
    )

    def prepare(connection: psycopg.Connection, _record: object) -> None:
        connection.read_only = only_read

    event.listen(engine, "connect", prepare)
    forbid_ending(engine)
    return engine


class Postgresql:
    """A PostgreSQL database and the threads that work on it."""

    def __init__(
        self,
        address: URL,
        school: School,
        *,
        now: Callable[[], datetime],
        threads: bool,
        loop: asyncio.AbstractEventLoop,
        topics: Topics,
        committed: Committed | None = None,
    ) -> None:
        self._school = school
        self._now = now
        self._loop = loop
        self._inline = not threads
        self._closed = False
        self._threads: list[Thread] = []
        self._reads: SimpleQueue[Call | None] = SimpleQueue()
        self._writes = Queue()
        self._work = Queue()
        self._rows = Queue()
        self._writing = connect_engine(address, size=WRITERS + WORKERS + 1)
        self._reading = connect_engine(address, size=READERS, only_read=True)
        self._answers = Answers(loop, topics)
        self._committed = committed
        self._ids = Ids(tag=None)
        dialect = self._writing.dialect
        session = dict(dialect.create_connect_args(address)[1]) | CONNECT_ARGS
        self._bell = Bell(session, dialect, self._ids, topics, now=now, loop=loop)

    async def start(self) -> None:
        """Raises Unavailable where PostgreSQL does not answer or has no tag left."""
        await self._bell.start()
        if self._inline:
            return
        targets = (
            [self._serve_writes] * WRITERS
            + [self._serve_work] * WORKERS
            + [self._serve_rows]
            + [self._serve_reads] * READERS
        )
        self._threads = [
            Thread(target=target, name=f"postgresql{target.__name__}", daemon=True)
            for target in targets
        ]
        for thread in self._threads:
            thread.start()

    def read(self, call: Call) -> None:
        """Raises Busy, Unavailable."""
        if self._closed:
            raise Unavailable("the database is closed")
        if self._inline:
            self._loop.call_soon(self._read, call)
            return
        if self._reads.qsize() >= LONGEST_QUEUE:
            raise Busy(f"{LONGEST_QUEUE} reads wait for the database already")
        self._reads.put(call)

    def write(self, call: Call) -> None:
        """Raises Busy, Unavailable."""
        background = isinstance(call, Work)
        (self._work if background else self._writes).put(call)
        if self._inline:
            self._loop.call_soon(self._work_next if background else self._write_next)

    def write_row(self, call: Row) -> None:
        """Raises Busy, Unavailable."""
        self._rows.put(call)
        if self._inline:
            self._loop.call_soon(self._write_rows)

    async def keep_reserve(self) -> None:
        """Its disk is not ours."""

    async def close(self) -> None:
        """Answer all who wait, then let go of the database."""
        self._closed = True
        self._writes.close()
        self._work.close()
        self._rows.close()
        await asyncio.sleep(0)  # inline, what waits has its turn now
        for _ in range(READERS):
            self._reads.put(None)
        for thread in self._threads:
            await asyncio.to_thread(thread.join)
        await self._bell.close()
        self._writing.dispose()
        self._reading.dispose()

    def _serve_reads(self) -> None:
        while (call := self._reads.get()) is not None:
            self._read(call)

    def _serve_writes(self) -> None:
        while self._writes.wait():
            self._write_next()

    def _serve_work(self) -> None:
        while self._work.wait():
            self._work_next()

    def _serve_rows(self) -> None:
        while self._rows.wait():
            self._write_rows()

    def _read(self, call: Call) -> None:
        if not call.future.cancelled():
            self._answer(self._reading, call)

    def _write_next(self) -> None:
        call = self._writes.take()
        if call is not None:
            self._answer(self._writing, call)

    def _work_next(self) -> None:
        work = self._work.take_work()
        if work is not None:
            self._answer(self._writing, work)

    def _write_rows(self) -> None:
        """One transaction for all rows that wait for one function. If that fails, each is tried
        alone, so that only the bad one is refused."""
        for part in by_function(self._rows.take_rows()):
            began = time.monotonic()
            try:
                results, topics = self._transact(self._writing, partial(run_rows, rows=part))
            except Exception as error:
                if len(part) == 1 or isinstance(error, Unavailable):
                    for row in part:
                        row.error = unavailable(error) if len(part) > 1 else error
                    self._answers.give([*part], set())
                else:
                    for row in part:
                        self._answer(self._writing, row)
            else:
                for row, result in zip(part, results, strict=True):
                    row.result = result
                self._bell.ring(topics)
                self._answers.give([*part], topics)
                told(self._committed, len(part), time.monotonic() - began)

    def _answer(self, engine: Engine, call: Call) -> None:
        topics: set[str] = set()
        began = time.monotonic()
        try:
            call.result, topics = self._transact(engine, call.run)
        except BaseException as error:
            call.error = error
        else:
            if engine is self._writing:
                told(self._committed, 1, time.monotonic() - began)
        self._bell.ring(topics)
        self._answers.give([call], topics)

    def _transact(self, engine: Engine, run: Callable[[Transaction], Any]) -> tuple[Any, set[str]]:
        """Run one function in a transaction, again if it could not help failing.

        Raises what the function raises, and Unavailable.
        """
        attempt = 0
        while True:
            try:
                return self._attempt(engine, run)
            except DBAPIError as error:
                if attempt == RERUNS or not _may_run_again(error):
                    raise explained(error, only_read=engine is self._reading) from error.__cause__
                attempt += 1

    def _attempt(self, engine: Engine, run: Callable[[Transaction], Any]) -> tuple[Any, set[str]]:
        with engine.connect() as connection:
            transaction = connection.begin()
            driver = connection.connection.driver_connection
            assert isinstance(driver, psycopg.Connection)
            info = connection.info
            tx = Transaction(connection, self._now(), self._school, self._ids)
            info[RUNNING] = True
            try:
                result = run(tx)
            finally:
                info[RUNNING] = False
                if not transaction.is_active:  # SQLAlchemy lost count and would roll back nothing
                    connection.invalidate()
            if not transaction.is_active:
                raise Unavailable("the transaction ended inside a function")
            if driver.info.transaction_status is TransactionStatus.INERROR:
                # COMMIT would say nothing and roll back.
                raise RuntimeError("a function went on after a failed statement")
            _commit(transaction)
            return result, tx.topics


def _commit(transaction: RootTransaction) -> None:
    """Raises Unavailable where the outcome is unknown."""
    try:
        transaction.commit()
    except DBAPIError as error:
        if error.connection_invalidated:
            raise Unavailable("the connection was lost during COMMIT") from error
        raise


def _may_run_again(error: DBAPIError) -> bool:
    """Nothing of it is kept, and the next attempt may fare better."""
    return error.connection_invalidated or _state(error) in (DEADLOCK, SERIALIZATION)


def _state(error: DBAPIError) -> str:
    return getattr(error.orig, "sqlstate", None) or ""


def explained(error: DBAPIError, *, only_read: bool = False) -> Exception:
    """What a caller is told: Unavailable where the server is at fault, else `error` itself.

    With `only_read` a refused write is the fault of the function, which should have said write.
    """
    state = _state(error)
    if only_read and state == ONLY_READS:
        return error
    if state.startswith(SERVER_TROUBLE) or state in (DEADLOCK, SERIALIZATION):
        return unavailable(error)
    if not state and isinstance(error, (OperationalError, InterfaceError)):
        return unavailable(error)  # the driver found nobody at the other end
    return error
