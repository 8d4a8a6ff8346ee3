"""Someone takes back a follow, a like, an announcement, a block, a report, a pin, or that they
asked to be in a project.

https://www.w3.org/TR/activitypub/#undo-activity-inbox
"""

from collections.abc import Callable, Mapping
from typing import Any

from federation import addresses, vocabulary
from federation.activity import Activity
from federation.errors import Refused
from inbox import concerned, featured, projects
from storage import (
    actors,
    announces,
    blocks,
    follows,
    likes,
    memberships,
    moved_things,
    objects,
    received,
    reports,
)
from storage.actors import Actor
from storage.database import Transaction
from storage.memberships import Membership


def receive(tx: Transaction, activity: Activity) -> None:
    """Undo it: found by its id, else by what it was and to whom. Raises Refused.

    What we do not know may still be on its way: then it comes to nothing.
    """
    actor = concerned.sender(tx, activity)
    subject = vocabulary.one(activity.object)
    uri = vocabulary.id_of(subject)
    if uri is not None and _by_id(tx, activity, actor, uri):
        return
    kinds = vocabulary.types_of(subject)
    if kinds and UNDONE.isdisjoint(kinds):
        raise Refused(f"{kinds[0][:100]} is not taken back here")
    found = isinstance(subject, dict) and _by_description(tx, activity, actor, subject)
    if not found and uri is not None:
        if not addresses.same_origin(uri, actor.uri, activity.rules):
            raise Refused("nobody undoes what another did")
        objects.bury_unknown(tx, uri, actor.uri)


def _by_id(tx: Transaction, activity: Activity, actor: Actor, uri: str) -> bool:
    follow = follows.by_uri(tx, uri)
    if follow is not None:
        _own(actor, follow.follower_id)
        return _no_more(tx, actor, follow.followee_id)
    like = likes.by_uri(tx, uri)
    if like is not None:
        _own(actor, like.actor_id)
        return likes.remove(tx, like.actor_id, like.object_id)
    announce = announces.by_uri(tx, uri)
    if announce is not None:
        _own(actor, announce.actor_id)
        return announces.remove(tx, announce.actor_id, announce.object_id)
    block = blocks.by_uri(tx, uri)
    if block is not None:
        _own(actor, block.actor_id)
        return blocks.remove(tx, block.actor_id, block.target_id)
    report = reports.by_uri(tx, uri)
    if report is not None:
        _own(actor, report.reporter.id)
        return reports.close(tx, report.id)
    known = memberships.by_uri(tx, uri)
    if known is not None:
        return _project(tx, activity, actor, known)
    return _pinned(tx, activity, actor, uri)


def _project(tx: Transaction, activity: Activity, actor: Actor, known: Membership) -> bool:
    """Undo a Join, by who asked; or an Invite, by the project of another school that asked."""
    projects.directly(activity)
    project = actors.by_id(tx, known.project_id)
    if project is None:
        return False
    if known.state == "invited" and not project.local:
        _own(actor, project.id)
        return memberships.end(tx, project.id, known.actor_id)
    _own(actor, known.actor_id)
    if not project.local:
        return False
    projects.leave(tx, project, actor)
    return True


def _pinned(tx: Transaction, activity: Activity, actor: Actor, uri: str) -> bool:
    """Undo an Add or Remove, of which only what came is kept."""
    known = received.earlier(tx, uri, actor.uri)
    if known is None or known[0] not in PINS or known[1] is None:
        return False
    return REMOVALS[known[0]](tx, actor, vocabulary.uri_of(known[1], activity.rules))


def _own(actor: Actor, actor_id: int) -> None:
    if actor.id != actor_id:
        raise Refused("nobody undoes what another did")


def _by_description(
    tx: Transaction, activity: Activity, actor: Actor, subject: dict[str, Any]
) -> bool:
    doer = vocabulary.id_of(subject.get("actor"))
    if doer is not None and doer != actor.uri:
        raise Refused("nobody undoes what another did")
    kind = next((kind for kind in vocabulary.types_of(subject) if kind in REMOVALS), "")
    remove = REMOVALS.get(kind)
    if remove is None:
        return False
    if kind == "Join":
        projects.directly(activity)
    if kind in PINS:
        featured.check(actor, subject.get("target"), activity.rules)
    return remove(tx, actor, vocabulary.uri_of(subject.get("object"), activity.rules))


def _unfollow(tx: Transaction, actor: Actor, uri: str) -> bool:
    followee = actors.by_uri(tx, uri)
    return followee is not None and _no_more(tx, actor, followee.id)


def _no_more(tx: Transaction, actor: Actor, followee_id: int) -> bool:
    """They follow no more; where somebody who moved was followed, that one has gone along."""
    moved_things.settle_for(tx, followee_id, "out", "follower", actor.uri, "moved")
    return follows.remove(tx, actor.id, followee_id)


def _unask(tx: Transaction, actor: Actor, uri: str) -> bool:
    project = actors.by_uri(tx, uri)
    known = None if project is None else memberships.now(tx, project.id, actor.id)
    if project is None or not project.local or known is None:
        return False
    projects.leave(tx, project, actor)
    return True


def _unlike(tx: Transaction, actor: Actor, uri: str) -> bool:
    post = objects.by_uri(tx, uri)
    return post is not None and likes.remove(tx, actor.id, post.id)


def _unannounce(tx: Transaction, actor: Actor, uri: str) -> bool:
    post = objects.by_uri(tx, uri)
    return post is not None and announces.remove(tx, actor.id, post.id)


def _unblock(tx: Transaction, actor: Actor, uri: str) -> bool:
    target = actors.by_uri(tx, uri)
    return target is not None and blocks.remove(tx, actor.id, target.id)


def _put_back(tx: Transaction, actor: Actor, uri: str) -> bool:
    featured.show(tx, actor, uri)
    return True


REMOVALS: Mapping[str, Callable[[Transaction, Actor, str], bool]] = {
    "Follow": _unfollow,
    "Like": _unlike,
    "EmojiReact": _unlike,
    "Announce": _unannounce,
    "Block": _unblock,
    "Join": _unask,
    "Add": featured.hide,
    "Remove": _put_back,
}
PINS = frozenset({"Add", "Remove"})
# A report is found by its id alone.
UNDONE = frozenset({*REMOVALS, "Flag"})
