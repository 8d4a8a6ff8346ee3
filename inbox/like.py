"""Someone likes a post. https://www.w3.org/TR/activitypub/#like-activity-inbox"""

from federation import vocabulary
from federation.activity import Activity
from inbox import concerned, passing_on, posts
from storage import actors, likes
from storage.database import Transaction


def receive(tx: Transaction, activity: Activity) -> None:
    """Note the like, once per person and post. Raises Refused for what they may not see."""
    actor = concerned.sender(tx, activity)
    concerned.not_taken_back(tx, activity)
    post = posts.seen(tx, vocabulary.uri_of(activity.object, activity.rules), actor)
    passing_on.check_like(tx, activity, actor, post)
    likes.add(tx, uri=activity.id, actor_id=actor.id, object_id=post.id)
    author = actors.by_id(tx, post.author_id)
    if author is not None:
        concerned.notify(tx, author, "like", actor, post)
