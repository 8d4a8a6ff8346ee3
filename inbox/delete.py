"""Someone deleted a post, or themselves. https://www.w3.org/TR/activitypub/#delete-activity-inbox"""

from federation import vocabulary
from federation.activity import Activity
from federation.errors import Refused
from inbox import concerned, posts
from storage import actors, deliveries, objects
from storage.database import Transaction


def receive(tx: Transaction, activity: Activity) -> None:
    """Bury it; if it is not known yet, remember that it must not come. Raises Refused."""
    actor = concerned.sender(tx, activity)
    uri = vocabulary.uri_of(activity.object, activity.rules)
    if uri == actor.uri:
        if not actor.local:
            actors.bury(tx, actor.id)
        return
    kinds = vocabulary.types_of(vocabulary.one(activity.object))
    if kinds and "Tombstone" not in kinds:
        raise Refused("what is deleted is named by its id or its tombstone")
    post = objects.by_uri(tx, uri)
    if post is None:
        if not posts.at_home(activity.object, activity):
            raise Refused("only its author deletes a post")
        objects.bury_unknown(tx, uri, actor.uri)
    elif post.author_id != actor.id:
        raise Refused("only its author deletes a post")
    elif post.deleted_at is None:
        deliveries.withdraw(tx, post.uri)
        objects.bury(tx, post.id, vocabulary.tombstone(post.uri, post.type, tx.now))
