"""One of our people writes a post. https://www.w3.org/TR/activitypub/#create-activity-outbox

The post gets its id, author, date and page here; its words are cleaned; its addresses and those of
the activity become the same. Whom the words mention is told, and so is the author of what a post
answers. A Question brings a poll; the name of a choice alone, in answer to one, is a vote. What is
said in a project goes through it (`outbox/in_projects.py`).
"""

from collections.abc import Iterable, Mapping
from typing import Any

from actors import local
from federation.errors import Malformed
from federation.vocabulary import (
    CONTEXT,
    Addressing,
    addressing,
    hashtags,
    id_of,
    many,
    rfc3339,
    type_of,
)
from outbox import in_projects, polls, posts, quoting, typed, wording
from outbox.audience import Audience, resolve
from outbox.publish import publish
from storage import hashtags as filed
from storage import objects
from storage.actors import Actor
from storage.database import Transaction
from storage.objects import Post

TYPES = ("Note", "Article", "Page", "Question")


def send(tx: Transaction, actor: Actor, activity: dict[str, Any]) -> str:
    """Publish the post in `activity`; the id of the Create.

    Raises Malformed for what cannot be posted, naming it; Refused for what may not be.
    """
    given = _given(actor, activity)
    answered = _answered(tx, actor, given)
    if answered is not None and (choices := _vote(given, answered[0])):
        return polls.vote(tx, actor, answered[0], choices)
    quoted = quoting.seen(tx, actor, given)
    written = typed.read(tx, actor, given)
    addressed = _addressed(tx, actor, activity, answered, written.people if written else ())
    audience = resolve(tx, actor, addressed)
    if gone := [person.uri for person in audience.everyone if person.state == "deleted"]:
        raise Malformed(f"cannot address {gone[0]}: this account was deleted")
    poll = polls.drafted(given, tx.now) if type_of(given) == "Question" else None
    number = tx.new_id()
    document = _document(tx, actor, given, audience, number)
    document |= _words(given, audience, written)
    document |= polls.document_of(poll) if poll else {}
    shown = document.get("content", "")
    document = wording.finished(document, wording.language(given), quoted)
    _keep(tx, actor, document, audience, number, shown=shown)
    if poll is not None:
        polls.keep(tx, number, poll)
    return publish(
        tx,
        actor,
        {
            "type": "Create",
            **_to(audience),
            "bcc": [person.uri for person in audience.hidden],
            "object": document,
        },
    )


def _given(actor: Actor, activity: Mapping[str, Any]) -> dict[str, Any]:
    given = activity.get("object")
    if not isinstance(given, dict):
        raise Malformed("Create needs the whole object, not only its id")
    kind = type_of(given)
    if kind not in TYPES:
        raise Malformed(f"{kind or 'an object without type'} cannot be posted: use {_or(TYPES)}")
    if (author := id_of(given.get("attributedTo"))) not in (None, actor.uri):
        raise Malformed(f"attributedTo is {author}, but you are {actor.uri}")
    return given


def _answered(tx: Transaction, actor: Actor, given: Mapping[str, Any]) -> tuple[Post, Actor] | None:
    """The post that is answered, if any, and its author: one that our actor may see."""
    uri = id_of(given.get("inReplyTo"))
    return None if uri is None else posts.seen(tx, actor, uri, "answer")


def _vote(given: Mapping[str, Any], answered: Post) -> list[str]:
    """The choices that are taken in a poll, where a Note does nothing but name them."""
    if answered.type != "Question" or type_of(given) != "Note":
        return []
    if any(given.get(said) for said in ("content", "contentMap", "source", "attachment")):
        return []
    return [name for name in many(given.get("name")) if isinstance(name, str) and name]


