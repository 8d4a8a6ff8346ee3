"""One of our people lets somebody follow them.

https://www.w3.org/TR/activitypub/#accept-activity-outbox, and only for what somebody asked for.
"""

from typing import Any

from federation.errors import Malformed, Refused
from federation.vocabulary import id_of
from outbox.publish import NOTHING, Fetched, publish
from storage import actors, follows
from storage.actors import Actor
from storage.database import Transaction


def send(
    tx: Transaction,
    actor: Actor,
    activity: dict[str, Any],
    fetched: Fetched = NOTHING,
) -> str:
    """Say yes to the Follow named by `activity`; the id of the Accept.

    Raises Refused unless this request to our actor is kept here and waits.
    """
    uri = id_of(activity.get("object"))
    if uri is None:
        raise Malformed("Accept needs the id of a Follow")
    follow = follows.by_uri(tx, uri)
    if follow is None or follow.followee_id != actor.id:
        raise Refused(f"{uri} is not a request to you that waits")
    if not follows.accept(tx, follow.follower_id, actor.id):
        raise Refused(f"{uri} is not a request to you that waits")
    follower = actors.by_id(tx, follow.follower_id)
    assert follower is not None
    asked = {"id": uri, "type": "Follow", "actor": follower.uri, "object": actor.uri}
    return publish(tx, actor, {"type": "Accept", "object": asked}, to=follower.uri)
