"""Someone wants nothing to do with one of ours.

https://www.w3.org/TR/activitypub/#block-activity-outbox: nobody here is told. From now on neither
sees anything of the other, and neither follows the other.
"""

from actors import local
from federation import vocabulary
from federation.activity import Activity
from federation.errors import Refused
from inbox import concerned
from storage import blocks, follows
from storage.database import Transaction


def receive(tx: Transaction, activity: Activity) -> None:
    """Keep them apart. Raises Refused for what is no block of one person by another."""
    actor = concerned.sender(tx, activity)
    concerned.not_taken_back(tx, activity)
    if activity.target is not None and vocabulary.id_of(activity.target) != actor.uri:
        raise Refused("a ban from a group of theirs, which is for the group to keep")
    target = local.ours(tx, vocabulary.uri_of(activity.object, activity.rules))
    if target.id == actor.id or target.type == "Application":
        raise Refused("nobody to block")
    blocks.add(tx, uri=activity.id, actor_id=actor.id, target_id=target.id)
    follows.cut(tx, actor.id, target.id)
