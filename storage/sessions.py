"""Browsers that somebody is signed in with: only the SHA-256 of what the cookie holds is kept."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import LargeBinary, bindparam, delete, select, update

from storage import sql
from storage.accounts import Role
from storage.actors import COLUMNS as ACTOR_COLUMNS
from storage.actors import Actor
from storage.tables import Moment, accounts, actors, sessions
from storage.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Session:
    id: int
    actor: Actor
    role: Role
    created_at: datetime
    seen_at: datetime  # to within a few minutes
    expires_at: datetime


def add(tx: Transaction, actor_id: int, hash: bytes, expires_at: datetime) -> None:  # noqa: A002
    """Somebody signed in."""
    tx.execute(
        sql.insert(tx, sessions).values(
            id=tx.new_id(),
            actor_id=actor_id,
            hash=hash,
            created_at=tx.now,
            seen_at=tx.now,
            expires_at=expires_at,
        )
    )


_MOMENT = bindparam("moment", type_=Moment())
_OPEN = (
    select(
        sessions.c.id,
        accounts.c.role,
        sessions.c.created_at,
        sessions.c.seen_at,
        sessions.c.expires_at,
        *ACTOR_COLUMNS,
    )
    .select_from(sessions)
    .join(actors, actors.c.id == sessions.c.actor_id)
    .join(accounts, accounts.c.actor_id == sessions.c.actor_id)
    .where(
        sessions.c.expires_at > _MOMENT,
        actors.c.state == "active",
        actors.c.peer_id.is_(None),
    )
)
_BY_HASH = _OPEN.where(sessions.c.hash == bindparam("of_hash", type_=LargeBinary))
_OF_ACTOR = _OPEN.where(sessions.c.actor_id == sql.number("of_actor")).order_by(
    sessions.c.id.desc()
)


def by_hash(tx: Transaction, hash: bytes) -> Session | None:  # noqa: A002
    """Whose session this is; None if it ended, or if they are not active or have no account."""
    row = tx.execute(_BY_HASH, {"of_hash": hash, "moment": tx.now}).first()
    return None if row is None else _session(row)


def of_actor(tx: Transaction, actor_id: int) -> list[Session]:
    """Where somebody is signed in, the latest first."""
    rows = tx.execute(_OF_ACTOR, {"of_actor": actor_id, "moment": tx.now})
    return [_session(row) for row in rows]


def _session(row: sql.AnyRow) -> Session:
    number, role, created_at, seen_at, expires_at = row[:5]
    return Session(number, sql.part(Actor, row, 5), role, created_at, seen_at, expires_at)


def seen(tx: Transaction, session_id: int, expires_at: datetime) -> None:
    """It was used just now, and lasts until then. One that ended meanwhile stays ended."""
    tx.execute(
        update(sessions)
        .where(sessions.c.id == session_id)
        .values(seen_at=tx.now, expires_at=expires_at)
    )


def end(tx: Transaction, hash: bytes) -> None:  # noqa: A002
    """Somebody signed out: what the cookie holds opens nothing any more."""
    tx.execute(delete(sessions).where(sessions.c.hash == hash))


def end_all(tx: Transaction, actor_id: int, *, but: bytes | None = None) -> int:
    """End every session of an actor, except the one with the hash `but`; how many those were."""
    ended = delete(sessions).where(sessions.c.actor_id == actor_id)
    if but is not None:
        ended = ended.where(sessions.c.hash != but)
    return tx.execute(ended).rowcount


def prune(tx: Transaction, limit: int) -> int:
    """Forget at most `limit` sessions that are over; how many those were."""
    over = select(sessions.c.id).where(sessions.c.expires_at <= tx.now).limit(limit)
    return tx.execute(delete(sessions).where(sessions.c.id.in_(over))).rowcount
