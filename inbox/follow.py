"""Someone asks to follow one of our actors. https://www.w3.org/TR/activitypub/#follow-activity-inbox"""

from actors import local
from federation import vocabulary
from federation.activity import Activity
from federation.errors import Refused
from inbox import concerned
from outbox.publish import publish
from storage import blocks, follows
from storage.database import Transaction


def receive(tx: Transaction, activity: Activity) -> None:
    """Accept at once, or ask the one who is to be followed. Raises Refused.

    Who follows already is told so again, under the new id: they may have lost our answer. Where
    one of the two blocks the other the answer is no, and the one who is asked never hears of it.
    """
    follower = concerned.sender(tx, activity)
    concerned.not_taken_back(tx, activity)
    followee = local.ours(tx, vocabulary.uri_of(activity.object, activity.rules))
    if follower.id == followee.id or followee.type == "Application":
        raise Refused("nobody to follow")
    if blocks.between(tx, follower.id, followee.id):
        publish(tx, followee, {"type": "Reject", "object": activity.json}, to=follower.uri)
        return
    follow = follows.request(tx, follower.id, followee.id, activity.id)
    if follow.state != "accepted":
        if followee.approves_followers:
            concerned.notify(tx, followee, "request", follower)
            return
        follows.accept(tx, follower.id, followee.id)
        concerned.notify(tx, followee, "follow", follower)
    publish(tx, followee, {"type": "Accept", "object": activity.json}, to=follower.uri)
