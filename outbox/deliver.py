"""What waits is brought to the other schools, each in its own lane.

A visit takes one lane and brings what waits there, in order, signed at the moment of sending. A
visit is short, and each school has one at a time, so a slow school keeps nobody else waiting. If
the other side has no time, the lane waits, not the single activity; an activity that alone fails
again and again is set aside. https://www.w3.org/TR/activitypub/#delivery
"""

import asyncio
import logging
import secrets
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

from actors import remote
from actors.server import Server
from federation.errors import Gone, WireError
from outbox import schedule
from outbox.visit import LEASE, PAUSE, Visit, report
from storage import actors, deliveries
from storage.database import Busy, Unavailable
from storage.deliveries import Lane

log = logging.getLogger("outbox.deliver")

# Lanes visited at once. A bad school holds one of them, and backs off after its first failure.
LANES = 256

# Requests for actors whose inbox answered 410.
CHECKS_IN_A_VISIT = 3

POLL_SECONDS = 5.0
SWEEP = timedelta(hours=1)

Dice = Callable[[], float]


def dice() -> float:
    """A number in [0, 1), so that a thousand schools do not knock in step."""
    return secrets.randbelow(1 << 53) / (1 << 53)


async def step(server: Server, *, lanes: int = LANES, dice: Dice = dice) -> int:
    """Visit the lanes that are due, each once; how many deliveries were tried."""
    due = await server.database.write(deliveries.claim, limit=lanes, lease=LEASE)
    return sum(await asyncio.gather(*(_visit(server, lane, dice) for lane in due)))


async def work(server: Server, *, dice: Dice = dice) -> None:
    """Visit lanes as they become due, for ever. A slow visit does not hold up the next claim."""
    visits: set[asyncio.Task[int]] = set()
    swept = server.now() - SWEEP
    try:
        while True:
            try:
                if server.now() - swept >= SWEEP:
                    await sweep(server)
                    swept = server.now()
                free = LANES - len(visits)
                due = await _set_out(server, visits, free, dice) if free else 0
                if due < free or not free:
                    await _something_happens(server, visits, full=not free)
            except (Busy, Unavailable) as error:
                log.warning("the database cannot be had: %s", error)
                await asyncio.sleep(PAUSE)
    finally:
        for visit in visits:
            visit.cancel()
        await asyncio.gather(*visits, return_exceptions=True)


async def _set_out(server: Server, visits: set[asyncio.Task[int]], free: int, dice: Dice) -> int:
    """Begin to visit up to `free` lanes that are due; how many those were."""
    due = await server.database.write(deliveries.claim, limit=free, lease=LEASE)
    for lane in due:
        visit = asyncio.create_task(_visit(server, lane, dice))
        visits.add(visit)
        visit.add_done_callback(visits.discard)
        visit.add_done_callback(_noted)
    return len(due)


def _noted(visit: asyncio.Task[int]) -> None:
    """A visit that could not even be ended: its lane is free when the lease is over."""
    error = None if visit.cancelled() else visit.exception()
    if isinstance(error, (Busy, Unavailable)):
        log.warning("a visit could not be ended: %s", error)
    elif error is not None:
        log.error("a visit could not be ended", exc_info=error)


async def _something_happens(server: Server, visits: set[asyncio.Task[int]], *, full: bool) -> None:
    """Wait until a lane may be due: something was published, or a visit made room."""
    if full:
        await asyncio.wait(visits, return_when=asyncio.FIRST_COMPLETED)
        return
    due_at = await server.database.read(deliveries.next_due)
    wait = POLL_SECONDS
    if due_at is not None:
        wait = min(max((due_at - server.now()).total_seconds(), 0.0), POLL_SECONDS)
    await server.database.woken("deliveries", max(wait, 0.01))


async def sweep(server: Server) -> int:
    """Give up on what waited for 60 days, a slice at a time; how many deliveries that were."""
    given_up = 0
    while True:
        older_than = server.now() - schedule.GIVE_UP
        slice_ = await server.database.write(deliveries.expire, older_than)
        given_up += slice_
        if slice_ < deliveries.EXPIRED_AT_ONCE:
            return given_up


async def _visit(server: Server, lane: Lane, dice: Dice) -> int:
    """One visit, whatever happens; the lane is free again afterwards."""
    if server.mode == "network" and lane.policy != "allowed":
        # Whoever takes a school off the list may put it on again: nothing is dropped.
        reason = "not on our list"
        await server.database.write(
            deliveries.release, lane.peer_id, outcome="paused", error=reason
        )
        report(None, lane, "paused", reason=reason)
        return 0
    visit = Visit(server, lane, dice)
    try:
        tried = await visit.run()
    except asyncio.CancelledError:
        with suppress(Busy, Unavailable):  # then the lane is free when its lease is over
            await asyncio.shield(visit.abandon())
        raise
    except (Busy, Unavailable) as error:
        log.warning("the database cannot be had: %s", error)
        await visit.break_off()
        return 0
    except Exception as error:
        # A mistake of ours must not stop the other lanes, nor be repeated at once.
        log.exception("a visit broke off", extra={"peer": lane.host})
        await visit.end(broken=type(error).__name__)
        return 0
    with suppress(Busy, Unavailable):  # the next 410 asks again
        await _check_gone(server, lane, visit.gone)
    return tried


async def _check_gone(server: Server, lane: Lane, inboxes: list[str]) -> None:
    """Whoever had an inbox that answered 410: if their own document says so too, they are gone."""
    for inbox in dict.fromkeys(inboxes[:CHECKS_IN_A_VISIT]):
        for actor in await server.database.read(actors.at_inbox, lane.peer_id, inbox):
            try:
                await remote.fetch(server, actor.uri)
            except Gone as gone:
                if gone.status == 410:
                    await server.database.write(actors.bury, actor.id)
            except WireError:
                continue  # not known now; the next 410 asks again
