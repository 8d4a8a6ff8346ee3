"""The power goes while a school takes in what others bring and what its own people write.

What was promised, counted by those outside, is there afterwards, once; and the file is whole.
"""

import asyncio
import os
import random
from collections.abc import Awaitable, Callable

from tests.e2e.power.school import Visitors

CUTS = int(os.environ.get("STAFFROOM_SOAK_CUTS", "2"))
LONGEST = 2.0 if CUTS > 2 else 1.0  # seconds from the first visitor to the cut
AT_ONCE = 8
SYNC_TAKES = (
    20_000  # microseconds: a slow disk, so that most cuts come while something is on its way
)


async def test_nothing_that_was_promised_is_lost_when_the_power_goes(
    visitors: Visitors, tell: Callable[[str], None]
) -> None:
    oakfield = visitors.school
    lost = 0
    oakfield.disk.set(sync_takes=SYNC_TAKES)
    for number in range(CUTS):
        chance = random.Random(number)
        await oakfield.serve()
        await busy_until_cut(visitors, chance.uniform(0, LONGEST))
        lost += oakfield.disk.cut(chance if number % 2 else None)
        assert oakfield.integrity() == "ok"
    await oakfield.serve()
    assert await visitors.bring() == 202
    await visitors.nothing_lost()
    assert await oakfield.stop() == 0
    tell(
        f"{CUTS} power cuts, {lost} pages lost: of {len(visitors.came.kept)} activities taken "
        f"in and {len(visitors.wrote.kept)} posts written 0 lost, 0 there twice"
    )


async def busy_until_cut(visitors: Visitors, seconds: float) -> None:
    """Many bring something, until there is no answer any more."""

    async def again_and_again(come: Callable[[], Awaitable[int | None]], promised: int) -> None:
        while (status := await come()) is not None:
            assert status == promised

    coming = [again_and_again(visitors.bring, 202) for _ in range(AT_ONCE)]
    async with asyncio.TaskGroup() as group:
        for one in (*coming, again_and_again(visitors.write, 201)):
            group.create_task(one)
        await asyncio.sleep(seconds)
        await visitors.school.kill()
