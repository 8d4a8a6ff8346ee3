"""The words of the common language, and how forgivingly we read them.

Every property may be absent, null, one value or many; a reference or a whole object; plain text or
text in several languages. These functions are the only place that knows this.
https://www.w3.org/TR/activitystreams-vocabulary/
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from federation import addresses
from federation.addresses import Rules
from federation.errors import Malformed

PUBLIC: Final = "https://www.w3.org/ns/activitystreams#Public"
"""The only spelling that we send; others do not know the short ones."""

_PUBLIC_SPELLINGS: Final = frozenset({PUBLIC, "as:Public", "Public"})

MEDIA_TYPE: Final = "application/activity+json"
ACCEPT: Final = 'application/activity+json, application/ld+json; profile="https://www.w3.org/ns/activitystreams"'

CONTEXT: Final[list[Any]] = [
    "https://www.w3.org/ns/activitystreams",
    "https://www.w3.org/ns/did/v1",
    "https://w3id.org/security/v1",
    "https://w3id.org/security/data-integrity/v1",
    "https://w3id.org/security/multikey/v1",
    {
        "toot": "http://joinmastodon.org/ns#",
        "schema": "http://schema.org#",
        "wf": "https://purl.archive.org/socialweb/webfinger#",
        "manuallyApprovesFollowers": "as:manuallyApprovesFollowers",
        "movedTo": {"@id": "as:movedTo", "@type": "@id"},
        "sensitive": "as:sensitive",
        "Hashtag": "as:Hashtag",
        "Emoji": "toot:Emoji",
        "featured": {"@id": "toot:featured", "@type": "@id"},
        "featuredTags": {"@id": "toot:featuredTags", "@type": "@id"},
        "discoverable": "toot:discoverable",
        "indexable": "toot:indexable",
        "suspended": "toot:suspended",
        "memorial": "toot:memorial",
        "blurhash": "toot:blurhash",
        "focalPoint": {"@container": "@list", "@id": "toot:focalPoint"},
        "PropertyValue": "schema:PropertyValue",
        "value": "schema:value",
        "webfinger": "wf:webfinger",
    },
]
"""What every document of ours begins with. Each term that we send is explained by it: a peer that
reads with a JSON-LD processor drops what is not."""

MOST_TAGS: Final = 60
MOST_MENTIONS: Final = 50
MOST_ATTACHMENTS: Final = 16
MOST_RECIPIENTS: Final = 200

_OWN_WORDS: Final = frozenset({"Create", "Update", "Delete"})
"""Activities whose object is the actor's own, so that its addressing counts as theirs."""

_TIME = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,12})?)?(?:[Zz]|[+-]\d\d:?\d\d)?", re.ASCII
)
_WEB = re.compile(r"https?://[^\s/?#@\\<>\"'`]+(?:[/?#][^\s\\<>\"`]*)?", re.IGNORECASE)


def many(value: object) -> list[Any]:
    """The values of a property, in order; none for what is absent or null."""
    if value is None:
        return []
    if isinstance(value, list):
        return [member for member in value if member is not None]
    return [value]


def one(value: object) -> Any:
    """The value of a property, or its first one."""
    values = many(value)
    return values[0] if values else None


def id_of(value: object) -> str | None:
    """The id that a reference, an embedded object, or the first of several stands for."""
    value = one(value)
    if isinstance(value, dict):
        value = value.get("id")
    return value if isinstance(value, str) and value else None


def ids_of(value: object) -> list[str]:
    """The ids of all values of a property that have one, in order."""
    return [found for member in many(value) if (found := id_of(member)) is not None]


def uri_of(value: object, rules: Rules) -> str:
    """The id of what was named, in our spelling; raises Malformed if there is no usable one."""
    found = id_of(value)
    if found is None:
        raise Malformed("what it is about has no id")
    return addresses.canonical(found, rules)


def uris_of(values: Iterable[str], rules: Rules) -> list[str]:
    """Ids in our spelling, each once, without Public and what is none, at most 200."""
    found: dict[str, None] = {}
    for value in values:
        if value == PUBLIC:
            continue
        try:
            found[addresses.canonical(value, rules)] = None
        except Malformed:
            continue
        if len(found) == MOST_RECIPIENTS:
            break
    return list(found)


def types_of(document: object) -> list[str]:
    """All types of an object; usually one."""
    if not isinstance(document, dict):
        return []
    return [name for name in many(document.get("type")) if isinstance(name, str) and name]


def type_of(document: object) -> str:
    """The (first) type of an object, "" if it has none."""
    names = types_of(document)
    return names[0] if names else ""


