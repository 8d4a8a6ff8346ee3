"""What a school does without being asked: work on what arrived, deliver what waits, knock once.

Each worker runs for ever. One that stops by mistake is started again after a pause that grows,
with a line in the journal: a school that is open keeps working.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from actors.server import Server
from inbox import worker
from outbox import deliver
from outbox import knock as opening

log = logging.getLogger("staffroom.workers")

Work = Callable[[Server], Awaitable[None]]

FIRST_PAUSE = 1.0  # seconds
LONGEST_PAUSE = 60.0
TIME_TO_STOP = 5.0


async def kept_going(
    name: str,
    work: Work,
    server: Server,
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Run `work` for ever; after a crash again, 1, 2, 4 … 60 seconds later."""
    loop = asyncio.get_running_loop()
    wait = FIRST_PAUSE
    while True:
        began = loop.time()
        try:
            await work(server)
        except Exception:
            log.exception("a worker crashed", extra={"worker": name})
        else:
            log.error("a worker ended", extra={"worker": name})
        if loop.time() - began > LONGEST_PAUSE:
            wait = FIRST_PAUSE
        await pause(wait)
        wait = min(wait * 2, LONGEST_PAUSE)


async def knock(server: Server) -> None:
    """Tell the schools we know that we are open again, so that they send what waited for us."""
    try:
        await opening.knock(server)
    except Exception:
        log.exception("knocking at other schools failed")


@asynccontextmanager
async def at_work(server: Server, inbox_workers: int = 1) -> AsyncIterator[None]:
    """The workers run while the body does, and have stopped when it is left."""
    tasks = [
        asyncio.create_task(kept_going(f"inbox {number}", worker.work, server))
        for number in range(1, inbox_workers + 1)
    ]
    tasks += [
        asyncio.create_task(kept_going("outbox", deliver.work, server)),
        asyncio.create_task(knock(server)),
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        # What a worker is writing now is written; what it is sending is sent again after the start.
        _, late = await asyncio.wait(tasks, timeout=TIME_TO_STOP)
        if late:
            log.warning("workers did not stop in time", extra={"late": len(late)})
