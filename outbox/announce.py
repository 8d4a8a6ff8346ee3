"""One of our people passes a post on. https://www.w3.org/TR/activitypub/#announce-activity-inbox

Nobody carries another's words further than their author did: what was for followers or for named
people stays with them. One's own post goes at most to whom it was for.
"""

from typing import Any

from actors import local
from federation.errors import Malformed, Refused
from federation.vocabulary import PUBLIC, addressing, id_of
from outbox import posts
from outbox.publish import publish
from storage import announces
from storage.actors import Actor
from storage.database import Transaction
from storage.objects import Post

_OPEN = ("public", "unlisted")


def send(tx: Transaction, actor: Actor, activity: dict[str, Any]) -> str:
    """Pass it on; the id of the Announce.

    Raises Malformed for a post that is not here or not for our actor, Refused for one that is not
    to be passed on, or was already.
    """
    post, author = posts.seen(tx, actor, id_of(activity.get("object")), "announce")
    to, cc = _addresses(tx, actor, activity, post, author)
    audience = local.audience_of(tx, actor, addressing({"to": to, "cc": cc}))
    sent = publish(tx, actor, {"type": "Announce", "object": post.uri, "to": to, "cc": cc})
    added = announces.add(tx, uri=sent, actor_id=actor.id, object_id=post.id, audience=audience)
    if not added:
        raise Refused(f"you announced {post.uri} already")
    return sent


def _addresses(
    tx: Transaction, actor: Actor, activity: dict[str, Any], post: Post, author: Actor
) -> tuple[list[str], list[str]]:
    """Where it goes: as addressed, else as the post itself did."""
    followers, members = str(actor.followers), local.members_uri(tx.school)
    said = addressing(activity)
    if said.hidden:
        raise Malformed("an Announce has no bto or bcc")
    custom = {
        "public": ([PUBLIC], [followers]),
        "unlisted": ([followers], [PUBLIC]),
        "followers": ([followers], []),
        "school": ([members], []),
    }
    if post.audience not in custom or (post.audience not in _OPEN and author.id != actor.id):
        raise Refused(f"{post.uri} is not to be passed on: it is for those it was sent to")
    to, cc = (list(said.to), list(said.cc)) if said.everyone else custom[post.audience]
    if post.audience not in _OPEN and {*to, *cc} != {*custom[post.audience][0]}:
        raise Refused(f"{post.uri} goes to whom it was for, and to nobody else")
    kind = local.audience_of(tx, actor, addressing({"to": to, "cc": cc}))
    if kind in _OPEN and followers not in (*to, *cc):
        cc = [*cc, followers]
    told = kind in (*_OPEN, "followers") or (kind == "school" and author.local)
    if told and author.id != actor.id and author.uri not in (*to, *cc):
        cc = [*cc, author.uri]
    return to, cc
