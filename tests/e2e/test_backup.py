"""A school burns down while everybody is busy. It comes back elsewhere from the backup that was
taken under that load, and the others go on meanwhile."""

from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from tests.conftest import PostgresqlServer
from tests.e2e.counting import SOAK_KILLS, Observer
from tests.e2e.crashing import MortalSchool
from tests.e2e.running import until
from tests.e2e.village import Village

MORE = 20  # activities that are acknowledged before the backup, after it, and after the return
# What is asked of PostgreSQL's copy is asked in tests/storage and tests/unit, too.
ENGINES = ["sqlite", "postgresql"] if SOAK_KILLS else ["sqlite"]


async def acknowledged(observer: Observer, many: int) -> None:
    """Wait until so many more are acknowledged."""
    enough = observer.thanked + many

    async def look() -> int:
        return observer.thanked

    await until(look, lambda thanked: thanked >= enough)


async def burns_down(school: MortalSchool, observer: Observer, backup: Path) -> "Remembered":
    """Everybody is busy; a backup is taken; they go on; then the machine is lost."""
    async with observer.busy():
        await acknowledged(observer, MORE)
        before = Remembered(observer)
        await school.command("backup", str(backup))
        await acknowledged(observer, MORE)
        await school.kill()
    return before


class Remembered:
    """What those remember who were told that it is safe."""

    def __init__(self, observer: Observer) -> None:
        self.brought, self.posted = observer.acknowledged()


async def elsewhere(school: MortalSchool, backup: Path, folder: Path, url: str | None) -> None:
    """Another machine takes over the name."""
    school.folder = folder
    school.database_url = url or f"sqlite:///{folder / 'staffroom.sqlite'}"
    given = () if url is None else ("--database-url", url)
    assert "is sound" in await school.command("restore", str(backup), *given)


def doubled(village: Village) -> list[str]:
    """Posts that came to some place under two ids, and ids under which two posts came."""
    found = []
    for place in village.lanes:
        by_words, by_id = defaultdict(set), defaultdict(set)
        for activity in village.told[place]:
            if activity["type"] == "Create":
                by_words[activity["object"]["content"]].add(activity["id"])
                by_id[activity["id"]].add(activity["object"]["content"])
        found += [f"{place}: {key}" for key, values in by_words.items() if len(values) > 1]
        found += [f"{place}: {key}" for key, values in by_id.items() if len(values) > 1]
    return found


async def check(school: MortalSchool, village: Village, remembered: list["Remembered"]) -> None:
    """Nothing is lost that was acknowledged before the backup or after the return, and nothing
    is doubled anywhere."""
    inbox: list[dict[str, Any]] = await school.inbox("alice")
    there = Counter(one["id"] for one in inbox)
    assert set(there.values()) == {1}
    for told in remembered:
        assert told.brought <= there.keys()
        for place in village.lanes:
            assert told.posted <= {one["id"] for one in village.told[place]}
    assert doubled(village) == []
    assert "is sound" in await school.command("fsck")


@pytest.mark.parametrize("engine", ENGINES)
async def test_a_school_comes_back_from_a_backup_taken_under_load_while_the_others_go_on(
    engine: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    first, second, server = None, None, None
    if engine == "postgresql":
        fresh: Callable[[], str] = request.getfixturevalue("fresh_postgresql")
        server = request.getfixturevalue("pg_server")
        assert isinstance(server, PostgresqlServer)
        first, second = fresh(), server.create()
    village, backup = Village(), tmp_path / "oakfield.backup"
    async with village.open(), ClientSession() as session:
        school = MortalSchool(tmp_path / "oakfield", session, first)
        await school.open_for("alice", knowing=village.followers)
        try:
            await school.serve()
            observer = Observer(school, village, session)
            await observer.begin()
            before = await burns_down(school, observer, backup)
            lost = Remembered(observer)

            await elsewhere(school, backup, tmp_path / "elsewhere", second)
            await school.serve()
            async with observer.busy():
                await acknowledged(observer, MORE)
            await observer.settled()
            after = Remembered(observer)
            after.brought -= lost.brought
            after.posted -= lost.posted
            await check(school, village, [before, after])
            assert await school.stop() == 0
        finally:
            await school.end()
            if server is not None and second is not None:
                server.drop(second)