def _addressed(
    tx: Transaction,
    actor: Actor,
    activity: dict[str, Any],
    answered: tuple[Post, Actor] | None,
    mentioned: Iterable[Actor],
) -> dict[str, Any]:
    """What was addressed, whoever else is told by custom, and the project that it is said in."""
    said = addressing(activity)
    post, author = answered or (None, None)
    project = in_projects.among_members(tx, actor, said, post)
    if project is not None:
        return in_projects.to_members(project, actor, said, list(mentioned))
    addressed = _addresses(tx, actor, said, author, mentioned)
    project = in_projects.in_public(tx, actor, said, post)
    if project is None:
        return addressed
    cc = dict.fromkeys([*addressed["cc"], project.uri])
    return {**addressed, "cc": list(cc), "audience": [project.uri]}


def _addresses(
    tx: Transaction,
    actor: Actor,
    said: Addressing,
    answered: Actor | None,
    mentioned: Iterable[Actor],
) -> dict[str, Any]:
    """What was addressed, and who else is told by custom.

    Followers get what is public. The author of what is answered is told, unless that would carry
    private words to somebody whom their author left out. Whom the words mention is told in any
    case: who names somebody in words for this school only, and means somebody outside, hears of
    it before anything is sent.
    """
    to, cc = list(said.to), list(said.cc)
    kind = local.audience_of(tx, actor, said)
    if kind in ("public", "unlisted") and actor.followers not in said.everyone:
        cc.append(str(actor.followers))
    if answered is not None and answered.id != actor.id and answered.uri not in said.everyone:
        if kind == "direct" and not said.everyone:
            to.append(answered.uri)
        elif kind in ("public", "unlisted", "followers") or (kind == "school" and answered.local):
            cc.append(answered.uri)
    names = to if kind == "direct" else cc
    names += [
        person.uri for person in mentioned if person.id != actor.id and person.uri not in (*to, *cc)
    ]
    return {"type": "Create", "to": to, "cc": cc, "bcc": list(said.hidden)}


def _document(
    tx: Transaction, actor: Actor, given: Mapping[str, Any], audience: Audience, number: int
) -> dict[str, Any]:
    """Everything about the post but its words."""
    uri = f"{tx.school.url}/objects/{number}"
    document = {
        "id": uri,
        "type": type_of(given),
        "attributedTo": actor.uri,
        "published": rfc3339(tx.now),
        "url": f"{tx.school.url}/@{actor.username}/{number}",
        **_to(audience),
        "replies": f"{uri}/replies",
    }
    if (answered := id_of(given.get("inReplyTo"))) is not None:
        document["inReplyTo"] = answered
    return document


def _words(
    given: Mapping[str, Any], audience: Audience, written: typed.Typed | None
) -> dict[str, Any]:
    """The words as everyone sees them who may."""
    worded = wording.read(given, audience.named, written)
    said = {name: value for name, value in worded.items() if value is not None}
    wording.check_said(said)
    named = audience.named
    if audience.kind == "project":  # to its members nobody needs to say which project it is
        named = tuple(person for person in named if person != audience.project)
    if tags := wording.mentions(said.pop("tag", ()), named):
        said["tag"] = tags
    return said


def _keep(
    tx: Transaction,
    actor: Actor,
    document: dict[str, Any],
    audience: Audience,
    number: int,
    *,
    shown: str,
) -> None:
    recipients = [(person.id, False) for person in audience.named]
    recipients += [(person.id, True) for person in audience.hidden]
    objects.add(
        tx,
        id=number,
        uri=document["id"],
        author_id=actor.id,
        type=document["type"],
        audience=audience.kind,
        name=document.get("name"),
        summary=document.get("summary"),
        content=shown,
        url=document["url"],
        in_reply_to=document.get("inReplyTo"),
        quotes=document.get("quote"),
        document={"@context": CONTEXT, **document},
        published_at=tx.now,
        recipients=recipients,
        project_id=None if audience.project is None else audience.project.id,
    )
    filed.file(tx, number, hashtags(document))


def _to(audience: Audience) -> dict[str, Any]:
    addressed = {"to": list(audience.to), "cc": list(audience.cc)}
    said: dict[str, Any] = {field: uris for field, uris in addressed.items() if uris}
    return said if audience.project is None else {**said, "audience": audience.project.uri}


def _or(words: tuple[str, ...]) -> str:
    return ", ".join(words[:-1]) + f" or {words[-1]}"
