"""Our people who follow somebody who moved follow them where they are now, a few at a time.

What is still to be done is who of us follows the old account: each goes over in one commit with the
Follow and the Undo that say so, so that power may go at any moment and nobody goes twice. No more
than a handful share a commit, for meanwhile nobody else here can write.
"""

from federation.errors import WireError
from outbox import follow, parting
from storage import blocks, follows, moved_things, moves, notifications
from storage.actors import Actor
from storage.database import Transaction
from storage.moved_things import Outcome
from storage.moves import Move

TOGETHER = 20


def begin(tx: Transaction, old: Actor, new: Actor) -> None:
    """The first few go over; if there are more, that is written down as still to be done."""
    if _some(tx, old, new):
        moves.begin(tx, old.id, "along", new.id, due_at=tx.now)


def go_on(tx: Transaction, move: Move, old: Actor, new: Actor) -> None:
    """The next few go over."""
    if _some(tx, old, new):
        moves.put_off(tx, move.id, tx.now)
    else:
        moves.end(tx, move.id)


def _some(tx: Transaction, old: Actor, new: Actor) -> bool:
    """Take a few along; whether there may be more."""
    few = follows.our_followers(tx, old.id, limit=TOGETHER)
    for uri, follower in few:
        _take_along(tx, follower, old, new, uri)
    return len(few) == TOGETHER


def _take_along(tx: Transaction, follower: Actor, old: Actor, new: Actor, uri: str) -> None:
    """One of ours follows the new account in the place of the old one, and is told.

    Whoever cannot follow it, because they are kept apart or it is themselves, only leaves the old.
    """
    follows.remove(tx, follower.id, old.id)
    if not old.local:
        parting.unfollow(tx, follower, old, uri)
    _tell(tx, follower, new)
    refused: str | None = None
    if follows.get(tx, follower.id, new.id) is None:
        try:
            follow.send(tx, follower, {"type": "Follow", "object": new.uri})
        except WireError as error:
            refused = str(error)
    if old.local:
        outcome: Outcome = "moved" if refused is None else "refused"
        moved_things.settle_for(tx, old.id, "out", "follower", follower.uri, outcome, refused)


def _tell(tx: Transaction, follower: Actor, new: Actor) -> None:
    if follower.type != "Person" or follower.id == new.id:
        return
    if not blocks.between(tx, follower.id, new.id):
        notifications.add(tx, owner_id=follower.id, kind="move", actor_id=new.id, object_id=None)
