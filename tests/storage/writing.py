"""What tests of the database itself write, and how they keep its writers waiting."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from threading import Event
from typing import Any

from sqlalchemy import select

from storage.database import Database, Transaction
from storage.postgresql import WRITERS
from storage.tables import peers

PATIENCE = 30.0  # seconds until a test that waits has failed


def remember(tx: Transaction, host: str) -> int:
    """One row that is there or not."""
    id_ = tx.new_id()
    tx.execute(peers.insert().values(id=id_, host=host, created_at=tx.now))
    return id_


def remember_all(tx: Transaction, hosts: list[str]) -> list[int]:
    return [remember(tx, host) for host in hosts]


def remembered(tx: Transaction) -> list[str]:
    return list(tx.execute(select(peers.c.host).order_by(peers.c.id)).scalars())


async def among(database: Database) -> set[str]:
    return set(await database.read(remembered))


@asynccontextmanager
async def writers_busy(database: Database) -> AsyncIterator[None]:
    """Inside, whatever is asked to be written waits in the queue."""
    loop = asyncio.get_running_loop()
    go_on = Event()
    postgresql = await database.read(lambda tx: tx.connection.dialect.name == "postgresql")
    started = [asyncio.Event() for _ in range(WRITERS + 1 if postgresql else 1)]

    def hold(tx: Transaction, event: asyncio.Event) -> None:
        loop.call_soon_threadsafe(event.set)
        assert go_on.wait(PATIENCE)

    def hold_rows(tx: Transaction, events: list[asyncio.Event]) -> list[None]:
        for event in events:
            hold(tx, event)
        return [None] * len(events)

    holding: list[asyncio.Task[Any]] = [
        asyncio.create_task(database.write(hold, event)) for event in started[:WRITERS]
    ]
    holding += [
        asyncio.create_task(database.write_each(hold_rows, event)) for event in started[WRITERS:]
    ]
    try:
        async with asyncio.timeout(PATIENCE):
            for event in started:
                await event.wait()
        yield
    finally:
        go_on.set()
        await asyncio.gather(*holding)


async def queued(*tasks: asyncio.Task[Any]) -> None:
    """Return when these tasks have asked the database: each does so in its first step."""
    await asyncio.sleep(0)
