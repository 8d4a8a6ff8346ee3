"""What arrived is worked on: one after the other per sender, many senders at once.

Each activity first gets what it needs from other servers, with no transaction open; then its
effect, the answers to it and the note that it is done are one transaction. One that cannot be
read, may not do what it asks, or is of a type without effect here, is done with the reason; one
that breaks us is tried three times and set aside; one whose post cannot be had now waits alone,
the others go on. What a post answers is not waited for: it is fetched later (`inbox/threads`).
"""

import asyncio
import logging
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import accumulate, groupby, takewhile

import orjson

from actors import admission
from actors.server import Server
from federation import activity as activities
from federation import addresses
from federation.activity import Activity
from federation.errors import Unreachable, WireError
from inbox import concerned, dispatch, goodbyes, missing, passing_on, posts, threads
from outbox import forward
from storage import arrivals, received
from storage.database import Busy, Transaction, Unavailable
from storage.received import Incoming, Received

log = logging.getLogger("inbox.worker")

# A claim outlasts what is done under it: whoever is past half of it gives the rest back.
LEASE = timedelta(minutes=10)
CLAIM = 256
# Walkers at once, and bytes that they have in hand.
LANES = 64
IN_HAND = 64 * 1024 * 1024
# How much of that one server may have, which perhaps keeps us waiting on purpose (SECURITY R21).
SHARE = 0.1
# Rows of one sender that share a commit: few, for nobody else writes meanwhile.
TOGETHER = 8
# How long quick senders wait for slow ones before more work is claimed, in seconds.
ROUND = 0.25
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

# What may have its effect again, passed on inside another.
AGAIN = frozenset({"Create", *missing.FOR_OTHERS})

# When to try again after a mistake of ours, and how often in all.
AFTER_ERROR = timedelta(seconds=10)
TRIES = 3


@dataclass(frozen=True, slots=True)
class Errand:
    """What one walker has in hand: rows of a few senders of one server, a lane for each."""

    host: str
    lanes: list[list[Received]]

    @property
    def octets(self) -> int:
        return sum(len(row.body) for lane in self.lanes for row in lane)


Walking = dict[asyncio.Task[None], Errand]
# A row, the activity in it, and that with what it needs, or what it passes on beside it.
Work = tuple[Received, Activity, tuple[Activity, ...]]


async def step(server: Server, limit: int = CLAIM) -> int:
    """One round: claim what is due and work on it. Answers how many rows that were."""
    until = server.now() + LEASE / 2
    rows = await server.database.write(received.claim, limit=limit, lease=LEASE, octets=IN_HAND)
    errands, left = _errands(server, rows)
    await _give_back(server, left)
    await asyncio.gather(*(_walk(server, errand, until) for errand in errands))
    return len(rows)


async def work(server: Server) -> None:
    """Work for ever. A sender who keeps us waiting does not keep the others waiting."""
    walking: Walking = {}
    try:
        while True:
            try:
                begun = await _set_out(server, walking)
            except (Busy, Unavailable) as error:
                log.warning("the database cannot be had: %s", error)
                begun = False
                await asyncio.sleep(PAUSE)
            if begun:
                await asyncio.wait(walking, timeout=ROUND)
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
    rows = await server.database.write(
        received.claim,
        limit=CLAIM,
        lease=LEASE,
        octets=room,
        but={errand.host for errand in walking.values()},
    )
    errands, left = _errands(server, rows)
    for errand in errands:
        walking[asyncio.create_task(_walk(server, errand, until))] = errand
    await _give_back(server, left)
    return bool(errands)


async def _woken_or_free(server: Server, walking: Walking) -> None:
    bell = asyncio.create_task(server.database.woken("received", POLL))
    await asyncio.wait({bell, *walking}, return_when=asyncio.FIRST_COMPLETED)
    bell.cancel()
    await asyncio.gather(bell, return_exceptions=True)


def _errands(server: Server, rows: list[Received]) -> tuple[list[Errand], list[int]]:
    """The rows dealt out to a few walkers for each server, and those that are too many for it."""
    most = max(1, int(LANES * SHARE))
    errands: list[Errand] = []
    left: list[int] = []
    hosts: dict[str, list[Received]] = {}
    for row in rows:
        hosts.setdefault(addresses.authority(row.actor_uri, server.rules), []).append(row)
    for host, theirs in hosts.items():
        sizes = accumulate(len(row.body) for row in theirs)
        fits = bisect_right(list(sizes), IN_HAND * SHARE) or 1
        left += [row.id for row in theirs[fits:]]
        lanes = _lanes(theirs[:fits])
        errands += [Errand(host, lanes[walker::most]) for walker in range(min(most, len(lanes)))]
    return errands, left


def _lanes(rows: Iterable[Received]) -> list[list[Received]]:
    """One lane per sender, each in the order it came."""
    ordered = sorted(rows, key=lambda row: row.actor_uri)  # stable: the order within stays
    return [list(lane) for _, lane in groupby(ordered, key=lambda row: row.actor_uri)]


