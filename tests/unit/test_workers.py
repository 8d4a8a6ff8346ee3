"""A school that is open keeps working, whatever one of its workers meets."""

import asyncio
import logging
from typing import Any, cast

import orjson
import pytest

from actors.server import Server
from staffroom import journal, workers

NOBODY = cast(Server, None)


async def test_a_worker_that_crashes_is_started_again_after_a_growing_pause(
    caplog: pytest.LogCaptureFixture,
) -> None:
    pauses: list[float] = []
    enough = asyncio.Event()

    async def work(server: Server) -> None:
        raise RuntimeError("a bug")

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 9:
            enough.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(workers.kept_going("inbox 1", work, NOBODY, pause))
    await enough.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    crashes = [record for record in caplog.records if record.message == "a worker crashed"]
    assert len(crashes) == 9
    assert all(vars(record)["worker"] == "inbox 1" for record in crashes)


async def test_a_worker_that_ends_by_itself_is_started_again() -> None:
    runs: list[int] = []
    enough = asyncio.Event()

    async def work(server: Server) -> None:
        runs.append(1)

    async def pause(seconds: float) -> None:
        if len(runs) == 3:
            enough.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(workers.kept_going("outbox", work, NOBODY, pause))
    await enough.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_the_journal_writes_one_line_of_json_whatever_a_stranger_sends() -> None:
    record = logging.makeLogRecord(
        {"name": "inbox.door", "levelname": "INFO", "msg": "refusal", "reason": 'x\n{"level":1}'}
    )
    line = journal.Line().format(record)
    assert "\n" not in line
    found: dict[str, Any] = orjson.loads(line)
    assert (found["room"], found["event"], found["reason"]) == (
        "inbox.door",
        "refusal",
        'x\n{"level":1}',
    )
