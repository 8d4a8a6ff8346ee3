"""Someone puts a post at the top of their page.

https://www.w3.org/TR/activitypub/#add-activity-inbox; of collections we know `featured` alone.
"""

from actors import copies
from federation import vocabulary
from federation.activity import Activity
from inbox import concerned, featured, posts
from storage import objects
from storage.database import Transaction


def screen(tx: Transaction, activity: Activity) -> None:
    """Raise Refused for other collections, before the post is fetched."""
    featured.check(concerned.sender(tx, activity), activity.target, activity.rules)


def receive(tx: Transaction, activity: Activity) -> None:
    """Show it there. Raises Refused for other collections, and for what is not their own post."""
    actor = concerned.sender(tx, activity)
    concerned.not_taken_back(tx, activity)
    featured.check(actor, activity.target, activity.rules)
    uri = vocabulary.uri_of(activity.object, activity.rules)
    if objects.by_uri(tx, uri) is None and vocabulary.id_of(activity.object) in activity.fetched:
        copies.keep_fetched(tx, posts.object_of(activity), activity.rules)
    featured.show(tx, actor, uri)
