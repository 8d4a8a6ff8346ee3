"""Our administrator suspends a person or readmits them, and whichever servers must know are told.

Of one of ours others get the document as it stands now, and hide or show the person accordingly.
The server of anybody else hears that the follows end: else it would go on delivering what they
write to our people, to be turned away each time.
"""

from actors import local, standing
from federation.vocabulary import PUBLIC
from outbox import parting
from outbox.publish import publish
from storage import actors, follows, keys
from storage.actors import Actor
from storage.database import Transaction


def suspend(tx: Transaction, actor: Actor) -> bool:
    """Suspend one of ours or of others. What ours are signed in with ends at once.

    False for who was deleted, and for one of others who is suspended here already.
    """
    if actor.local:
        return standing.suspend(tx, actor) and _tell(tx, actor)
    if actor.suspended_here or actor.state == "deleted":
        return False
    for uri, follower in follows.our_followers(tx, actor.id):
        parting.unfollow(tx, follower, actor, uri)
    for uri, followee in follows.our_followees(tx, actor.id):
        parting.turn_away(tx, followee, actor, uri)
    return standing.suspend(tx, actor)


def readmit(tx: Transaction, actor: Actor) -> bool:
    """End a suspension by us. False if there is none."""
    return standing.readmit(tx, actor) and (not actor.local or _tell(tx, actor))


def _tell(tx: Transaction, actor: Actor) -> bool:
    now = actors.by_id(tx, actor.id)
    assert now is not None
    publish(
        tx,
        now,
        {
            "type": "Update",
            "to": [PUBLIC],
            "cc": [uri for uri in (now.followers,) if uri],
            "object": local.document(tx.school, now, keys.of_actor(tx, now.id)),
        },
    )
    return True
