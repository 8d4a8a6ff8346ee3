"""One of our people, who leads a project, has it ask somebody of whatever school to be in it.

https://www.w3.org/TR/activitystreams-vocabulary/#dfn-invite: the project's own school asks them.
"""

from typing import Any

from actors import projects as known_projects
from federation.errors import Malformed, Refused
from federation.vocabulary import id_of
from outbox import projects
from outbox.publish import publish
from storage import actors, blocks, memberships
from storage.actors import Actor
from storage.database import Transaction


def send(tx: Transaction, actor: Actor, activity: dict[str, Any]) -> str:
    """Have them asked; the id of the Invite.

    Raises Malformed for whom we do not know, Refused for who leads no such project, and for who
    cannot be asked.
    """
    uri, target = id_of(activity.get("object")), id_of(activity.get("target"))
    if uri is None or target is None:
        raise Malformed("Invite needs a project as its object and somebody as its target")
    project = known_projects.known(tx, uri, actor)
    projects.check_lead(tx, project, actor)
    person = actors.by_uri(tx, target)
    if person is None:
        raise Malformed(f"cannot invite {target}: it is not a person that we know")
    projects.check_person(person)
    if blocks.get(tx, actor.id, person.id) is not None:
        raise Refused(f"cannot invite {person.handle}: you block this person")
    if blocks.between(tx, actor.id, person.id):
        raise Refused(f"cannot invite {person.handle}: this person cannot be reached by you")
    known = memberships.now(tx, project.id, person.id)
    if known is not None and known.state == "member":
        raise Refused(f"{person.handle} is in the project already")
    word = known_projects.role_word(known_projects.role_of(activity))
    return publish(
        tx,
        actor,
        {"type": "Invite", "object": project.uri, "target": person.uri, "instrument": word},
        to=project.uri,
    )
