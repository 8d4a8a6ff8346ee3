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

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    and_,
    case,
    func,
    literal,
    or_,
    select,
    union,
    union_all,
    update,
)

from storage import audience, sql, tables
from storage.audience import OPEN
from storage.peers import Peer, blocked
from storage.tables import actors, deliveries, follows, keys, objects, peers, published
from storage.transaction import Transaction

Outcome = Literal["success", "failure", "paused"]

# A peer that gave a sign of life while a visit to it failed is tried again this soon.
SOON = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class To:
    """Whom an activity is for. What is not another server's is left out by `enqueue`."""

    followers_of: int | None = None
    named: tuple[int, ...] = ()  # to their personal inbox, unless a shared one reaches them
    shared: tuple[int, ...] = ()  # named too, but the shared inbox will do
    reached_by: str | None = None  # a post: whoever got or fetched it, answered, likes it …
    hidden: tuple[int, ...] = ()  # bto and bcc: to their personal inbox, whatever else


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

    One row per distinct inbox. Followers and `shared` are reached by their shared inbox where
    they have one. `named` get their personal inbox, but not a second copy where the shared inbox
    reaches them as followers or `shared`; `hidden` always get their personal inbox, since only
    there their server learns that they are meant. `reached_by` adds whoever got an earlier
    activity about that post, fetched it, answered, likes or announced it; where the activity is
    not open to everybody and not a Delete, only those of them who may see the post.

    Left out are our own people, whoever is not active, blocked hosts, and `except_host`.
    """
    activity = tx.execute(
        select(published.c.type, published.c.audience).where(published.c.id == activity_id)
    ).one()
    candidates = [*_addressed(to), *_reached(activity_id, activity.type, activity.audience, to)]
    if not candidates:
        return 0
    candidate = union_all(*candidates).subquery("candidate")
    inboxes = (
        select(
            literal(activity_id, BigInteger),
            func.min(candidate.c.peer_id),
            candidate.c.inbox,
            literal(tx.now, tables.Moment()),
        )
        .select_from(candidate)
        .join(peers, peers.c.id == candidate.c.peer_id)
        .where(candidate.c.inbox != "", ~blocked(peers.c.host))
        .group_by(candidate.c.inbox)
    )
    if except_host is not None:
        inboxes = inboxes.where(peers.c.host != except_host)
    added = tx.execute(
        sql.insert_ignore(tx, deliveries)
        .from_select(["activity_id", "peer_id", "inbox", "created_at"], inboxes)
        .execution_options(preserve_rowcount=True)
    ).rowcount
    if added:
        _start_lanes(tx, activity_id)
    return added


def _addressed(to: To) -> list[Select[*tuple[Any, ...]]]:
    by_shared: list[ColumnElement[bool]] = []
    if to.followers_of is not None:
        follow = follows.alias()
        by_shared.append(
            actors.c.id.in_(
                select(follow.c.follower_id).where(
                    follow.c.followee_id == to.followers_of, follow.c.state == "accepted"
                )
            )
        )
    if to.shared:
        by_shared.append(actors.c.id.in_(to.shared))
    chosen = [_inboxes(_shared_inbox(), way) for way in by_shared]
    if to.named:
        twice = and_(actors.c.shared_inbox.is_not(None), or_(*by_shared)) if by_shared else None
        personal = _inboxes(actors.c.inbox, actors.c.id.in_(to.named))
        chosen.append(personal if twice is None else personal.where(~twice))
    if to.hidden:
        chosen.append(_inboxes(actors.c.inbox, actors.c.id.in_(to.hidden)))
    return chosen


def _reached(
    activity_id: int, activity_type: str, activity_audience: str, to: To
) -> list[Select[*tuple[Any, ...]]]:
    """Whoever had to do with the post `to.reached_by`."""
    if to.reached_by is None:
        return []
    post = objects.alias("post")
    reply = objects.alias("reply")
    about = post.c.uri == to.reached_by
    people = union(
        select(reply.c.author_id.label("id")).where(reply.c.in_reply_to == to.reached_by),
        *(
            select(table.c.actor_id.label("id"))
            .join(post, post.c.id == table.c.object_id)
            .where(about)
            for table in (tables.fetched, tables.likes, tables.announces)
        ),
    ).subquery("people")
    is_open = activity_audience in OPEN
    inbox = _shared_inbox() if activity_audience in (*OPEN, "followers") else actors.c.inbox
    if is_open or activity_type == "Delete":
        earlier = published.alias("earlier")
        before = (
            select(deliveries.c.inbox, deliveries.c.peer_id)
            .join(earlier, earlier.c.id == deliveries.c.activity_id)
            .where(
                earlier.c.object_uri == to.reached_by,
                earlier.c.id != activity_id,
                deliveries.c.state != "over",
            )
        )
        return [_inboxes(inbox, actors.c.id.in_(select(people.c.id))), before]
    entitled = sql.any_row([post], about, audience.visible_to(actors.c.id, local=False, post=post))
    return [_inboxes(inbox, actors.c.id.in_(select(people.c.id)), entitled)]


def _shared_inbox() -> ColumnElement[str]:
    return func.coalesce(actors.c.shared_inbox, actors.c.inbox)


def _inboxes(inbox: ColumnElement[str], *which: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
    return select(inbox.label("inbox"), actors.c.peer_id).where(
        actors.c.peer_id.is_not(None), actors.c.state == "active", *which
    )


def _start_lanes(tx: Transaction, activity_id: int) -> None:
    touched = peers.c.id.in_(
        select(deliveries.c.peer_id).where(
            deliveries.c.activity_id == activity_id, deliveries.c.state == "waiting"
        )
    )
    sql.lock(tx, peers, touched)
    tx.execute(update(peers).where(touched, peers.c.due_at.is_(None)).values(due_at=tx.now))
    tx.wake("deliveries")


# --- visiting ----------------------------------------------------------------------------------


def claim(tx: Transaction, *, limit: int, lease: timedelta) -> list[Lane]:
    """Lease up to `limit` lanes that are due, the longest waiting first.

    Paused and blocked ones, and those that somebody else has, stay as they are.
    """
    due = (
        select(peers.c.id)
        .where(
            peers.c.due_at.is_not(None),
            peers.c.due_at <= tx.now,
            or_(peers.c.leased_until.is_(None), peers.c.leased_until <= tx.now),
            *_open_lanes(),
        )
        .order_by(peers.c.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True, key_share=True, of=peers)
    )
    ids = tx.execute(due).scalars().all()
    if not ids:
        return []
    # `due_at` becomes the start of the visit, for `release` to compare with signs of life.
    rows = tx.execute(
        update(peers)
        .where(peers.c.id.in_(ids))
        .values(leased_until=tx.now + lease, due_at=tx.now)
        .returning(peers.c.id, *(peers.c[name] for name in Lane.__slots__ if name != "peer_id"))
    )
    lanes = {row.id: Lane(*row) for row in rows}
    return [lanes[peer_id] for peer_id in ids]


def _open_lanes() -> tuple[ColumnElement[bool], ...]:
    return (peers.c.paused.is_(None), ~blocked(peers.c.host))


def batch(tx: Transaction, peer_id: int, limit: int) -> list[Parcel]:
    """The next rows of a lane, in the order in which their activities were published.

    Each comes with the newest RSA key of the actor who signs for it.
    """
    newest = keys.alias("newest")
    key_id = (
        select(func.max(newest.c.id))
        .where(
            newest.c.actor_id == published.c.actor_id,
            newest.c.algorithm == "rsa",
            newest.c.private.is_not(None),
        )
        .scalar_subquery()
    )
    rows = tx.execute(
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
        .join(keys, keys.c.id == key_id)
        .where(deliveries.c.peer_id == peer_id, deliveries.c.state == "waiting")
        .order_by(deliveries.c.activity_id, deliveries.c.id)
        .limit(limit)
    )
    return [sql.part(Parcel, row) for row in rows]


def ended(tx: Transaction, endings: Iterable[Ending]) -> None:
    """These rows are sent, or will never be. One statement for all that ended alike."""
    alike: defaultdict[tuple[str, str | None], list[int]] = defaultdict(list)
    for ending in endings:
        alike[ending.state, ending.reason].append(ending.id)
    for (state, reason), ids in alike.items():
        tx.execute(
            update(deliveries)
            .where(deliveries.c.id.in_(sorted(ids)), deliveries.c.state == "waiting")
            .values(state=state, reason=reason, ended_at=tx.now)
        )


def failed(tx: Transaction, delivery_id: int, reason: str) -> None:
    """This row was tried and stays waiting."""
    tx.execute(
        update(deliveries)
        .where(deliveries.c.id == delivery_id)
        .values(tries=deliveries.c.tries + 1, reason=reason)
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
    form that it verified.
    """
    row = tx.execute(
        sql.holding(select(*sql.columns(peers, Peer)).where(peers.c.id == peer_id))
    ).one()
    peer = Peer(*row)
    waits = tx.execute(
        select(deliveries.c.id)
        .where(deliveries.c.peer_id == peer_id, deliveries.c.state == "waiting")
        .limit(1)
    ).first()
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


def expire(tx: Transaction, older_than: datetime) -> int:
    """Give up on what has waited since before `older_than`; how many rows that were."""
    return tx.execute(
        update(deliveries)
        .where(deliveries.c.state == "waiting", deliveries.c.created_at < older_than)
        .values(state="over", reason="waited too long", ended_at=tx.now)
    ).rowcount


def next_due(tx: Transaction) -> datetime | None:
    """When the next lane can be visited; in the past if one can be now."""
    lease_over = case(
        (peers.c.leased_until > peers.c.due_at, peers.c.leased_until), else_=peers.c.due_at
    )
    return tx.execute(
        select(func.min(lease_over, type_=peers.c.due_at.type)).where(
            peers.c.due_at.is_not(None), *_open_lanes()
        )
    ).scalar()


def waiting(tx: Transaction) -> int:
    """How many rows are not sent yet."""
    return tx.execute(
        select(func.count()).select_from(deliveries).where(deliveries.c.state == "waiting")
    ).scalar_one()
