"""What the clock says may turn out to be wrong, and then it is set back.

Whatever was to be tried again at a time is put off by as much as the clock was wrong, be it three
days or twelve years. So when the clock goes back, all that waits for a time to come is due at once:
to try too early costs a request, and no promise hangs on it.
"""

from sqlalchemy import bindparam, update

from storage import ids
from storage.tables import Moment, moved_things, peers, received, wanted
from storage.transaction import Transaction

_NOW = bindparam("moment", type_=Moment())
_DUE_NOW = [
    update(table).where(table.c.due_at > _NOW).values(due_at=_NOW)
    for table in (peers, received, wanted, moved_things)
]
_HIGHEST = ids.highest_id()
# An id is given a little ahead of the clock when many are.
AHEAD = 5_000  # milliseconds


def set_back(tx: Transaction) -> int:
    """All that is to be tried at a later time is due now; how many things that were."""
    moved = sum(tx.execute(statement, {"moment": tx.now}).rowcount for statement in _DUE_NOW)
    for topic in ("deliveries", "received", "wanted", "moves"):
        tx.wake(topic)
    return moved


def was_ahead(tx: Transaction) -> bool:
    """Whether anything was written here at a time that is still to come."""
    highest = tx.execute(_HIGHEST, {"limit": ids.limit(tx.now)}).scalar_one()
    return highest is not None and ids.moment(highest) > tx.now.timestamp() * 1000 + AHEAD
