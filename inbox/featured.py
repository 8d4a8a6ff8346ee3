"""The posts at the top of somebody's page: what may be put there, by whom, and taken off again."""

from federation import addresses, vocabulary
from federation.addresses import Rules
from federation.errors import Malformed, Refused
from storage import featured, objects
from storage.actors import Actor
from storage.database import Transaction


def check(actor: Actor, target: object, rules: Rules) -> None:
    """Raise Refused unless that collection is the actor's own `featured`, as we keep it."""
    named = vocabulary.id_of(target)
    if named is None:
        raise Refused("it does not say which collection")
    try:
        own = actor.featured is not None and addresses.canonical(
            named, rules
        ) == addresses.canonical(actor.featured, rules)
    except Malformed:
        own = False
    if not own:
        raise Refused(f"{named[:200]} is not the featured collection of {actor.uri}")


def show(tx: Transaction, actor: Actor, uri: str) -> None:
    """Put a post there. Raises Refused unless it is the actor's own, and for more than twenty."""
    post = objects.by_uri(tx, uri)
    if post is None or post.deleted_at is not None or post.author_id != actor.id:
        raise Refused("not a post of theirs that we have")
    if post.audience not in featured.SHOWABLE:
        raise Refused("it is not for everybody who follows them")
    try:
        featured.add(tx, actor.id, post.id)
    except featured.Full as full:
        raise Refused(str(full)) from full


def hide(tx: Transaction, actor: Actor, uri: str) -> bool:
    """Take a post off again; false if it was not there."""
    post = objects.by_uri(tx, uri)
    return post is not None and featured.remove(tx, actor.id, post.id)
