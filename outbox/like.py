"""One of our people likes a post. https://www.w3.org/TR/activitypub/#like-activity-outbox

Only its author is told.
"""

from typing import Any

from federation.errors import Malformed, Refused
from federation.vocabulary import id_of
from outbox.publish import publish
from storage import actors, likes, objects
from storage.actors import Actor
from storage.audience import Viewer
from storage.database import Transaction


def send(tx: Transaction, actor: Actor, activity: dict[str, Any]) -> str:
    """Like it; the id of the Like.

    Raises Malformed for a post that is not here or not for our actor, Refused the second time.
    """
    uri = id_of(activity.get("object"))
    if uri is None:
        raise Malformed("Like needs the id of a post")
    post = objects.seen_by_uri(tx, Viewer(actor.id, local=True), uri)
    if post is None or post.deleted_at is not None:
        raise Malformed(f"cannot like {uri}: there is no such post, or you may not see it")
    author = actors.by_id(tx, post.author_id)
    assert author is not None
    # The author's own like is told to nobody but themselves.
    sent = publish(tx, actor, {"type": "Like", "object": uri}, to=author.uri)
    if not likes.add(tx, uri=sent, actor_id=actor.id, object_id=post.id):
        raise Refused(f"you like {uri} already")
    return sent
