"""One of our people does not let somebody follow them, or not any more.

https://www.w3.org/TR/activitypub/#reject-activity-outbox
"""

from typing import Any

from federation.errors import Refused
from outbox import requests
from storage import follows
from storage.actors import Actor
from storage.database import Transaction


def send(tx: Transaction, actor: Actor, activity: dict[str, Any]) -> str:
    """Say no to the Follow named by `activity`; the id of the Reject.

    Raises Refused unless this request to our actor is kept here, waiting or accepted.
    """
    follow = requests.asked(tx, actor, activity)
    if not follows.reject(tx, follow.follower_id, actor.id):
        raise Refused(f"{follow.uri} was rejected already")
    return requests.answer(tx, actor, "Reject", follow)
