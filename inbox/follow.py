"""Someone asks to follow one of our actors. https://www.w3.org/TR/activitypub/#follow-activity-inbox"""

from actors import local
from federation import vocabulary
from federation.activity import Activity
from federation.errors import Refused
from inbox import concerned
from outbox.publish import publish
from storage import blocks, follows
from storage.actors import Actor
from storage.database import Transaction


def receive(tx: Transaction, activity: Activity) -> None:
    """Accept at once, or ask the one who is to be followed. Raises Refused.

    Who follows already is told so again, under the new id: they may have lost our answer. Where
    one of the two blocks the other, or the one who is asked went to another school and will say
    nothing here any more, the answer is no, and they never hear of it.
    """
    follower = concerned.sender(tx, activity)
    concerned.not_taken_back(tx, activity)
    followee = local.ours(tx, vocabulary.uri_of(activity.object, activity.rules))
    # A private project has no followers, and answers nobody who only knows its address.
    alone = followee.type == "Application" or followee.followers is None
    if follower.id == followee.id or alone:
        raise Refused("nobody to follow")
    gone = followee.moved_to is not None and not _follows(tx, follower, followee)
    if gone or blocks.between(tx, follower.id, followee.id):
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


def _follows(tx: Transaction, follower: Actor, followee: Actor) -> bool:
    known = follows.get(tx, follower.id, followee.id)
    return known is not None and known.state == "accepted"
