"""One of our people deletes a post. https://www.w3.org/TR/activitypub/#delete-activity-outbox

A Tombstone stays in its place, and whoever got, fetched, answered or boosted it is told. Or they
leave the school, and every server that we know is told.
"""

import json
from typing import Any

from actors import leaving
from federation import vocabulary
from federation.errors import Malformed, Refused
from federation.vocabulary import PUBLIC, id_of
from outbox import posts
from outbox.publish import publish
from storage import deliveries, objects, published
from storage.actors import Actor
from storage.database import Transaction


def send(tx: Transaction, actor: Actor, activity: dict[str, Any]) -> str:
    """Publish the deletion; the id of the Delete. Raises Refused for what is not a post of ours."""
    uri = id_of(activity.get("object"))
    if uri is None:
        raise Malformed("Delete needs the id of a post")
    if uri == actor.uri:
        raise Refused("an account is removed by an administrator of the school")
    post = posts.own(tx, actor, uri)
    tombstone = vocabulary.tombstone(uri, post.type, tx.now)
    # Told first: once it is buried, nobody knows any more who boosted it.
    sent = publish(
        tx,
        actor,
        {
            "type": "Delete",
            **posts.addresses(tx, post.id, json.loads(post.document)),
            "object": tombstone,
        },
        reached_by=uri,
    )
    deliveries.withdraw(tx, uri)
    objects.bury(tx, post.id, tombstone)
    return sent


def account(tx: Transaction, actor: Actor) -> str:
    """One of our people leaves for good: every server that we know is told; the id of the Delete.

    Nothing of theirs is seen or can be used any more when this returns.
    """
    sent = publish(
        tx,
        actor,
        {
            "type": "Delete",
            "to": [PUBLIC],
            "cc": [uri for uri in (actor.followers,) if uri],
            "object": actor.uri,
        },
    )
    deliveries.withdraw_all(tx, actor.id)
    word = published.own(tx, actor.id, sent)
    assert word is not None
    # Whoever follows was told already; here or there somebody else keeps what they once said.
    deliveries.enqueue(tx, word.id, deliveries.To(everyone=True))
    leaving.leave(tx, actor)
    return sent
