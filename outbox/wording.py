"""What somebody typed becomes what others see: clean HTML, one-line titles, tags, pictures.

Everything has a limit, and going over it is said aloud; nothing is cut off in silence.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from actors import local
from federation import content
from federation.errors import Malformed
from federation.markdown import MEDIA_TYPES
from federation.vocabulary import (
    MOST_ATTACHMENTS,
    MOST_MENTIONS,
    MOST_TAGS,
    PUBLIC,
    hashtag,
    id_of,
    language_of,
    many,
    type_of,
    web_url,
)
from outbox import quoting, typed
from outbox.typed import Typed
from storage.actors import Actor
from storage.database import School
from storage.objects import Post

# SECURITY table 0.1, in characters.
POST = content.LONGEST_TEXT
NAME = 200
SUMMARY = 1_000
ALT_TEXT = 2_000

_SOURCES = (*MEDIA_TYPES, typed.HTML)
_PICTURES = ("Document", "Image", "Audio", "Video")

# Words, and what goes with them. `null` stays null: in an edit it takes the field away.
FIELDS = ("name", "summary", "sensitive", "content", "source", "tag", "attachment")


def read(given: Mapping[str, Any], named: Iterable[Actor], written: Typed | None) -> dict[str, Any]:
    """The fields of `given` that are words, as others will see them; absent ones stay absent.

    `named` are the people openly addressed: only they can be mentioned. `written` is what became
    of the text if it was typed here. Raises Malformed.
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
    text, kind = typed.words(given)
    if written is not None:
        worded["content"] = written.content
        worded.setdefault("source", {"content": text, "mediaType": kind})
    elif kind:
        worded["content"] = _html(text, kind)
    if written is not None or given.get("tag") is not None:
        tags = _tags(given.get("tag"), {actor.uri for actor in named})
        worded["tag"] = _once([*(written.tags if written else ()), *tags])
    if given.get("attachment") is not None:
        worded["attachment"] = _attachments(given["attachment"])
    return worded


def language(given: Mapping[str, Any]) -> str | None:
    """The language that the words are said to be in. Raises Malformed for what is none."""
    said = given.get("contentMap")
    if said is None:
        return None
    if not isinstance(said, dict) or len(said) != 1:
        raise Malformed("contentMap must hold one language")
    found = language_of({"contentMap": said})
    if found is None:
        raise Malformed(f"{next(iter(said))!r} is not a language, such as en-GB")
    return found


def finished(document: dict[str, Any], language: str | None, quoted: Post | None) -> dict[str, Any]:
    """The document with what it quotes, and its words also under their language if it is known."""
    made = document if quoted is None else quoting.said(document, quoted)
    made = {name: value for name, value in made.items() if name != "contentMap"}
    return made if language is None else {**made, "contentMap": {language: made.get("content", "")}}


def check_said(document: Mapping[str, Any]) -> None:
    """Raise Malformed for a post without anything in it."""
    if not any(document.get(name) for name in ("content", "name", "attachment")):
        raise Malformed("a post needs content, a name or an attachment")


def mentions(tags: Iterable[Mapping[str, Any]], named: Iterable[Actor]) -> list[dict[str, Any]]:
    """`tags`, and a Mention for each of `named` who has none: else many servers tell nobody."""
    tagged = [dict(tag) for tag in tags]
    have = {tag.get("href") for tag in tagged if tag.get("type") == "Mention"}
    most = min(MOST_MENTIONS - len(have), MOST_TAGS - len(tagged))
    missing = [typed.mention(actor) for actor in named if actor.uri not in have]
    return tagged + missing[: max(most, 0)]


def addressed(school: School, actor: Actor, kind: str, named: Sequence[str] = ()) -> dict[str, Any]:
    """The addresses of a post of our actor's for one of the five audiences, naming these ids.

    `kind` is public, unlisted, followers, school or direct.
    """
    followers, people = str(actor.followers), list(named)
    return {
        "public": {"to": [PUBLIC], "cc": [followers, *people]},
        "unlisted": {"to": [followers], "cc": [PUBLIC, *people]},
        "followers": {"to": [followers], "cc": people},
        "school": {"to": [local.members_uri(school)], "cc": people},
        "direct": {"to": people, "cc": []},
    }[kind]


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


def _html(text: str, kind: str) -> str:
    if kind != typed.HTML:
        raise Malformed(f"mediaType must be one of {', '.join(_SOURCES)}")
    return content.clean(text)


def _source(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        raise Malformed("source must be an object with content and mediaType")
    text, media_type = value.get("content"), value.get("mediaType", "text/plain")
    if media_type not in _SOURCES:
        raise Malformed(f"source.mediaType {media_type!r} is not one that we read")
    if not isinstance(text, str) or len(text) > POST:
        raise Malformed(f"source.content must be text of at most {POST:,} characters")
    return {"content": text, "mediaType": media_type}


def _once(tags: Iterable[dict[str, str]]) -> list[dict[str, str]]:
    """Each person and each word once; the first counts. Raises Malformed beyond the limits."""
    kept: dict[tuple[str, str], dict[str, str]] = {}
    for tag in tags:
        kind = tag["type"]
        kept.setdefault((kind, tag["href"] if kind == "Mention" else hashtag(tag["name"])), tag)
    if len(kept) > MOST_TAGS:
        raise Malformed(f"more than {MOST_TAGS} mentions and hashtags")
    return list(kept.values())


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
        elif kind != "Link":
            # A Link stands for what is quoted (`outbox/quoting.py`).
            raise Malformed("a tag must be a Mention or a Hashtag")
    if sum(tag["type"] == "Mention" for tag in kept) > MOST_MENTIONS:
        raise Malformed(f"more than {MOST_MENTIONS} people mentioned")
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
