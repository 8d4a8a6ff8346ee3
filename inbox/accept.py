"""Someone lets one of us follow them. https://www.w3.org/TR/activitypub/#accept-activity-inbox"""

from federation.activity import Activity
from federation.errors import Refused
from inbox import concerned, requests
from storage import follows
from storage.database import Transaction


def receive(tx: Transaction, activity: Activity) -> None:
    """The request that one of us really sent is granted. Raises Refused for any other."""
    follow, follower = requests.answered(tx, activity)
    if follow.state == "rejected":
        raise Refused("it was rejected before; it has to be asked for again")
    follows.accept(tx, follow.follower_id, follow.followee_id)
    concerned.notify(tx, follower, "accepted", concerned.sender(tx, activity))
