"""One of our people likes a post. https://www.w3.org/TR/activitypub/#like-activity-outbox

Only its author is told; and of a post in a project the project, which tells its members.
"""

from typing import Any

from actors import audiences
from federation.errors import Refused
from federation.vocabulary import id_of
from outbox import posts
from outbox.publish import publish
from storage import likes, memberships
from storage.actors import Actor
from storage.audience import OPEN
from storage.database import Transaction
from storage.objects import Post


def send(tx: Transaction, actor: Actor, activity: dict[str, Any]) -> str:
    """Like it; the id of the Like.

    Raises Malformed for a post that is not here or not for our actor, Refused the second time.
    """
    post, author = posts.seen(tx, actor, id_of(activity.get("object")), "like")
    # The author's own like is told to nobody but themselves.
    told = _told(tx, actor, post, author)
    sent = publish(tx, actor, {"type": "Like", "object": post.uri, **told})
    if not likes.add(tx, uri=sent, actor_id=actor.id, object_id=post.id):
        raise Refused(f"you like {post.uri} already")
    return sent


def _told(tx: Transaction, actor: Actor, post: Post, author: Actor) -> dict[str, list[str]]:
    project = audiences.project_of(tx, post)
    if project is None or memberships.role(tx, project.id, actor.id) is None:
        return {"to": [author.uri]}
    to = author.uri if post.audience in OPEN else str(project.members)
    return {"to": [to], "cc": [project.uri], "audience": [project.uri]}
