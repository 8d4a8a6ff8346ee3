"""Someone changed a post, or themselves. https://www.w3.org/TR/activitypub/#update-activity-inbox"""

from datetime import timedelta

from actors import copies, local, reading, remote
from federation import keys, vocabulary
from federation.activity import Activity
from federation.errors import Refused
from inbox import concerned, passing_on, posts, rosters
from storage import objects
from storage.actors import Actor
from storage.database import Transaction
from storage.objects import Post

# A change of something we never got is as good as the thing itself, if it is this new.
NEW = timedelta(days=1)


def receive(tx: Transaction, activity: Activity) -> None:
    """Take the change over. Raises Refused unless it is the author's own, and newer."""
    actor = concerned.sender(tx, activity)
    uri = vocabulary.uri_of(activity.object, activity.rules)
    if uri == actor.uri:
        _profile(tx, activity, actor)
        return
    post = objects.by_uri(tx, uri)
    if post is None:
        _unknown(tx, activity, actor)
        return
    if post.author_id != actor.id:
        raise Refused("only its author changes a post")
    passing_on.check_edit(tx, activity, actor, post)
    if post.deleted_at is None:
        _edit(tx, activity, actor, post)


def _profile(tx: Transaction, activity: Activity, actor: Actor) -> None:
    if actor.local:
        return
    document = posts.object_of(activity)
    if rosters.described(tx, activity, actor, document):
        return
    read = remote.fields(document, activity.rules)
    if read.uri != actor.uri:
        raise Refused("a profile under another spelling of the actor's id")
    # Some send their profile without its keys; that takes none away.
    remote.save(tx, read, keys.listed(document) or None)


def _unknown(tx: Transaction, activity: Activity, actor: Actor) -> None:
    document = posts.object_of(activity)
    if not posts.at_home(document, activity):
        raise Refused("only its author changes a post")
    posts.check_author(document, actor.uri)
    found = reading.read(document, activity.rules, tx.now)
    late = tx.now - (found.edited_at or found.published_at) > NEW
    if late and activity.passed_on_by is None:
        raise Refused("a change of an old post that we never had")
    posts.welcome(tx, activity, document, actor, vocabulary.addressing(activity.json))


def _edit(tx: Transaction, activity: Activity, actor: Actor, post: Post) -> None:
    document = posts.object_of(activity)
    authors = vocabulary.ids_of(document.get("attributedTo"))
    if authors and actor.uri not in authors:
        raise Refused("a post does not change its author")
    addressed = vocabulary.addressing(activity.json)
    if not actor.local:
        found = reading.read(document, activity.rules, tx.now)
        changed = copies.edit(tx, post, found, document)
        if not changed:
            return
        named = local.our_people(tx, (*addressed.to, *addressed.cc), activity.rules)
        objects.join_recipients(tx, post.id, [person.id for person in named], False)
    mentioned = posts.mentioned(document)
    posts.tell(tx, post, actor, activity, [*mentioned, *addressed.to, *addressed.cc])
