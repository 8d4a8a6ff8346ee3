"""What arrived is worked on: one after the other per sender, many senders at once.

Each activity first gets what it needs from other servers, with no transaction open; then its
effect, the answers to it and the note that it is done are one transaction. One that cannot be
read, or may not do what it asks, is done with the reason; one that breaks us is tried three times
and set aside; one whose post cannot be had now waits alone, the others go on.
"""

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from itertools import groupby, takewhile

from actors import admission
from actors.server import Server
from federation import activity as activities
from federation import addresses
from federation.activity import Activity
from federation.errors import Unreachable, WireError
from inbox import concerned, dispatch, missing, posts
from outbox import forward
from storage import arrivals, received
from storage.database import Busy, Transaction, Unavailable
from storage.received import Received

log = logging.getLogger("inbox.worker")

# A claim outlasts what is done under it: whoever is past half of it gives the rest back.
LEASE = timedelta(minutes=10)
CLAIM = 256
LANES = 64
# Rows of one sender that share a commit: few, for nobody else writes meanwhile.
TOGETHER = 8
# How long quick senders wait for slow ones before more work is claimed, in seconds.
ROUND = 0.25
# Signals may get lost; look by ourselves this often, in seconds.
POLL = 5.0

# When to try again after the other server could not be reached, and when to give up.
WAITS = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=6),
)
PATIENCE = timedelta(days=3)
LONGEST_RETRY_AFTER = timedelta(days=1)

# When to try again after a mistake of ours, and how often in all.
AFTER_ERROR = timedelta(seconds=10)
TRIES = 3


async def step(server: Server, limit: int = CLAIM) -> int:
    """One round: claim what is due and work on it. Answers how many rows that were."""
    rows = await _claim(server, limit)
    await asyncio.gather(*(_walk(server, lane) for lane in _lanes(rows)))
    return len(rows)


async def work(server: Server) -> None:
    """Work for ever. A sender who keeps us waiting does not keep the others waiting."""
    walking: set[asyncio.Task[None]] = set()
    try:
        while True:
            try:
                rows = await _claim(server, CLAIM) if len(walking) < LANES else []
            except (Busy, Unavailable) as error:
                log.warning("the database cannot be had: %s", error)
                rows = []
                await asyncio.sleep(1)
            walking |= {asyncio.create_task(_walk(server, lane)) for lane in _lanes(rows)}
            if rows:
                _, walking = await asyncio.wait(walking, timeout=ROUND)
            elif walking:
                walking = await _woken_or_free(server, walking)
            else:
                await server.database.woken("received", POLL)
    finally:
        for task in walking:
            task.cancel()
        await asyncio.gather(*walking, return_exceptions=True)


async def _woken_or_free(
    server: Server, walking: set[asyncio.Task[None]]
) -> set[asyncio.Task[None]]:
    bell = asyncio.create_task(server.database.woken("received", POLL))
    await asyncio.wait({bell, *walking}, return_when=asyncio.FIRST_COMPLETED)
    bell.cancel()
    await asyncio.gather(bell, return_exceptions=True)
    return {task for task in walking if not task.done()}


async def _claim(server: Server, limit: int) -> list[Received]:
    return await server.database.write(received.claim, limit=limit, lease=LEASE)


def _lanes(rows: Iterable[Received]) -> list[list[Received]]:
    """One lane per sender, each in the order it came."""
    ordered = sorted(rows, key=lambda row: row.actor_uri)  # stable: the order within stays
    return [list(lane) for _, lane in groupby(ordered, key=lambda row: row.actor_uri)]


async def _walk(server: Server, lane: list[Received]) -> None:
    """Work on the rows of one sender, strictly one after the other."""
    left = list(lane)
    until = server.now() + LEASE / 2
    alone = 0  # how many are to be looked at one by one
    try:
        while left and server.now() < until:
            done = 0 if alone else await _treat_together(server, left[:TOGETHER])
            if done == 0:
                await _treat(server, left[0])
                done, alone = 1, alone - 1 if alone else min(TOGETHER, len(left)) - 1
            del left[:done]
    except (Busy, Unavailable) as error:
        log.warning("the database cannot be had: %s", error)
    finally:
        if left:
            await _give_back(server, [row.id for row in left])


