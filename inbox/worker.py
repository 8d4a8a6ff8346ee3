"""What arrived is worked on: one after the other per sender, many senders at once.

Most activities bring all that is needed along: a few dozen of those, of whoever sent them, are
worked on in one transaction. Any other first gets what it needs from other servers, with no
transaction open. Its effect, the answers to it and the note that it is done are one transaction
either way. One that cannot be read, may not do what it asks, or is of a type without effect here,
is done with the reason; one that breaks us is tried three times and set aside; one whose post
cannot be had now waits alone, the others go on. What a post answers is not waited for: it is
fetched later (`inbox/threads`).
"""

import asyncio
import heapq
import logging
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import accumulate, groupby

from actors.server import Server
from federation import activity as activities
from federation import addresses
from federation.activity import Activity
from federation.errors import Unreachable, WireError
from inbox import dispatch, effects, goodbyes, missing
from inbox.effects import Ends, OneFailed, Work
from storage import received
from storage.database import Busy, Transaction, Unavailable
from storage.received import Received

log = logging.getLogger("inbox.worker")

# A claim outlasts what is done under it: whoever is past half of it gives the rest back.
LEASE = timedelta(minutes=10)
CLAIM = 256
# Walkers at once, and bytes that they have in hand.
LANES = 64
IN_HAND = 64 * 1024 * 1024
# How much of that one server may have, which perhaps keeps us waiting on purpose (SECURITY R21).
SHARE = 0.1
# Rows that share a transaction: few, for nobody else writes meanwhile.
TOGETHER = 32
OCTETS_TOGETHER = 256 * 1024
# How long whoever needs something from elsewhere is waited for before more is claimed, in seconds.
ROUND = 0.05
# Signals may get lost; look by ourselves this often, in seconds.
POLL = 5.0
# When the database is away: how long until it is asked again, in seconds.
PAUSE = 1.0

# When to try again after the sender's own server could not be reached, and when to give up. A
# third server is not asked the same thing more than five times on a stranger's word (R20).
WAITS = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=6),
)
WAITS_FOR_A_THIRD = (
    timedelta(minutes=1),
    timedelta(minutes=30),
    timedelta(hours=8),
    timedelta(days=2),
)
PATIENCE = timedelta(days=3)
LONGEST_RETRY_AFTER = timedelta(days=1)

# When to try again after a mistake of ours, and how often in all.
AFTER_ERROR = timedelta(seconds=10)
TRIES = 3


@dataclass(frozen=True, slots=True)
class Errand:
    """What one walker has in hand: rows of a few senders of one server, a lane for each."""

    host: str
    lanes: list[list[Received]]

    @property
    def rows(self) -> list[Received]:
        return [row for lane in self.lanes for row in lane]

    @property
    def octets(self) -> int:
        return sum(len(row.body) for row in self.rows)


Walking = dict[asyncio.Task[None], Errand]


async def step(server: Server, limit: int = CLAIM) -> int:
    """One round: claim what is due and work on it. Answers how many rows that were."""
    until = server.now() + LEASE / 2
    rows = await server.database.work(received.claim, limit=limit, lease=LEASE, octets=IN_HAND)
    errands = await _begin(server, rows, until)
    await asyncio.gather(*(_walk(server, errand, until) for errand in errands))
    return len(rows)


async def work(server: Server) -> None:
    """Work for ever. A sender who keeps us waiting does not keep the others waiting."""
    walking: Walking = {}
    try:
        while True:
            before = len(walking)
            try:
                begun = await _set_out(server, walking)
            except (Busy, Unavailable) as error:
                log.warning("the database cannot be had: %s", error)
                begun = False
                await asyncio.sleep(PAUSE)
            if len(walking) > before:
                await asyncio.wait(walking, timeout=ROUND)
            elif begun:
                pass
            elif walking:
                await _woken_or_free(server, walking)
            else:
                await server.database.woken("received", POLL)
            walking = {task: errand for task, errand in walking.items() if not task.done()}
    finally:
        for task in walking:
            task.cancel()
        await asyncio.gather(*walking, return_exceptions=True)


async def _set_out(server: Server, walking: Walking) -> bool:
    """Begin with what is due, unless it is of servers that we are still at work for."""
    room = IN_HAND - sum(errand.octets for errand in walking.values())
    if len(walking) >= LANES or room <= 0:
        return False
    until = server.now() + LEASE / 2
    rows = await server.database.work(
        received.claim,
        limit=CLAIM,
        lease=LEASE,
        octets=room,
        but={errand.host for errand in walking.values()},
    )
    for errand in await _begin(server, rows, until):
        walking[asyncio.create_task(_walk(server, errand, until))] = errand
    return bool(rows)


