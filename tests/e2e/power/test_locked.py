"""Another program holds the database: a short hold nobody notices, of a long one all are told."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

from storage.sqlite_file import BUSY_TIMEOUT
from tests.e2e.power.school import SchoolOnDisk, Visitors
from tests.e2e.running import until


@contextmanager
def held(school: SchoolOnDisk) -> Iterator[None]:
    """Nobody else writes while the body runs."""
    with closing(
        sqlite3.connect(school.folder / "staffroom.sqlite", isolation_level=None)
    ) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


async def test_a_database_that_is_held_for_a_moment_keeps_nobody_out(
    visitors: Visitors, tell: Callable[[str], None]
) -> None:
    oakfield = visitors.school
    await oakfield.serve()
    with held(oakfield):
        came = asyncio.create_task(visitors.bring())
        wrote = asyncio.create_task(visitors.write())
        done, _ = await asyncio.wait({came, wrote}, timeout=BUSY_TIMEOUT / 4)
        assert not done
        assert await oakfield.inbox("alice") == []  # who reads does not wait
    assert [await came, await wrote] == [202, 201]
    await until(lambda: oakfield.inbox("alice"), lambda seen: len(seen) > 0)

    with held(oakfield):
        assert set(await asyncio.gather(visitors.bring(), visitors.write())) == {503}
        assert await oakfield.inbox("alice") != []
    await until(visitors.bring, lambda status: status == 202)
    await until(visitors.write, lambda status: status == 201)
    await visitors.nothing_lost()
    assert await oakfield.stop() == 0
    assert "Traceback" not in oakfield.journal.read_text()
    tell(f"database held: {dict(visitors.answers)}")
