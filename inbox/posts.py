"""What follows when a post arrives: whose it is, who is shown it, who is told.

https://www.w3.org/TR/activitypub/#create-activity-inbox
"""

from typing import Any

from actors import copies, local
from federation import addresses, vocabulary
from federation.activity import Activity
from federation.errors import Refused
from federation.vocabulary import Addressing
from inbox import concerned, passing_on
from storage import actors, audience, objects, timelines
from storage.actors import Actor
from storage.audience import Viewer
from storage.database import Transaction
from storage.objects import Post

# --- whose it is ---------------------------------------------------------------------------------


def object_of(activity: Activity) -> dict[str, Any]:
    """The document an activity is about: as its own server serves it, or the sender's own copy.

    Raises Refused for a copy of something that lives elsewhere.
    """
    subject = vocabulary.one(activity.object)
    named = vocabulary.id_of(subject)
    if named is not None and named in activity.fetched:
        return activity.fetched[named]
    if not isinstance(subject, dict):
        raise Refused("what it is about could not be had")
    if not at_home(subject, activity):
        raise Refused("a copy of what lives elsewhere is not believed")
    return subject


def at_home(subject: object, activity: Activity) -> bool:
    """Whether what is named lives on the server of the activity's actor."""
    uri = vocabulary.uri_of(subject, activity.rules)
    return addresses.same_origin(uri, activity.actor, activity.rules)


def check_author(document: dict[str, Any], actor_uri: str) -> None:
    """Raise Refused unless the document says that it was written by that actor.

    One that names nobody could be put in the place of another's on the same server.
    """
    named = vocabulary.ids_of(document.get("attributedTo"))
    if not named:
        raise Refused("a post that does not say who wrote it")
    if actor_uri not in named:
        raise Refused("nobody writes in another's name")


# --- making it known -----------------------------------------------------------------------------


def welcome(
    tx: Transaction,
    activity: Activity,
    document: dict[str, Any],
    author: Actor,
    addressed: Addressing,
) -> None:
    """A post has come: keep it, show it to those who follow its author, tell whom it concerns.

    What is said in a project is shown to its members. Raises Refused where that may not be.
    """
    checked = passing_on.intended(tx, activity, author, addressed)
    if author.local:
        post = objects.by_uri(tx, vocabulary.uri_of(document, activity.rules))
        if post is None:
            raise Refused("a post of ours that is not there")
    else:
        post = copies.keep(
            tx,
            document,
            author,
            addressed,
            rules=activity.rules,
            owner_id=activity.owner_id,
            checked=checked,
        )
    if post.deleted_at is not None:
        return
    timelines.place(tx, post.id, author.id)
    tell(tx, post, author, activity, [*mentioned(document), *addressed.to, *addressed.cc])


def tell(tx: Transaction, post: Post, author: Actor, activity: Activity, named: list[str]) -> None:
    """Notify whom it answers, and whom it names, as far as they may see it.

    A direct post concerns all its readers, those that nobody else knows of too.
    """
    answered = objects.by_uri(tx, post.in_reply_to) if post.in_reply_to else None
    asked = None if answered is None else actors.by_id(tx, answered.author_id)
    if asked is not None:
        concerned.notify(tx, asked, "reply", author, post)
    people = {person.id: person for person in local.our_people(tx, named, activity.rules)}
    if post.audience == "direct":
        people |= {person.id: person for person in objects.recipients_of(tx, post.id)}
    for person in people.values():
        if asked is None or person.id != asked.id:
            concerned.notify(tx, person, "mention", author, post)


def mentioned(document: dict[str, Any]) -> list[str]:
    """The ids that a document mentions; a name alone mentions nobody."""
    found = [
        tag["href"]
        for tag in vocabulary.tags(document)
        if "Mention" in vocabulary.types_of(tag) and isinstance(tag.get("href"), str)
    ]
    return found[: vocabulary.MOST_MENTIONS]


def join(tx: Transaction, activity: Activity) -> None:
    """A further copy came to a personal inbox: its owner may read the post too."""
    uri = vocabulary.uri_of(activity.object, activity.rules)
    post = objects.by_uri(tx, uri)
    author = actors.by_uri(tx, activity.actor)
    if post is None or author is None or post.author_id != author.id or post.deleted_at:
        return
    if copies.told_in_secret(tx, post.audience, author, activity.owner_id):
        objects.join_recipients(tx, post.id, [activity.owner_id], True)
        timelines.place(tx, post.id, author.id)
        tell(tx, post, author, activity, [])


def seen(tx: Transaction, uri: str, viewer: Actor) -> Post:
    """The post with that id, if it is there and that actor may see it; raises Refused else."""
    post = objects.by_uri(tx, uri)
    if post is None or post.deleted_at is not None:
        raise Refused("no such post")
    if not audience.can_see(tx, Viewer(viewer.id, viewer.local), post.id):
        raise Refused("no such post")
    return post
