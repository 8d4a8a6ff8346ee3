"""The words of the common language, and how forgivingly we read them.

Every property may be absent, null, one value or many; a reference or a whole object; plain text or
text in several languages. These functions are the only place that knows this.
https://www.w3.org/TR/activitystreams-vocabulary/
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeGuard

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
        "fep044f": "https://w3id.org/fep/044f#",
        "schema": "http://schema.org#",
        "wf": "https://purl.archive.org/socialweb/webfinger#",
        "mz": "https://joinmobilizon.org/ns#",
        "forge": "https://forgefed.org/ns#",
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
        "votersCount": "toot:votersCount",
        "quote": {"@id": "fep044f:quote", "@type": "@id"},
        "quoteUrl": "as:quoteUrl",
        "PropertyValue": "schema:PropertyValue",
        "value": "schema:value",
        "webfinger": "wf:webfinger",
        "blocked": {"@id": "https://purl.archive.org/socialweb/blocked#blocked", "@type": "@id"},
        "members": {"@id": "mz:members", "@type": "@id"},
        "openness": {"@id": "mz:openness", "@type": "@id"},
        "hasMember": "forge:hasMember",
    },
]
"""What every document of ours begins with. Each term that we send is explained by it: a peer that
reads with a JSON-LD processor drops what is not."""

MOST_TAGS: Final = 60
MOST_MENTIONS: Final = 50
MOST_ATTACHMENTS: Final = 16
MOST_RECIPIENTS: Final = 200
LONGEST_HASHTAG: Final = 100
"""Characters."""

_OWN_WORDS: Final = frozenset({"Create", "Update", "Delete"})
"""Activities whose object is the actor's own, so that its addressing counts as theirs."""

_TIME = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,12})?)?(?:[Zz]|[+-]\d\d:?\d\d)?", re.ASCII
)
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[a-z0-9]{2,8}){0,4}", re.IGNORECASE | re.ASCII)
_NOT_IN_HASHTAG = re.compile(r"[\s/?#&<>\"'`\\]")
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
    if not isinstance(value, list):
        return value
    return next((member for member in value if member is not None), None)


def id_of(value: object) -> str | None:
    """The id that a reference, an embedded object, or the first of several stands for."""
    if isinstance(value, str):
        return value or None
    value = one(value)
    if isinstance(value, dict):
        value = value.get("id")
    return value if isinstance(value, str) and value else None


def ids_of(value: object) -> list[str]:
    """The ids of all values of a property that have one, in order."""
    if value is None:
        return []
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
    given = document.get("type")
    if isinstance(given, str):
        return [given] if given else []
    return [name for name in many(given) if isinstance(name, str) and name]


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
    """Whom something is for, as its author wrote it; `hidden` is bto and bcc.

    `audience` are those among them that the property of that name holds: the group it is said in.
    """

    to: tuple[str, ...] = ()
    cc: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    audience: tuple[str, ...] = ()

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
    return Addressing(to, cc, hidden, _recipients(sources, ("audience",)))


def _recipients(
    sources: Iterable[dict[str, Any]], fields: tuple[str, ...], but: tuple[str, ...] = ()
) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for field in fields:
        for source in sources:
            for recipient in ids_of(source.get(field)):
                found[PUBLIC if recipient in _PUBLIC_SPELLINGS else recipient] = None
    for recipient in but if found else ():
        found.pop(recipient, None)
    return tuple(found)


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
            key: member if isinstance(member, str) else _without_hidden(member)
            for key, member in value.items()
            if key not in ("bto", "bcc")
        }
    if isinstance(value, list):
        return [_without_hidden(member) for member in value]
    return value


def embedded(document: dict[str, Any]) -> dict[str, Any]:
    """A document as it stands inside another, which says the context for both."""
    return {name: member for name, member in document.items() if name != "@context"}


def timestamp(value: object, default: datetime) -> datetime:
    """The moment in a date, in UTC; `default` (the time of receipt) for a bad or a future one."""
    found = moment(value)
    return default if found is None else min(found.astimezone(UTC), default)


