"""Other servers: whether we talk to them, and when we last heard from them.

A peer is a HOST, `name[:port]`, normalised by who calls. A school that is allowed is allowed by
its exact host. A block reaches further: that of a name covers its sub-domains and every port, and
wins over whatever is allowed below it.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Literal

from sqlalchemy import (
    ColumnElement,
    and_,
    case,
    func,
    literal,
    or_,
    select,
    update,
)

from storage import received, sql
from storage.tables import actors, deliveries, peers
from storage.transaction import Transaction

Policy = Literal["allowed", "blocked", "unlisted"]

# Whoever adds a peer, and whoever blocks, takes this lock.
_BLOCKING = 0x5374_6166_6602

# A sign of life starts the lane of a peer within this time, and not more often than this: a
# school that starts again gets what waited well within a minute, one that talks but cannot take
# anything is not tried with every word it says.
MOST_STRANGERS = 100
HEARD_AGAIN = timedelta(seconds=20)


@dataclass(frozen=True, slots=True)
class Peer:
    id: int
    host: str
    policy: Policy  # what was decided about exactly this host
    blocked: bool  # it, or what stands above it
    signature_form: str | None
    form_learned_at: datetime | None
    due_at: datetime | None
    urgent: bool  # somebody there is meant by name in what waits
    leased_until: datetime | None
    failures: int
    failing_days: int
    failing_since: datetime | None
    failed_at: datetime | None
    paused: str | None
    last_error: str | None
    succeeded_at: datetime | None
    heard_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Door:
    """Where to knock at a peer."""

    host: str
    uri: str  # of an actor there


@dataclass(frozen=True, slots=True)
class PeerLine:
    peer: Peer
    waiting: int
    oldest: datetime | None  # when the oldest of what waits was written
    blocked_by: str | None  # the host whose block covers this one: itself, or one above it


_COLUMNS = sql.columns(peers, Peer)
_BY_HOST = select(*_COLUMNS).where(peers.c.host == sql.words("of_host"))


def ensure(tx: Transaction, host: str) -> Peer:
    """The peer of this host; from now on there is one."""
    known = by_host(tx, host)
    if known is not None:
        return known
    _agree_on_blocks(tx, alone=False)
    row = {
        "id": tx.new_id(),
        "host": host,
        "blocked": policy(tx, host) == "blocked",
        "created_at": tx.now,
    }
    tx.execute(sql.insert_ignore(tx, peers), row)
    made = by_host(tx, host)
    assert made is not None
    return made


def by_host(tx: Transaction, host: str) -> Peer | None:
    row = tx.execute(_BY_HOST, {"of_host": host}).first()
    return None if row is None else Peer(*row)


def listing(tx: Transaction) -> list[PeerLine]:
    """All peers by host, each with what waits for it."""
    lanes = (
        select(
            deliveries.c.peer_id,
            func.count().label("waiting"),
            func.min(deliveries.c.created_at).label("oldest"),
        )
        .where(deliveries.c.state == "waiting")
        .group_by(deliveries.c.peer_id)
        .subquery()
    )
    rows = tx.execute(
        select(*_COLUMNS, func.coalesce(lanes.c.waiting, 0), lanes.c.oldest)
        .outerjoin_from(peers, lanes, lanes.c.peer_id == peers.c.id)
        .order_by(peers.c.host)
    )
    found = [(sql.part(Peer, row), row[-2], row[-1]) for row in rows]
    listed: dict[str, Policy] = {peer.host: peer.policy for peer, _, _ in found}
    return [
        PeerLine(peer, waiting, oldest, _blocking(peer.host, listed))
        for peer, waiting, oldest in found
    ]


def suspended_people(tx: Transaction) -> list[tuple[str, str]]:
    """Whom of other servers our administrator blocked: handle and id. Looks at everyone."""
    rows = tx.execute(
        select(actors.c.username, actors.c.host, actors.c.uri)
        .where(actors.c.suspended_here, actors.c.peer_id.is_not(None))
        .order_by(actors.c.host, actors.c.username)
    )
    return [(f"@{row.username}@{row.host}", row.uri) for row in rows]


# --- whom we talk to ---------------------------------------------------------------------------


def policy(tx: Transaction, host: str) -> Policy:
    """What holds for this host, blocks of what stands above it included."""
    return policies(tx, [host])[host]


_LISTED = select(peers.c.host, peers.c.policy).where(
    peers.c.host.in_(sql.one_of("hosts")), peers.c.policy != "unlisted"
)


def policies(tx: Transaction, hosts: Iterable[str]) -> dict[str, Policy]:
    """What holds for each of these hosts, asked in one go."""
    above = {host: _covering(host) for host in hosts}
    wanted = sorted({name for names in above.values() for name in names})
    rows = tx.execute(_LISTED, {"hosts": wanted})
    listed: dict[str, Policy] = {row.host: row.policy for row in rows}
    return {host: _decided(host, names, listed) for host, names in above.items()}


def set_policy(tx: Transaction, host: str, policy: Policy) -> Peer:
    """An administrator decides about a host. To allow it also ends the pause of its lane."""
    _agree_on_blocks(tx, alone=True)
    before = ensure(tx, host)
    changes: dict[str, Any] = {"policy": policy}
    if policy == "allowed":
        changes |= {"paused": None, "due_at": _sooner(tx.now)}
    tx.execute(update(peers).where(peers.c.id == before.id).values(changes))
    if "blocked" in (policy, before.policy) and policy != before.policy:
        _spread(tx, host)
    tx.wake("deliveries")
    after = by_host(tx, host)
    assert after is not None
    return after


def _spread(tx: Transaction, host: str) -> None:
    """A block came or went: note it at all peers that this host covers."""
    block = peers.alias("block")
    covered = sql.any_row([block], block.c.policy == "blocked", _covers(block.c.host, peers.c.host))
    tx.execute(update(peers).where(_covers(literal(host), peers.c.host)).values(blocked=covered))


def _agree_on_blocks(tx: Transaction, *, alone: bool) -> None:
    """On PostgreSQL, no new peer comes up while a block spreads, and none escapes it."""
    if sql.on_postgresql(tx):
        take = func.pg_advisory_xact_lock if alone else func.pg_advisory_xact_lock_shared
        tx.execute(select(take(_BLOCKING)))


def _blocking(host: str, listed: dict[str, Policy]) -> str | None:
    """Of the hosts whose block covers this one the nearest that is blocked."""
    return next((name for name in _covering(host) if listed.get(name) == "blocked"), None)


def _decided(host: str, names: tuple[str, ...], listed: dict[str, Policy]) -> Policy:
    if any(listed.get(name) == "blocked" for name in names):
        return "blocked"
    return listed.get(host, "unlisted")


@lru_cache(maxsize=4096)
def _covering(host: str) -> tuple[str, ...]:
    """The hosts whose block covers this one: itself, its name without the port, all above."""
    found = re.fullmatch(r"(.*?)(:\d+)?", host)
    assert found is not None
    name, port = found[1], found[2] or ""
    labels = name.split(".")
    names = [".".join(labels[start:]) for start in range(len(labels))]
    return (*names, *(name + port for name in names if port))


def _covers(block: ColumnElement[str], host: ColumnElement[str]) -> ColumnElement[bool]:
    """The same as `_covering`, in SQL."""
    ending = literal(".") + host
    return or_(
        ending.like(literal("%.") + block),
        ending.like(literal("%.") + block + literal(":%")),
    )


# --- signs of life -----------------------------------------------------------------------------


def heard(tx: Transaction, host: str) -> None:
    """A valid signed request came from this host: it lives, so what waits for it goes out, and
    what arrived and needs something of it is looked at again.

    Its lane is due at once, or, where it was started in this way less than 20 s ago, 20 s after
    that; so is what arrived. A pause stays: that is for an administrator to end. Costs one look
    if the host was heard a moment ago, nothing fails and nothing needs it.
    """
    row = tx.execute(_HEARD, {"of_host": host}).first()
    peer = ensure(tx, host) if row is None else sql.part(Peer, row)
    needed = row is None or row[-1]
    heard_at = peer.heard_at
    # Heard at a time to come: the clock was set back since.
    lately = heard_at is not None and timedelta(0) <= tx.now - heard_at < HEARD_AGAIN
    if lately and not peer.failures and not needed:
        return
    start = heard_at + HEARD_AGAIN if lately and heard_at is not None else tx.now
    if needed:
        received.heard(tx, host, start)
    changes: dict[str, Any] = {"failures": 0, "due_at": _sooner(start)}
    if not lately:
        changes["heard_at"] = tx.now
    tx.execute(update(peers).where(peers.c.id == peer.id).values(changes))
    tx.wake("deliveries")


_HEARD = _BY_HOST.add_columns(received.waits(peers.c.host))


def is_awaited(tx: Transaction, host: str) -> bool:
    """Whether a sign of life of this host would be news: something that arrived needs it, or what
    is to go there could not be brought."""
    row = tx.execute(_HEARD, {"of_host": host}).first()
    if row is None:
        return False
    peer, needed = sql.part(Peer, row), bool(row[-1])
    return needed or (peer.failures > 0 and peer.due_at is not None)


# An Application if we know one, which then stands for the server, else whom we met first; a
# project only if there is nobody else, for it does not open to everyone.
_SOMEONE = (
    select(actors.c.uri)
    .where(actors.c.peer_id == peers.c.id, actors.c.state == "active")
    .order_by(
        case((actors.c.type == "Application", 0), (actors.c.type == "Group", 2), else_=1),
        actors.c.id,
    )
    .limit(1)
    .scalar_subquery()
)
_DOORS = select(peers.c.host, _SOMEONE).where(_SOMEONE.is_not(None))


def knockable(tx: Transaction, since: datetime) -> list[Door]:
    """The peers that lived after `since`, each with one actor of it."""
    lived = or_(peers.c.heard_at >= since, peers.c.succeeded_at >= since)
    rows = tx.execute(_DOORS.where(lived, ~peers.c.blocked).order_by(peers.c.id))
    return [Door(*row) for row in rows]


_STRANGERS = (
    select(peers.c.host)
    .where(peers.c.policy == "allowed", ~peers.c.blocked, _SOMEONE.is_(None))
    .order_by(peers.c.id)
    .limit(MOST_STRANGERS)
)


def strangers(tx: Transaction) -> list[str]:
    """Servers that we talk to and where we know nobody yet, at most a hundred."""
    return list(tx.execute(_STRANGERS).scalars())


def door(tx: Transaction, host: str) -> Door | None:
    """Where to knock at this peer, if we know anybody there."""
    row = tx.execute(_DOORS.where(peers.c.host == host)).first()
    return None if row is None else Door(*row)


def _sooner(moment: datetime) -> ColumnElement[Any]:
    """`due_at` moved forward to this moment; null, nothing waits, stays null."""
    start = literal(moment, peers.c.due_at.type)
    return case(
        (and_(peers.c.due_at.is_not(None), peers.c.due_at > start), start), else_=peers.c.due_at
    )
