"""Who can sign in here: one row per member of staff."""

from typing import Literal

from sqlalchemy import select

from storage import sql
from storage.tables import accounts
from storage.transaction import Transaction

Role = Literal["admin", "staff"]


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
