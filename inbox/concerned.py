"""Whom an activity concerns: who sent it, whom it names, who is told, and in whose inbox it lies.

https://www.w3.org/TR/activitypub/#inbox-delivery
"""

from actors import audiences, copies, local
from federation import vocabulary
from federation.activity import Activity
from federation.errors import Refused
from storage import (
    actors,
    arrivals,
    audience,
    blocks,
    memberships,
    notifications,
    objects,
    received,
)
from storage.actors import Actor
from storage.audience import Viewer
from storage.database import Transaction
from storage.notifications import Kind
from storage.objects import Post

# A suspended actor may still take back what is theirs (PROTOCOL §3).
ALLOWED_SUSPENDED = frozenset({"Delete", "Reject", "Undo", "Update"})

# Activities whose object says whom they concern, though nobody may be addressed.
ABOUT_THEIR_OBJECT = frozenset(
    {"Follow", "Accept", "Reject", "Undo", "Like", "EmojiReact", "Announce"}
)

# Nobody finds these in their inbox, least of all whom they are about.
SILENT = frozenset({"Block", "Flag"})


def sender(tx: Transaction, activity: Activity) -> Actor:
    """Who did it; raises Refused when we do not know them, or they may not do this."""
    known = actors.by_uri(tx, activity.actor)
    if known is None:
        raise Refused(f"{activity.actor} is unknown here")
    in_good_standing(activity.type, known.state)
    return known


def in_good_standing(kind: str, state: str) -> None:
    """Raise Refused for what a suspended or deleted actor may not do."""
    if state == "deleted":
        raise Refused("this actor was deleted")
    if state == "suspended" and kind not in ALLOWED_SUSPENDED:
        raise Refused("this actor is suspended")


def not_taken_back(tx: Transaction, activity: Activity) -> None:
    """Raise Refused for what its actor took back before it came."""
    if objects.is_buried(tx, activity.id, activity.actor):
        raise Refused("it was taken back before it came")


def under_its_own_id(tx: Transaction, activity: Activity, project: Actor, person: Actor) -> None:
    """Raise Refused for a Join or Invite under the id of another one, which is answered by it."""
    if memberships.is_taken(tx, activity.id, project.id, person.id):
        raise Refused("the id of something else that waits for an answer")


def notify(
    tx: Transaction,
    owner: Actor,
    kind: Kind,
    actor: Actor,
    post: Post | None = None,
    *,
    anew: bool = False,
) -> None:
    """Tell one of our people, unless it is their own doing or about a post they may not see.

    Nobody is told anything of whom they block, or who blocks them. `anew`: what was told before
    is told as if for the first time.
    """
    if not owner.local or owner.type != "Person" or owner.id == actor.id:
        return
    if blocks.between(tx, owner.id, actor.id):
        return
    if post is not None and not audience.can_see(tx, Viewer(owner.id, True), post.id):
        return
    notifications.add(
        tx,
        owner_id=owner.id,
        kind=kind,
        actor_id=actor.id,
        object_id=None if post is None else post.id,
        anew=anew,
    )


def note_arrival(tx: Transaction, activity: Activity, received_id: int) -> None:
    """Put an activity into the inbox of each of our people whom it concerns."""
    author = actors.by_uri(tx, activity.actor)
    if author is None or silent(tx, activity):
        return
    addressed = vocabulary.addressing(activity.json)
    meant = audiences.of(tx, author, addressed)
    kind, project = meant.kind, meant.project
    its_own = project is not None and project.id == author.id
    if kind == "project" and not its_own:
        return  # everybody hears of it from the project
    owners = {person.id for person in local.our_people(tx, addressed.everyone, activity.rules)}
    if activity.type in ABOUT_THEIR_OBJECT:
        owners |= _about(tx, activity)
    if activity.owner_id:
        owners.add(activity.owner_id)
    owners.discard(author.id)
    arrivals.note(
        tx,
        received_id,
        owners=owners,
        followers_of=author.id if kind in {"public", "unlisted", "followers"} else None,
        everyone=kind == "school",
        members_of=author.id if its_own else None,
    )


def silent(tx: Transaction, activity: Activity) -> bool:
    """Whether it is, takes back or passes on what nobody is to hear of."""
    subject: object = activity.json
    undone_by: str | None = None
    while isinstance(subject, dict):
        kinds = vocabulary.types_of(subject)
        if not SILENT.isdisjoint(kinds) or copies.is_vote(tx, subject, activity.rules):
            return True
        undone_by = vocabulary.id_of(subject.get("actor")) if "Undo" in kinds else None
        subject = vocabulary.one(subject.get("object"))
        if isinstance(subject, dict) and not vocabulary.types_of(subject):
            subject = vocabulary.id_of(subject)
    if undone_by is None or not isinstance(subject, str):
        return False
    known = received.earlier(tx, subject, undone_by)
    return known is not None and known[0] in SILENT


def _about(tx: Transaction, activity: Activity) -> set[int]:
    """Our people whom the object is, whose post it is, or whose request it answers."""
    subject = vocabulary.one(activity.object)
    named = [vocabulary.id_of(subject)]
    if isinstance(subject, dict):
        named += [vocabulary.id_of(subject.get(name)) for name in ("actor", "object")]
    uris = [uri for uri in named if uri]
    found = {person.id for person in local.our_people(tx, uris, activity.rules)}
    for uri in vocabulary.uris_of(uris, activity.rules):
        post = objects.by_uri(tx, uri) if uri.startswith(f"{tx.school.url}/objects/") else None
        if post is not None:
            found.add(post.author_id)
    return found
