"""One of our people does not let somebody follow them, or not any more.

https://www.w3.org/TR/activitypub/#reject-activity-outbox
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
    """Say no to the Follow named by `activity`; the id of the Reject.

    Raises Refused unless this request to our actor is kept here, waiting or accepted.
    """
    uri = id_of(activity.get("object"))
    if uri is None:
        raise Malformed("Reject needs the id of a Follow")
    follow = follows.by_uri(tx, uri)
    if follow is None or follow.followee_id != actor.id:
        raise Refused(f"{uri} is not a request to you")
    if not follows.reject(tx, follow.follower_id, actor.id):
        raise Refused(f"{uri} is not a request to you")
    follower = actors.by_id(tx, follow.follower_id)
    assert follower is not None
    asked = {"id": uri, "type": "Follow", "actor": follower.uri, "object": actor.uri}
    return publish(tx, actor, {"type": "Reject", "object": asked}, to=follower.uri)