def moment(value: object) -> datetime | None:
    """The moment in a date, in the time zone it was written in (UTC if in none); None for a bad
    one. It can be given in UTC."""
    if not isinstance(value, str) or len(value) > 64 or not _TIME.fullmatch(value):
        return None
    try:
        found = datetime.fromisoformat(value.upper().replace(",", "."))
        found = found.replace(tzinfo=UTC) if found.tzinfo is None else found
        found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return found


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


def hashtags(document: dict[str, Any]) -> list[str]:
    """The words that an object is filed under, as `hashtag` spells them, each once."""
    found = (
        hashtag(tag["name"])
        for tag in tags(document)
        if "Hashtag" in types_of(tag) and isinstance(tag.get("name"), str)
    )
    return list(dict.fromkeys(name for name in found if name))


def hashtag(written: str) -> str:
    """A hashtag without #, letter case and width set aside; "" for what is none."""
    plain = unicodedata.normalize("NFKC", written[: LONGEST_HASHTAG * 4].strip()).casefold()
    name = unicodedata.normalize("NFKC", plain).lstrip("#")
    if not name.isprintable() or len(name) > LONGEST_HASHTAG or _NOT_IN_HASHTAG.search(name):
        return ""
    return name


def language_of(document: dict[str, Any]) -> str | None:
    """The language that an object is written in, as BCP 47 spells it, if it says one.

    Said by the language map that holds the text, by `language`, or by the context.
    """
    texts = document.get("contentMap")
    said: list[object] = []
    if isinstance(texts, dict):
        shown = text_of(document.get("content"), texts)
        said += [name for name, text in texts.items() if len(texts) == 1 or text == shown]
    language = document.get("language")
    said.append(language.get("identifier") if isinstance(language, dict) else language)
    said += [
        part["@language"]
        for part in many(document.get("@context"))
        if isinstance(part, dict) and "@language" in part
    ]
    for name in said:
        if isinstance(name, str) and (spelled := name.replace("_", "-")).lower() != "und":
            return spelled if _LANGUAGE.fullmatch(spelled) else None
    return None


def quoted(document: dict[str, Any]) -> str | None:
    """The id of the post that this one quotes, in whichever of the known ways it says so."""
    named = [id_of(document[name]) for name in _QUOTES if name in document]
    named += [
        id_of(tag.get("href"))
        for tag in tags(document)
        if "Link" in types_of(tag) and _is_activity_type(tag.get("mediaType"))
    ]
    own = id_of(document)
    return next((uri for uri in named if uri is not None and uri != own), None)


# FEP-044f, Fedibird, Misskey; after these a Link among the tags (FEP-e232).
_QUOTES: Final = ("quote", "quoteUrl", "quoteUri", "quoteURL", "_misskey_quote")


def _is_activity_type(media_type: object) -> bool:
    """Whether a link leads to a document of this language."""
    if not isinstance(media_type, str):
        return False
    kind, _, rest = media_type.partition(";")
    name = kind.strip().lower()
    return name == MEDIA_TYPE or (name == "application/ld+json" and "activitystreams" in rest)


def is_web(url: object) -> TypeGuard[str]:
    """Whether this is an address that a reader may be sent to: http or https, and not too long."""
    return isinstance(url, str) and len(url) <= addresses.LONGEST and bool(_WEB.fullmatch(url))


def web_url(value: object) -> str | None:
    """The page for people in a `url` property: a string, a Link, or several, text/html first."""
    pages: list[str] = []
    others: list[str] = []
    for member in many(value):
        media_type: object = None
        if isinstance(member, dict):
            media_type = member.get("mediaType") or member.get("mimeType")
            member = one(member.get("href") or member.get("url"))
        if not is_web(member):
            continue
        if isinstance(media_type, str) and media_type.startswith("text/html"):
            return member
        (pages if media_type is None else others).append(member)
    return next(iter(pages + others), None)
