"""The town for every test in this folder, once on SQLite and once on PostgreSQL."""

from collections.abc import AsyncIterator, Callable

import pytest

from tests.town import Town
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
