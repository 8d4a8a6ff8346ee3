"""What is said in a project: who may say it, and how everybody else there hears of it.

The host of the project decides (SECURITY R36). A member sends to the project, with a proof of who
wrote it; the host announces the whole activity, unchanged, and the others believe the proof
(FEP-1b12, FEP-8b32). What comes past the host counts for nobody: else some would see what others
do not. https://codeberg.org/fediverse/fep/src/branch/main/fep/1b12/fep-1b12.md
"""

import json
from typing import Any

from actors import audiences, local
from actors.audiences import Intended
from actors.copies import PAST_THE_HOST
from actors.projects import NO_PROJECT
from federation import addresses, proofs, vocabulary
from federation import keys as federation_keys
from federation.activity import Activity
from federation.errors import BadSignature, Malformed, Refused
from federation.vocabulary import PUBLIC, Addressing
from outbox.publish import publish
from storage import actors, keys, memberships, objects, projects
from storage.actors import Actor
from storage.audience import OPEN
from storage.database import Transaction
from storage.objects import Post

WITHOUT_PROOF = "what is said in a project needs a proof of who said it"

LIKES = frozenset({"Like", "EmojiReact"})
PASSED_ON = frozenset({"Create", "Update", "Delete", "Undo", *LIKES})
# The author's own words: others cannot have done it.
OWN = frozenset({"Create", "Update", "Delete"})


# --- whether it counts ---------------------------------------------------------------------------


def intended(tx: Transaction, activity: Activity, author: Actor, addressed: Addressing) -> Intended:
    """Who a new post is for, and the project that it is written in.

    Raises Refused for who may not write there, and for what came past its host. A public post
    that names a project of another school is a post like any other until that passes it on.
    """
    meant = audiences.of(tx, author, addressed)
    project = meant.project
    if project is None:
        return meant
    among_members = meant.kind == "project"
    if not project.local and activity.passed_on_by != project.uri and not author.local:
        if among_members:
            raise Refused(PAST_THE_HOST)
        return Intended(meant.kind)
    if not project.local and among_members and not memberships.ours(tx, project.id):
        raise Refused("nobody here is in this project")
    _check_writer(tx, activity, author, project)
    if not among_members and _private(tx, project):
        raise Refused("what is said in a private project is for its members")
    return meant


def check_edit(tx: Transaction, activity: Activity, author: Actor, post: Post) -> None:
    """Raise Refused for a change of what was written in a project, unless its author may still
    write there and it comes the right way.

    What is for everybody came from its author too: no project of another school can keep it from
    being corrected.
    """
    project = audiences.project_of(tx, post)
    if project is not None and (project.local or post.audience not in OPEN):
        _check_writer(tx, activity, author, project)


def check_like(tx: Transaction, activity: Activity, actor: Actor, post: Post) -> None:
    """The same for who likes what was said among members. What is public anybody likes."""
    project = audiences.project_of(tx, post)
    if project is not None and post.audience == "project":
        _check_way(tx, activity, actor, project)


def _check_writer(tx: Transaction, activity: Activity, author: Actor, project: Actor) -> None:
    if not _from_a_member(activity, author, project):
        return
    role = memberships.role(tx, project.id, author.id)
    if role is None:
        raise Refused(NO_PROJECT if _private(tx, project) else "only members write in a project")
    if role == "observer":
        raise Refused("observers read what is said in a project")
    _check_way(tx, activity, author, project)


def _check_way(tx: Transaction, activity: Activity, actor: Actor, project: Actor) -> None:
    if not _from_a_member(activity, actor, project):
        return
    if not proven(tx, actor, activity.json):
        raise Refused(WITHOUT_PROOF)


def _from_a_member(activity: Activity, actor: Actor, project: Actor) -> bool:
    """Whether we are the host, and are to decide about it now.

    What our own people say was looked at when they said it, and what the project passes on when
    it passed it on. Raises Refused for what came another way.
    """
    if actor.local or activity.passed_on_by == project.uri:
        return False
    if not project.local or activity.passed_on_by is not None:
        raise Refused(PAST_THE_HOST)
    return True


