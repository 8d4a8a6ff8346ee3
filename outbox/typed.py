"""Words as one of our people typed them: whom they mention, and what others see of them.

A program may bring HTML of its own, which is only cleaned; plain text and Markdown are read here.
Handles become people before the transaction (`outbox/acting.py`): by then each stands among the
tags with its id. Colleagues need no such help. Who is unknown or kept apart by a block stays text.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from federation import markdown
from federation.content import LONGEST_TEXT
from federation.errors import Malformed
from federation.markdown import MEDIA_TYPES, MediaType
from federation.vocabulary import MOST_MENTIONS, hashtag, id_of, many, type_of
from storage import actors, blocks, projects
from storage.actors import Actor
from storage.database import School, Transaction

HTML = "text/html"

# The accounts of the school itself have names as well, but nobody means them by a bare @name.
_COLLEAGUES = ("Person", "Group")


@dataclass(frozen=True)
class Typed:
    """`content` is clean HTML, `people` are those mentioned; `tags` stand for them and for the
    hashtags."""

    content: str
    people: tuple[Actor, ...]
    tags: tuple[dict[str, str], ...]


def words(given: Mapping[str, Any]) -> tuple[str, str]:
    """The text of a post and its media type, ("", "") where it brings none.

    It stands in `content`, else in `source`, else in the only language of `contentMap`. Raises
    Malformed for what is no text, or longer than 20,000 characters.
    """
    for text, kind, field in _places(given):
        if text is None:
            continue
        if not isinstance(text, str):
            raise Malformed(f"{field} must be text")
        if len(text) > LONGEST_TEXT:
            raise Malformed(f"{field} has more than {LONGEST_TEXT:,} characters")
        return text, HTML if kind is None else str(kind)
    return "", ""


def _places(given: Mapping[str, Any]) -> Iterator[tuple[Any, Any, str]]:
    yield given.get("content"), given.get("mediaType"), "content"
    typed = given.get("source")
    if isinstance(typed, dict):
        yield typed.get("content"), typed.get("mediaType", "text/plain"), "source.content"
    by_language = given.get("contentMap")
    if isinstance(by_language, dict):
        yield next(iter(by_language.values()), None), given.get("mediaType"), "contentMap"


def source(given: Mapping[str, Any]) -> tuple[str, MediaType] | None:
    """The text that was typed, and what it is; None where HTML was brought, or nothing.

    Raises what `words` raises.
    """
    text, kind = words(given)
    return next(((text, known) for known in MEDIA_TYPES if known == kind), None)


def handles(given: Mapping[str, Any]) -> list[str]:
    """Whom the words may mention, as `markdown.handles` spells them, but those whom a tag names."""
    typed = source(given)
    if typed is None:
        return []
    named = _named(given)
    return [handle for handle in markdown.handles(*typed) if handle not in named]


def named(handle: str, uri: str) -> dict[str, str]:
    """The tag that says who is meant by a handle."""
    return {"type": "Mention", "href": uri, "name": f"@{handle}"}


def read(tx: Transaction, actor: Actor, given: Mapping[str, Any]) -> Typed | None:
    """What was typed, as others see it; None where nothing was. Raises Malformed beyond limits."""
    typed = source(given)
    if typed is None:
        return None
    people = _people(tx, actor, given, markdown.handles(*typed))
    written = markdown.read(
        *typed,
        people={handle: person.url for handle, person in people.items()},
        tag_page=lambda name: tag_page(tx.school, name),
    )
    mentioned = {people[handle].uri: people[handle] for handle in written.mentioned}
    if len(mentioned) > MOST_MENTIONS:
        raise Malformed(f"more than {MOST_MENTIONS} people mentioned")
    tags = [mention(person) for person in mentioned.values()]
    tags += [_hashtag(tx.school, name) for name in written.hashtags]
    return Typed(written.html, tuple(mentioned.values()), tuple(tags))


def mention(person: Actor) -> dict[str, str]:
    return {"type": "Mention", "href": person.uri, "name": person.handle}


def tag_page(school: School, name: str) -> str:
    """The page of a hashtag, by its name as `vocabulary.hashtag` spells it."""
    return f"{school.url}/tags/{quote(name, safe='')}"


def _hashtag(school: School, name: str) -> dict[str, str]:
    return {"type": "Hashtag", "href": tag_page(school, hashtag(name)), "name": f"#{name}"}


def _people(
    tx: Transaction, actor: Actor, given: Mapping[str, Any], handles: Iterable[str]
) -> dict[str, Actor]:
    """Whom these handles mean, as far as our actor may speak to them."""
    meant = _named(given)
    known = actors.by_uris(tx, meant.values())
    found: dict[str, Actor] = {}
    for handle in handles:
        person = known.get(meant[handle]) if handle in meant else _colleague(tx, handle)
        if person is None or person.state != "active" or projects.hidden(tx, None, person):
            continue  # a private project has no handle, not even for its members
        found[handle] = person
    apart = blocks.apart(tx, actor.id, [person.id for person in found.values()])
    return {handle: person for handle, person in found.items() if person.id not in apart}


def _colleague(tx: Transaction, handle: str) -> Actor | None:
    username, _, host = handle.partition("@")
    if host not in ("", tx.school.host):
        return None
    person = actors.local_by_username(tx, username)
    return person if person is not None and (host or person.type in _COLLEAGUES) else None


def _named(given: Mapping[str, Any]) -> dict[str, str]:
    """The ids of those whom tags name, by their handles."""
    found: dict[str, str] = {}
    for tag in many(given.get("tag")):
        uri = id_of(tag.get("href")) if type_of(tag) == "Mention" else None
        if uri is not None and isinstance(tag.get("name"), str):
            found[markdown.key(tag["name"])] = uri
    return found
