"""Which processes work for the school at this moment.

What a process has in hand is leased to it, and marked with its tag. After a crash, whoever starts
takes up at once what is in the hands of nobody who lives; the rest is left to those who have it.
On PostgreSQL each process holds its tag (`storage/postgresql_bell.py`) as long as it lives, and
passes a gate to get one: while a transaction keeps the gate shut, nobody comes in. A SQLite file
is served by one process at a time, for which `staffroom serve` cares.
"""

from sqlalchemy import Integer, bindparam, func, select, text

from storage import sql
from storage.ids import GATE, TAG_LOCKS
from storage.transaction import Transaction

_SHUT_THE_GATE = select(func.pg_advisory_xact_lock(TAG_LOCKS, GATE))
_OTHERS = (
    text("""
        SELECT objid::bigint AS tag FROM pg_locks
        WHERE locktype = 'advisory' AND objsubid = 2 AND granted
          AND classid = :tags AND objid < :gate AND objid <> :ours
          AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    """)
    .bindparams(*(bindparam(name, type_=Integer) for name in ("tags", "gate", "ours")))
    .columns(tag=Integer)
)


def others(tx: Transaction) -> frozenset[int]:
    """The tags of the other processes that have this database open. Until this transaction ends
    no further process opens it.

    Raises Unavailable while this process has no tag.
    """
    if not sql.on_postgresql(tx):
        return frozenset()
    ours = tx.tag
    tx.execute(_SHUT_THE_GATE)
    found = tx.execute(_OTHERS, {"tags": TAG_LOCKS, "gate": GATE, "ours": ours})
    return frozenset(found.scalars())
