"""The town for every test in this folder, once on SQLite and mostly once on PostgreSQL, and the
school and the teacher that most of them begin with."""

from collections.abc import AsyncIterator, Callable

import pytest

from tests.town import Person, Town, TownSchool
from tests.town.streets import Authority

# What these ask of a database is asked of both engines in tests/storage; a town of three schools on
# PostgreSQL takes its time.
ON_SQLITE = frozenset(
    {
        "test_health",
        "test_hostile_moves",
        "test_hostile_projects",
        "test_knocking",
        "test_moves_with_other_servers",
        "test_private_projects",
        "test_project_pages",
        "test_project_refusals",
        "test_timekeeping",
    }
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave those out on PostgreSQL."""
    items[:] = [item for item in items if not _left_out(item)]


def _left_out(item: pytest.Item) -> bool:
    engine = getattr(item, "callspec", None)
    return (
        item.path.stem in ON_SQLITE
        and engine is not None
        and engine.params.get("fresh_database") == "postgresql"
    )


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
