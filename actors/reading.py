"""What somebody wrote on another server, read: whatever shape it has, text that we may show.

Limits are applied, HTML is cleaned, addresses are checked. A Note or a Question is its words, an
Article or Page its title, abstract and words. Everything else has a title and abstract too; its
text is what can be told of it (when and where an event is, what a film is about) and a link.
https://www.w3.org/TR/activitystreams-vocabulary/#object-types
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape, unescape
from typing import Any

from actors import remote
from federation import addresses, attachments, content, vocabulary
from federation.addresses import Rules
from federation.errors import Malformed

# SECURITY table 0.1, in characters.
CONTENT_LIMIT = content.LONGEST_TEXT
NAME_LIMIT = 200
SUMMARY_LIMIT = 2_000
OPTIONS = 20
OPTION_LIMIT = 200

PLACES = 4
PLACE_LIMIT = 300
MOST_VOTES = 1_000_000_000

# What is said rather than published: without a title, and its summary is a content warning.
SAID = frozenset({"Note", "Question", "ChatMessage"})
# Shown as the text they are. Everything else is shown on a card.
TEXTS = SAID | {"Article", "Page"}

NEVER_POSTS = remote.ACTOR_TYPES | {
    "Tombstone", "Collection", "OrderedCollection", "CollectionPage", "OrderedCollectionPage",
    "Accept", "Add", "Announce", "Arrive", "Block", "Create", "Delete", "Dislike", "EmojiReact",
    "Flag", "Follow", "Ignore", "Invite", "Join", "Leave", "Like", "Listen", "Lock", "Move",
    "Offer", "Read", "Reject", "Remove", "TentativeAccept", "TentativeReject", "Travel", "Undo",
    "Update", "View", "CryptographicKey", "Emoji", "Hashtag", "Key", "Link", "Mention", "Multikey",
    "Relationship",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Asked:
    """The poll in a post, with the figures that its own server gives: (name, votes)."""

    several: bool
    ends_at: datetime | None
    ended_at: datetime | None
    voters: int
    options: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """What we take from a document."""

    uri: str
    type: str
    name: str | None
    summary: str | None
    content: str
    url: str
    in_reply_to: str | None
    quotes: str | None
    hashtags: tuple[str, ...]
    poll: Asked | None
    published_at: datetime
    edited_at: datetime | None  # as the author says; some say it of what is new


def read(document: dict[str, Any], rules: Rules, now: datetime) -> Reading:
    """Read a post; raises Malformed for what is no post or has no usable id."""
    kinds = vocabulary.types_of(document)
    if not kinds or not NEVER_POSTS.isdisjoint(kinds) or _is_done(document):
        raise Malformed(f"{' and '.join(kinds) or 'something without a type'} is not a post")
    kind = next((kind for kind in kinds if kind in TEXTS), kinds[0])
    uri = vocabulary.uri_of(document, rules)
    url = uri
    if attachments.page_elsewhere(document) is None:
        url = _web(vocabulary.web_url(document.get("url")), rules) or uri
    quotes = _web(vocabulary.quoted(document), rules)
    updated = document.get("updated")
    name, summary = _line(document, "name", NAME_LIMIT), _summary(document)
    shown = _words(document)
    if quotes is not None:
        shown = content.without_quote_line(shown)
    if kind in SAID:
        name, shown = (name, shown) if shown else ("", content.paragraphs(name))
    elif _repeats(summary, name, shown):
        summary = ""
    return Reading(
        uri=uri,
        type=kind,
        name=name or None,
        summary=summary or None,
        content=shown if kind in TEXTS else _card(document, shown, url),
        url=url,
        in_reply_to=_web(vocabulary.id_of(document.get("inReplyTo")), rules),
        quotes=quotes,
        hashtags=tuple(vocabulary.hashtags(document)),
        poll=_poll(document, now),
        published_at=vocabulary.timestamp(document.get("published"), now),
        edited_at=None if updated is None else vocabulary.timestamp(updated, now),
    )


def _is_done(document: dict[str, Any]) -> bool:
    """Whether it is something that somebody did rather than wrote, whatever its type."""
    return "actor" in document and "attributedTo" not in document


def is_vote(document: dict[str, Any]) -> bool:
    """Whether this has the shape of a vote: the name of a choice, in answer to something."""
    if "name" not in document and "nameMap" not in document:
        return False
    said = vocabulary.text_of(document.get("content"), document.get("contentMap"))
    return (
        "Note" in vocabulary.types_of(document)
        and bool(choice(document))
        and vocabulary.id_of(document.get("inReplyTo")) is not None
        and not said.strip()
        and not vocabulary.many(document.get("attachment"))
    )


def choice(document: dict[str, Any]) -> str:
    """The name of a choice in a poll, or of the one that a vote takes."""
    return _line(document, "name", OPTION_LIMIT)


# --- words ---------------------------------------------------------------------------------------


def _line(document: dict[str, Any], field: str, limit: int) -> str:
    written = vocabulary.text_of(document.get(field), document.get(f"{field}Map"))
    return content.one_line(written, limit)


def _summary(document: dict[str, Any]) -> str:
    written = vocabulary.text_of(document.get("summary"), document.get("summaryMap"))
    return content.one_line(content.plain(written), SUMMARY_LIMIT)


def _words(document: dict[str, Any]) -> str:
    """What was written, as clean HTML: as it came, or made of plain text with its line ends."""
    written = vocabulary.text_of(document.get("content"), document.get("contentMap"))
    if "<" not in written:
        written = unescape(written)
    elif not _is_plain(document):
        return _clean(written)
    return content.paragraphs(written)


def _clean(written: str) -> str:
    """Of a text beyond the limit its beginning; the rest stays in the document."""
    if len(written) > CONTENT_LIMIT:
        words = content.plain(written)
        if len(words) >= CONTENT_LIMIT:
            return content.paragraphs(words[: CONTENT_LIMIT - 1] + "…")
    return content.clean(written)


def _is_plain(document: dict[str, Any]) -> bool:
    """Whether the words are no HTML: what looks like a tag in them was typed."""
    media_type = document.get("mediaType")
    return isinstance(media_type, str) and media_type.startswith(("text/plain", "text/markdown"))


def _repeats(summary: str, name: str, shown: str) -> bool:
    """Whether an abstract only says what stands above or below it anyway."""
    said = summary.rstrip("….").casefold()
    return not said or said == name.casefold() or _squeezed(shown).startswith(said)


def _squeezed(shown: str) -> str:
    return " ".join(content.plain(shown).split()).casefold()


# --- cards ---------------------------------------------------------------------------------------


def _card(document: dict[str, Any], shown: str, url: str) -> str:
    """What can be told of what we do not show itself, and the way to it."""
    facts = [escape(_time(document)), *_places(document)]
    told = "".join(f"<p>{fact}</p>" for fact in facts if fact)
    return content.clean(f'{told}{shown}<p><a href="{escape(url)}">{escape(url)}</a></p>')


def _time(document: dict[str, Any]) -> str:
    """When an event is, in its own time zone."""
    start = vocabulary.moment(document.get("startTime"))
    if start is None:
        return ""
    end = _same_zone(vocabulary.moment(document.get("endTime")), start)
    said = f"{start.day} {start:%B %Y, %H:%M}"
    if end is not None and end > start:
        same_day = end.date() == start.date()
        said += f" to {end:%H:%M}" if same_day else f" to {end.day} {end:%B %Y, %H:%M}"
    return f"{said} ({start:%Z})"


def _same_zone(end: datetime | None, start: datetime) -> datetime | None:
    try:
        return None if end is None else end.astimezone(start.tzinfo)
    except OverflowError:  # on the last day that a calendar has
        return None


def _places(document: dict[str, Any]) -> Iterator[str]:
    """Where an event is, in HTML: a name and an address, or a link to a meeting."""
    for place in vocabulary.many(document.get("location"))[:PLACES]:
        if isinstance(place, str):
            place = {"name": place}
        if not isinstance(place, dict):
            continue
        parts = [_line(place, "name", PLACE_LIMIT), *_address(place.get("address"))]
        said = escape(", ".join(dict.fromkeys(part for part in parts if part))[:PLACE_LIMIT])
        link = vocabulary.web_url(place.get("url"))
        if link is not None:
            said = f'<a href="{escape(link)}">{said or escape(link)}</a>'
        if said:
            yield said


def _address(written: object) -> list[str]:
    if isinstance(written, str):
        return [content.one_line(written, PLACE_LIMIT)]
    if not isinstance(written, dict):
        return []
    names = ("streetAddress", "postalCode", "addressLocality", "addressRegion", "addressCountry")
    return [_line(written, name, PLACE_LIMIT) for name in names]


# --- polls ---------------------------------------------------------------------------------------


def _poll(document: dict[str, Any], now: datetime) -> Asked | None:
    if "Question" not in vocabulary.types_of(document):
        return None
    one_of = vocabulary.many(document.get("oneOf"))
    written = one_of or vocabulary.many(document.get("anyOf"))
    options = tuple(
        (choice(option), _count(option.get("replies"), "totalItems"))
        for option in written[:OPTIONS]
        if isinstance(option, dict) and choice(option)
    )
    if not options:
        return None
    closed = document.get("closed")
    ends_at = vocabulary.moment(document.get("endTime")) or vocabulary.moment(closed)
    ends_at = None if ends_at is None else ends_at.astimezone(UTC)
    over = closed is True or (ends_at is not None and ends_at <= now)
    votes = [count for _, count in options]
    return Asked(
        several=not one_of,
        ends_at=ends_at,
        ended_at=min(ends_at or now, now) if over else None,
        voters=_count(document, "votersCount") or (sum(votes) if one_of else max(votes)),
        options=options,
    )


def _count(given: object, field: str) -> int:
    """A figure that somebody else's server gives: believed, within reason."""
    value = given.get(field) if isinstance(given, dict) else None
    return min(value, MOST_VOTES) if type(value) is int and value > 0 else 0


def _web(found: str | None, rules: Rules) -> str | None:
    """An address in our spelling, or None if it is none that we would ever follow."""
    if found is None:
        return None
    try:
        return addresses.canonical(found, rules)
    except Malformed:
        return None
