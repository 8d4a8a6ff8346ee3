"""Real schools for every test in this folder; whatever still runs afterwards is ended."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from aiohttp import ClientSession

from tests.e2e import counting
from tests.e2e.running import RunningSchool

Build = Callable[[str], RunningSchool]


@pytest.fixture
async def build(tmp_path: Path) -> AsyncIterator[Build]:
    """Call it with a name for a school that is not founded yet."""
    built: list[RunningSchool] = []
    async with ClientSession() as session:

        def another(name: str) -> RunningSchool:
            built.append(RunningSchool(tmp_path / name, session))
            return built[-1]

        yield another
        for school in built:
            if school.process is not None and school.process.returncode is None:
                await school.kill()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The last line of `make soak`."""
    if counting.SOAK_KILLS and counting.TOTAL.kills:
        terminalreporter.write_line(str(counting.TOTAL))
