"""Checking a password takes much memory: a few at once."""

import asyncio

from actors.attempts import Turns
from storage.database import Busy


async def test_two_passwords_are_checked_at_once_a_few_wait_and_the_rest_comes_later() -> None:
    turns, inside = Turns(at_once=2, waiting=1), 0
    most = 0
    let_go = asyncio.Event()

    async def check() -> None:
        nonlocal inside, most
        async with turns.mine():
            inside += 1
            most = max(most, inside)
            await let_go.wait()
            inside -= 1

    checks = [asyncio.create_task(check()) for _ in range(4)]
    # The one there is no place for is told so at once.
    await asyncio.wait(checks, return_when=asyncio.FIRST_COMPLETED)
    assert inside == 2
    let_go.set()
    answers = await asyncio.gather(*checks, return_exceptions=True)
    assert [type(answer) for answer in answers] == [type(None)] * 3 + [Busy]
    assert most == 2
    await check()
