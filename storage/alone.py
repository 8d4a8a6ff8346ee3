"""Whether this process alone works for the school.

After a crash, who is alone takes up at once what was in hand; where others are at work too, only
the leases say what is theirs. On PostgreSQL each process holds a tag (`storage/postgresql_bell.py`)
as long as it lives, and passes a gate to get one: while a transaction keeps the gate shut, nobody
comes in. A SQLite file is served by one process at a time, for which `staffroom serve` cares.
"""

from sqlalchemy import Integer, bindparam, func, select, text

from storage import ids, sql
from storage.postgresql_bell import GATE, TAG_LOCKS
from storage.transaction import Transaction

_SHUT_THE_GATE = select(func.pg_advisory_xact_lock(TAG_LOCKS, GATE))
_OTHERS = text("""
    SELECT EXISTS (
        SELECT FROM pg_locks
        WHERE locktype = 'advisory' AND objsubid = 2 AND granted
          AND classid = :tags AND objid < :gate AND objid <> :ours
          AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    )
""").bindparams(*(bindparam(name, type_=Integer) for name in ("tags", "gate", "ours")))


def alone(tx: Transaction) -> bool:
    """True if no other process has this database open, nor will until this transaction ends.

    Raises Unavailable while this process has no tag.
    """
    if not sql.on_postgresql(tx):
        return True
    ours = ids.tag_of(tx.new_id())
    tx.execute(_SHUT_THE_GATE)
    others = {"tags": TAG_LOCKS, "gate": GATE, "ours": ours}
    return not tx.execute(_OTHERS, others).scalar_one()