async def _walk(server: Server, errand: Errand, until: datetime) -> None:
    """Work on the rows of an errand, as long as the claim on them surely holds."""
    try:
        for lane in errand.lanes:
            await _work_off(server, lane, until)
    except (Busy, Unavailable) as error:
        log.warning("the database cannot be had: %s", error)
    finally:
        await _give_back(server, [row.id for lane in errand.lanes for row in lane])


async def _work_off(server: Server, lane: list[Received], until: datetime) -> None:
    """Work on the rows of one sender, strictly one after the other; they leave the lane."""
    alone = 0  # how many are to be looked at one by one
    while lane and server.now() < until:
        done = 0 if alone else await _treat_together(server, lane[:TOGETHER])
        if done == 0:
            await _treat(server, lane[0])
            done, alone = 1, alone - 1 if alone else min(TOGETHER, len(lane)) - 1
        del lane[:done]


async def _give_back(server: Server, ids: list[int]) -> None:
    """Give back what was not worked on: if the database is away, as soon as it is back, while
    the claim surely holds. A school that closes does not wait for that."""
    until = server.now() + LEASE / 4
    while ids:
        try:
            await asyncio.shield(server.database.write(received.release, ids))
            return
        except (Busy, Unavailable):
            if _closing() or server.now() >= until:
                log.warning("%s claimed activities wait until their claim ends", len(ids))
                return
        await asyncio.sleep(PAUSE)


def _closing() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _treat_together(server: Server, rows: list[Received]) -> int:
    """Work on the first few rows in one transaction, as far as they need nothing from elsewhere.

    Answers how many that were: 0 if there are not two such, or if anything is wrong with one of
    them. Then nothing was done, and each is to be looked at alone.
    """
    try:
        read = [(row, _read(server, row)) for row in rows]
        ready = takewhile(_at_hand, read)
        together: list[Work] = [(row, activity, (activity,)) for row, activity in ready]
        if len(together) < 2:
            return 0
        await server.database.write(_effects, server.mode, together)
    except (Busy, Unavailable):
        raise
    except Exception:
        log.debug("one of %s activities is to be looked at alone", len(rows))
        return 0
    for row, _, _ in together:
        _note(row, "done", None)
    return len(together)


def _at_hand(work: tuple[Received, Activity]) -> bool:
    """Whether nobody is to be asked about it."""
    row, activity = work
    return row.type != goodbyes.UNPROVEN and missing.complete(activity)


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
        outcome = await server.database.write(_wait, row, reason, wait, error.host)
    except WireError as error:
        outcome, reason = "dropped", str(error) or type(error).__name__
        await server.database.write(received.done, [row.id], reason)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"[:500]
        log.exception("an activity could not be worked on", extra={"row": row.id})
        outcome = await server.database.write(_after_error, row, reason)
    _note(row, outcome, reason)


def _note(row: Received, outcome: str, reason: str | None) -> None:
    log.info(
        "arrival",
        extra={
            "activity_type": row.type,
            "actor": row.actor_uri,
            "outcome": outcome,
            "reason": reason,
        },
    )


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
    await server.database.write(_effects, server.mode, [(row, activity, supplied)])


def _effects(tx: Transaction, mode: str, together: list[Work]) -> None:
    """All that follows from what one sender did, and that it is done, in one transaction."""
    _, first, _ = together[0]
    admission.admit(tx, mode, addresses.authority(first.actor, first.rules))
    for row, activity, supplied in together:
        _effect(tx, mode, row, activity, supplied)


def _effect(
    tx: Transaction,
    mode: str,
    row: Received,
    activity: Activity,
    supplied: tuple[Activity, ...],
) -> None:
    """The effect of one activity, unless another copy of it had that already."""
    no_effect = dispatch.declined(activity.type)
    first = received.first_copy(tx, row, no_effect)
    if first is not None:
        _join(tx, activity, first)
    else:
        for one in supplied:
            handler = dispatch.HANDLERS.get(one.type)
            if handler is not None and (one.id == activity.id or _first_time(tx, one)):
                handler.receive(tx, one)
                threads.point_to(tx, mode, one)
                passing_on.pass_on(tx, one)
        concerned.note_arrival(tx, activity, row.id)
        if addresses.authority(activity.actor, activity.rules) != tx.school.host:
            forward.forward(tx, activity, row.body)
    received.done(tx, [row.id], no_effect)


def _first_time(tx: Transaction, inner: Activity) -> bool:
    """Whether what was passed on inside another activity may have its effect.

    Who passes it on can do so again, long after its actor took it back. A post is kept once
    whatever comes, and what was passed on beside it may need it now; a request concerns those
    whom it is passed on to.
    """
    inside = Incoming(inner.id, inner.actor, 0, inner.type, orjson.dumps(inner.json))
    return received.came_inside(tx, inside) or inner.type in AGAIN


def _join(tx: Transaction, activity: Activity, first: int) -> None:
    """A further copy has no effect but that the owner of this inbox reads it too."""
    if not activity.owner_id or concerned.silent(tx, activity):
        return
    if activity.type == "Create":
        posts.join(tx, activity)
    arrivals.note(tx, first, owners=[activity.owner_id], followers_of=None, everyone=False)


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
