"""What belongs to a post beside its words: pictures, films, recordings, documents, links.

Others write them in many shapes; here is the one that we show. Nothing of it is fetched: a reader
is told what it is and where it leads.
https://www.w3.org/TR/activitystreams-vocabulary/#dfn-attachment
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from federation import content, vocabulary

LONGEST_ALT_TEXT: Final = 2_000
"""Characters."""

_KINDS: Final = {"image": "Image", "video": "Video", "audio": "Audio"}
# The second is how some spell it.
_MEDIA: Final = ("mediaType", "mimeType")
_MEDIA_NAME = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,60}/[a-z0-9][a-z0-9!#$&^_.+-]{0,100}")


@dataclass(frozen=True, slots=True)
class Attachment:
    """A picture, film, recording, document or page that belongs to a post.

    `kind` is Image, Video, Audio, Document or Link; `alt` is plain text, "" where nobody wrote
    any; `width` and `height` are pixels.
    """

    kind: str
    url: str
    media_type: str | None
    alt: str
    width: int | None
    height: int | None


def of(document: dict[str, Any]) -> list[Attachment]:
    """What belongs to a post, each address once, as far as one can go there by http(s).

    The page that a link is about stands first, the picture of an article or event last.
    """
    given: list[object] = []
    if (page := page_elsewhere(document)) is not None:
        given.append({"type": "Link", "href": page})
    given += vocabulary.many(document.get("attachment"))
    given += [_picture(image) for image in vocabulary.many(document.get("image"))]
    found: dict[str, Attachment] = {}
    for made in map(_attachment, given):
        if made is not None:
            found.setdefault(made.url, made)
        if len(found) == vocabulary.MOST_ATTACHMENTS:
            break
    return list(found.values())


def page_elsewhere(document: dict[str, Any]) -> str | None:
    """What a Page leads to, where its url is not the page itself: in some forums a post is a
    title and the address of something on another server."""
    if "Page" not in vocabulary.types_of(document):
        return None
    url = vocabulary.web_url(document.get("url"))
    own = vocabulary.id_of(document) or ""
    return None if url is None or _host(url) == _host(own) else url


def _host(url: str) -> str:
    return url.partition("://")[2].partition("/")[0].lower()


def _picture(given: object) -> object:
    return {"type": "Image", "url": given} if isinstance(given, str) else given


def _attachment(given: object) -> Attachment | None:
    if isinstance(given, str):
        given = {"type": "Link", "href": given}
    if not isinstance(given, dict):
        return None
    for link in _links(given):
        url = link.get("href") or link.get("url")
        if not vocabulary.is_web(url):
            continue
        media_type = _media_type(*(part.get(name) for part in (link, given) for name in _MEDIA))
        alt = vocabulary.text_of(given.get("name"), given.get("nameMap"))
        alt = alt or vocabulary.text_of(given.get("summary"), given.get("summaryMap"))
        return Attachment(
            kind=_kind(given, media_type),
            url=url,
            media_type=media_type,
            alt=content.one_line(alt, LONGEST_ALT_TEXT),
            width=_pixels(link.get("width") or given.get("width")),
            height=_pixels(link.get("height") or given.get("height")),
        )
    return None


def _links(given: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The places where something is: its url may be an address, a Link, or several."""
    if "href" in given:
        yield given
    for member in vocabulary.many(given.get("url")):
        yield member if isinstance(member, dict) else {"href": member}


def _kind(given: dict[str, Any], media_type: str | None) -> str:
    named = vocabulary.type_of(given)
    if named in (*_KINDS.values(), "Link"):
        return named
    return _KINDS.get((media_type or "").partition("/")[0], "Document")


def _media_type(*said: object) -> str | None:
    value = next((value for value in said if isinstance(value, str)), "")
    name = value.partition(";")[0].strip().lower()
    return name if _MEDIA_NAME.fullmatch(name) else None


def _pixels(value: object) -> int | None:
    return value if type(value) is int and 0 < value < 100_000 else None
