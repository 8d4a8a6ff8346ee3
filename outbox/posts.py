"""The post that one of our people likes, passes on or answers: one that they may see."""

from federation.errors import Malformed
from storage import actors, objects
from storage.actors import Actor
from storage.audience import Viewer
from storage.database import Transaction
from storage.objects import Post


def seen(tx: Transaction, actor: Actor, uri: str | None, what_for: str) -> tuple[Post, Actor]:
    """The post with that id, and its author. `what_for`, as in "like", is for the complaint.

    Raises Malformed, in the same words for a post that is not there and one not for our actor.
    """
    if uri is None:
        raise Malformed(f"cannot {what_for} a post without its id")
    post = objects.seen_by_uri(tx, Viewer(actor.id, local=True), uri)
    if post is None or post.deleted_at is not None:
        raise Malformed(f"cannot {what_for} {uri}: there is no such post, or you may not see it")
    author = actors.by_id(tx, post.author_id)
    assert author is not None
    return post, author
