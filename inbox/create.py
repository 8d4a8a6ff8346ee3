"""Someone wrote something. https://www.w3.org/TR/activitypub/#create-activity-inbox"""

from actors import copies
from federation import vocabulary
from federation.activity import Activity
from inbox import concerned, posts, votes
from storage.database import Transaction


def receive(tx: Transaction, activity: Activity) -> None:
    """Keep the post and show it, or count it if it is a vote.

    Raises Refused for a post in nobody's or somebody else's name, and for a vote that does not
    count.
    """
    actor = concerned.sender(tx, activity)
    document = posts.object_of(activity)
    if posts.at_home(document, activity):
        posts.check_author(document, actor.uri)
        if copies.is_vote(tx, document, activity.rules):
            votes.count(tx, activity, actor, document)
            return
        posts.welcome(tx, activity, document, actor, vocabulary.addressing(activity.json))
        return
    # It lives elsewhere, and was had from there: it counts as what its own author wrote.
    copies.keep_fetched(tx, document, activity.rules)