async def _give_back(server: Server, ids: list[int]) -> None:
    try:
        await asyncio.shield(server.database.write(received.release, ids))
    except (Busy, Unavailable):
        log.warning("%s claimed activities wait until their claim ends", len(ids))


async def _treat_together(server: Server, rows: list[Received]) -> int:
    """Work on the first few rows in one transaction, as far as they need nothing from elsewhere.

    Answers how many that were: 0 if there are not two such, or if anything is wrong with one of
    them. Then nothing was done, and each is to be looked at alone.
    """
    try:
        read = [(row, _read(server, row)) for row in rows]
        together = list(takewhile(lambda pair: missing.complete(pair[1]), read))
        if len(together) < 2:
            return 0
        await server.database.write(_effects, server.mode, together)
    except (Busy, Unavailable):
        raise
    except Exception:
        log.debug("one of %s activities is to be looked at alone", len(rows))
        return 0
    for row, _ in together:
        _note(row, "done", None)
    return len(together)


async def _treat(server: Server, row: Received) -> None:
    """Work on one row and note how it ended. Raises only Busy and Unavailable."""
    outcome, reason = "done", None
    try:
        await _work_on(server, row)
    except (Busy, Unavailable):
        raise
    except Unreachable as error:
        reason = str(error)
        outcome = await server.database.write(_wait, row, reason, error.retry_after)
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
    supplied = await missing.supplied(server, activity)
    await server.database.write(_effect, server.mode, row, activity, supplied)


def _effects(tx: Transaction, mode: str, together: list[tuple[Received, Activity]]) -> None:
    for row, activity in together:
        _effect(tx, mode, row, activity, (activity,))


def _effect(
    tx: Transaction,
    mode: str,
    row: Received,
    activity: Activity,
    supplied: tuple[Activity, ...],
) -> None:
    """All that follows from an activity, and that it is done, in one transaction."""
    host = addresses.authority(activity.actor, activity.rules)
    admission.admit(tx, mode, host)
    first = received.first_copy(tx, row)
    if first is not None:
        _join(tx, activity, first)
    else:
        for one in supplied:
            handler = dispatch.HANDLERS.get(one.type)
            if handler is not None:
                handler.receive(tx, one)
        concerned.note_arrival(tx, activity, row.id)
        if host != tx.school.host:
            forward.forward(tx, activity, row.body)
    received.done(tx, [row.id])


def _join(tx: Transaction, activity: Activity, first: int) -> None:
    """A further copy has no effect but that the owner of this inbox reads it too."""
    if not activity.owner_id:
        return
    if activity.type == "Create":
        posts.join(tx, activity)
    arrivals.note(tx, first, owners=[activity.owner_id], followers_of=None, everyone=False)


def _wait(tx: Transaction, row: Received, reason: str, retry_after: float | None) -> str:
    """Park an activity until the other server can be reached again, for three days at most."""
    if tx.now - row.received_at > PATIENCE:
        received.aside(tx, row.id, reason)
        return "aside"
    wait = WAITS[min(row.tries, len(WAITS) - 1)]
    if retry_after is not None:
        wait = min(max(wait, timedelta(seconds=retry_after)), LONGEST_RETRY_AFTER)
    received.again(tx, row.id, due_at=tx.now + wait, reason=reason)
    return "again"


def _after_error(tx: Transaction, row: Received, reason: str) -> str:
    if row.tries + 1 >= TRIES:
        received.aside(tx, row.id, reason)
        return "aside"
    received.again(tx, row.id, due_at=tx.now + AFTER_ERROR * (row.tries + 1), reason=reason)
    return "again"
