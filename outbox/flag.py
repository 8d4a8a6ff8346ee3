"""One of our people reports somebody, and posts of theirs, to our administrator.

https://www.w3.org/TR/activitystreams-vocabulary/#dfn-flag. If it is about somebody of another
server, that server is told too, in the name of the school: who reported stays with us.
"""

from collections.abc import Mapping
from typing import Any

from actors import local
from federation import content
from federation.errors import Malformed, Refused
from federation.vocabulary import ids_of, text_of
from outbox.publish import publish
from storage import actors, audience, objects, projects, reports
from storage.actors import Actor
from storage.audience import Viewer
from storage.database import Transaction
from storage.objects import Post


def send(tx: Transaction, actor: Actor, activity: dict[str, Any]) -> str:
    """Keep the report; the id of the Flag. With `"forward": false` it stays in our school.

    `object` is the person and posts of theirs, in any order; posts alone will do. Raises Malformed
    for what our actor has not seen or is not of one person, Refused for a report of oneself.
    """
    forward = activity.get("forward", True)
    if not isinstance(forward, bool):
        raise Malformed("forward must be true or false")
    reason = _reason(activity)
    subject, posts = _subject(tx, actor, list(dict.fromkeys(ids_of(activity.get("object")))))
    if subject.id == actor.id:
        raise Refused("you cannot report yourself")
    named = [subject.uri, *(post.uri for post in posts)]
    flag = {"type": "Flag", "object": named, "content": reason}
    # Addressed to nobody: only our administrator's list has it.
    sent = publish(tx, actor, flag)
    reports.add(
        tx,
        uri=sent,
        reporter_id=actor.id,
        subject_id=subject.id,
        posts=named[1:],
        reason=reason,
    )
    if forward and not subject.local:
        school = local.ours(tx, local.instance_uri(tx.school))
        # On the envelope alone, so that their server does not take it for a letter to them.
        publish(tx, school, {**flag, "bcc": [subject.uri]})
    return sent


def _reason(activity: Mapping[str, Any]) -> str:
    said = text_of(activity.get("content")) or text_of(activity.get("summary"))
    if len(said) > reports.LONGEST_REASON:
        raise Malformed(f"content has more than {reports.LONGEST_REASON:,} characters")
    return content.plain(said)


def _subject(tx: Transaction, actor: Actor, uris: list[str]) -> tuple[Actor, list[Post]]:
    """Whom the report is about, and which posts of theirs."""
    people = {
        uri: person
        for uri, person in actors.by_uris(tx, uris).items()
        if not projects.hidden(tx, actor.id, person)
    }
    posts = [_seen(tx, actor, uri) for uri in uris if uri not in people]
    authors = {post.author_id for post in posts} | {person.id for person in people.values()}
    if not authors:
        raise Malformed("Flag needs the id of a person, and of posts of theirs")
    if len(authors) > 1:
        raise Malformed("a report is about one person and posts of theirs")
    if len(posts) > reports.MOST_POSTS:
        raise Malformed(f"more than {reports.MOST_POSTS} posts in one report")
    subject = actors.by_id(tx, authors.pop())
    assert subject is not None
    if subject.state == "deleted":
        raise Refused(f"cannot report {subject.uri}: this account was deleted")
    return subject, posts


def _seen(tx: Transaction, actor: Actor, uri: str) -> Post:
    """A post that our actor may see, or could but for a block: one often blocks first."""
    post = objects.by_uri(tx, uri)
    viewer = Viewer(actor.id, local=True)
    if post is None or post.deleted_at is not None or not audience.is_for(tx, viewer, post.id):
        raise Malformed(f"cannot report {uri}: there is no such post, or you may not see it")
    return post
