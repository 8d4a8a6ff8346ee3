"""Somebody sets the clock back, and what waited for a later time must not wait for as much longer.

The clock on the wall is compared with one that only goes forward. (SECURITY P11)
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from actors.server import Server
from storage import clock
from storage.database import Busy, Transaction, Unavailable

log = logging.getLogger("staffroom.timekeeping")

LOOK_EVERY = 1.0  # seconds
TOLERANCE = 5.0  # seconds; a clock that is only trimmed never leaps as far


async def watch(
    server: Server,
    *,
    steady: Callable[[], float] = time.monotonic,
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Look at the clock for ever. At the start the rows tell whether it was set back meanwhile."""
    before: float | None = None  # how far the wall is ahead of the steady clock
    while True:
        try:
            ahead = server.now().timestamp() - steady()
            if before is None:
                await server.database.work(_catch_up)
            elif before - ahead > TOLERANCE:
                moved = await server.database.work(clock.set_back)
                log.warning(
                    "the clock was set back",
                    extra={"seconds": round(before - ahead), "due_now": moved},
                )
            before = ahead
        except (Busy, Unavailable) as error:
            log.warning("the database cannot be had: %s", error)
        await pause(LOOK_EVERY)


def _catch_up(tx: Transaction) -> None:
    if clock.was_ahead(tx):
        clock.set_back(tx)
