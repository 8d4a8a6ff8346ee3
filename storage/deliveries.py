"""What waits to be sent: one row per activity and distinct inbox, in the lane of its peer.

A peer whose `due_at` is set has something waiting. Who visits it leases the lane, sends its rows
in order, says how each ended, and releases the lane. Whoever adds rows, and whoever releases,
first locks the peer and then looks: so nothing added during a visit is forgotten.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Integer, and_, bindparam, case, func, or_, select, update

from storage import addressees, audience, ids, sql
from storage.addressees import To
from storage.peers import Peer
from storage.published import WORDS
from storage.tables import (
    Moment,
    actors,
    deliveries,
    keys,
    memberships,
    objects,
    peers,
    published,
)
from storage.transaction import Transaction

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
    "release",
    "waiting",
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


@dataclass(frozen=True, slots=True)
class Parcel:
    """One row to send, with all it takes."""

    id: int
    activity_id: int
    inbox: str
    body: bytes
    actor_id: int
    key_uri: str
    key_algorithm: str
    sealed_key: bytes
    tries: int
    published_at: datetime


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
    only there their server learns that they are meant. `reached_by` adds whoever got an earlier
    activity about that post, fetched it, answered, likes or announced it; where the activity is
    not open to everybody and does not delete the post, only those of them who may see it.

    Left out are our own people, whoever is not active, blocked hosts, and `except_host`.
    """
    added = addressees.write(tx, activity_id, to, except_host)
    if added:
        touched = {"of_activity": activity_id, "moment": tx.now}
        if sql.on_postgresql(tx):
            tx.execute(_LOCK_TOUCHED, touched).all()
        tx.execute(_START_TOUCHED, touched)
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


# --- visiting ----------------------------------------------------------------------------------


_OPEN_LANE = and_(peers.c.paused.is_(None), ~peers.c.blocked)
_DUE = (
    select(peers.c.id)
    .where(
        peers.c.due_at.is_not(None),
        peers.c.due_at <= _MOMENT,
        or_(peers.c.leased_until.is_(None), peers.c.leased_until <= _MOMENT),
        _OPEN_LANE,
    )
    .order_by(peers.c.due_at)
    .limit(bindparam("most", type_=Integer))
    .with_for_update(skip_locked=True, key_share=True, of=peers)
)
# `due_at` becomes the start of the visit, for `release` to compare with signs of life.
_LEASE = (
    update(peers)
    .where(peers.c.id.in_(sql.one_of("taken")))
    .values(leased_until=bindparam("lease_end", type_=Moment()), due_at=_MOMENT)
    .returning(peers.c.id, *(peers.c[name] for name in Lane.__slots__ if name != "peer_id"))
)


def claim(tx: Transaction, *, limit: int, lease: timedelta) -> list[Lane]:
    """Lease up to `limit` lanes that are due, the longest waiting first.

    Paused and blocked ones, and those that somebody else has, stay as they are.
    """
    ids = tx.execute(_DUE, {"moment": tx.now, "most": limit}).scalars().all()
    if not ids:
        return []
    rows = tx.execute(_LEASE, {"taken": ids, "moment": tx.now, "lease_end": tx.now + lease})
    lanes = {row.id: Lane(*row) for row in rows}
    return [lanes[peer_id] for peer_id in ids]


_NEWEST = keys.alias("newest")
_SIGNING_KEY = (
    select(func.max(_NEWEST.c.id))
    .where(
        _NEWEST.c.actor_id == published.c.actor_id,
        _NEWEST.c.algorithm == "rsa",
        _NEWEST.c.private.is_not(None),
    )
    .scalar_subquery()
)
_BATCH = (
    select(
        deliveries.c.id,
        deliveries.c.activity_id,
        deliveries.c.inbox,
        published.c.document,
        published.c.actor_id,
        keys.c.uri,
        keys.c.algorithm,
        keys.c.private,
        deliveries.c.tries,
        published.c.published_at,
    )
    .select_from(deliveries)
    .join(published, published.c.id == deliveries.c.activity_id)
    .join(keys, keys.c.id == _SIGNING_KEY)
    .where(deliveries.c.peer_id == sql.number("of_peer"), deliveries.c.state == "waiting")
    .order_by(deliveries.c.activity_id, deliveries.c.id)
    .limit(bindparam("most", type_=Integer))
)


def batch(tx: Transaction, peer_id: int, limit: int) -> list[Parcel]:
    """The next rows of a lane, in the order in which their activities were published.

    Each comes with the newest RSA key of the actor who signs for it.
    """
    rows = tx.execute(_BATCH, {"of_peer": peer_id, "most": limit})
    return [sql.part(Parcel, row) for row in rows]


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


_WITHDRAW = (
    update(deliveries)
    .where(deliveries.c.state == "waiting")
    .values(state="over", reason="deleted before it was sent", ended_at=_MOMENT)
)
_WITHDRAW_POST = _WITHDRAW.where(
    deliveries.c.activity_id.in_(
        select(published.c.id).where(
            # A project passes them on, too: but never again once they are deleted.
            published.c.object_uri == sql.words("of_object"),
            published.c.type.in_((*WORDS, "Announce")),
        )
    )
)
_WITHDRAW_PERSON = _WITHDRAW.where(
    deliveries.c.activity_id.in_(
        select(published.c.id).where(
            published.c.actor_id == sql.number("of_actor"), published.c.type.in_(WORDS)
        )
    )
)


