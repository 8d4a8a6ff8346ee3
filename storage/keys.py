"""Public keys of everyone, and the sealed private ones of our own actors."""

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import delete, select, update

from storage import sql
from storage.tables import keys
from storage.transaction import Transaction


class KeyTaken(Exception):
    """This key id belongs to another actor."""


@dataclass(frozen=True, slots=True)
class Key:
    id: int
    uri: str
    actor_id: int
    algorithm: str  # rsa|ed25519
    public: bytes  # SubjectPublicKeyInfo, DER
    private: bytes | None  # sealed with the school's secret; None for others
    created_at: datetime
    fetched_at: datetime | None


_COLUMNS = sql.columns(keys, Key)
_BY_URI = select(*_COLUMNS).where(keys.c.uri == sql.words("of_uri"))
_OF_ACTOR = select(*_COLUMNS).where(keys.c.actor_id == sql.number("of_actor")).order_by(keys.c.id)


def by_uri(tx: Transaction, uri: str) -> Key | None:
    row = tx.execute(_BY_URI, {"of_uri": uri}).first()
    return None if row is None else Key(*row)


def of_actor(tx: Transaction, actor_id: int) -> list[Key]:
    """The keys of one actor, oldest first."""
    rows = tx.execute(_OF_ACTOR, {"of_actor": actor_id})
    return [Key(*row) for row in rows]


def add(
    tx: Transaction,
    *,
    uri: str,
    actor_id: int,
    algorithm: str,
    public: bytes,
    private: bytes | None = None,
) -> Key:
    """A key of one of ours. Raises KeyTaken if the key id is in use."""
    key = Key(tx.new_id(), uri, actor_id, algorithm, public, private, tx.now, None)
    if not sql.is_new(tx, keys, sql.row_of(key)):
        raise KeyTaken(f"{uri} is in use")
    return key


def replace_remote(tx: Transaction, actor_id: int, listed: list[tuple[str, str, bytes]]) -> None:
    """The keys that an actor's document lists now, as (key id, algorithm, public).

    Its others are forgotten. Raises KeyTaken if one of them belongs to another actor.
    """
    unique = {uri: (uri, algorithm, public) for uri, algorithm, public in listed}
    tx.execute(
        delete(keys).where(
            keys.c.actor_id == actor_id,
            keys.c.uri.not_in(sorted(unique)),
            keys.c.private.is_(None),
        )
    )
    if not unique:
        return
    rows: list[dict[str, Any]] = [
        {
            "id": tx.new_id(),
            "uri": uri,
            "actor_id": actor_id,
            "algorithm": algorithm,
            "public": public,
            "created_at": tx.now,
            "fetched_at": tx.now,
        }
        for uri, algorithm, public in (unique[uri] for uri in sorted(unique))
    ]
    taken = unique.keys() - set(tx.execute(_save(sql.on_postgresql(tx)), rows).scalars())
    if taken:
        raise KeyTaken(f"{min(taken)} belongs to another actor")


def destroy(tx: Transaction, actor_id: int) -> None:
    """Nobody signs in the name of this actor of ours any more."""
    tx.execute(
        update(keys)
        .where(keys.c.actor_id == actor_id, keys.c.private.is_not(None))
        .values(private=None)
    )


@cache
def _save(for_postgresql: bool) -> Any:
    """Keep a key, or what its owner says of it now; one of another actor, or ours, stays."""
    statement = sql.insert_for(for_postgresql, keys)
    return statement.on_conflict_do_update(
        index_elements=[keys.c.uri],
        set_={
            "algorithm": statement.excluded.algorithm,
            "public": statement.excluded.public,
            "fetched_at": statement.excluded.fetched_at,
        },
        where=(keys.c.actor_id == statement.excluded.actor_id) & keys.c.private.is_(None),
    ).returning(keys.c.uri)
