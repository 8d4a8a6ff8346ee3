"""What one of our people, who leads a project of whatever school, asks it to do about its members.

The project's own school does it; what it would refuse is said here beforehand.
"""

from collections.abc import Mapping
from typing import Any

from actors import projects as known_projects
from federation.errors import Malformed, Refused
from federation.vocabulary import id_of
from outbox import projects
from outbox.publish import publish
from storage import actors, memberships
from storage import projects as rows
from storage.actors import Actor
from storage.database import Transaction


def listed(tx: Transaction, actor: Actor, activity: Mapping[str, Any]) -> Actor | None:
    """The project whose list of members `activity` changes; None where it is about another list.

    Raises Refused for who does not lead it.
    """
    target = id_of(activity.get("target"))
    project = rows.by_members(tx, target) if target is not None else None
    if project is None or rows.hidden(tx, actor.id, project):
        return None
    projects.check_lead(tx, project, actor)
    return project


def change(tx: Transaction, actor: Actor, project: Actor, activity: Mapping[str, Any]) -> str:
    """Make a member something else; the id of the Add. Raises Malformed, and Refused for who is no
    member, and for the only lead."""
    role = known_projects.role_given(activity)
    person = _person(tx, activity)
    known = memberships.now(tx, project.id, person.id)
    if known is None or known.state != "member":
        raise Refused(f"{person.handle} is not in the project: invite them")
    if role != "lead":
        projects.check_not_last(tx, project, known)
    told = known_projects.relationship(project, person.uri, role)
    return publish(
        tx, actor, {"type": "Add", "object": told, "target": project.members}, to=project.uri
    )


def remove(tx: Transaction, actor: Actor, project: Actor, activity: Mapping[str, Any]) -> str:
    """Part with a member, an invitation or a request; the id of the Remove.

    Raises Malformed, and Refused for the only lead, and in a project of ours for who is none.
    """
    person = _person(tx, activity)
    known = memberships.now(tx, project.id, person.id)
    if known is not None:
        projects.check_not_last(tx, project, known)
    elif project.local:
        raise Refused(f"{person.handle} is not in the project")
    return publish(
        tx,
        actor,
        {"type": "Remove", "object": person.uri, "target": project.members},
        to=project.uri,
    )


def _person(tx: Transaction, activity: Mapping[str, Any]) -> Actor:
    uri = id_of(known_projects.whom(activity))
    person = actors.by_uri(tx, uri) if uri is not None else None
    if person is None:
        raise Malformed("this needs the id of somebody in the project")
    return person
