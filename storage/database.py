"""The database is used through two verbs, read and write.

`await database.read(fn, …)` and `await database.write(fn, …)` run a plain, synchronous function
`fn(tx, …)` whole, in one transaction, on a thread. Nothing inside can await, so no transaction
ever waits for the network. When `write` returns, what was written is on disk. `write_each`, `work`
and `write_anyway` are `write` for the door, for workers in the background, and on a full disk.

A function may be run again after a deadlock, so it must have no effect outside its transaction.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from storage import schema
from storage.calls import Call, Committed, Row, Topics, Vital, Work
from storage.postgresql import Postgresql
from storage.sqlite import Sqlite
from storage.transaction import Busy, School, Transaction, Unavailable, utcnow

__all__ = ["Busy", "Database", "School", "Transaction", "Unavailable", "utcnow"]

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R")


class Engine(Protocol):
    """What SQLite and PostgreSQL have in common."""

    async def start(self) -> None: ...
    def read(self, call: Call) -> None: ...
    def write(self, call: Call) -> None: ...
    def write_row(self, call: Row) -> None: ...
    async def keep_reserve(self) -> None: ...
    async def close(self) -> None: ...


class Database:
    """One school's database, opened for one event loop."""

    def __init__(self, engine: Engine, topics: Topics, school: School) -> None:
        self.school = school
        self._engine = engine
        self._topics = topics
        self._loop = asyncio.get_running_loop()

    @classmethod
    async def open(
        cls,
        url: str,
        school: School,
        *,
        now: Callable[[], datetime] = utcnow,
        threads: bool = True,
        committed: Committed | None = None,
    ) -> "Database":
        """Open a migrated database: sqlite:///path or postgresql://….

        With `threads=False` functions run on the event loop, one group after another, so that a
        test or a simulation owns the order of things. `committed` is told of each COMMIT, on the
        thread that made it.

        Raises schema.NewerSchema, schema.OlderSchema, Unavailable.
        """
        address = schema.parse(url)
        if threads:
            await asyncio.to_thread(schema.require_current, url)
        else:
            schema.require_current(url)
        loop = asyncio.get_running_loop()
        topics = Topics(loop)
        engine: Engine
        if address.get_backend_name() == "sqlite":
            path = address.database or ""
            engine = Sqlite(
                path,
                school,
                now=now,
                threads=threads,
                loop=loop,
                topics=topics,
                committed=committed,
            )
        else:
            engine = Postgresql(
                address,
                school,
                now=now,
                threads=threads,
                loop=loop,
                topics=topics,
                committed=committed,
            )
        await engine.start()
        return cls(engine, topics, school)

    async def read(
        self, fn: Callable[Concatenate[Transaction, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `fn(tx, …)`, which sees one snapshot and cannot write. Raises Busy, Unavailable."""
        call = Call(fn, args, kwargs, self._loop.create_future())
        self._engine.read(call)
        result: T = await call.future
        return result

    async def write(
        self, fn: Callable[Concatenate[Transaction, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `fn(tx, …)` and return once what it wrote is on disk.

        If `fn` raises, nothing of it stays. Who is cancelled before `fn` started never wrote;
        afterwards it is completed. Raises Busy, Unavailable.
        """
        call = Call(fn, args, kwargs, self._loop.create_future())
        self._engine.write(call)
        result: T = await call.future
        return result

    async def work(
        self, fn: Callable[Concatenate[Transaction, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """The same as `write`, for workers in the background: people and the door have their
        turn before it, and it has its turn after them, whatever waits there."""
        call = Work(fn, args, kwargs, self._loop.create_future())
        self._engine.write(call)
        result: T = await call.future
        return result

    async def write_anyway(
        self, fn: Callable[Concatenate[Transaction, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """The same as `write`, also while the disk is full: for what is small and cannot wait,
        such as who signs in, or is kept out."""
        call = Vital(fn, args, kwargs, self._loop.create_future())
        self._engine.write(call)
        result: T = await call.future
        return result

    async def keep_reserve(self) -> None:
        """Keep a little room free beside the database until it is closed, so that `write_anyway`
        works on a full disk. For whoever serves the school; on PostgreSQL nothing happens, its
        disk is not ours to look after."""
        await self._engine.keep_reserve()

    async def write_each(self, fn: Callable[[Transaction, list[R]], list[T]], /, row: R) -> T:
        """Give `row` to one run of `fn(tx, rows)` with the rows of all who ask meanwhile; it
        returns one result for each, in order. If it raises, each row is tried alone.
        Raises Busy, Unavailable.
        """
        call = Row(fn, (row,), {}, self._loop.create_future())
        self._engine.write_row(call)
        result: T = await call.future
        return result

    async def woken(self, topic: str, timeout: float) -> None:  # noqa: ASYNC109 no error after it
        """Return when a transaction that called `tx.wake(topic)` is on disk, here or in another
        process, or after `timeout` seconds; sometimes for no reason."""
        await self._topics.woken(topic, timeout)

    async def close(self) -> None:
        """Take no more calls, answer those that wait, and let go of the database."""
        await self._engine.close()
