"""One of our people takes back a Follow, a Like or an Announce.

https://www.w3.org/TR/activitypub/#undo-activity-outbox: our record says what was done and by whom.
"""

from typing import Any

import orjson

from federation.errors import Malformed, Refused
from federation.vocabulary import id_of, type_of
from outbox.publish import publish
from storage import actors, announces, follows, likes, objects, published
from storage.actors import Actor
from storage.database import Transaction

_CAN_BE_UNDONE = ("Follow", "Like", "Announce")


def send(tx: Transaction, actor: Actor, activity: dict[str, Any]) -> str:
    """Take back what `activity` names, by its id or as type and object; the id of the Undo.

    Raises Refused unless our actor did it and it still stands.
    """
    done = _done(tx, actor, activity.get("object"))
    kind = done.get("type")
    if kind not in _CAN_BE_UNDONE:
        raise Malformed(f"{kind or 'this'} cannot be undone: use {', '.join(_CAN_BE_UNDONE)}")
    target = id_of(done.get("object"))
    if target is None:
        raise Malformed("Undo needs the id of an activity, or its type and object")
    take_back = {"Follow": _unfollow, "Like": _unlike, "Announce": _unannounce}[kind]
    uri = take_back(tx, actor, target)
    if uri is None:
        raise Refused(f"there is no {kind} of {target} by you to undo")
    undone = {"id": uri, "type": kind, "actor": actor.uri, "object": target}
    return publish(tx, actor, {"type": "Undo", "object": undone, **_addresses(tx, actor, uri)})


def _done(tx: Transaction, actor: Actor, given: Any) -> dict[str, Any]:
    """What is to be taken back, from our own record where an id is given."""
    uri = id_of(given)
    if uri is None:
        if not isinstance(given, dict):
            raise Malformed("Undo needs the id of an activity, or its type and object")
        return {"type": type_of(given), "object": given.get("object")}
    sent = published.own(tx, actor.id, uri)
    if sent is None:
        raise Refused(f"{uri} is not an activity of yours")
    return {"type": sent.type, "object": sent.object_uri}


def _unfollow(tx: Transaction, actor: Actor, target: str) -> str | None:
    followee = actors.by_uri(tx, target)
    follow = follows.get(tx, actor.id, followee.id) if followee else None
    if follow is None or not follows.remove(tx, actor.id, follow.followee_id):
        return None
    return follow.uri


def _unlike(tx: Transaction, actor: Actor, target: str) -> str | None:
    post = objects.by_uri(tx, target)
    like = likes.get(tx, actor.id, post.id) if post else None
    if like is None or not likes.remove(tx, actor.id, like.object_id):
        return None
    return like.uri


def _unannounce(tx: Transaction, actor: Actor, target: str) -> str | None:
    post = objects.by_uri(tx, target)
    announce = announces.get(tx, actor.id, post.id) if post else None
    if announce is None or not announces.remove(tx, actor.id, announce.object_id):
        return None
    return announce.uri


def _addresses(tx: Transaction, actor: Actor, uri: str) -> dict[str, Any]:
    """Whoever was told of it is told again."""
    sent = published.own(tx, actor.id, uri)
    assert sent is not None
    document = orjson.loads(sent.document)
    return {field: document.get(field, []) for field in ("to", "cc")}
