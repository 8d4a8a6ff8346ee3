"""The town for every test in this folder, once on SQLite and once on PostgreSQL, and the school and
the teacher that most of them begin with."""

from collections.abc import AsyncIterator, Callable

import pytest

from tests.town import Person, Town, TownSchool
from tests.town.streets import Authority


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The certificate authority of this run."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
async def town(authority: Authority, fresh_database: Callable[[], str]) -> AsyncIterator[Town]:
    """An empty town."""
    async with Town(authority, fresh_database) as built:
        yield built


@pytest.fixture
async def oakfield(town: Town) -> TownSchool:
    return await town.school("oakfield")


@pytest.fixture
async def alice(oakfield: TownSchool) -> Person:
    return await oakfield.staff("alice")
