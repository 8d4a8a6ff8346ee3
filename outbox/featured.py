"""The posts that one of our people keeps at the top of their page."""

from collections.abc import Mapping
from typing import Any

from federation.errors import Malformed, Refused
from federation.vocabulary import id_of
from outbox import posts
from storage import featured
from storage.actors import Actor
from storage.database import Transaction
from storage.objects import Post


def named(tx: Transaction, actor: Actor, activity: Mapping[str, Any]) -> Post:
    """The post that `activity` puts there or takes off. Raises Malformed, and Refused unless it is
    one of our actor's own."""
    target = activity.get("target")
    if target is not None and id_of(target) != actor.featured:
        raise Malformed(f"target must be {actor.featured}: nothing else of yours can be changed so")
    uri = id_of(activity.get("object"))
    if uri is None:
        raise Malformed("this needs the id of a post")
    return posts.own(tx, actor, uri)


def show(tx: Transaction, actor: Actor, uri: str) -> bool:
    """Put a post there; false if it is there already.

    Raises Refused for another's, for one that only some may read, and for more than twenty.
    """
    post = posts.own(tx, actor, uri)
    if post.audience not in featured.SHOWABLE:
        raise Refused(f"{uri} is not for everybody who follows you")
    try:
        return featured.add(tx, actor.id, post.id)
    except featured.Full as full:
        raise Refused(str(full)) from full


def hide(tx: Transaction, actor: Actor, uri: str) -> bool:
    """Take a post off again; false if it was not there. Raises Refused for another's."""
    return featured.remove(tx, actor.id, posts.own(tx, actor, uri).id)
