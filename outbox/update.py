"""One of our people edits a post, their own profile, or a project of this school that they lead.

https://www.w3.org/TR/activitypub/#update-activity-outbox: what is given replaces what was there,
null takes it away, the rest stays. Who a post is for cannot be edited; whoever got it gets the
edit too, and so does whoever its new words mention. Earlier words that wait for a server that is
away do not leave any more.
"""

import json
from collections.abc import Mapping
from typing import Any

from actors import local, profile
from federation import content
from federation.errors import Malformed, Refused
from federation.vocabulary import (
    PUBLIC,
    addressing,
    embedded,
    hashtags,
    id_of,
    is_web,
    language_of,
    many,
    rfc3339,
)
from outbox import posts, projects, quoting, typed, wording
from outbox.publish import publish, reword
from outbox.typed import Typed
from storage import actors, deliveries, keys, objects, published
from storage import hashtags as filed
from storage.actors import Actor
from storage.database import Transaction
from storage.objects import Post

# What a client may send along unchanged, as it got it.
_FIXED = ("type", "attributedTo", "inReplyTo", "published", "url", "replies", "quote", "quoteUrl")
_WORDS = ("content", "contentMap", "source")
_PROFILE = (
    "name",
    "summary",
    "manuallyApprovesFollowers",
    "discoverable",
    "indexable",
    "attachment",
    "alsoKnownAs",
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
    if local.in_projects(tx.school, uri):
        return projects.revise(tx, actor, uri, given)
    return _post(tx, actor, posts.own(tx, actor, uri), given)


def _post(tx: Transaction, actor: Actor, post: Post, given: dict[str, Any]) -> str:
    before: dict[str, Any] = json.loads(post.document)
    _check_unchanged(before, given)
    # A program sends back everything it was given: the words that it changed are those that count.
    given = {
        name: said for name, said in given.items() if name not in _WORDS or said != before.get(name)
    }
    openly = {*before.get("to", ()), *before.get("cc", ())}
    written = typed.read(tx, actor, given)
    new = _newly_named(actor, openly, written)
    named = [one for one in objects.recipients_of(tx, post.id) if one.uri in openly] + new
    worded = wording.read(given, named, written)
    document = _told(before, post, new) | {"updated": rfc3339(tx.now)}
    document = _edited(document, worded)
    if "tag" in worded or "tag" in before:
        # To its members nobody needs to say which project it is.
        told = [one for one in named if one.id != post.project_id or post.audience != "project"]
        document["tag"] = wording.mentions(document.get("tag", ()), told)
    wording.check_said(document)
    document, shown = _finished(tx, post, document, given, changed="content" in worded)
    edited = objects.edit(
        tx,
        post.id,
        name=document.get("name"),
        summary=document.get("summary"),
        content=shown,
        url=post.url,
        document=document,
        edited_at=tx.now,
        quotes=post.quotes,
    )
    if not edited:
        raise Refused(f"{post.uri} was edited or deleted meanwhile")
    objects.join_recipients(tx, post.id, [person.id for person in new], False)
    filed.file(tx, post.id, hashtags(document))
    reword(tx, actor, post.uri, document)
    sent = publish(
        tx,
        actor,
        {
            "type": "Update",
            **posts.addresses(tx, post.id, document),
            "object": embedded(document),
        },
        reached_by=post.uri,
    )
    edit = published.own(tx, actor.id, sent)
    assert edit is not None
    deliveries.overtake(tx, edit.id, post.uri)
    return sent


def _check_unchanged(before: Mapping[str, Any], given: dict[str, Any]) -> None:
    for name in _FIXED:
        if name in given and given[name] != before.get(name):
            raise Malformed(f"an edit cannot change {name}")
    said, was = addressing(given), addressing(dict(before))
    if not set(said.everyone) <= set(was.everyone):
        raise Malformed("an edit cannot change who a post is for")


def _newly_named(actor: Actor, openly: set[str], written: Typed | None) -> list[Actor]:
    """Whom the words mention now and did not name before."""
    people = written.people if written else ()
    return [person for person in people if person.uri not in openly and person.id != actor.id]


def _told(before: dict[str, Any], post: Post, new: list[Actor]) -> dict[str, Any]:
    """What was there, addressed to those as well who are mentioned now."""
    field = "to" if post.audience == "direct" else "cc"
    named = [*many(before.get(field)), *(person.uri for person in new)]
    return {**before, field: named} if new else dict(before)


def _edited(before: Mapping[str, Any], worded: Mapping[str, Any]) -> dict[str, Any]:
    changed = {name for name, value in worded.items() if value is not None}
    removed = set(worded) - changed
    if "content" in worded and "source" not in worded:
        # It was the source of other words.
        removed.add("source")
    kept = {name: value for name, value in before.items() if name not in removed}
    return kept | {name: worded[name] for name in worded if name in changed}


def _finished(
    tx: Transaction, post: Post, document: dict[str, Any], given: dict[str, Any], *, changed: bool
) -> tuple[dict[str, Any], str]:
    """The document with what it quotes and its language, and the words alone as we show them."""
    quoted = objects.by_uri(tx, post.quotes) if post.quotes else None
    language = wording.language(given) if "contentMap" in given else language_of(document)
    shown = document.get("content", "") if changed else post.content
    if quoted is not None:
        shown = quoting.without_line(shown, quoted)
    return wording.finished({**document, "content": shown}, language, quoted), shown


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
            "object": embedded(document),
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
    if "alsoKnownAs" in given:
        said["aliases"] = _aliases(actor, given["alsoKnownAs"])
    if "attachment" in given:
        fields = dict(_field(member) for member in many(given["attachment"]))
        made = profile.make(
            fields.get("Role", ""),
            fields.get("Subjects", "").split(","),
            fields.get("Phases", "").split(","),
        ).document()
        said |= {name: made[name] for name in ("title", "subjects", "phases")}
    return said


def _aliases(actor: Actor, given: object) -> list[str]:
    """The accounts that somebody says they had before, at other schools or here."""
    named = many(given)
    if not all(is_web(uri) for uri in named):
        raise Malformed("alsoKnownAs must hold the ids of accounts")
    if actor.uri in named:
        raise Malformed("alsoKnownAs names your other accounts, not this one")
    uris = list(dict.fromkeys(named))
    if len(uris) > profile.ALIASES:
        raise Malformed(f"alsoKnownAs holds at most {profile.ALIASES} accounts")
    return uris


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
