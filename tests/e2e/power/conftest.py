"""The library is built once in a run; each test has a school on a disk of its own."""

import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from aiohttp import ClientSession

from tests.e2e.power import disk
from tests.e2e.power.school import SchoolOnDisk, Visitors
from tests.e2e.village import Village


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The disk that can fail, for `LD_PRELOAD`."""
    return disk.build(tmp_path_factory.mktemp("disk"))


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Say how it went: in the long form, where somebody waits to hear it."""

    def say(text: str) -> None:
        if any(name.startswith("STAFFROOM_SOAK_") for name in os.environ):
            with capsys.disabled():
                print(f"\n{text}")

    return say


@pytest.fixture
async def visitors(library: Path, tmp_path: Path) -> AsyncIterator[Visitors]:
    """The village and Alice, at the door of a school that is founded and not served yet."""
    village = Village()
    async with village.open(), ClientSession() as session:
        school = SchoolOnDisk(tmp_path / "oakfield", session)
        await school.open_for("alice", knowing=village.followers)
        await school.set_password()
        school.put_on(library)
        try:
            yield Visitors(school, village, session)
        finally:
            await school.end()
