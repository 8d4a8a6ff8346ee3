"""What waits to be sent: one row per activity and distinct inbox, in the lane of its peer.

A peer whose `due_at` is set has something waiting. Who visits it leases the lane, sends its rows
in order, says how each ended, and releases the lane. Whoever adds rows, and whoever releases,
first locks the peer and then looks: so nothing added during a visit is forgotten.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import (
    ColumnElement,
    Integer,
    ScalarSelect,
    Select,
    and_,
    bindparam,
    case,
    func,
    or_,
    select,
    update,
)

from storage import addressees, ids, sql
from storage.addressees import To
from storage.peers import Peer
from storage.tables import (
    Moment,
    actors,
    deliveries,
    keys,
    peers,
    published,
)
from storage.transaction import Transaction
from storage.withdrawn import overtake, withdraw, withdraw_all, withhold

__all__ = [
    "Ending",
    "Lane",
    "Outcome",
    "Parcel",
    "To",
    "abandon",
    "abandon_all",
    "batch",
    "claim",
    "ended",
    "enqueue",
    "expire",
    "failed",
    "next_due",
    "overtake",
    "packed",
    "release",
    "waiting",
    "withdraw",
    "withdraw_all",
    "withhold",
]

# "nothing": nothing waited after all, so nobody was asked.
Outcome = Literal["success", "failure", "paused", "nothing"]

# A peer that gave a sign of life while a visit to it failed is tried again this soon.
SOON = timedelta(seconds=60)

# Rows that are given up in one go, so that nobody else waits to write.
EXPIRED_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Lane:
    """A peer to visit, leased."""

    peer_id: int
    host: str
    policy: str
    signature_form: str | None
    form_learned_at: datetime | None
    failures: int
    failing_days: int
    failing_since: datetime | None
    failed_at: datetime | None
    succeeded_at: datetime | None


@dataclass(frozen=True, slots=True)
class Parcel:
    """One row to send, with all it takes. Those of one activity share its body."""

    id: int
    inbox: str
    tries: int
    activity_id: int
    type: str
    body: bytes
    actor_id: int
    actor_uri: str
    key_uri: str
    key_algorithm: str
    sealed_key: bytes
    # The actor's other key, for those who take Ed25519.
    ed25519_uri: str | None
    ed25519_sealed: bytes | None


@dataclass(frozen=True, slots=True)
class Ending:
    id: int
    state: Literal["done", "over", "aside"]
    reason: str | None = None


# --- adding ------------------------------------------------------------------------------------


def enqueue(tx: Transaction, activity_id: int, to: To, *, except_host: str | None = None) -> int:
    """Write the deliveries of a published activity, and say how many are new.

    One row per distinct inbox. Followers, members of a project and `shared` are reached by their
    shared inbox where they have one. `named` get their personal inbox, but not a second copy where
    the shared inbox reaches them as one of those; `hidden` always get their personal inbox, since
    only there their server learns that they are meant; the lanes of both are visited first.
    `reached_by` adds whoever got an earlier activity about that post, fetched it, answered, likes
    or announced it; where the activity is not open to everybody and does not delete the post, only
    those of them who may see it.

    Left out are our own people, whoever is not active, blocked hosts, and `except_host`.
    """
    added = addressees.write(tx, activity_id, to, except_host)
    if added:
        touched = {"of_activity": activity_id, "moment": tx.now}
        if sql.on_postgresql(tx):
            tx.execute(_LOCK_TOUCHED, touched).all()
        tx.execute(_START_TOUCHED, touched)
        meant = sorted({*to.named, *to.hidden})
        if meant:
            tx.execute(_HURRY, {"of_activity": activity_id, "meant": meant})
        tx.wake("deliveries")
    return added


_MOMENT = bindparam("moment", type_=Moment())
_TOUCHED = peers.c.id.in_(
    select(deliveries.c.peer_id).where(
        deliveries.c.activity_id == sql.number("of_activity"), deliveries.c.state == "waiting"
    )
)
# In the order of their ids, so that two who publish never wait for each other.
_LOCK_TOUCHED = sql.holding(select(peers.c.id).where(_TOUCHED).order_by(peers.c.id))
_START_TOUCHED = update(peers).where(_TOUCHED, peers.c.due_at.is_(None)).values(due_at=_MOMENT)
# Locked already, and so in order.
_HURRY = (
    update(peers)
    .where(
        _TOUCHED,
        peers.c.id.in_(
            select(actors.c.peer_id).where(
                actors.c.id.in_(sql.one_of("meant")), actors.c.peer_id.is_not(None)
            )
        ),
        ~peers.c.urgent,
    )
    .values(urgent=True)
)


# --- visiting ----------------------------------------------------------------------------------


_OPEN_LANE = and_(peers.c.paused.is_(None), ~peers.c.blocked)


def _due(*which: ColumnElement[bool]) -> Select[int]:
    return (
        select(peers.c.id)
        .where(
            peers.c.due_at.is_not(None),
            peers.c.due_at <= _MOMENT,
            or_(peers.c.leased_until.is_(None), peers.c.leased_until <= _MOMENT),
            _OPEN_LANE,
            *which,
        )
        .order_by(peers.c.urgent.desc(), peers.c.succeeded_at.is_(None), peers.c.due_at)
        .limit(bindparam("most", type_=Integer))
        .with_for_update(skip_locked=True, key_share=True, of=peers)
    )


_DUE, _DUE_IN_DOUBT = _due(peers.c.failures == 0), _due(peers.c.failures > 0)
# `due_at` becomes the start of the visit, for `release` to compare with signs of life.
_LEASE = (
    update(peers)
    .where(peers.c.id.in_(sql.one_of("taken")))
    .values(
        leased_until=bindparam("lease_end", type_=Moment()),
        leased_by=sql.number("visitor"),
        due_at=_MOMENT,
        urgent=False,
    )
    .returning(peers.c.id, *(peers.c[name] for name in Lane.__slots__ if name != "peer_id"))
)


def claim(
    tx: Transaction, *, limit: int, lease: timedelta, doubtful: int | None = None
) -> list[Lane]:
    """Lease up to `limit` lanes that are due: first where somebody is meant by name, then those
    that ever took anything before those that did not yet, and of each the longest waiting; those
    whose last visit failed after all others, and at most `doubtful` of them.

    Paused and blocked ones, and those that somebody else has, stay as they are.
    """
    ids = list(tx.execute(_DUE, {"moment": tx.now, "most": limit}).scalars())
    left = limit - len(ids) if doubtful is None else min(limit - len(ids), doubtful)
    if left > 0:
        ids += tx.execute(_DUE_IN_DOUBT, {"moment": tx.now, "most": left}).scalars()
    if not ids:
        return []
    hands = {"lease_end": tx.now + lease, "visitor": tx.tag}
    rows = tx.execute(_LEASE, {"taken": ids, "moment": tx.now, **hands})
    lanes = {row.id: Lane(*row) for row in rows}
    return [lanes[peer_id] for peer_id in ids]


def _newest_key(algorithm: str) -> ScalarSelect[Any]:
    newest = keys.alias()
    return (
        select(func.max(newest.c.id))
        .where(
            newest.c.actor_id == published.c.actor_id,
            newest.c.algorithm == algorithm,
            newest.c.private.is_not(None),
        )
        .scalar_subquery()
    )


_RSA, _ED25519 = keys.alias("rsa"), keys.alias("ed25519")
# Read once for all rows of an activity: a body may have 64 kB, and go to a thousand schools.
_LETTERS = (
    select(
        published.c.id,
        published.c.type,
        published.c.document,
        published.c.actor_id,
        actors.c.uri,
        _RSA.c.uri,
        _RSA.c.algorithm,
        _RSA.c.private,
        _ED25519.c.uri,
        _ED25519.c.private,
    )
    .select_from(published)
    .join(actors, actors.c.id == published.c.actor_id)
    .join(_RSA, _RSA.c.id == _newest_key("rsa"))
    .outerjoin(_ED25519, _ED25519.c.id == _newest_key("ed25519"))
    .where(published.c.id.in_(sql.one_of("of_activities")))
)
_ROWS = (
    select(deliveries.c.id, deliveries.c.inbox, deliveries.c.tries, deliveries.c.activity_id)
    .where(deliveries.c.peer_id == sql.number("of_peer"), deliveries.c.state == "waiting")
    .order_by(deliveries.c.activity_id, deliveries.c.id)
    .limit(bindparam("most", type_=Integer))
)


def batch(tx: Transaction, peer_id: int, limit: int) -> list[Parcel]:
    """The next rows of a lane, in the order in which their activities were published.

    Each comes with the newest RSA key of the actor who signs for it, and the newest Ed25519 key.
    """
    return packed(tx, tx.execute(_ROWS, {"of_peer": peer_id, "most": limit}).all())


def packed(tx: Transaction, rows: Sequence[sql.AnyRow]) -> list[Parcel]:
    """Rows (id, inbox, tries, activity), each with what is brought and who signs for it."""
    wanted = sorted({row[3] for row in rows})
    if not wanted:
        return []
    letters = {row[0]: tuple(row) for row in tx.execute(_LETTERS, {"of_activities": wanted})}
    return [Parcel(*row[:3], *letters[row[3]]) for row in rows if row[3] in letters]


_ENDED = (
    update(deliveries)
    .where(deliveries.c.id.in_(sql.one_of("ended")), deliveries.c.state == "waiting")
    .values(state=sql.words("end_state"), reason=sql.words("the_reason"), ended_at=_MOMENT)
)


def ended(tx: Transaction, endings: Iterable[Ending]) -> None:
    """These rows are sent, or will never be. One statement for all that ended alike."""
    alike: defaultdict[tuple[str, str | None], list[int]] = defaultdict(list)
    for ending in endings:
        alike[ending.state, ending.reason].append(ending.id)
    for (state, reason), rows in alike.items():
        tx.execute(
            _ENDED,
            {
                "ended": sorted(rows),
                "end_state": state,
                "the_reason": reason,
                "moment": tx.now,
            },
        )


def failed(tx: Transaction, delivery_id: int, reason: str) -> None:
    """This row was tried and stays waiting."""
    tx.execute(
        update(deliveries)
        .where(deliveries.c.id == delivery_id)
        .values(tries=deliveries.c.tries + 1, reason=reason)
    )


_PEER = sql.holding(select(*sql.columns(peers, Peer)).where(peers.c.id == sql.number("of_peer")))
_WAITS = (
    select(deliveries.c.id)
    .where(deliveries.c.peer_id == sql.number("of_peer"), deliveries.c.state == "waiting")
    .limit(1)
)


def release(
    tx: Transaction,
    peer_id: int,
    *,
    outcome: Outcome,
    due_at: datetime | None = None,
    error: str | None = None,
    form: str | None = None,
) -> bool:
    """End a visit: give the lane back, and say when it is due again if something waits in it;
    whether something does.

    `due_at` is when to come back: after a failure the back-off, None: at once. A peer that gave a
    sign of life during the visit is tried again within a minute, whatever the back-off. A paused
    lane keeps its rows waiting until an administrator allows the peer. `form` is the signature
    form that it verified. "nothing" leaves it open how the peer does.
    """
    peer = Peer(*tx.execute(_PEER, {"of_peer": peer_id}).one())
    waits = tx.execute(_WAITS, {"of_peer": peer_id}).first()
    back = tx.now if due_at is None else due_at
    if outcome == "failure" and _lived_meanwhile(peer):
        back = min(back, tx.now + SOON)
    changes = {
        "leased_until": None,
        "due_at": None if waits is None else back,
        **_outcome(tx.now, peer, outcome, error),
    }
    if form is not None:
        changes |= {"signature_form": form, "form_learned_at": tx.now}
    tx.execute(update(peers).where(peers.c.id == peer_id).values(changes))
    return waits is not None


def abandon(tx: Transaction, peer_ids: Iterable[int]) -> None:
    """Visits were broken off without an outcome: their lanes are free again, and still due."""
    tx.execute(update(peers).where(peers.c.id.in_(sorted(peer_ids))).values(leased_until=None))


def abandon_all(tx: Transaction, but: Collection[int] = ()) -> None:
    """The same for all lanes, after a crash, except those that the processes with the tags `but`
    visit."""
    left = or_(peers.c.leased_by.is_(None), peers.c.leased_by.not_in(sorted(but)))
    tx.execute(
        update(peers).where(peers.c.leased_until.is_not(None), left).values(leased_until=None)
    )
    tx.wake("deliveries")


def _lived_meanwhile(peer: Peer) -> bool:
    return peer.heard_at is not None and peer.due_at is not None and peer.heard_at >= peer.due_at


def _outcome(now: datetime, peer: Peer, outcome: Outcome, error: str | None) -> dict[str, Any]:
    if outcome == "nothing":
        return {}
    if outcome == "success":
        return {
            "failures": 0,
            "failing_days": 0,
            "failing_since": None,
            "failed_at": None,
            "last_error": None,
            "succeeded_at": now,
        }
    if outcome == "paused":
        return {"paused": error or "refused", "last_error": error, "failed_at": now}
    return {
        "failures": peer.failures + 1,
        "failing_days": peer.failing_days + (_day(peer.failed_at) != _day(now)),
        "failing_since": peer.failing_since or now,
        "failed_at": now,
        "last_error": error,
    }


def _day(moment: datetime | None) -> date | None:
    return None if moment is None else moment.date()


# --- the whole queue ---------------------------------------------------------------------------


# A lane in which something waits is due some day, be it paused or blocked.
_OLD = (
    select(deliveries.c.id)
    .join_from(peers, deliveries, deliveries.c.peer_id == peers.c.id)
    .where(
        peers.c.due_at.is_not(None),
        deliveries.c.state == "waiting",
        deliveries.c.activity_id < sql.number("before"),
    )
    .limit(bindparam("most", type_=Integer))
)
_EXPIRE = (
    update(deliveries)
    .where(deliveries.c.id.in_(sql.one_of("old")), deliveries.c.state == "waiting")
    .values(state="over", reason="waited too long", ended_at=_MOMENT)
)


def expire(tx: Transaction, older_than: datetime, limit: int = EXPIRED_AT_ONCE) -> int:
    """Give up on at most `limit` of what has waited since before `older_than`; how many those
    were: where it is the limit, there may be more."""
    old = tx.execute(_OLD, {"before": ids.first_at(older_than), "most": limit}).scalars().all()
    if not old:
        return 0
    return tx.execute(_EXPIRE, {"old": sorted(old), "moment": tx.now}).rowcount


_LEASE_OVER = case(
    (peers.c.leased_until > peers.c.due_at, peers.c.leased_until), else_=peers.c.due_at
)
_NEXT_DUE = select(func.min(_LEASE_OVER, type_=peers.c.due_at.type)).where(
    peers.c.due_at.is_not(None), _OPEN_LANE
)
_NEXT_DUE_WITHOUT_DOUBT = _NEXT_DUE.where(peers.c.failures == 0)


def next_due(tx: Transaction, *, doubtful: bool = True) -> datetime | None:
    """When the next lane can be visited; in the past if one can be now. Without `doubtful` of
    those whose last visit did not fail."""
    return tx.execute(_NEXT_DUE if doubtful else _NEXT_DUE_WITHOUT_DOUBT).scalar()


def waiting(tx: Transaction) -> int:
    """How many rows are not sent yet."""
    return tx.execute(
        select(func.count()).select_from(deliveries).where(deliveries.c.state == "waiting")
    ).scalar_one()
