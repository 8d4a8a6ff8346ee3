"""One of our people says yes: to who wants to follow them, to an invitation, to who asks to be in a
project that they lead.

https://www.w3.org/TR/activitypub/#accept-activity-outbox, and only for what somebody asked for.
"""

from typing import Any

from federation.errors import Refused
from outbox import requests
from storage import follows
from storage.actors import Actor
from storage.database import Transaction


def send(tx: Transaction, actor: Actor, activity: dict[str, Any]) -> str:
    """Say yes to the Follow, Invite or Join named by `activity`; the id of the Accept.

    Raises Refused unless it is kept here, waits, and is theirs to answer.
    """
    asked = requests.of_project(tx, actor, activity)
    if asked is not None:
        return requests.accept(tx, actor, *asked, activity)
    follow = requests.asked(tx, actor, activity)
    if not follows.accept(tx, follow.follower_id, actor.id):
        raise Refused(f"{follow.uri} is not a request to you that waits")
    return requests.answer(tx, actor, "Accept", follow)
