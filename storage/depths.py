"""How much waits, how long it has waited already, and how the peers do: figures, never words.

Each question looks only at what waits or was set aside, which has an index of its own.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Integer, Table, bindparam, case, func, or_, select

from storage.tables import deliveries, peers, received
from storage.transaction import Transaction

State = Literal["well", "failing", "paused", "blocked"]


@dataclass(frozen=True, slots=True)
class Depth:
    """So many rows of one queue are in one state; the oldest came at `since`, None for none."""

    queue: Literal["inbox", "outbox"]
    state: str
    count: int
    since: datetime | None


@dataclass(frozen=True, slots=True)
class Lane:
    """How one peer does."""

    host: str
    state: State
    waiting: int
    failures: int  # in a row
    succeeded_at: datetime | None
    heard_at: datetime | None


def _depth(table: Table, state: str, moment: str) -> Any:
    return select(func.count(), func.min(table.c[moment], type_=table.c[moment].type)).where(
        table.c.state == state
    )


_DEPTHS: tuple[tuple[Literal["inbox", "outbox"], str, Any], ...] = (
    ("inbox", "new", _depth(received, "new", "received_at")),
    ("inbox", "aside", _depth(received, "aside", "received_at")),
    ("outbox", "waiting", _depth(deliveries, "waiting", "created_at")),
    ("outbox", "aside", _depth(deliveries, "aside", "created_at")),
)


def depths(tx: Transaction) -> list[Depth]:
    """What waits to be worked on or sent, and what waits for a person."""
    found: list[Depth] = []
    for queue, state, question in _DEPTHS:
        count, since = tx.execute(question).one()
        found.append(Depth(queue, state, count, since))
    return found


_WAITING = (
    select(func.count())
    .where(deliveries.c.peer_id == peers.c.id, deliveries.c.state == "waiting")
    .correlate(peers)
    .scalar_subquery()
)
_STATE = case(
    (peers.c.blocked, "blocked"),
    (peers.c.paused.is_not(None), "paused"),
    (peers.c.failures > 0, "failing"),
    else_="well",
)
_LANES = (
    select(
        peers.c.host,
        _STATE,
        _WAITING,
        peers.c.failures,
        peers.c.succeeded_at,
        peers.c.heard_at,
    )
    .where(or_(peers.c.due_at.is_not(None), peers.c.failures > 0, peers.c.paused.is_not(None)))
    .order_by(peers.c.failures.desc(), peers.c.id)
    .limit(bindparam("most", type_=Integer))
)
_STATES = select(_STATE, func.count()).group_by(_STATE)


def lanes(tx: Transaction, limit: int) -> list[Lane]:
    """The peers for which something waits, or that do not answer; the worst first."""
    return [Lane(*row) for row in tx.execute(_LANES, {"most": limit})]


def peers_by_state(tx: Transaction) -> dict[str, int]:
    """How many peers are well, failing, paused or blocked."""
    return {row[0]: row[1] for row in tx.execute(_STATES)}
