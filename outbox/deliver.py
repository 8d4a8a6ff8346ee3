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
from outbox import knock, schedule
from outbox.ledger import PAUSE, Ledger
from outbox.visit import FIRST, LEASE, Visit, report
from storage import actors, deliveries, lanes
from storage.database import Busy, Unavailable
from storage.deliveries import Lane
from storage.lanes import Closing, Trip

log = logging.getLogger("outbox.deliver")

# Lanes visited at once, one request in each; the client has connections for some fetches more. A
# bad school holds one lane, and backs off after its first failure; all those together hold no more
# than a tenth.
LANES = 400
IN_DOUBT = 40

# Requests for actors whose inbox answered 410.
CHECKS_IN_A_VISIT = 3

# Seconds between two looks at what is due, so that lanes set out together.
PACE = 0.02
POLL_SECONDS = 5.0
ROOM_SECONDS = 0.5  # while as many bad schools are visited as may be
SWEEP = timedelta(hours=1)

Dice = Callable[[], float]


def dice() -> float:
    """A number in [0, 1), so that a thousand schools do not knock in step."""
    return secrets.randbelow(1 << 53) / (1 << 53)


async def step(server: Server, *, dice: Dice = dice) -> int:
    """Visit the lanes that are due, each once; how many deliveries were tried."""
    ledger = Ledger(server, pace=0)
    await knock.again(server)
    trips = await _set_out(server, LANES, LANES)
    return sum(await asyncio.gather(*(visit(server, ledger, trip, dice) for trip in trips)))


async def work(server: Server, *, dice: Dice = dice) -> None:
    """Visit lanes as they become due, for ever. A slow visit does not hold up the next claim."""
    loop = asyncio.get_running_loop()
    visits = Visits(server, dice)
    swept = server.now() - SWEEP
    try:
        while True:
            began = loop.time()
            try:
                if server.now() - swept >= SWEEP:
                    await sweep(server)
                    swept = server.now()
                await visits.begin()
            except (Busy, Unavailable) as error:
                log.warning("the database cannot be had: %s", error)
                await asyncio.sleep(PAUSE)
            await asyncio.sleep(max(0.0, began + PACE - loop.time()))
    finally:
        await visits.break_off()


class Visits:
    """The visits that are under way, and the room for more."""

    def __init__(self, server: Server, dice: Dice) -> None:
        self._server = server
        self._dice = dice
        self._ledger = Ledger(server)
        self._going: set[asyncio.Task[int]] = set()
        self._doubtful: set[asyncio.Task[int]] = set()
        self._one_ended = asyncio.Event()
        self._knocking: asyncio.Task[int] | None = None

    async def begin(self) -> None:
        """Set out to the lanes that are due, as there is room; then wait until there is more."""
        server = self._server
        if server.silent and (self._knocking is None or self._knocking.done()):
            self._knocking = asyncio.create_task(knock.again(server))
        room, doubtful = LANES - len(self._going), IN_DOUBT - len(self._doubtful)
        trips = await _set_out(server, room, max(doubtful, 0)) if room else []
        for trip in trips:
            going = asyncio.create_task(visit(server, self._ledger, trip, self._dice))
            self._going.add(going)
            if trip.lane.failures:
                self._doubtful.add(going)
            going.add_done_callback(self._ended)
        if len(trips) < room:
            await _something_is_due(server, doubtful=len(self._doubtful) < IN_DOUBT)
        elif len(self._going) >= LANES:
            self._one_ended.clear()
            await self._one_ended.wait()

    async def break_off(self) -> None:
        """End all of them as they stand."""
        going = [*self._going] if self._knocking is None else [*self._going, self._knocking]
        for task in going:
            task.cancel()
        await asyncio.gather(*going, return_exceptions=True)
        await self._ledger.close()

    def _ended(self, visit: asyncio.Task[int]) -> None:
        self._going.discard(visit)
        self._doubtful.discard(visit)
        self._one_ended.set()
        _noted(visit)


async def _set_out(server: Server, most: int, doubtful: int) -> list[Trip]:
    """Lease up to `most` lanes that are due, each with what is brought first."""
    return await server.database.work(
        lanes.set_out, limit=most, lease=LEASE, each=FIRST, doubtful=doubtful
    )


def _noted(visit: asyncio.Task[int]) -> None:
    """A visit that could not even be ended: its lane is free when the lease is over."""
    error = None if visit.cancelled() else visit.exception()
    if isinstance(error, (Busy, Unavailable)):
        log.warning("a visit could not be ended: %s", error)
    elif error is not None:
        log.error("a visit could not be ended", exc_info=error)


async def _something_is_due(server: Server, *, doubtful: bool) -> None:
    """Wait until a lane may be due: its time has come, or something was published."""
    due_at = await server.database.read(deliveries.next_due, doubtful=doubtful)
    wait = POLL_SECONDS if doubtful else ROOM_SECONDS
    if due_at is not None:
        wait = min(max((due_at - server.now()).total_seconds(), 0.0), wait)
    await server.database.woken("deliveries", max(wait, 0.01))


async def sweep(server: Server) -> int:
    """Give up on what waited for 60 days, a slice at a time; how many deliveries that were."""
    given_up = 0
    while True:
        older_than = server.now() - schedule.GIVE_UP
        slice_ = await server.database.work(deliveries.expire, older_than)
        given_up += slice_
        if slice_ < deliveries.EXPIRED_AT_ONCE:
            return given_up


async def visit(server: Server, ledger: Ledger, trip: Trip, dice: Dice) -> int:
    """One visit, whatever happens; the lane is free again afterwards."""
    lane = trip.lane
    if server.mode == "network" and lane.policy != "allowed":
        # Whoever takes a school off the list may put it on again: nothing is dropped.
        reason = "not on our list"
        closing = Closing(lane.peer_id, "paused", error=reason)
        await ledger.write((), server.now() + LEASE, closing)
        report(server, None, lane, "paused", reason=reason)
        return 0
    going = Visit(server, ledger, trip, dice)
    try:
        tried = await going.run()
    except asyncio.CancelledError:
        with suppress(Busy, Unavailable):  # then the lane is free when its lease is over
            await asyncio.shield(going.abandon())
        raise
    except (Busy, Unavailable) as error:
        log.warning("the database cannot be had: %s", error)
        await going.break_off()
        return 0
    except Exception as error:
        # A mistake of ours must not stop the other lanes, nor be repeated at once.
        log.exception("a visit broke off", extra={"peer": lane.host})
        await going.end(broken=type(error).__name__)
        return 0
    if going.gone:
        with suppress(Busy, Unavailable):  # the next 410 asks again
            await _check_gone(server, lane, going.gone)
    return tried


async def _check_gone(server: Server, lane: Lane, inboxes: list[str]) -> None:
    """Whoever had an inbox that answered 410: if their own document says so too, they are gone."""
    for inbox in dict.fromkeys(inboxes[:CHECKS_IN_A_VISIT]):
        for actor in await server.database.read(actors.at_inbox, lane.peer_id, inbox):
            try:
                await remote.fetch(server, actor.uri)
            except Gone as gone:
                if gone.status == 410:
                    await server.database.work(actors.bury, actor.id)
            except WireError:
                continue  # not known now; the next 410 asks again
