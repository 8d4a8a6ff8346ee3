"""Our administrator suspends a person, of this school or of another, and takes it back.

Whoever is suspended does nothing here any more and is seen by nobody, old posts included
(SECURITY R16). People of others lose the follows both ways; they come back only by asking again.
"""

import json

from actors import accounts
from storage import follows, standing
from storage.actors import Actor, State
from storage.database import Transaction


def suspend(tx: Transaction, actor: Actor) -> bool:
    """Suspend one of ours or of others; what they are signed in with ends at once.

    False for who was deleted.
    """
    if not standing.suspend(tx, actor.id):
        return False
    if actor.local:
        accounts.end_access(tx, actor)
    else:
        follows.remove_all(tx, actor.id)
    return True


def readmit(tx: Transaction, actor: Actor) -> bool:
    """End a suspension by us. False if there is none.

    Whom their own server suspended as well stays suspended until it says otherwise.
    """
    return standing.readmit(tx, actor.id, _by_themselves(actor))


def _by_themselves(actor: Actor) -> State:
    """What is left without our administrator's word."""
    if actor.local:
        return "active"
    return "suspended" if json.loads(actor.document).get("suspended") is True else "active"
