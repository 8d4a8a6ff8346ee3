"""What a running school remembers for a while has an end, in time and in number."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from actors.server import Recently, Together

NOON = datetime(2026, 9, 4, 12, tzinfo=UTC)


def test_what_was_noted_is_forgotten_after_its_time() -> None:
    memory: Recently[str] = Recently(timedelta(minutes=5))
    memory.note("key", "trouble", NOON)

    assert memory.recall("key", NOON + timedelta(minutes=4, seconds=59)) == "trouble"
    assert memory.recall("key", NOON + timedelta(minutes=5)) is None
    assert memory.recall("key", NOON) is None


def test_a_flood_of_names_pushes_out_the_oldest() -> None:
    memory: Recently[int] = Recently(limit=3)
    for number in range(5):
        memory.note(str(number), number, NOON)

    assert [memory.recall(str(number), NOON) for number in range(5)] == [None, None, 2, 3, 4]


def test_what_is_noted_again_counts_from_then() -> None:
    memory: Recently[int] = Recently(timedelta(minutes=5), limit=2)
    memory.note("a", 1, NOON)
    memory.note("b", 2, NOON)
    memory.note("a", 3, NOON + timedelta(minutes=4))
    memory.note("c", 4, NOON + timedelta(minutes=4))

    assert memory.recall("a", NOON + timedelta(minutes=8)) == 3
    assert memory.recall("b", NOON) is None
    memory.forget("a")
    assert memory.recall("a", NOON) is None


async def test_those_who_ask_at_once_share_the_answer_and_later_ones_ask_anew() -> None:
    asked = 0
    together: Together[int] = Together()

    async def get() -> int:
        nonlocal asked
        asked += 1
        number = asked
        await asyncio.sleep(0)
        return number

    first = await asyncio.gather(*(together.ask("key", get) for _ in range(5)))
    assert first == [1] * 5
    assert await together.ask("key", get) == 2


async def test_one_who_leaves_does_not_take_the_answer_away_from_the_others() -> None:
    together: Together[int] = Together()
    may_answer = asyncio.Event()

    async def get() -> int:
        await may_answer.wait()
        return 7

    leaving = asyncio.create_task(together.ask("key", get))
    staying = asyncio.create_task(together.ask("key", get))
    await asyncio.sleep(0)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    may_answer.set()

    assert await staying == 7


async def test_everybody_hears_of_the_same_trouble() -> None:
    together: Together[int] = Together()

    async def fail() -> int:
        await asyncio.sleep(0)
        raise LookupError("no such key")

    answers = await asyncio.gather(
        *(together.ask("key", fail) for _ in range(3)), return_exceptions=True
    )
    assert [type(answer) for answer in answers] == [LookupError] * 3
