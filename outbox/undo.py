"""One of our people takes back a Follow, a Like, an Announce, a Block, a Flag, an Add, a Remove or
a Join.

https://www.w3.org/TR/activitypub/#undo-activity-outbox: our record says what was done and by whom.
"""

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from federation.errors import Malformed, Refused
from federation.vocabulary import id_of, type_of
from outbox import featured, projects
from outbox.publish import publish
from storage import (
    actors,
    announces,
    blocks,
    follows,
    likes,
    memberships,
    objects,
    published,
    reports,
)
from storage.actors import Actor
from storage.database import Transaction


def send(tx: Transaction, actor: Actor, activity: dict[str, Any]) -> str:
    """Take back what `activity` names, by its id or as type and object; the id of the Undo.

    Raises Refused unless our actor did it and it still stands.
    """
    done = _done(tx, actor, activity.get("object"))
    kind = done.get("type")
    if not isinstance(kind, str) or kind not in _TAKE_BACK:
        raise Malformed(f"{kind or 'this'} cannot be undone: use {', '.join(_TAKE_BACK)}")
    target = id_of(done.get("object"))
    if target is None:
        raise Malformed("Undo needs the id of an activity, or its type and object")
    uri = _TAKE_BACK[kind](tx, actor, target, done.get("id"))
    if uri is None:
        raise Refused(f"there is no {kind} of {target} by you to undo")
    undone: dict[str, Any] = {"id": uri, "type": kind, "actor": actor.uri, "object": target}
    if kind in ("Add", "Remove"):
        undone["target"] = actor.featured
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
    return {"id": sent.uri, "type": sent.type, "object": sent.object_uri}


def _unfollow(tx: Transaction, actor: Actor, target: str, _: str | None) -> str | None:
    followee = actors.by_uri(tx, target)
    follow = follows.get(tx, actor.id, followee.id) if followee else None
    if follow is None or not follows.remove(tx, actor.id, follow.followee_id):
        return None
    return follow.uri


def _unlike(tx: Transaction, actor: Actor, target: str, _: str | None) -> str | None:
    post = objects.by_uri(tx, target)
    like = likes.get(tx, actor.id, post.id) if post else None
    if like is None or not likes.remove(tx, actor.id, like.object_id):
        return None
    return like.uri


def _unannounce(tx: Transaction, actor: Actor, target: str, _: str | None) -> str | None:
    post = objects.by_uri(tx, target)
    announce = announces.get(tx, actor.id, post.id) if post else None
    if announce is None or not announces.remove(tx, actor.id, announce.object_id):
        return None
    return announce.uri


def _unblock(tx: Transaction, actor: Actor, target: str, _: str | None) -> str | None:
    blocked = actors.by_uri(tx, target)
    block = blocks.get(tx, actor.id, blocked.id) if blocked else None
    if block is None or not blocks.remove(tx, actor.id, block.target_id):
        return None
    return block.uri


def _unask(tx: Transaction, actor: Actor, target: str, uri: str | None) -> str | None:
    """Of a project of ours the request ends where the Undo arrives, like everybody's."""
    project = actors.by_uri(tx, target)
    known = None if project is None else memberships.now(tx, project.id, actor.id)
    if project is None or known is None or known.state != "asked":
        return None
    if uri is not None and uri != known.uri:
        return None
    if published.own(tx, actor.id, known.uri) is None:
        return None  # they were invited and said yes: that is not taken back, one leaves
    projects.leave_elsewhere(tx, project, actor)
    return known.uri


def _withdraw(tx: Transaction, actor: Actor, target: str, uri: str | None) -> str | None:
    report = reports.by_uri(tx, _named(uri))
    if report is None or report.reporter.id != actor.id or not reports.close(tx, report.id):
        return None
    return report.uri


def _unpin(tx: Transaction, actor: Actor, target: str, uri: str | None) -> str | None:
    _named(uri)
    return uri if featured.hide(tx, actor, target) else None


def _pin_again(tx: Transaction, actor: Actor, target: str, uri: str | None) -> str | None:
    _named(uri)
    return uri if featured.show(tx, actor, target) else None


def _named(uri: str | None) -> str:
    if uri is None:
        raise Malformed("this is undone by the id of the activity")
    return uri


# Each takes back what our actor did to `target`, and answers the id of the activity that did it.
_TAKE_BACK: Mapping[str, Callable[[Transaction, Actor, str, str | None], str | None]] = {
    "Follow": _unfollow,
    "Like": _unlike,
    "Announce": _unannounce,
    "Block": _unblock,
    "Join": _unask,
    "Flag": _withdraw,
    "Add": _unpin,
    "Remove": _pin_again,
}


def _addresses(tx: Transaction, actor: Actor, uri: str) -> dict[str, Any]:
    """Whoever was told of it is told again."""
    sent = published.own(tx, actor.id, uri)
    assert sent is not None
    document = orjson.loads(sent.document)
    return {field: document.get(field, []) for field in ("to", "cc", "audience")}
