"""What follows from what came: in one transaction for many activities, of whoever sent them.

Each has its effect, is answered, passed on and shown to whom it concerns, and is done, or none of
that; what goes wrong with one takes none of the others along.
"""

import logging
import time
from contextlib import nullcontext
from dataclasses import dataclass, field

import orjson

from actors import admission
from federation import addresses
from federation.activity import Activity
from federation.errors import Unreachable, WireError
from inbox import concerned, dispatch, missing, passing_on, posts, threads
from outbox import forward
from storage import actors, arrivals, received, sql
from storage.database import Busy, Transaction, Unavailable
from storage.received import Copies, Incoming, Received

log = logging.getLogger("inbox.effects")

# Seconds for many together, for nobody else writes meanwhile on SQLite; so many are done anyhow.
LONGEST = 0.012
AT_LEAST = 4

# What may have its effect again, passed on inside another.
AGAIN = frozenset({"Create", *missing.FOR_OTHERS})


@dataclass(frozen=True, slots=True)
class Work:
    """A row and the activity in it; `supplied` is that with what it needs, or what it passes on
    beside it."""

    row: Received
    activity: Activity
    supplied: tuple[Activity, ...]


@dataclass(slots=True)
class Ends:
    """How far a few dozen came: those that ended, in their order, each with the reason if it had
    no effect; and the senders of whom one is to be looked at alone."""

    ended: list[tuple[Received, str | None]] = field(default_factory=list)
    doubtful: set[str] = field(default_factory=set)


class OneFailed(Exception):
    """Something went wrong after something was written: nothing of it all stays."""


def alone(tx: Transaction, mode: str, work: Work) -> None:
    """All that follows from one activity, and that it is done. Raises WireError if nothing may."""
    _admit(tx, mode, work.activity)
    reason = _effect(tx, mode, work, Copies(tx, [work.row.uri]))
    received.done(tx, [work.row.id], reason)


def together(
    tx: Transaction,
    mode: str,
    works: list[Work],
    *,
    careful: bool = False,
    seconds: float = LONGEST,
) -> Ends:
    """The same for many, in their order, as far as one gets in so many seconds.

    One that may not do what it asks ends with the reason. One that breaks us is left as it was,
    and so is what comes after it from the same sender. Unless `careful`, it raises OneFailed where
    something has to be undone for that: it is then to be asked again, carefully.
    """
    end = time.thread_time() + seconds
    tx.remember()
    actors.by_uris(tx, {work.activity.actor for work in works})
    copies = Copies(tx, {work.row.uri for work in works})
    ends = Ends()
    reasons: dict[str | None, list[int]] = {}
    for work in works:
        row = work.row
        if row.actor_uri in ends.doubtful:
            continue
        changes = tx.changes
        dropped = None
        try:
            with tx.part() if careful else nullcontext():
                _admit(tx, mode, work.activity)
                reason = _effect(tx, mode, work, copies)
        except (Busy, Unavailable):
            raise
        except Exception as error:
            told = isinstance(error, WireError) and not isinstance(error, Unreachable)
            if not careful and (not told or tx.changes != changes):
                raise OneFailed from error
            if not told:
                log.debug("an activity is to be looked at alone", extra={"row": row.id})
                ends.doubtful.add(row.actor_uri)
                continue
            reason = dropped = str(error) or type(error).__name__
        else:
            copies.add(row, reason)
        reasons.setdefault(reason, []).append(row.id)
        ends.ended.append((row, dropped))
        late = len(ends.ended) >= AT_LEAST and time.thread_time() >= end
        if late or _holds_lanes(tx):
            break
    for reason, ids in reasons.items():
        received.done(tx, ids, reason)
    return ends


def _holds_lanes(tx: Transaction) -> bool:
    """Whether something was sent, and others who send may wait for us: locks are taken in the
    order of ids once, and not again for what comes next, or two may wait for each other."""
    return "deliveries" in tx.topics and sql.on_postgresql(tx)


def _admit(tx: Transaction, mode: str, activity: Activity) -> None:
    """Raise Refused for what comes from a server that we do not talk to by now."""
    host = addresses.authority(activity.actor, activity.rules)
    known = tx.known("peers")
    if known is None or host not in known:
        admission.admit(tx, mode, host)
        if known is not None:
            known[host] = True


def _effect(tx: Transaction, mode: str, work: Work, copies: Copies) -> str | None:
    """The effect of one activity, unless another copy of it had that already; the reason why it
    has none."""
    row, activity = work.row, work.activity
    no_effect = dispatch.declined(activity.type)
    first = copies.first(tx, row, no_effect)
    if first is not None:
        _join(tx, activity, first)
        return no_effect
    for one in work.supplied:
        handler = dispatch.HANDLERS.get(one.type)
        if handler is not None and (one.id == activity.id or _first_time(tx, one)):
            handler.receive(tx, one)
            threads.point_to(tx, mode, one)
            passing_on.pass_on(tx, one)
    concerned.note_arrival(tx, activity, row.id)
    if addresses.authority(activity.actor, activity.rules) != tx.school.host:
        forward.forward(tx, activity, row.body)
    return no_effect


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
