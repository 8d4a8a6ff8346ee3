"""One of our people wants nothing to do with somebody.

https://www.w3.org/TR/activitypub/#block-activity-outbox: from now on neither sees anything of the
other here, and neither follows the other. The other one's server is told, so that it keeps to it;
a colleague is told nothing, nor is anybody else.
"""

from typing import Any

from federation.errors import Malformed, Refused
from federation.vocabulary import id_of
from outbox import parting
from outbox.publish import publish
from storage import actors, blocks, follows
from storage.actors import Actor
from storage.database import Transaction


def send(tx: Transaction, actor: Actor, activity: dict[str, Any]) -> str:
    """Block whom `activity` names; the id of the Block.

    Raises Malformed for whom we do not know, Refused for oneself, the school, and a second time.
    """
    uri = id_of(activity.get("object"))
    if uri is None:
        raise Malformed("Block needs the id of an actor")
    target = actors.by_uri(tx, uri)
    if target is None:
        raise Malformed(f"cannot block {uri}: it is not a person or group that we know")
    if target.id == actor.id:
        raise Refused("you cannot block yourself")
    if target.local and target.type != "Person":
        raise Refused(f"cannot block {uri}: it speaks for the school")
    if blocks.get(tx, actor.id, target.id) is not None:
        raise Refused(f"you block {uri} already")
    _part(tx, actor, target)
    sent = publish(tx, actor, {"type": "Block", "object": target.uri}, to=_told(target))
    blocks.add(tx, uri=sent, actor_id=actor.id, target_id=target.id)
    return sent


def _part(tx: Transaction, actor: Actor, target: Actor) -> None:
    """End the follows both ways, and say so to another server."""
    ours = follows.get(tx, actor.id, target.id)
    theirs = follows.get(tx, target.id, actor.id)
    follows.cut(tx, actor.id, target.id)
    if target.local:
        return
    if ours is not None:
        parting.unfollow(tx, actor, target, ours.uri)
    if theirs is not None and theirs.state != "rejected":
        parting.turn_away(tx, actor, target, theirs.uri)


def _told(target: Actor) -> tuple[str, ...]:
    return () if target.local else (target.uri,)
