"""One of our people lets somebody follow them.

https://www.w3.org/TR/activitypub/#accept-activity-outbox, and only for what somebody asked for.
"""

from typing import Any

from federation.errors import Refused
from outbox import requests
from storage import follows
from storage.actors import Actor
from storage.database import Transaction


def send(tx: Transaction, actor: Actor, activity: dict[str, Any]) -> str:
    """Say yes to the Follow named by `activity`; the id of the Accept.

    Raises Refused unless this request to our actor is kept here and waits.
    """
    follow = requests.asked(tx, actor, activity)
    if not follows.accept(tx, follow.follower_id, actor.id):
        raise Refused(f"{follow.uri} is not a request to you that waits")
    return requests.answer(tx, actor, "Accept", follow)
