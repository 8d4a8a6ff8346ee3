"""Something that happened at another school, read from the bytes it was sent as.

There is exactly one reading of a document: what was hashed and signed is what is parsed, and
whatever two readers could understand in two ways (a key written twice, half a character, a number
without end) is refused. https://www.rfc-editor.org/rfc/rfc8259 and
https://www.w3.org/TR/activitypub/#obj
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Never

from federation.addresses import Rules, same_origin
from federation.errors import Malformed

LARGEST: Final = 1024 * 1024
"""Bytes of a document."""
DEEPEST: Final = 32
"""Brackets inside brackets."""
MOST_KEYS: Final = 200
"""Keys of one object."""

LONGEST_ACTOR: Final = 300
"""Bytes of an actor's id. Beside it stands the activity's id in an index, which has its limit."""

_BIGGEST_INTEGER: Final = 2**63 - 1
_LONGEST_NUMBER: Final = 64
"""Characters."""

# An unfinished string runs to the end, so that the scan never begins again inside it.
_TEXT = re.compile(rb'"(?:[^"\\]++|\\.?)*+(?:"|\Z)', re.DOTALL)
_BRACKETS = bytes.maketrans(b"{}", b"[]")
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_ODD_ESCAPE = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")


@dataclass(frozen=True, slots=True)
class Activity:
    """One activity whose sender is known.

    `fetched` holds the documents that were had from their own servers beforehand, by id;
    `owner_id` is whose inbox it came to, 0 for the shared one; `rules` are those it was read by,
    so that whoever works on it compares addresses the same way. `passed_on_by` is the id of the
    group that announced it, where it did not come from its own actor.
    """

    json: dict[str, Any]
    id: str
    type: str
    actor: str
    fetched: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    owner_id: int = 0
    rules: Rules = field(default_factory=Rules)
    passed_on_by: str | None = None

    @property
    def object(self) -> Any:
        """What it was done to, as sent: a hint until it is checked."""
        return self.json.get("object")

    @property
    def target(self) -> Any:
        """Where it was done to, as sent: a hint until it is checked."""
        return self.json.get("target")


def parse(body: bytes) -> dict[str, Any]:
    """The document in these bytes, or Malformed for whatever could be read in two ways."""
    if len(body) > LARGEST:
        raise Malformed("document is larger than 1 MiB")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed("document is not UTF-8") from error
    _check_depth(body)
    try:
        document = _DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        raise Malformed("document is not JSON") from error
    if not isinstance(document, dict):
        raise Malformed("document is not an object")
    if _ODD_ESCAPE.search(body):
        _check_characters(document)
    return document


def read(document: object, rules: Rules) -> Activity:
    """The activity in a document, its sender named but not proven. Raises Malformed."""
    if not isinstance(document, dict):
        raise Malformed("activity is not an object")
    activity_id = document.get("id")
    if not isinstance(activity_id, str):
        raise Malformed("activity has no id")
    actor = _actor(document.get("actor"))
    if not same_origin(activity_id, actor, rules):
        raise Malformed("activity and actor are of different servers")
    return Activity(
        json=document, id=activity_id, type=_type(document.get("type")), actor=actor, rules=rules
    )


def _actor(value: object) -> str:
    """Exactly one actor, by id or embedded: an activity of several people is nobody's."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, dict):
        value = value.get("id")
    if not isinstance(value, str):
        raise Malformed("activity has no actor, or more than one")
    if 4 * len(value) > LONGEST_ACTOR < len(value.encode("utf-8", "replace")):
        raise Malformed(f"the id of its actor is longer than {LONGEST_ACTOR} bytes")
    return value


def _type(value: object) -> str:
    names = [value] if isinstance(value, str) else value
    if isinstance(names, list):
        for name in names:
            if isinstance(name, str) and 0 < len(name) <= 200:
                return name
    raise Malformed("activity has no type")


def _check_depth(body: bytes) -> None:
    """Count brackets before anything recurses over them."""
    if body.count(b"[") + body.count(b"{") <= DEEPEST:
        return
    skeleton = _TEXT.sub(b"", body).translate(_BRACKETS, _NOT_BRACKETS)
    for _ in range(DEEPEST):
        skeleton = skeleton.replace(b"[]", b"")  # takes away exactly the innermost level
        if not skeleton:
            return
    raise Malformed(f"document is nested deeper than {DEEPEST}, or not closed")


def _check_characters(document: object) -> None:
    for text in _texts(document):
        if "\x00" in text:
            raise Malformed("document holds a NUL")
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise Malformed("document holds half a character") from error


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for member in value:
            yield from _texts(member)
    elif isinstance(value, dict):
        for key, member in value.items():
            yield key
            yield from _texts(member)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(pairs) > MOST_KEYS:
        raise Malformed(f"an object has more than {MOST_KEYS} keys")
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Malformed("an object has the same key twice")
    return found


def _integer(written: str) -> int:
    if len(written) > _LONGEST_NUMBER:
        raise Malformed("a number without end")
    number = int(written)
    if abs(number) > _BIGGEST_INTEGER:
        raise Malformed("a number that no school counts to")
    return number


def _fraction(written: str) -> float:
    number = float(written) if len(written) <= _LONGEST_NUMBER else float("inf")
    if number in (float("inf"), float("-inf")):
        raise Malformed("a number without end")
    return number


def _constant(name: str) -> Never:
    raise Malformed(f"{name} is not JSON")


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_int=_integer,
    parse_float=_fraction,
    parse_constant=_constant,
)
