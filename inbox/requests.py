"""Which request of ours an answer is about. Our record decides, never the copy in the answer."""

from federation import vocabulary
from federation.activity import Activity
from federation.errors import Refused
from inbox import concerned
from storage import actors, follows
from storage.actors import Actor
from storage.database import Transaction
from storage.follows import Follow


def answered(tx: Transaction, activity: Activity) -> tuple[Follow, Actor]:
    """The Follow one of us sent to the activity's actor, and who sent it; raises Refused.

    It is found by its id, else by who follows whom: some servers answer without our id.
    """
    followee = concerned.sender(tx, activity)
    subject = vocabulary.one(activity.object)
    uri = vocabulary.id_of(subject)
    follow = follows.by_uri(tx, uri) if uri else None
    if follow is None and isinstance(subject, dict):
        named = vocabulary.id_of(subject.get("actor"))
        follower = actors.by_uri(tx, named) if named else None
        if follower is not None and vocabulary.id_of(subject.get("object")) == followee.uri:
            follow = follows.get(tx, follower.id, followee.id)
    if follow is None or follow.followee_id != followee.id:
        raise Refused("nobody here asked for that")
    follower = actors.by_id(tx, follow.follower_id)
    if follower is None or not follower.local:
        raise Refused("nobody here asked for that")
    return follow, follower
