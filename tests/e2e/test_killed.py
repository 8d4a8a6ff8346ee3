"""A school is killed at moments that nobody chose, and what it acknowledged is there, once.

`make soak` kills it more than two hundred times, on SQLite and on PostgreSQL.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
from aiohttp import ClientSession

from tests.e2e.counting import (
    CYCLES,
    KILLS,
    KILLS_OF_ONE_SCHOOL,
    SOAK_KILLS,
    TOTAL,
    Ledger,
    Observer,
)
from tests.e2e.crashing import MortalSchool
from tests.e2e.village import Village


async def one_school(folder: Path, database_url: str | None, kills: int) -> Ledger:
    """A school through several lives, until it was killed so often; all is well in the end."""
    village = Village()
    async with village.open(), ClientSession() as session:
        school = MortalSchool(folder, session, database_url)
        await school.open_for("alice", knowing=village.followers)
        try:
            await school.serve()
            observer = Observer(school, village, session)
            await observer.begin()
            while observer.ledger.kills < kills:
                await observer.a_life()
                await school.serve()
            await observer.settled()
            await observer.count()
            assert await school.stop() == 0
            await school.command("fsck")
            assert not school.mistakes()
        finally:
            await school.end()
    return observer.ledger


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
async def test_a_school_that_is_killed_loses_nothing_it_acknowledged_and_does_nothing_twice(
    engine: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fresh: Callable[[], str | None] = lambda: None  # noqa: E731
    if engine == "postgresql":
        fresh = request.getfixturevalue("fresh_postgresql")
    total = Ledger()
    while total.kills < KILLS or min(total.intake, total.delivery) < CYCLES:
        left = KILLS - total.kills
        kills = min(left, KILLS_OF_ONE_SCHOOL) if left > 0 else KILLS_OF_ONE_SCHOOL
        total.add(await one_school(tmp_path / f"after {total.kills} kills", fresh(), kills))
        if SOAK_KILLS:
            with capsys.disabled():
                print(f"\n{engine} so far: {total}")
    TOTAL.add(total)
