"""The request that a yes, a no or an Undo is about: to follow, or to be in a project. Our record
decides."""

from typing import Any

from actors.projects import ROLE_FIELDS
from federation.errors import Malformed, Refused
from federation.vocabulary import id_of, type_of
from outbox import projects
from outbox.publish import publish
from storage import actors, follows, memberships
from storage.actors import Actor
from storage.database import Transaction
from storage.follows import Follow
from storage.memberships import Membership


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


# --- in projects -------------------------------------------------------------------------------


def of_project(
    tx: Transaction, actor: Actor, activity: dict[str, Any]
) -> tuple[Membership, Actor] | None:
    """The invitation of our actor, or the request to a project that they lead, and that project.

    None where `activity` names no such thing that is theirs to answer.
    """
    uri = id_of(activity.get("object"))
    known = memberships.by_uri(tx, uri) if uri else None
    project = None if known is None else actors.by_id(tx, known.project_id)
    if known is None or project is None:
        return None
    if known.state == "invited" and known.actor_id == actor.id:
        return known, project
    if known.state == "asked" and projects.leads(tx, project, actor):
        return known, project
    return None


def accept(
    tx: Transaction,
    actor: Actor,
    known: Membership,
    project: Actor,
    activity: dict[str, Any],
) -> str:
    """Say yes; the id of the Accept. In a project of another school they are once it says so."""
    said: dict[str, Any] = {}
    if known.state == "asked":
        # A lead may say as what they come in.
        said = {name: activity[name] for name in ROLE_FIELDS if name in activity}
    sent = _say(tx, actor, "Accept", known, project, said)
    if known.state == "invited" and not project.local:
        memberships.ask(tx, project.id, actor.id, known.role, known.uri)
    return sent


def reject(tx: Transaction, actor: Actor, known: Membership, project: Actor) -> str:
    """Say no; the id of the Reject."""
    sent = _say(tx, actor, "Reject", known, project, {})
    if known.state == "invited":
        projects.leave_elsewhere(tx, project, actor)
    return sent


def _say(
    tx: Transaction,
    actor: Actor,
    kind: str,
    known: Membership,
    project: Actor,
    said: dict[str, Any],
) -> str:
    asker = actors.by_id(tx, known.actor_id)
    assert asker is not None
    invited = known.state == "invited"
    request = {
        "id": known.uri,
        "type": "Invite" if invited else "Join",
        "actor": project.uri if invited else asker.uri,
        "object": project.uri,
    }
    return publish(tx, actor, {"type": kind, "object": request, **said}, to=project.uri)
