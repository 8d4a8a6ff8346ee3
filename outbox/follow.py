"""One of our people asks to follow somebody.

https://www.w3.org/TR/activitypub/#follow-activity-outbox: it counts once the other side says so.
"""

from typing import Any

from federation.errors import Malformed, Refused
from federation.vocabulary import id_of
from outbox.publish import publish
from storage import actors, blocks, follows
from storage.actors import Actor
from storage.database import Transaction


def send(tx: Transaction, actor: Actor, activity: dict[str, Any]) -> str:
    """Ask; the id of the Follow. Asking again is allowed: the latest id counts.

    Raises Malformed for whom we do not know, Refused for who cannot be followed.
    """
    uri = id_of(activity.get("object"))
    if uri is None:
        raise Malformed("Follow needs the id of an actor")
    if uri == actor.uri:
        raise Refused("you cannot follow yourself")
    followee = actors.by_uri(tx, uri)
    if followee is None:
        raise Malformed(f"cannot follow {uri}: it is not a person or group that we know")
    if followee.state != "active":
        raise Refused(f"cannot follow {uri}: this account is {followee.state}")
    if followee.moved_to:
        raise Refused(f"cannot follow {uri}: it moved to {followee.moved_to}")
    if followee.members is not None and followee.followers is None:
        raise Refused(f"cannot follow {uri}: a private project has members and no followers")
    if blocks.get(tx, actor.id, followee.id) is not None:
        raise Refused(f"cannot follow {uri}: you block this person")
    if blocks.between(tx, actor.id, followee.id):
        raise Refused(f"cannot follow {uri}: this person cannot be reached by you")
    sent = publish(tx, actor, {"type": "Follow", "object": uri}, to=uri)
    follows.request(tx, actor.id, followee.id, sent)
    return sent
