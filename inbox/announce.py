"""Someone passes a post on to their followers.

https://www.w3.org/TR/activitypub/#announce-activity-inbox
"""

from actors import audiences, copies
from federation import vocabulary
from federation.activity import Activity
from federation.errors import Refused
from inbox import concerned, posts
from storage import actors, announces, objects, timelines
from storage.actors import Actor
from storage.database import Transaction
from storage.objects import Post

OPEN = frozenset({"public", "unlisted"})


def receive(tx: Transaction, activity: Activity) -> None:
    """Note it and show the post to the announcer's followers. Raises Refused.

    Nobody widens another's audience: what is not open to all only its author passes on, and
    everyone still sees only what they may. What a project passes on was written in it: its members
    have what is theirs already.
    """
    actor = concerned.sender(tx, activity)
    concerned.not_taken_back(tx, activity)
    post = _post(tx, activity, actor)
    its_own = post.project_id == actor.id
    if its_own and post.audience not in OPEN:
        return
    if post.audience not in OPEN and post.author_id != actor.id:
        raise Refused("what is not public is passed on by its author only")
    kind = audiences.of(tx, actor, vocabulary.addressing(activity.json)).kind
    announces.add(tx, uri=activity.id, actor_id=actor.id, object_id=post.id, audience=kind)
    if kind != "direct":  # else it is for whom it names, in their inbox
        timelines.place(tx, post.id, post.author_id, announced_by=actor.id)
    author = actors.by_id(tx, post.author_id)
    if author is not None and not its_own:
        concerned.notify(tx, author, "announce", actor, post)


def _post(tx: Transaction, activity: Activity, actor: Actor) -> Post:
    """What is announced: known here, had from its own server, or the announcer's own."""
    uri = vocabulary.uri_of(activity.object, activity.rules)
    if objects.by_uri(tx, uri) is not None:
        return posts.seen(tx, uri, actor)
    document = posts.object_of(activity)
    if vocabulary.id_of(activity.object) in activity.fetched:
        kept = copies.keep_fetched(tx, document, activity.rules)
    elif actor.uri in vocabulary.ids_of(document.get("attributedTo")):
        addressed = vocabulary.addressing(document)
        kept = copies.keep(tx, document, actor, addressed, rules=activity.rules)
    else:
        raise Refused("a copy of another's post is not believed")
    return posts.seen(tx, kept.uri, actor)