def _private(tx: Transaction, project: Actor) -> bool:
    known = projects.get(tx, project.id)
    return known is None or known.private


def proven(tx: Transaction, actor: Actor, document: dict[str, Any]) -> bool:
    """Whether others can see from the document itself that it is the actor's (FEP-8b32)."""
    known = {key.uri: key for key in keys.of_actor(tx, actor.id)}
    for method in proofs.method_of(document):
        if method in known:
            try:
                public = federation_keys.load(known[method].public)
                proofs.verify(document, method, public, tx.now)
            except BadSignature:
                continue
            return True
    return False


# --- telling the others --------------------------------------------------------------------------


def pass_on(tx: Transaction, activity: Activity) -> None:
    """If it had its effect in a project of ours, let the project announce it.

    To be called after the effect. An author who left may still delete what they wrote, once, and
    is told on to whoever had it.
    """
    if activity.passed_on_by is not None or activity.type not in PASSED_ON:
        return
    if activity.type == "Create" and not _names_one_of_ours(tx, activity):
        return  # as most posts: without a look
    post = _post(tx, activity)
    project = None if post is None else audiences.project_of(tx, post)
    if post is None or project is None or not project.local or project.state != "active":
        return
    actor = actors.by_uri(tx, activity.actor)
    if actor is None or not _counted(tx, activity, actor, post, project):
        return
    if vocabulary.without_hidden(activity.json) != activity.json:
        return  # it would tell whom it was sent to in secret
    if actor.local or proven(tx, actor, activity.json):
        _announce(tx, activity, post, project)


def _names_one_of_ours(tx: Transaction, activity: Activity) -> bool:
    uris = vocabulary.addressing(activity.json).everyone
    return any(local.in_projects(tx.school, uri) for uri in uris)


def _post(tx: Transaction, activity: Activity) -> Post | None:
    subject = vocabulary.one(activity.object)
    if activity.type == "Undo":
        if LIKES.isdisjoint(vocabulary.types_of(subject)):
            return None
        subject = vocabulary.one(subject.get("object"))
    named = vocabulary.id_of(subject)
    try:
        return objects.by_uri(tx, addresses.canonical(named, activity.rules)) if named else None
    except Malformed:
        return None


def _counted(tx: Transaction, activity: Activity, actor: Actor, post: Post, project: Actor) -> bool:
    """Whether it is something that the others are to hear of."""
    if activity.type in OWN and post.author_id != actor.id:
        return False
    if activity.type == "Delete":
        return actor.local or post.deleted_at == tx.now
    if post.deleted_at is not None or (not actor.local and not _as_kept(activity, post)):
        return False
    return actor.local or memberships.role(tx, project.id, actor.id) is not None


def _as_kept(activity: Activity, post: Post) -> bool:
    """Whether the words in it are those that we keep: nobody gets other ones from the project than
    those who read it here, under an id that came before or in an edit that was overtaken. What is
    for everybody can be had from its author, who may have served it in other words of its own."""
    subject = vocabulary.one(activity.object)
    public = post.audience in OPEN
    if public or activity.type not in OWN or not isinstance(subject, dict):
        return True
    return bool(json.loads(post.document) == vocabulary.without_hidden(subject))


def _announce(tx: Transaction, activity: Activity, post: Post, project: Actor) -> None:
    public = post.audience in OPEN and project.followers is not None
    told: dict[str, Any] = {"to": [project.members]}
    if public:
        told = {"to": [PUBLIC], "cc": [project.followers, project.members]}
    deleted = activity.type == "Delete"
    publish(
        tx,
        project,
        {"type": "Announce", "object": activity.json, **told},
        reached_by=post.uri if deleted or public else None,
        deleted=deleted,
    )
    if public and activity.type == "Create":
        # For servers that know posts that are passed on, and not activities.
        publish(tx, project, {"type": "Announce", "object": post.uri, **told})
