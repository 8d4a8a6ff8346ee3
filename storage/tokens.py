"""Bearer tokens of our people: only their SHA-256 is kept."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import LargeBinary, bindparam, select, update

from storage import sql
from storage.actors import COLUMNS as ACTOR_COLUMNS
from storage.actors import Actor
from storage.tables import actors, tokens
from storage.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Token:
    actor: Actor
    scopes: frozenset[str]


def add(tx: Transaction, actor_id: int, hash: bytes, scopes: Iterable[str]) -> None:  # noqa: A002
    tx.execute(
        sql.insert(tx, tokens).values(
            id=tx.new_id(),
            actor_id=actor_id,
            hash=hash,
            scopes=" ".join(sorted(set(scopes))),
            created_at=tx.now,
        )
    )


_BY_HASH = (
    select(tokens.c.scopes, *ACTOR_COLUMNS)
    .select_from(tokens)
    .join(actors, actors.c.id == tokens.c.actor_id)
    .where(
        tokens.c.hash == bindparam("of_hash", type_=LargeBinary),
        tokens.c.revoked_at.is_(None),
        actors.c.state == "active",
        actors.c.peer_id.is_(None),
    )
)


def by_hash(tx: Transaction, hash: bytes) -> Token | None:  # noqa: A002
    """Whose token this is and what for; None if it was revoked or its owner is not active."""
    row = tx.execute(_BY_HASH, {"of_hash": hash}).first()
    return None if row is None else Token(sql.part(Actor, row, 1), frozenset(row[0].split()))


def revoke_all(tx: Transaction, actor_id: int) -> None:
    """From now on none of this actor's tokens opens anything."""
    tx.execute(
        update(tokens)
        .where(tokens.c.actor_id == actor_id, tokens.c.revoked_at.is_(None))
        .values(revoked_at=tx.now)
    )