async def _begin(server: Server, rows: list[Received], until: datetime) -> list[Errand]:
    """Work on whatever nobody is to be asked about; answers the errands for what is left."""
    errands, left = _errands(server, rows)
    await _give_back(server, left)
    try:
        await _work_through(server, [lane for errand in errands for lane in errand.lanes], until)
    except BaseException:
        await _give_back(server, [row for errand in errands for row in errand.rows])
        raise
    return [errand for errand in errands if errand.rows]


async def _woken_or_free(server: Server, walking: Walking) -> None:
    bell = asyncio.create_task(server.database.woken("received", POLL))
    await asyncio.wait({bell, *walking}, return_when=asyncio.FIRST_COMPLETED)
    bell.cancel()
    await asyncio.gather(bell, return_exceptions=True)


def _errands(server: Server, rows: list[Received]) -> tuple[list[Errand], list[Received]]:
    """The rows dealt out to a few walkers for each server, and those that are too many for it."""
    most = max(1, int(LANES * SHARE))
    errands: list[Errand] = []
    left: list[Received] = []
    hosts: dict[str, list[Received]] = {}
    for row in rows:
        hosts.setdefault(addresses.authority(row.actor_uri, server.rules), []).append(row)
    for host, theirs in hosts.items():
        sizes = accumulate(len(row.body) for row in theirs)
        fits = bisect_right(list(sizes), IN_HAND * SHARE) or 1
        left += theirs[fits:]
        lanes = _lanes(theirs[:fits])
        errands += [Errand(host, lanes[walker::most]) for walker in range(min(most, len(lanes)))]
    return errands, left


def _lanes(rows: Iterable[Received]) -> list[list[Received]]:
    """One lane per sender, each in the order it came."""
    ordered = sorted(rows, key=lambda row: (row.actor_uri, row.id))
    return [list(lane) for _, lane in groupby(ordered, key=lambda row: row.actor_uri)]


async def _walk(server: Server, errand: Errand, until: datetime) -> None:
    """Work on the rows of an errand, as long as the claim on them surely holds."""
    try:
        for lane in errand.lanes:
            await _work_off(server, lane, until)
    except (Busy, Unavailable) as error:
        log.warning("the database cannot be had: %s", error)
    finally:
        await _give_back(server, errand.rows)


async def _work_through(server: Server, lanes: list[list[Received]], until: datetime) -> None:
    """Work on the rows of many senders, in the order they came, as far as nobody is to be asked
    about them and nothing is wrong with them; what ended leaves its lane."""
    going = {lane[0].actor_uri: lane for lane in lanes if lane}
    read: dict[int, Activity] = {}
    while going and server.now() < until:
        works = _at_hand(server, going, read)
        if not works:
            return
        ends = await _treat_together(server, works)
        for row, reason in ends.ended:
            del going[row.actor_uri][0], read[row.id]
            _note(server, row, "done" if reason is None else "dropped", reason)
        for sender in ends.doubtful:
            del going[sender]
        going = {sender: lane for sender, lane in going.items() if lane}


def _at_hand(
    server: Server, going: dict[str, list[Received]], read: dict[int, Activity]
) -> list[Work]:
    """The next few rows of all senders about whom nobody is to be asked, read, if they were not
    `read` before. Whoever is stopped by one about which somebody is, or which cannot be read, is
    going no more."""
    works: list[Work] = []
    stopped: set[str] = set()
    octets = 0
    for row in heapq.merge(*going.values(), key=lambda row: row.id):
        if row.actor_uri in stopped:
            continue
        octets += len(row.body)
        if works and (len(works) == TOGETHER or octets > OCTETS_TOGETHER):
            break
        activity = read.get(row.id) or _complete(server, row)
        if activity is None:
            stopped.add(row.actor_uri)
        else:
            read[row.id] = activity
            works.append(Work(row, activity, (activity,)))
    for sender in stopped - {work.row.actor_uri for work in works}:
        del going[sender]
    return works


def _complete(server: Server, row: Received) -> Activity | None:
    """The activity, if it is one about which nobody is to be asked."""
    if row.type == goodbyes.UNPROVEN:
        return None
    try:
        activity = _read(server, row)
        return activity if missing.complete(activity) else None
    except Exception:
        return None  # why, is seen when it is looked at alone


