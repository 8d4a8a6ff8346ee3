"""Signatures are made on threads, several for one errand, and each comes back to who asked."""

import asyncio
import threading
from collections.abc import AsyncIterator
from functools import partial

import pytest

from federation.signing import AT_ONCE, THREADS, Signatures


@pytest.fixture
async def signatures() -> AsyncIterator[Signatures]:
    found = Signatures()
    yield found
    found.close()


async def test_everybody_gets_their_own_made_on_another_thread(signatures: Signatures) -> None:
    def make(number: int) -> tuple[int, bool]:
        return number, threading.current_thread() is threading.main_thread()

    asked = [signatures.ask(partial(make, number)) for number in range(50)]
    assert await asyncio.gather(*asked) == [(number, False) for number in range(50)]


async def test_one_that_cannot_be_made_is_told_to_who_asked_for_it(signatures: Signatures) -> None:
    def fail() -> str:
        raise ValueError("no key")

    made = await asyncio.gather(
        signatures.ask(lambda: "one"),
        signatures.ask(fail),
        signatures.ask(lambda: "two"),
        return_exceptions=True,
    )
    assert (made[0], made[2]) == ("one", "two")
    assert isinstance(made[1], ValueError)


async def test_who_leaves_does_not_keep_the_others_waiting(signatures: Signatures) -> None:
    made: list[str] = []
    leaving = signatures.ask(lambda: made.append("for nobody"))
    leaving.cancel()
    assert await signatures.ask(lambda: "for me") == "for me"
    assert made == []


async def test_two_threads_share_what_waits(signatures: Signatures) -> None:
    met = threading.Barrier(THREADS)
    both = [signatures.ask(lambda: met.wait(10)) for _ in range(THREADS)]
    assert sorted(await asyncio.gather(*both)) == list(range(THREADS))


async def test_a_school_that_closes_signs_nothing_more() -> None:
    signatures = Signatures()
    begun, go_on = threading.Event(), threading.Event()

    def slowly() -> bool:
        begun.set()
        return go_on.wait(10)

    slow = [signatures.ask(slowly) for _ in range(THREADS * AT_ONCE)]
    await asyncio.to_thread(begun.wait)
    waiting = signatures.ask(lambda: "late")
    signatures.close()
    go_on.set()
    assert waiting.cancelled()
    with pytest.raises(RuntimeError, match="closes"):
        signatures.ask(lambda: "too late")
    await asyncio.gather(*slow, return_exceptions=True)
