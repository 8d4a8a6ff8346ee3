"""One of our people takes a post off the top of their page, or has a project that they lead part
with somebody.

https://www.w3.org/TR/activitypub/#remove-activity-outbox
"""

from typing import Any

from federation.errors import Refused
from outbox import featured, roles, wording
from outbox.publish import publish
from storage.actors import Actor
from storage.database import Transaction


def send(tx: Transaction, actor: Actor, activity: dict[str, Any]) -> str:
    """Show it there no more, and tell whoever may read it; the id of the Remove.

    Raises Malformed, and Refused for what is not their own, or not there.
    """
    project = roles.listed(tx, actor, activity)
    if project is not None:
        return roles.remove(tx, actor, project, activity)
    post = featured.named(tx, actor, activity)
    if not featured.hide(tx, actor, post.uri):
        raise Refused(f"{post.uri} is not at the top of your page")
    told = wording.addressed(tx.school, actor, post.audience)
    return publish(
        tx, actor, {"type": "Remove", "object": post.uri, "target": actor.featured, **told}
    )
