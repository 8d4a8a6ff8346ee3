"""Who is alone takes up what was in hand; who is not leaves it to the leases."""

import asyncio
import threading
from collections.abc import Callable

from sqlalchemy import text

from storage.alone import others
from storage.database import Database, Transaction
from tests.conftest import OAKFIELD
from tests.storage.writing import PATIENCE

AT_THE_GATE = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")


async def test_a_process_is_alone_until_another_opens_the_database_and_again_when_it_is_gone(
    fresh_postgresql: Callable[[], str],
) -> None:
    url = fresh_postgresql()
    first = await Database.open(url, OAKFIELD)
    assert not await first.write(others)
    second = await Database.open(url, OAKFIELD)
    assert await first.write(others) == {await second.write(lambda tx: tx.tag)}
    assert await second.write(others) == {await first.write(lambda tx: tx.tag)}
    await first.close()
    assert not await second.write(others)
    await second.close()


async def test_nobody_comes_in_while_a_process_relies_on_being_alone(
    fresh_postgresql: Callable[[], str],
) -> None:
    url = fresh_postgresql()
    first = await Database.open(url, OAKFIELD)
    begun, enough = threading.Event(), threading.Event()

    def relying(tx: Transaction) -> bool:
        found = not others(tx)
        begun.set()
        enough.wait(PATIENCE)
        return found

    relies = asyncio.create_task(first.write(relying))
    await asyncio.to_thread(begun.wait, PATIENCE)
    opening = asyncio.create_task(Database.open(url, OAKFIELD))
    async with asyncio.timeout(PATIENCE / 2):
        while not await first.read(lambda tx: tx.execute(AT_THE_GATE).scalar_one()):
            assert not opening.done()
    enough.set()
    assert await relies
    await (await opening).close()
    await first.close()
