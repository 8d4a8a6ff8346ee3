"""The request to follow that a yes, a no or an Undo is about. Our record decides."""

from typing import Any

from federation.errors import Malformed, Refused
from federation.vocabulary import id_of, type_of
from outbox.publish import publish
from storage import actors, follows
from storage.actors import Actor
from storage.database import Transaction
from storage.follows import Follow


def asked(tx: Transaction, actor: Actor, activity: dict[str, Any]) -> Follow:
    """The Follow of our actor that `activity` names by its id.

    Raises Malformed if it names none, Refused if nobody asked that.
    """
    uri = id_of(activity.get("object"))
    if uri is None:
        raise Malformed(f"{type_of(activity)} needs the id of a Follow")
    follow = follows.by_uri(tx, uri)
    if follow is None or follow.followee_id != actor.id:
        raise Refused(f"{uri} is not a request to you")
    return follow


def answer(tx: Transaction, actor: Actor, kind: str, follow: Follow) -> str:
    """Say yes or no (`kind`) to whoever asked; the id of the answer."""
    follower = actors.by_id(tx, follow.follower_id)
    assert follower is not None
    request = named(follow.uri, follower, actor)
    return publish(tx, actor, {"type": kind, "object": request}, to=follower.uri)


def named(uri: str, follower: Actor, followee: Actor) -> dict[str, str]:
    """A Follow as an answer to it speaks of it."""
    return {"id": uri, "type": "Follow", "actor": follower.uri, "object": followee.uri}
