"""One of our people leaves a project, or takes back that they asked to be in it.

https://www.w3.org/TR/activitystreams-vocabulary/#dfn-leave: from now on they see nothing of it. The
only lead stays until there is another.
"""

from typing import Any

from actors import projects as known_projects
from federation.errors import Malformed, Refused
from federation.vocabulary import id_of
from outbox import projects
from outbox.publish import publish
from storage import memberships
from storage.actors import Actor
from storage.database import Transaction


def send(tx: Transaction, actor: Actor, activity: dict[str, Any]) -> str:
    """Leave; the id of the Leave. Raises Malformed, and Refused for who is not in it, and for the
    only lead."""
    uri = id_of(activity.get("object"))
    if uri is None:
        raise Malformed("Leave needs the id of a project")
    project = known_projects.known(tx, uri, actor)
    known = memberships.now(tx, project.id, actor.id)
    if known is None:
        raise Refused("you are not in this project")
    projects.check_not_last(tx, project, known)
    sent = publish(tx, actor, {"type": "Leave", "object": project.uri}, to=project.uri)
    projects.leave_elsewhere(tx, project, actor)
    return sent
