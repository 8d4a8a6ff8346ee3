"""One of our people asks to be in a project.

https://www.w3.org/TR/activitystreams-vocabulary/#dfn-join: they are in it once a lead says so. Whom
the project invited says yes with it.
"""

from typing import Any

from actors import projects as known_projects
from federation.errors import Malformed, Refused
from federation.vocabulary import id_of
from outbox import projects
from outbox.publish import publish
from storage import blocks, memberships
from storage.actors import Actor
from storage.database import Transaction


def send(tx: Transaction, actor: Actor, activity: dict[str, Any]) -> str:
    """Ask; the id of the Join. Asking again is allowed: the latest id counts.

    Raises Malformed, and Refused for what is no project that they may know of, for members and for
    whom they block.
    """
    uri = id_of(activity.get("object"))
    if uri is None:
        raise Malformed("Join needs the id of a project")
    project = known_projects.known(tx, uri, actor)
    if blocks.between(tx, actor.id, project.id):
        raise Refused(f"cannot join {uri}: you block it")
    known = memberships.now(tx, project.id, actor.id)
    if known is not None and known.state == "member":
        raise Refused("you are in this project already")
    role = projects.wished(activity)
    word = known_projects.role_word(role)
    sent = publish(
        tx, actor, {"type": "Join", "object": project.uri, "instrument": word}, to=project.uri
    )
    if not project.local:
        memberships.ask(tx, project.id, actor.id, role, sent)
    return sent
