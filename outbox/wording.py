"""What somebody typed becomes what others see: clean HTML, one-line titles, tags, pictures.

Everything has a limit, and going over it is said aloud; nothing is cut off in silence.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from federation import content
from federation.errors import Malformed
from federation.vocabulary import (
    MOST_ATTACHMENTS,
    MOST_MENTIONS,
    MOST_TAGS,
    id_of,
    many,
    type_of,
    web_url,
)
from storage.actors import Actor

# SECURITY table 0.1, in characters.
POST = 20_000
NAME = 200
SUMMARY = 1_000
ALT_TEXT = 2_000

_PLAIN = ("text/plain", "text/markdown")
_PICTURES = ("Document", "Image", "Audio", "Video")

# Words, and what goes with them. `null` stays null: in an edit it takes the field away.
FIELDS = ("name", "summary", "sensitive", "content", "source", "tag", "attachment")


def read(given: Mapping[str, Any], named: Iterable[Actor]) -> dict[str, Any]:
    """The fields of `given` that are words, as others will see them; absent ones stay absent.

    `named` are the people openly addressed: only they can be mentioned. Raises Malformed.
    """
    worded: dict[str, Any] = {name: None for name in FIELDS if name in given}
    if given.get("name") is not None:
        worded["name"] = line(given["name"], "name", NAME)
    if given.get("summary") is not None:
        worded["summary"] = line(given["summary"], "summary", SUMMARY)
    if given.get("sensitive") is not None:
        worded["sensitive"] = _yes_or_no(given["sensitive"], "sensitive")
    if given.get("source") is not None:
        worded["source"] = _source(given["source"])
    if given.get("content") is not None:
        worded["content"] = _content(given["content"], given.get("mediaType"))
    elif given.get("source") is not None:
        worded["content"] = content.paragraphs(worded["source"]["content"])
    if given.get("tag") is not None:
        worded["tag"] = _tags(given["tag"], {actor.uri for actor in named})
    if given.get("attachment") is not None:
        worded["attachment"] = _attachments(given["attachment"])
    return worded


def check_said(document: Mapping[str, Any]) -> None:
    """Raise Malformed for a post without anything in it."""
    if not any(document.get(name) for name in ("content", "name", "attachment")):
        raise Malformed("a post needs content, a name or an attachment")


def mentions(tags: Iterable[Mapping[str, Any]], named: Iterable[Actor]) -> list[dict[str, Any]]:
    """`tags`, and a Mention for each of `named` who has none: else many servers tell nobody."""
    tagged = [dict(tag) for tag in tags]
    have = {tag.get("href") for tag in tagged if tag.get("type") == "Mention"}
    missing = [actor for actor in named if actor.uri not in have][: MOST_MENTIONS - len(have)]
    return tagged + [
        {"type": "Mention", "href": actor.uri, "name": actor.handle} for actor in missing
    ]


def line(value: object, field: str, limit: int) -> str:
    """One line of plain text. Raises Malformed when it is none or longer than `limit`."""
    if not isinstance(value, str):
        raise Malformed(f"{field} must be text")
    if len(value) > limit:
        raise Malformed(f"{field} has more than {limit:,} characters")
    return content.one_line(value, limit)


def _yes_or_no(value: object, field: str) -> bool:
    if not isinstance(value, bool):
        raise Malformed(f"{field} must be true or false")
    return value


def _text(value: object, field: str) -> str:
    if not isinstance(value, str):
        raise Malformed(f"{field} must be text")
    if len(value) > POST:
        raise Malformed(f"{field} has more than {POST:,} characters")
    return value


def _content(value: object, media_type: object) -> str:
    text = _text(value, "content")
    if media_type in (None, "text/html"):
        return content.clean(text)
    if media_type in _PLAIN:
        return content.paragraphs(text)
    raise Malformed(f"mediaType must be text/html or one of {', '.join(_PLAIN)}")


def _source(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        raise Malformed("source must be an object with content and mediaType")
    media_type = value.get("mediaType", "text/plain")
    if media_type not in (*_PLAIN, "text/html"):
        raise Malformed(f"source.mediaType {media_type!r} is not one that we read")
    return {"content": _text(value.get("content"), "source.content"), "mediaType": media_type}


def _tags(value: object, addressed: set[str]) -> list[dict[str, str]]:
    tags = many(value)
    if len(tags) > MOST_TAGS:
        raise Malformed(f"more than {MOST_TAGS} tags")
    kept = []
    for tag in tags:
        kind = type_of(tag)
        name = line(tag.get("name") or "", "tag.name", NAME) if kind else ""
        href = id_of(tag.get("href")) if kind else None
        if kind == "Mention":
            # A mention is not an address: whoever is not named in to or cc is not told.
            if href in addressed:
                kept.append({"type": kind, "href": href, "name": name})
        elif kind == "Hashtag":
            link = web_url(href)
            kept.append({"type": kind, **({"href": link} if link else {}), "name": name})
        else:
            raise Malformed("a tag must be a Mention or a Hashtag")
    if sum(tag["type"] == "Mention" for tag in kept) > MOST_MENTIONS:
        raise Malformed(f"more than {MOST_MENTIONS} mentions")
    return kept


def _attachments(value: object) -> list[dict[str, Any]]:
    attachments = many(value)
    if len(attachments) > MOST_ATTACHMENTS:
        raise Malformed(f"more than {MOST_ATTACHMENTS} attachments")
    return [_attachment(attachment) for attachment in attachments]


def _attachment(given: object) -> dict[str, Any]:
    kind = type_of(given)
    if not isinstance(given, dict) or kind not in _PICTURES:
        raise Malformed(f"an attachment must be one of {', '.join(_PICTURES)}")
    url = web_url(given.get("url"))
    if url is None:
        raise Malformed("an attachment needs a url of http or https")
    kept: dict[str, Any] = {"type": kind, "url": url}
    if given.get("mediaType") is not None:
        kept["mediaType"] = line(given["mediaType"], "attachment.mediaType", NAME)
    alt = given.get("name") or given.get("summary")
    if alt is not None:
        # GoToSocial reads the description from `summary`, everyone else from `name`.
        kept["name"] = kept["summary"] = line(alt, "attachment.name", ALT_TEXT)
    for side in ("width", "height"):
        if isinstance(given.get(side), int) and 0 < given[side] < 100_000:
            kept[side] = given[side]
    return kept
