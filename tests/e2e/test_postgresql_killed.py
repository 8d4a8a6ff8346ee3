"""PostgreSQL is killed and started again while a school is served: everybody is asked to come
again meanwhile, the school goes on by itself, and nothing that it acknowledged is lost."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import ClientSession

from tests.conftest import PostgresqlServer, started_postgresql
from tests.e2e.counting import SOAK_KILLS, Observer
from tests.e2e.crashing import MortalSchool
from tests.e2e.running import until
from tests.e2e.village import Village

CRASHES = 10 if SOAK_KILLS else 1
BACK = 10  # seconds


@pytest.fixture
def mortal_postgresql() -> Iterator[PostgresqlServer]:
    """A PostgreSQL that this test may end."""
    with started_postgresql() as server:
        yield server


async def test_postgresql_is_killed_and_the_school_asks_for_patience_and_goes_on_by_itself(
    mortal_postgresql: PostgresqlServer, tmp_path: Path
) -> None:
    postgresql, village = mortal_postgresql, Village()
    async with village.open(), ClientSession() as session:
        url = postgresql.create(template=postgresql.template)
        school = MortalSchool(tmp_path / "oakfield", session, url)
        await school.open_for("alice", knowing=village.followers)
        try:
            await school.serve()
            observer = Observer(school, village, session)
            await observer.begin()
            for _ in range(CRASHES):
                await killed_and_started(postgresql, observer)
            assert observer.ledger.cut_off == 0
            await observer.settled()
            await observer.count()
            assert await school.stop() == 0
            await school.command("fsck")
            assert not school.mistakes()
        finally:
            await school.end()


async def killed_and_started(postgresql: PostgresqlServer, observer: Observer) -> None:
    """While everybody is busy: until it is felt, and until thanks are given again."""
    ledger = observer.ledger

    async def put_off() -> int:
        return ledger.put_off

    async def cycles() -> tuple[int, int]:
        return observer.thanked, ledger.delivery

    async with observer.busy():
        before, (thanked, _) = await put_off(), await cycles()
        await until(cycles, lambda seen: seen[0] > thanked)
        killed_at = datetime.now(UTC)
        await asyncio.to_thread(postgresql.kill)
        await until(put_off, lambda seen: seen > before + 2)
        await asyncio.to_thread(postgresql.restart)
        await observer.count_in_flight(killed_at)
        thanked, posted = await cycles()
        await until(cycles, lambda seen: seen[0] > thanked and seen[1] > posted, BACK)
