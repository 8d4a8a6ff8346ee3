"""One of our people edits a post, or their own profile.

https://www.w3.org/TR/activitypub/#update-activity-outbox: what is given replaces what was there,
null takes it away, the rest stays. Who a post is for cannot be edited; whoever got it gets the
edit too.
"""

import json
from collections.abc import Mapping
from typing import Any

from actors import local, profile
from federation import content
from federation.errors import Malformed, Refused
from federation.vocabulary import PUBLIC, addressing, id_of, many, rfc3339
from outbox import wording
from outbox.publish import publish
from storage import actors, keys, objects
from storage.actors import Actor
from storage.database import Transaction
from storage.objects import Post

# What a client may send along unchanged, as it got it.
_FIXED = ("type", "attributedTo", "inReplyTo", "published", "url", "replies")
_PROFILE = (
    "name",
    "summary",
    "manuallyApprovesFollowers",
    "discoverable",
    "indexable",
    "attachment",
)


def send(tx: Transaction, actor: Actor, activity: dict[str, Any]) -> str:
    """Publish the edit in `activity`; the id of the Update.

    Raises Refused for anything that our actor did not write, Malformed for what cannot be edited.
    """
    given = activity.get("object")
    if not isinstance(given, dict):
        raise Malformed("Update needs an object with its id and what changes")
    uri = id_of(given)
    if uri is None:
        raise Malformed("Update needs the id of what changes")
    if uri == actor.uri:
        return _profile(tx, actor, given)
    post = objects.by_uri(tx, uri)
    if post is None or post.author_id != actor.id or post.deleted_at is not None:
        raise Refused(f"{uri} is not a post of yours")
    return _post(tx, actor, post, given)


def _post(tx: Transaction, actor: Actor, post: Post, given: dict[str, Any]) -> str:
    before: dict[str, Any] = json.loads(post.document)
    _check_unchanged(before, given)
    recipients = objects.recipients_of(tx, post.id)
    openly = {*before.get("to", ()), *before.get("cc", ())}
    named = [person for person in recipients if person.uri in openly]
    document = _edited(before, wording.read(given, named)) | {"updated": rfc3339(tx.now)}
    if "tag" in given or "tag" in before:
        document["tag"] = wording.mentions(document.get("tag", ()), named)
    wording.check_said(document)
    changed = objects.edit(
        tx,
        post.id,
        name=document.get("name"),
        summary=document.get("summary"),
        content=document.get("content", ""),
        url=post.url,
        document=document,
        edited_at=tx.now,
    )
    if not changed:
        raise Refused(f"{post.uri} was edited or deleted meanwhile")
    return publish(
        tx,
        actor,
        {
            "type": "Update",
            "to": before.get("to", []),
            "cc": before.get("cc", []),
            "bcc": [person.uri for person in recipients if person.uri not in openly],
            "object": {name: value for name, value in document.items() if name != "@context"},
        },
        reached_by=post.uri,
    )


def _check_unchanged(before: Mapping[str, Any], given: dict[str, Any]) -> None:
    for name in _FIXED:
        if name in given and given[name] != before.get(name):
            raise Malformed(f"an edit cannot change {name}")
    said, was = addressing(given), addressing(dict(before))
    if not set(said.everyone) <= set(was.everyone):
        raise Malformed("an edit cannot change who a post is for")


def _edited(before: Mapping[str, Any], worded: Mapping[str, Any]) -> dict[str, Any]:
    changed = {name for name, value in worded.items() if value is not None}
    removed = set(worded) - changed
    if "content" in worded and "source" not in worded:
        # It was the source of other words.
        removed.add("source")
    kept = {name: value for name, value in before.items() if name not in removed}
    return kept | {name: worded[name] for name in worded if name in changed}


# --- the profile -------------------------------------------------------------------------------


def _profile(tx: Transaction, actor: Actor, given: dict[str, Any]) -> str:
    before = local.document(tx.school, actor, keys.of_actor(tx, actor.id))
    for name, value in given.items():
        if name not in _PROFILE and name != "@context" and value != before.get(name):
            raise Malformed(f"{name} of a profile cannot be changed here")
    changed = actors.update_local(
        tx,
        actor.id,
        name=_name(actor, given),
        summary=_summary(given),
        approves_followers=_flag(given, "manuallyApprovesFollowers"),
        document=_said(actor, given),
    )
    document = local.document(tx.school, changed, keys.of_actor(tx, actor.id))
    return publish(
        tx,
        changed,
        {
            "type": "Update",
            "to": [PUBLIC],
            "cc": [actor.followers],
            "object": {name: value for name, value in document.items() if name != "@context"},
        },
    )


def _name(actor: Actor, given: Mapping[str, Any]) -> str | None:
    if "name" not in given:
        return None
    typed = "" if given["name"] is None else given["name"]
    return wording.line(typed, "name", profile.NAME_LIMIT) or actor.username


def _summary(given: Mapping[str, Any]) -> str | None:
    if "summary" not in given:
        return None
    typed = "" if given["summary"] is None else given["summary"]
    if not isinstance(typed, str) or len(typed) > profile.SUMMARY_LIMIT:
        raise Malformed(f"summary must be text of at most {profile.SUMMARY_LIMIT:,} characters")
    return content.clean(typed)


def _flag(given: Mapping[str, Any], name: str) -> bool | None:
    if name not in given:
        return None
    if not isinstance(given[name], bool | None):
        raise Malformed(f"{name} must be true or false")
    return bool(given[name])


def _said(actor: Actor, given: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept beside the columns: the fields as they are shown, read back."""
    said = profile.of(actor).document()
    for flag in ("discoverable", "indexable"):
        said[flag] = said[flag] if (value := _flag(given, flag)) is None else value
    if "attachment" in given:
        fields = dict(_field(member) for member in many(given["attachment"]))
        made = profile.make(
            fields.get("Role", ""),
            fields.get("Subjects", "").split(","),
            fields.get("Phases", "").split(","),
        ).document()
        said |= {name: made[name] for name in ("title", "subjects", "phases")}
    return said


def _field(member: object) -> tuple[str, str]:
    if not isinstance(member, dict) or member.get("type") != "PropertyValue":
        raise Malformed("attachment of a profile must hold PropertyValue fields")
    name = wording.line(member.get("name"), "attachment.name", profile.FIELD_LIMIT)
    if name not in ("Role", "Subjects", "Phases", "School"):
        raise Malformed(f"{name!r} is not a field: use Role, Subjects or Phases")
    # The school's own field is a link that we make.
    value = "" if name == "School" else member.get("value")
    text = content.plain(value) if isinstance(value, str) else value
    return name, wording.line(text, "attachment.value", profile.FIELD_LIMIT)