def withdraw(tx: Transaction, object_uri: str) -> None:
    """The words of a post that was deleted are not brought to anybody any more, nor passed on.

    To be called before its deletion is passed on.
    """
    tx.execute(_WITHDRAW_POST, {"of_object": object_uri, "moment": tx.now})


def withdraw_all(tx: Transaction, actor_id: int) -> None:
    """Nor is anything that somebody wrote who is gone."""
    tx.execute(_WITHDRAW_PERSON, {"of_actor": actor_id, "moment": tx.now})


_MEMBER, _PERSON = memberships.alias(), actors.alias()
_STILL_THERE = sql.any_row(
    [_MEMBER, _PERSON],
    _MEMBER.c.project_id == sql.number("of_project"),
    audience.lasting(_MEMBER),
    _PERSON.c.id == _MEMBER.c.actor_id,
    func.coalesce(_PERSON.c.shared_inbox, _PERSON.c.inbox) == sql.words("of_inbox"),
)
_SAID, _POST = published.alias("said"), objects.alias("post")
_WITHHOLD = (
    update(deliveries)
    .where(
        deliveries.c.state == "waiting",
        deliveries.c.peer_id == sql.number("of_peer"),
        deliveries.c.inbox == sql.words("of_inbox"),
        sql.any_row(
            [_SAID, _POST],
            _SAID.c.id == deliveries.c.activity_id,
            _SAID.c.actor_id == sql.number("of_project"),
            _SAID.c.type == "Announce",
            _SAID.c.audience == "project",
            _POST.c.uri == _SAID.c.object_uri,
            _POST.c.deleted_at.is_(None),
        ),
        ~_STILL_THERE,
    )
    .values(state="over", reason="they left before it was sent", ended_at=_MOMENT)
)


def withhold(tx: Transaction, project_id: int, peer_id: int, inbox: str) -> None:
    """What was said among the members of a project is not brought any more to where none of them
    is now. To be called when somebody left it; that words were deleted is still told."""
    asked = {"of_project": project_id, "of_peer": peer_id, "of_inbox": inbox}
    tx.execute(_WITHHOLD, {**asked, "moment": tx.now})


_NEWER = deliveries.alias("newer")
_GOES_THERE_TOO = sql.any_row(
    [_NEWER],
    _NEWER.c.activity_id == sql.number("by_activity"),
    _NEWER.c.inbox == deliveries.c.inbox,
)
_EDIT = published.alias("edit")
_IS_AN_EDIT = sql.any_row([_EDIT], _EDIT.c.id == deliveries.c.activity_id, _EDIT.c.type == "Update")
_OVERTAKE = (
    update(deliveries)
    .where(
        deliveries.c.activity_id.in_(
            select(published.c.id).where(
                published.c.object_uri == sql.words("of_object"),
                published.c.type.in_(WORDS),
                published.c.id < sql.number("by_activity"),
            )
        ),
        deliveries.c.state == "waiting",
        or_(_IS_AN_EDIT, ~_GOES_THERE_TOO),
    )
    .values(state="over", reason="edited before it was sent", ended_at=_MOMENT)
)


def overtake(tx: Transaction, activity_id: int, object_uri: str) -> None:
    """A post was edited, and everybody who may know of it is to get this Update.

    So they need no earlier one that still waits for them; and whoever does not get it, since they
    may not see the post any more, gets nothing of it that still waits.
    """
    tx.execute(_OVERTAKE, {"by_activity": activity_id, "of_object": object_uri, "moment": tx.now})


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
) -> None:
    """End a visit: give the lane back, and say when it is due again if something waits in it.

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


def abandon(tx: Transaction, peer_ids: Iterable[int]) -> None:
    """Visits were broken off without an outcome: their lanes are free again, and still due."""
    tx.execute(update(peers).where(peers.c.id.in_(sorted(peer_ids))).values(leased_until=None))


def abandon_all(tx: Transaction) -> None:
    """The same for all lanes, after a crash: only for who alone delivers for this school."""
    tx.execute(update(peers).where(peers.c.leased_until.is_not(None)).values(leased_until=None))
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


def next_due(tx: Transaction) -> datetime | None:
    """When the next lane can be visited; in the past if one can be now."""
    lease_over = case(
        (peers.c.leased_until > peers.c.due_at, peers.c.leased_until), else_=peers.c.due_at
    )
    return tx.execute(
        select(func.min(lease_over, type_=peers.c.due_at.type)).where(
            peers.c.due_at.is_not(None), _OPEN_LANE
        )
    ).scalar()


def waiting(tx: Transaction) -> int:
    """How many rows are not sent yet."""
    return tx.execute(
        select(func.count()).select_from(deliveries).where(deliveries.c.state == "waiting")
    ).scalar_one()
