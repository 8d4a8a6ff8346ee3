"""Someone wrote something. https://www.w3.org/TR/activitypub/#create-activity-inbox"""

from actors import copies
from federation import vocabulary
from federation.activity import Activity
from federation.errors import Refused
from inbox import concerned, posts
from storage.database import Transaction


def receive(tx: Transaction, activity: Activity) -> None:
    """Keep the post and show it. Raises Refused for a post in somebody else's name."""
    actor = concerned.sender(tx, activity)
    document = posts.object_of(activity)
    if posts.at_home(document, activity):
        if not posts.written_by(document, actor.uri):
            raise Refused("nobody writes in another's name")
        posts.welcome(tx, activity, document, actor, vocabulary.addressing(activity.json))
        return
    # It lives elsewhere, and was had from there: it counts as what its own author wrote.
    copies.keep_fetched(tx, document, activity.rules)
