"""One of our people says no: to who wants to follow them or does, to an invitation, to who asks to
be in a project that they lead.

https://www.w3.org/TR/activitypub/#reject-activity-outbox
"""

from typing import Any

from federation.errors import Refused
from outbox import requests
from storage import follows
from storage.actors import Actor
from storage.database import Transaction


def send(tx: Transaction, actor: Actor, activity: dict[str, Any]) -> str:
    """Say no to the Follow, Invite or Join named by `activity`; the id of the Reject.

    Raises Refused unless it is kept here, waiting (a Follow: or accepted), and theirs to answer.
    """
    asked = requests.of_project(tx, actor, activity)
    if asked is not None:
        return requests.reject(tx, actor, *asked)
    follow = requests.asked(tx, actor, activity)
    if not follows.reject(tx, follow.follower_id, actor.id):
        raise Refused(f"{follow.uri} was rejected already")
    return requests.answer(tx, actor, "Reject", follow)
