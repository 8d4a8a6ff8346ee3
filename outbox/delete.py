"""One of our people deletes a post. https://www.w3.org/TR/activitypub/#delete-activity-outbox

A Tombstone stays in its place, and whoever got, fetched, answered or boosted it is told.
"""

import json
from typing import Any

from federation import vocabulary
from federation.errors import Malformed, Refused
from federation.vocabulary import id_of
from outbox.publish import publish
from storage import objects
from storage.actors import Actor
from storage.database import Transaction


def send(tx: Transaction, actor: Actor, activity: dict[str, Any]) -> str:
    """Publish the deletion; the id of the Delete. Raises Refused for what is not a post of ours."""
    uri = id_of(activity.get("object"))
    if uri is None:
        raise Malformed("Delete needs the id of a post")
    if uri == actor.uri:
        raise Refused("an account is removed by an administrator of the school")
    post = objects.by_uri(tx, uri)
    if post is None or post.author_id != actor.id or post.deleted_at is not None:
        raise Refused(f"{uri} is not a post of yours")
    before: dict[str, Any] = json.loads(post.document)
    openly = {*before.get("to", ()), *before.get("cc", ())}
    recipients = objects.recipients_of(tx, post.id)
    tombstone = vocabulary.tombstone(uri, post.type, tx.now)
    # Told first: once it is buried, nobody knows any more who boosted it.
    sent = publish(
        tx,
        actor,
        {
            "type": "Delete",
            "to": before.get("to", []),
            "cc": before.get("cc", []),
            "bcc": [person.uri for person in recipients if person.uri not in openly],
            "object": tombstone,
        },
        reached_by=uri,
    )
    objects.bury(tx, post.id, tombstone)
    return sent