def text_of(value: object, map_value: object = None) -> str:
    """A text, or the best of its language map (`contentMap` and its like), else ""."""
    for member in many(value):
        if isinstance(member, str):
            return member
        if isinstance(member, dict) and (text := _best_language(member)):
            return text
    return _best_language(map_value)


def _best_language(languages: object) -> str:
    if not isinstance(languages, dict):
        return ""
    texts = {
        str(language).lower(): text
        for language, text in languages.items()
        if isinstance(text, str) and text
    }
    for wanted in ("en-gb", "en", "und"):
        if wanted in texts:
            return texts[wanted]
    return next(iter(texts.values()), "")


@dataclass(frozen=True, slots=True)
class Addressing:
    """Whom something is for, as its author wrote it; `hidden` is bto and bcc."""

    to: tuple[str, ...] = ()
    cc: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()

    @property
    def everyone(self) -> tuple[str, ...]:
        """All ids, each once."""
        return tuple(dict.fromkeys(self.to + self.cc + self.hidden))


def addressing(activity: dict[str, Any]) -> Addressing:
    """Whom an activity (or a bare object) is for.

    The addressing of the embedded object counts too where the object is the actor's own; nobody
    widens the audience of another's post by passing it on.
    """
    sources = [activity]
    embedded = one(activity.get("object"))
    if isinstance(embedded, dict) and not _OWN_WORDS.isdisjoint(types_of(activity)):
        sources.append(embedded)
    to = _recipients(sources, ("to",))
    cc = _recipients(sources, ("cc", "audience"), but=to)
    hidden = _recipients(sources, ("bto", "bcc"), but=to + cc)
    return Addressing(to, cc, hidden)


def _recipients(
    sources: Iterable[dict[str, Any]], fields: tuple[str, ...], but: tuple[str, ...] = ()
) -> tuple[str, ...]:
    found = (
        PUBLIC if recipient in _PUBLIC_SPELLINGS else recipient
        for field in fields
        for source in sources
        for recipient in ids_of(source.get(field))
    )
    return tuple(recipient for recipient in dict.fromkeys(found) if recipient not in but)


def audience(to_whom: Addressing, followers_uri: str | None, members_uri: str | None) -> str:
    """Who may see it: "public", "unlisted", "followers", "school" or "direct".

    `followers_uri` is the author's followers collection, `members_uri` the members of this school.
    What is addressed to the school stays in the school, whoever else it names.
    """
    shown = to_whom.to + to_whom.cc
    if PUBLIC in to_whom.to:
        return "public"
    if PUBLIC in shown:
        return "unlisted"
    if members_uri is not None and members_uri in shown:
        return "school"
    if followers_uri is not None and followers_uri in shown:
        return "followers"
    return "direct"


def without_hidden(document: dict[str, Any]) -> dict[str, Any]:
    """A copy without bto and bcc, at whatever depth. https://www.w3.org/TR/activitypub/#delivery"""
    copy: dict[str, Any] = _without_hidden(document)
    return copy


def _without_hidden(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: _without_hidden(member)
            for key, member in value.items()
            if key not in ("bto", "bcc")
        }
    if isinstance(value, list):
        return [_without_hidden(member) for member in value]
    return value


def timestamp(value: object, default: datetime) -> datetime:
    """The moment in a date, in UTC; `default` (the time of receipt) for a bad or a future one."""
    if not isinstance(value, str) or len(value) > 64 or not _TIME.fullmatch(value):
        return default
    try:
        moment = datetime.fromisoformat(value.upper().replace(",", "."))
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return default
    return min(moment, default)


def rfc3339(moment: datetime) -> str:
    """A moment as we send it: UTC, whole seconds, with a Z."""
    return moment.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def tombstone(uri: str, former_type: str, deleted: datetime) -> dict[str, Any]:
    """What stands for ever in the place of what was deleted."""
    return {
        "id": uri,
        "type": "Tombstone",
        "formerType": former_type,
        "deleted": rfc3339(deleted),
    }


def tags(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The mentions, hashtags and emoji of an object; what is over the limit stays unread."""
    return [tag for tag in many(document.get("tag")) if isinstance(tag, dict)][:MOST_TAGS]


def web_url(value: object) -> str | None:
    """The page for people in a `url` property: a string, a Link, or several, text/html first."""
    pages: list[str] = []
    others: list[str] = []
    for member in many(value):
        media_type: object = None
        if isinstance(member, dict):
            media_type = member.get("mediaType")
            member = one(member.get("href") or member.get("url"))
        if not isinstance(member, str) or len(member) > 2048 or not _WEB.fullmatch(member):
            continue
        if isinstance(media_type, str) and media_type.startswith("text/html"):
            return member
        (pages if media_type is None else others).append(member)
    return next(iter(pages + others), None)
