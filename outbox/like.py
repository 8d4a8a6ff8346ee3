"""One of our people likes a post. https://www.w3.org/TR/activitypub/#like-activity-outbox

Only its author is told.
"""

from typing import Any

from federation.errors import Refused
from federation.vocabulary import id_of
from outbox import posts
from outbox.publish import publish
from storage import likes
from storage.actors import Actor
from storage.database import Transaction


def send(tx: Transaction, actor: Actor, activity: dict[str, Any]) -> str:
    """Like it; the id of the Like.

    Raises Malformed for a post that is not here or not for our actor, Refused the second time.
    """
    post, author = posts.seen(tx, actor, id_of(activity.get("object")), "like")
    # The author's own like is told to nobody but themselves.
    sent = publish(tx, actor, {"type": "Like", "object": post.uri}, to=author.uri)
    if not likes.add(tx, uri=sent, actor_id=actor.id, object_id=post.id):
        raise Refused(f"you like {post.uri} already")
    return sent
