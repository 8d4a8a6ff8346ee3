"""The shapes of what our own people's programs may send, as JSON Schema.

Here, unlike for what other servers send, a field that we do not know is a mistake and is refused
(SECURITY R35): better than to post something other than its author believes.
"""

from typing import Any

import jsonschema_rs

from federation.errors import Malformed
from federation.vocabulary import MOST_ATTACHMENTS, MOST_RECIPIENTS, MOST_TAGS
from storage.reports import MOST_POSTS

POSTS = ("Note", "Article", "Page", "Question")
_URL = {"type": "string", "minLength": 1, "maxLength": 2048}
_REFERENCE = {
    "anyOf": [_URL, {"type": "object", "properties": {"id": _URL}, "required": ["id"]}],
}
_RECIPIENTS = {
    "anyOf": [_REFERENCE, {"type": "array", "items": _REFERENCE, "maxItems": MOST_RECIPIENTS}]
}
_ADDRESSES = dict.fromkeys(("to", "cc", "bto", "bcc", "audience"), _RECIPIENTS)
_CONTEXT = {"@context": True}
_TEXT = {"type": ["string", "null"], "maxLength": 20_000}
_LINE = {"type": ["string", "null"], "maxLength": 2_000}
_SOURCE = {
    "type": ["object", "null"],
    "properties": {"content": _TEXT, "mediaType": _LINE},
    "required": ["content"],
    "additionalProperties": False,
}
# `outbox/polls.py` says how many, and how long; what comes back from an edit carries figures.
_CHOICES = {
    "type": ["array", "null"],
    "items": {
        "type": "object",
        "properties": {"type": {"const": "Note"}, "name": _LINE, "replies": True},
        "required": ["name"],
        "additionalProperties": False,
    },
}
_POST = {
    "type": {"enum": list(POSTS)},
    "id": _URL,
    "attributedTo": _REFERENCE,
    "name": _LINE,
    "summary": _LINE,
    "sensitive": {"type": ["boolean", "null"]},
    "content": _TEXT,
    "contentMap": {"type": ["object", "null"], "maxProperties": 1, "additionalProperties": _TEXT},
    "mediaType": {"enum": ["text/html", "text/plain", "text/markdown"]},
    "source": _SOURCE,
    "inReplyTo": {"anyOf": [_REFERENCE, {"type": "null"}]},
    "quote": _REFERENCE,
    "quoteUrl": _REFERENCE,
    "oneOf": _CHOICES,
    "anyOf": _CHOICES,
    "endTime": _LINE,
    "closed": {"type": ["string", "boolean", "null"], "maxLength": 100},
    "votersCount": {"type": ["integer", "null"]},
    "tag": {"type": ["array", "object", "null"], "maxItems": MOST_TAGS},
    "attachment": {"type": ["array", "object", "null"], "maxItems": MOST_ATTACHMENTS},
    "published": _LINE,
    "updated": _LINE,
    "url": True,
    "replies": True,
}
# What a profile or a project holds; only some of it can be changed (`outbox/update.py` says which).
# fmt: off
_PROFILE: dict[str, Any] = dict.fromkeys((
    "type", "preferredUsername", "webfinger", "inbox", "outbox", "followers", "following", "liked",
    "featured", "endpoints", "url", "published", "updated", "manuallyApprovesFollowers",
    "publicKey", "assertionMethod", "name", "summary", "discoverable", "indexable", "suspended",
    "alsoKnownAs", "attachment", "members", "openness", "attributedTo", "startTime", "endTime",
), True)
# fmt: on


def _shape(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def _activity(thing: dict[str, Any], **more: Any) -> dict[str, Any]:
    properties = {
        **_CONTEXT,
        "id": _URL,
        "type": {"type": "string"},
        "actor": _REFERENCE,
        "published": _LINE,
        "object": thing,
        **_ADDRESSES,
        **more,
    }
    return _shape(properties, "type", "object")


_POSTED = _shape({**_CONTEXT, **_ADDRESSES, **_POST}, "type")
_EDITED = {
    "anyOf": [
        _shape({**_CONTEXT, **_ADDRESSES, **_POST}, "id"),
        _shape({**_CONTEXT, "id": _URL, **_PROFILE}, "id"),
    ]
}
# A person, and posts of theirs.
_REPORTED = {
    "anyOf": [
        _REFERENCE,
        {"type": "array", "items": _REFERENCE, "minItems": 1, "maxItems": 1 + MOST_POSTS},
    ]
}
_UNDONE = {
    "anyOf": [
        _REFERENCE,
        _shape(
            {
                "type": {"type": "string"},
                "actor": _REFERENCE,
                "object": _REPORTED,
                "target": _REFERENCE,
            },
            "type",
            "object",
        ),
    ]
}

# Somebody as a member of a project, and what they are there.
_ROLE: dict[str, Any] = {"instrument": _LINE, "role": _LINE}
_RELATIONSHIP = _shape(
    {
        "type": {"const": "Relationship"},
        "subject": _REFERENCE,
        "relationship": _LINE,
        "object": _REFERENCE,
        **_ROLE,
    },
    "type",
    "object",
)

SHAPES = {
    "Create": _activity(_POSTED),
    "Update": _activity(_EDITED),
    "Delete": _activity(_REFERENCE),
    "Follow": _activity(_REFERENCE),
    "Accept": _activity(_REFERENCE, **_ROLE),
    "Reject": _activity(_REFERENCE),
    "Undo": _activity(_UNDONE),
    "Like": _activity(_REFERENCE),
    "Announce": _activity(_REFERENCE),
    "Block": _activity(_REFERENCE),
    "Flag": _activity(_REPORTED, content=_LINE, forward={"type": "boolean"}),
    "Join": _activity(_REFERENCE, **_ROLE),
    "Leave": _activity(_REFERENCE),
    "Invite": _activity(_REFERENCE, target=_REFERENCE, **_ROLE),
    "Add": _activity({"anyOf": [_REFERENCE, _RELATIONSHIP]}, target=_REFERENCE, **_ROLE),
    "Remove": _activity(_REFERENCE, target=_REFERENCE),
    "Move": _activity(_REFERENCE, target=_REFERENCE),
}
_VALIDATORS = {name: jsonschema_rs.validator_for(shape) for name, shape in SHAPES.items()}


def check(activity: dict[str, Any]) -> None:
    """Raise Malformed, saying where, unless an activity is exactly as its type wants it."""
    kind = str(activity.get("type"))
    if kind not in _VALIDATORS:
        raise Malformed(f"type must be one of {', '.join([*SHAPES, *POSTS])}")
    try:
        _VALIDATORS[kind].validate(activity)
    except jsonschema_rs.ValidationError as error:
        place = "/".join(str(step) for step in error.instance_path)
        words = error.message[:120]
        raise Malformed(f"{place}: {words}" if place else words) from None
