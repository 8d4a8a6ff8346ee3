"""Who can sign in here: one row per member of staff."""

from dataclasses import dataclass
from typing import Literal

from sqlalchemy import delete, select, update

from storage import sql
from storage.actors import COLUMNS as ACTOR_COLUMNS
from storage.actors import Actor
from storage.tables import accounts, actors
from storage.transaction import Transaction

Role = Literal["admin", "staff"]


@dataclass(frozen=True, slots=True)
class Account:
    actor: Actor
    role: Role
    password_hash: str | None  # None: no password was set yet


def add(tx: Transaction, actor_id: int, role: Role, password_hash: str | None = None) -> None:
    """An account for one of our actors; one that is there stays as it is."""
    tx.execute(
        sql.insert_ignore(tx, accounts).values(
            actor_id=actor_id, role=role, password_hash=password_hash, created_at=tx.now
        )
    )


def role(tx: Transaction, actor_id: int) -> Role | None:
    """None for those who have no account."""
    return tx.execute(select(accounts.c.role).where(accounts.c.actor_id == actor_id)).scalar()


_ACCOUNT = (
    select(accounts.c.role, accounts.c.password_hash, *ACTOR_COLUMNS)
    .select_from(accounts)
    .join(actors, actors.c.id == accounts.c.actor_id)
    .where(accounts.c.actor_id == sql.number("of_actor"))
)


def of_actor(tx: Transaction, actor_id: int) -> Account | None:
    """The account of one of ours, whatever their state."""
    row = tx.execute(_ACCOUNT, {"of_actor": actor_id}).first()
    return None if row is None else Account(sql.part(Actor, row, 2), row[0], row[1])


def set_password(tx: Transaction, actor_id: int, password_hash: str) -> bool:
    """From now on this is the password. False for those who have no account."""
    changed = tx.execute(
        update(accounts).where(accounts.c.actor_id == actor_id).values(password_hash=password_hash)
    )
    return changed.rowcount > 0


def remove(tx: Transaction, actor_id: int) -> None:
    """Nobody signs in here as this actor any more."""
    tx.execute(delete(accounts).where(accounts.c.actor_id == actor_id))
