"""The post that one of our people acts on: one that they may see, or one of their own."""

from collections.abc import Mapping
from typing import Any

from federation.errors import Malformed, Refused
from federation.vocabulary import many
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


def own(tx: Transaction, actor: Actor, uri: str) -> Post:
    """The post with that id that our actor wrote, and that stands. Raises Refused for any other."""
    post = objects.by_uri(tx, uri)
    if post is None or post.author_id != actor.id or post.deleted_at is not None:
        raise Refused(f"{uri} is not a post of yours")
    return post


def addresses(tx: Transaction, post_id: int, document: Mapping[str, Any]) -> dict[str, list[str]]:
    """Whom a post of ours is for: whom its document names, and in bcc those whom it does not."""
    to, cc = many(document.get("to")), many(document.get("cc"))
    everyone = [person.uri for person in objects.recipients_of(tx, post_id)]
    hidden = [uri for uri in everyone if uri not in {*to, *cc}]
    return {"to": to, "cc": cc, "bcc": hidden, "audience": many(document.get("audience"))}
