"""A member of staff leaves: what is theirs ends at once, and what others keep of it follows.

Who tells the other servers is `outbox/delete.py`. Until the last of them has heard, the actor's
document stays, with no more in it than it takes to check that word; then it is gone, the keys are
destroyed, and a Tombstone stands for the person. Their name is never given again.
(PROTOCOL §5, SECURITY R17, R43)
"""

from actors import accounts
from storage import accounts as account_rows
from storage import actors, burials
from storage.actors import Actor
from storage.database import Transaction


def leave(tx: Transaction, actor: Actor) -> None:
    """One of ours is removed: from now on nobody signs in as them, or sees anything of them."""
    accounts.end_access(tx, actor)
    account_rows.remove(tx, actor.id)
    actors.bury(tx, actor.id)


def finish(tx: Transaction, limit: int) -> int:
    """Clear away about `limit` rows of those who are gone, ours and others; how many those were.

    0 when there is nothing to do now.
    """
    return burials.step(tx, limit)
