"""One of our people puts a post of theirs at the top of their page, or makes a member of a project
that they lead something else.

https://www.w3.org/TR/activitypub/#add-activity-outbox
"""

from typing import Any

from federation.errors import Refused
from outbox import featured, roles, wording
from outbox.publish import publish
from storage.actors import Actor
from storage.database import Transaction


def send(tx: Transaction, actor: Actor, activity: dict[str, Any]) -> str:
    """Show it there, and tell whoever may read it; the id of the Add.

    Raises Malformed, and Refused for what is not their own, not for all who follow them, there
    already, or one too many.
    """
    project = roles.listed(tx, actor, activity)
    if project is not None:
        return roles.change(tx, actor, project, activity)
    post = featured.named(tx, actor, activity)
    if not featured.show(tx, actor, post.uri):
        raise Refused(f"{post.uri} is at the top of your page already")
    told = wording.addressed(tx.school, actor, post.audience)
    return publish(tx, actor, {"type": "Add", "object": post.uri, "target": actor.featured, **told})
