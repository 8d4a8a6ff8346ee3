"""Many lanes at once: set out on visits, each with the first rows to bring, and end them.

To claim a lane, read what waits in it and give it back costs about the same for one lane as for
two hundred, if each is one statement for all of them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import bindparam, case, select, true, update

from storage import deliveries, sql
from storage.deliveries import Lane, Outcome, Parcel
from storage.tables import Moment, actors, keys, peers
from storage.tables import deliveries as rows
from storage.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Trip:
    """A lane to visit, leased, and what to bring first; `more` may wait behind that.

    `shows_ed25519`: somebody there lists such a key in their own document.
    """

    lane: Lane
    first: list[Parcel]
    more: bool
    shows_ed25519: bool = False


def set_out(
    tx: Transaction, *, limit: int, lease: timedelta, each: int, doubtful: int | None = None
) -> list[Trip]:
    """Lease up to `limit` lanes that are due, as `deliveries.claim` does, with the first `each`
    rows of every one."""
    due = deliveries.claim(tx, limit=limit, lease=lease, doubtful=doubtful)
    if not due:
        return []
    peer_ids = sorted(lane.peer_id for lane in due)
    found = tx.execute(_first_rows(sql.on_postgresql(tx)), {"of_peers": peer_ids, "each": each})
    waiting = sorted(found, key=lambda row: (row[3], row[0]))
    of_peer = {row[0]: row[4] for row in waiting}
    first: dict[int, list[Parcel]] = {peer_id: [] for peer_id in peer_ids}
    for parcel in deliveries.packed(tx, waiting):
        first[of_peer[parcel.id]].append(parcel)
    shown = _showing_ed25519(tx, due)
    return [
        Trip(
            lane,
            first[lane.peer_id],
            more=len(first[lane.peer_id]) >= each,
            shows_ed25519=lane.peer_id in shown,
        )
        for lane in due
    ]


@lru_cache(maxsize=2)
def _first_rows(for_postgresql: bool) -> Any:
    """The first rows of each lane, by the index alone: a full queue is never read whole."""
    found = rows.alias("found")
    columns = (found.c.id, found.c.inbox, found.c.tries, found.c.activity_id, found.c.peer_id)
    ahead = (
        select(*(columns if for_postgresql else columns[:1]))
        .where(found.c.peer_id == peers.c.id, found.c.state == "waiting")
        .order_by(found.c.activity_id, found.c.id)
        .limit(sql.number("each"))
        .correlate(peers)
    )
    wanted = peers.c.id.in_(sql.one_of("of_peers"))
    if for_postgresql:
        beside = ahead.lateral("ahead")
        return select(*beside.c).select_from(peers.join(beside, true())).where(wanted)
    return (
        select(*(rows.c[column.name] for column in columns))
        .select_from(peers.join(rows, rows.c.id.in_(ahead.scalar_subquery())))
        .where(wanted)
    )


_SHOWING = (
    select(actors.c.peer_id)
    .distinct()
    .join(keys, keys.c.actor_id == actors.c.id)
    .where(
        actors.c.peer_id.in_(sql.one_of("of_peers")),
        actors.c.state == "active",
        keys.c.algorithm == "ed25519",
    )
)


def _showing_ed25519(tx: Transaction, lanes: Iterable[Lane]) -> frozenset[int]:
    """Of the lanes whose school took RFC 9421 those where an actor lists an Ed25519 key."""
    asked = sorted(lane.peer_id for lane in lanes if lane.signature_form == "rfc9421")
    if not asked:
        return frozenset()
    return frozenset(tx.execute(_SHOWING, {"of_peers": asked}).scalars())


# --- the end of visits -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Closing:
    """How a visit went, for `release`; `alive`: the school took, or clearly refused, something.

    `failed` are rows that were tried and stay waiting, each with its reason.
    """

    peer_id: int
    outcome: Outcome
    alive: bool = False
    due_at: datetime | None = None
    error: str | None = None
    form: str | None = None
    failed: tuple[tuple[int, str], ...] = ()
    broken_off: bool = False  # without an outcome


_HOLD = sql.holding(
    select(peers.c.id).where(peers.c.id.in_(sql.one_of("ending"))).order_by(peers.c.id)
)
_WAITS = sql.any_row([rows], rows.c.peer_id == peers.c.id, rows.c.state == "waiting")
_MOMENT = bindparam("moment", type_=Moment())
_WENT_WELL = (
    update(peers)
    .where(peers.c.id.in_(sql.one_of("ending")))
    .values(
        leased_until=None,
        due_at=case((_WAITS, _MOMENT), else_=None),
        failures=0,
        failing_days=0,
        failing_since=None,
        failed_at=None,
        last_error=None,
        succeeded_at=_MOMENT,
    )
    .returning(peers.c.due_at)
)


def close(tx: Transaction, closings: Iterable[Closing]) -> None:
    """End visits, each with what `deliveries.release` does; those that went well in one go.

    On PostgreSQL all lanes are locked before anybody looks what waits in them, so that what is
    published meanwhile is seen by one side or the other.
    """
    ending = sorted(closings, key=lambda closing: closing.peer_id)
    if ending and sql.on_postgresql(tx):
        tx.execute(_HOLD, {"ending": [closing.peer_id for closing in ending]}).all()
    well = [closing.peer_id for closing in ending if _plain(closing)]
    if well:
        due = tx.execute(_WENT_WELL, {"ending": well, "moment": tx.now}).scalars().all()
        if any(moment is not None for moment in due):
            # Time was over, or something was published meanwhile.
            tx.wake("deliveries")
    for closing in ending:
        if not _plain(closing):
            _close(tx, closing)


def _plain(closing: Closing) -> bool:
    return closing == Closing(closing.peer_id, "success", alive=closing.alive)


def _close(tx: Transaction, closing: Closing) -> None:
    if closing.broken_off:
        deliveries.abandon(tx, [closing.peer_id])
        tx.wake("deliveries")
        return
    if closing.alive and closing.outcome == "failure":
        # It went well, and then it did not: the count of failures begins anew.
        deliveries.release(tx, closing.peer_id, outcome="success")
    for delivery_id, reason in closing.failed:
        deliveries.failed(tx, delivery_id, reason)
    waits = deliveries.release(
        tx,
        closing.peer_id,
        outcome=closing.outcome,
        due_at=closing.due_at,
        error=closing.error,
        form=closing.form,
    )
    if waits and closing.due_at is None and closing.outcome in ("success", "nothing"):
        tx.wake("deliveries")
