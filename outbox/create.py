"""One of our people writes a post. https://www.w3.org/TR/activitypub/#create-activity-outbox

The post gets its id, author, date and page here; its words are cleaned; its addresses and those of
the activity become the same. A reply is told to the author of what it answers.
"""

from collections.abc import Mapping
from typing import Any

from actors import local
from federation.errors import Malformed
from federation.vocabulary import CONTEXT, addressing, id_of, rfc3339, type_of
from outbox import posts, wording
from outbox.audience import Audience, resolve
from outbox.publish import publish
from storage import objects
from storage.actors import Actor
from storage.database import Transaction

TYPES = ("Note", "Article", "Page")


def send(tx: Transaction, actor: Actor, activity: dict[str, Any]) -> str:
    """Publish the post in `activity`; the id of the Create.

    Raises Malformed for what cannot be posted, naming it.
    """
    given = activity.get("object")
    if not isinstance(given, dict):
        raise Malformed("Create needs the whole object, not only its id")
    kind = type_of(given)
    if kind not in TYPES:
        raise Malformed(f"{kind or 'an object without type'} cannot be posted: use {_or(TYPES)}")
    if (author := id_of(given.get("attributedTo"))) not in (None, actor.uri):
        raise Malformed(f"attributedTo is {author}, but you are {actor.uri}")
    answered = _answered(tx, actor, given)
    audience = resolve(tx, actor, _addresses(tx, actor, activity, answered))
    if gone := [person.uri for person in audience.everyone if person.state == "deleted"]:
        raise Malformed(f"cannot address {gone[0]}: this account was deleted")
    number = tx.new_id()
    document = _document(tx, actor, given, audience, number)
    _keep(tx, actor, document, audience, number)
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


def _answered(tx: Transaction, actor: Actor, given: Mapping[str, Any]) -> Actor | None:
    """The author of the post that is answered, if any: one that our actor may see."""
    uri = id_of(given.get("inReplyTo"))
    if uri is None:
        return None
    _, author = posts.seen(tx, actor, uri, "answer")
    return author


def _addresses(
    tx: Transaction, actor: Actor, activity: dict[str, Any], answered: Actor | None
) -> dict[str, Any]:
    """What was addressed, and who else is told by custom.

    Followers get what is public. The author of what is answered is told, unless that would carry
    private words to somebody whom their author left out.
    """
    said = addressing(activity)
    to, cc = list(said.to), list(said.cc)
    kind = local.audience_of(tx, actor, said)
    if kind in ("public", "unlisted") and actor.followers not in said.everyone:
        cc.append(str(actor.followers))
    if answered is not None and answered.id != actor.id and answered.uri not in said.everyone:
        if kind == "direct" and not said.everyone:
            to.append(answered.uri)
        elif kind in ("public", "unlisted", "followers") or (kind == "school" and answered.local):
            cc.append(answered.uri)
    return {"type": "Create", "to": to, "cc": cc, "bcc": list(said.hidden)}


def _document(
    tx: Transaction, actor: Actor, given: Mapping[str, Any], audience: Audience, number: int
) -> dict[str, Any]:
    """The post as everyone sees it who may."""
    uri = f"{tx.school.url}/objects/{number}"
    worded = wording.read(given, audience.named)
    worded = {name: value for name, value in worded.items() if value is not None}
    wording.check_said(worded)
    tags = wording.mentions(worded.pop("tag", ()), audience.named)
    document = {
        "id": uri,
        "type": type_of(given),
        "attributedTo": actor.uri,
        **worded,
        "published": rfc3339(tx.now),
        "url": f"{tx.school.url}/@{actor.username}/{number}",
        **_to(audience),
        "replies": f"{uri}/replies",
    }
    if tags:
        document["tag"] = tags
    if (answered := id_of(given.get("inReplyTo"))) is not None:
        document["inReplyTo"] = answered
    return document


def _keep(
    tx: Transaction, actor: Actor, document: dict[str, Any], audience: Audience, number: int
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
        content=document.get("content", ""),
        url=document["url"],
        in_reply_to=document.get("inReplyTo"),
        document={"@context": CONTEXT, **document},
        published_at=tx.now,
        recipients=recipients,
    )


def _to(audience: Audience) -> dict[str, list[str]]:
    addressed = {"to": list(audience.to), "cc": list(audience.cc)}
    return {field: uris for field, uris in addressed.items() if uris}


def _or(words: tuple[str, ...]) -> str:
    return ", ".join(words[:-1]) + f" or {words[-1]}"