async def _treat_together(server: Server, works: list[Work]) -> Ends:
    """Work on these in one transaction, as far as one gets in a short time. Raises only Busy and
    Unavailable: if anything else is wrong, all are to be looked at alone."""
    try:
        try:
            return await server.database.work(effects.together, server.mode, works)
        except OneFailed:
            return await server.database.work(effects.together, server.mode, works, careful=True)
    except (Busy, Unavailable):
        raise
    except Exception:
        log.exception("%s activities are to be looked at one by one", len(works))
        return Ends(doubtful={work.row.actor_uri for work in works})


async def _work_off(server: Server, lane: list[Received], until: datetime) -> None:
    """Work on the rows of one sender, strictly one after the other; they leave the lane."""
    while lane and server.now() < until:
        await _treat(server, lane[0])
        del lane[0]
        await _work_through(server, [lane], until)


async def _give_back(server: Server, rows: list[Received]) -> None:
    """Give back what was not worked on: if the database is away, as soon as it is back, while
    the claim surely holds. A school that closes does not wait for that."""
    until = server.now() + LEASE / 4
    ids = [row.id for row in rows]
    while ids:
        try:
            await asyncio.shield(server.database.work(received.release, ids))
            return
        except (Busy, Unavailable):
            if _closing() or server.now() >= until:
                log.warning("%s claimed activities wait until their claim ends", len(ids))
                return
        await asyncio.sleep(PAUSE)


def _closing() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _treat(server: Server, row: Received) -> None:
    """Work on one row and note how it ended. Raises only Busy and Unavailable."""
    outcome, reason = "done", None
    try:
        await _work_on(server, row)
    except (Busy, Unavailable):
        raise
    except Unreachable as error:
        reason = str(error)
        wait = _next_try(server, row, error)
        outcome = await server.database.work(_wait, row, reason, wait, error.host)
    except WireError as error:
        outcome, reason = "dropped", str(error) or type(error).__name__
        await server.database.work(received.done, [row.id], reason)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"[:500]
        log.exception("an activity could not be worked on", extra={"row": row.id})
        outcome = await server.database.work(_after_error, row, reason)
    _note(server, row, outcome, reason)


def _note(server: Server, row: Received, outcome: str, reason: str | None) -> None:
    log.info(
        "arrival",
        extra={
            "activity_type": row.type,
            "actor": row.actor_uri,
            "outcome": outcome,
            "reason": reason,
        },
    )
    server.counters.effect(outcome)


def _read(server: Server, row: Received) -> Activity:
    document = activities.parse(row.body)
    activity = dispatch.typed(activities.read(document, server.rules))
    return replace(activity, owner_id=row.owner_id)


async def _work_on(server: Server, row: Received) -> None:
    """The effect of one row. Raises WireError if it has none, or none yet."""
    activity = _read(server, row)
    if row.type == goodbyes.UNPROVEN:
        await goodbyes.look_again(server, activity, row.received_at)
    supplied = await missing.supplied(server, activity)
    await server.database.work(effects.alone, server.mode, Work(row, activity, supplied))


def _next_try(server: Server, row: Received, error: Unreachable) -> timedelta | None:
    """How long the activity waits for that server; None if it has waited enough."""
    own = error.host == addresses.authority(row.actor_uri, server.rules)
    waits = WAITS if own else WAITS_FOR_A_THIRD
    if row.tries >= len(waits) and not own:
        return None
    wait = waits[min(row.tries, len(waits) - 1)]
    if error.retry_after is not None:
        wait = min(max(wait, timedelta(seconds=error.retry_after)), LONGEST_RETRY_AFTER)
    return wait


def _wait(tx: Transaction, row: Received, reason: str, wait: timedelta | None, host: str) -> str:
    """Park an activity until the other server can be reached again, for three days at most: until
    some time has passed, or that server is heard."""
    if wait is None or tx.now - row.received_at > PATIENCE:
        received.aside(tx, row.id, reason)
        return "aside"
    received.again(tx, row.id, due_at=tx.now + wait, reason=reason, waits_for=host)
    return "again"


def _after_error(tx: Transaction, row: Received, reason: str) -> str:
    if row.tries + 1 >= TRIES:
        received.aside(tx, row.id, reason)
        return "aside"
    received.again(tx, row.id, due_at=tx.now + AFTER_ERROR * (row.tries + 1), reason=reason)
    return "again"
