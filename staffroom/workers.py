"""What a school does without being asked: work on what arrived, deliver what waits, knock once;
fetch what conversations lack, tell how polls stand, look after who moved, tidy up.

Where several processes serve a school, polls, moves and tidying up are for the first of them, and
everything else for all.

Each worker runs for ever. One that stops by mistake is started again after a pause that grows,
with a line in the journal: a school that is open keeps working.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial

from actors import upkeep
from actors.server import Server
from inbox import threads, worker
from outbox import deliver, moving, polls
from outbox import knock as opening
from staffroom import health, timekeeping
from storage.database import Busy, Unavailable

log = logging.getLogger("staffroom.workers")

Work = Callable[[Server], Awaitable[None]]
Step = Callable[[Server], Awaitable[int]]

FIRST_PAUSE = 1.0  # seconds
LONGEST_PAUSE = 60.0
TIME_TO_STOP = 5.0

# Between two steps of what is never urgent, so that whoever is waited for has the machine.
BREATH = 0.05
# How often to look whether there is something to do, where nobody says so.
POLLS_IDLE = 30.0
MOVES_IDLE = 5.0
UPKEEP_IDLE = 60.0


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


async def step_by_step(
    step: Step,
    server: Server,
    *,
    topic: str,
    idle: float,
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Take one step after the other, for ever; after one that found nothing to do, wait until
    somebody wakes `topic`, `idle` seconds at most. A database that is away is asked again."""
    while True:
        try:
            done = await step(server)
            if not done:
                await server.database.woken(topic, idle)
        except (Busy, Unavailable) as error:
            log.warning("the database cannot be had: %s", error, extra={"worker": topic})
            await pause(FIRST_PAUSE)
        else:
            await pause(BREATH)


async def knock(server: Server) -> None:
    """Tell the schools we know that we are open again, so that they send what waited for us."""
    try:
        await opening.knock(server)
    except Exception:
        log.exception("knocking at other schools failed")


def shared() -> dict[str, Work]:
    """What any number of processes share: each takes what nobody else has in hand."""
    return {
        "inbox": worker.work,
        "outbox": deliver.work,
        "threads": threads.work,
        "watch": health.watch_loop,
    }


def alone_at(remote_copies: timedelta | None) -> dict[str, Work]:
    """What one process of a machine looks after for all."""
    tidy = partial(upkeep.step, remote_copies=remote_copies)
    return {
        "polls": partial(step_by_step, polls.step, topic="polls", idle=POLLS_IDLE),
        "moves": partial(step_by_step, moving.step, topic="moves", idle=MOVES_IDLE),
        "clock": timekeeping.watch,
        "upkeep": partial(step_by_step, tidy, topic="upkeep", idle=UPKEEP_IDLE),
    }


@asynccontextmanager
async def at_work(
    server: Server,
    *,
    remote_copies: timedelta | None = None,
    alone: bool = True,
    opens: bool = True,
) -> AsyncIterator[None]:
    """The workers run while the body does, and have stopped when it is left.

    `remote_copies` is how long what others sent is kept if nobody here does; None: for ever. Of
    several processes the first is `alone` at what is done once, and tells the others that the
    school `opens`.
    """
    regular = shared() | (alone_at(remote_copies) if alone else {})
    tasks = [asyncio.create_task(kept_going(name, work, server)) for name, work in regular.items()]
    if alone and opens:
        tasks.append(asyncio.create_task(knock(server)))
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        # What a worker is writing now is written; what it is sending is sent again after the start.
        _, late = await asyncio.wait(tasks, timeout=TIME_TO_STOP)
        if late:
            log.warning("workers did not stop in time", extra={"late": len(late)})
