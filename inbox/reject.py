"""Someone does not let one of us follow them, or not any more.

https://www.w3.org/TR/activitypub/#reject-activity-inbox
"""

from federation.activity import Activity
from inbox import requests
from storage import follows
from storage.database import Transaction


def receive(tx: Transaction, activity: Activity) -> None:
    """The follow of one of us ends, or never begins. Raises Refused for what nobody asked."""
    follow, _ = requests.answered(tx, activity)
    follows.reject(tx, follow.follower_id, follow.followee_id)
