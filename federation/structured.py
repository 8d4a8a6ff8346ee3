"""Structured header fields, read to the letter: dictionaries, inner lists and their parts.

RFC 8941. Only what signatures and digests need, but that strictly: a field that is not exactly
in the grammar is Malformed. One thing is stricter than the RFC, which lets a repeated key quietly
win over the first: here that is refused, since it is how one reader is shown something else than
another.
"""

import re
from base64 import b64decode, b64encode
from binascii import Error as BadBase64
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias

from federation.errors import BadSignature, Malformed


@dataclass(frozen=True, slots=True)
class Token:
    """A bare word, as opposed to a quoted string."""

    text: str


Bare: TypeAlias = int | Decimal | str | bytes | bool | Token
Parameters: TypeAlias = dict[str, Bare]


@dataclass(frozen=True, slots=True)
class Item:
    value: Bare
    parameters: Parameters


@dataclass(frozen=True, slots=True)
class InnerList:
    items: tuple[Item, ...]
    parameters: Parameters


Member: TypeAlias = Item | InnerList

KEY = re.compile(r"[a-z*][a-z0-9_\-.*]*")
NUMBER = re.compile(r"(-?[0-9]{1,12}\.[0-9]{1,3}|-?[0-9]{1,15})(?![0-9.])")
STRING = re.compile(r'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"')
ESCAPED = re.compile(r"\\(.)")
TOKEN = re.compile(r"[A-Za-z*][!#$%&'*+\-.^_`|~0-9A-Za-z:/]*")
BYTES = re.compile(r":([A-Za-z0-9+/]*={0,2}):")
BOOLEAN = re.compile(r"\?([01])")
SPACES = re.compile(r" *")
BLANKS = re.compile(r"[ \t]*")


def dictionary(text: str) -> dict[str, Member]:
    """The members of a dictionary field, in order (RFC 8941 section 4.2.2).

    Raises Malformed when `text` is not one, BadSignature when a key stands in it twice.
    """
    members: dict[str, Member] = {}
    text = text.strip(" ")
    at = 0
    while at < len(text):
        key, at = _key(text, at)
        if key in members:
            raise BadSignature(f"{key} stands twice in one field")
        members[key], at = _member(text, at)
        at = _skip(BLANKS, text, at)
        if at == len(text):
            break
        at = _skip(BLANKS, text, _expect(",", text, at))
        if at == len(text):
            raise Malformed("a structured field ends with a comma")
    return members


def _key(text: str, at: int) -> tuple[str, int]:
    match = KEY.match(text, at)
    if match is None:
        raise Malformed("a key was expected in a structured field")
    return match.group(), match.end()


def _skip(blanks: re.Pattern[str], text: str, at: int) -> int:
    match = blanks.match(text, at)
    return match.end() if match else at


def _expect(character: str, text: str, at: int) -> int:
    if not text.startswith(character, at):
        raise Malformed(f"{character} was expected in a structured field")
    return at + 1


def _member(text: str, at: int) -> tuple[Member, int]:
    if not text.startswith("=", at):
        parameters, at = _parameters(text, at)
        return Item(True, parameters), at
    at += 1
    return _inner_list(text, at) if text.startswith("(", at) else _item(text, at)


def _inner_list(text: str, at: int) -> tuple[InnerList, int]:
    items: list[Item] = []
    at += 1
    while True:
        at = _skip(SPACES, text, at)
        if text.startswith(")", at):
            parameters, at = _parameters(text, at + 1)
            return InnerList(tuple(items), parameters), at
        item, at = _item(text, at)
        items.append(item)
        if not text.startswith((" ", ")"), at):
            raise Malformed("an inner list is not closed")


def _item(text: str, at: int) -> tuple[Item, int]:
    value, at = _bare(text, at)
    parameters, at = _parameters(text, at)
    return Item(value, parameters), at


def _parameters(text: str, at: int) -> tuple[Parameters, int]:
    parameters: Parameters = {}
    while text.startswith(";", at):
        key, at = _key(text, _skip(SPACES, text, at + 1))
        if key in parameters:
            raise BadSignature(f"the parameter {key} stands twice")
        parameters[key] = True
        if text.startswith("=", at):
            parameters[key], at = _bare(text, at + 1)
    return parameters, at


def _bare(text: str, at: int) -> tuple[Bare, int]:
    if match := STRING.match(text, at):
        return ESCAPED.sub(r"\1", match.group(1)), match.end()
    if match := NUMBER.match(text, at):
        number = match.group(1)
        return Decimal(number) if "." in number else int(number), match.end()
    if match := BYTES.match(text, at):
        try:
            return b64decode(match.group(1), validate=True), match.end()
        except BadBase64 as error:
            raise Malformed("a byte sequence that is not base64") from error
    if match := TOKEN.match(text, at):
        return Token(match.group()), match.end()
    if match := BOOLEAN.match(text, at):
        return match.group(1) == "1", match.end()
    raise Malformed("a value was expected in a structured field")


def write_inner_list(inner: InnerList) -> str:
    """The one strict spelling of an inner list with its parameters (RFC 8941 section 4.1.1.1)."""
    items = (write_bare(item.value) + write_parameters(item.parameters) for item in inner.items)
    return f"({' '.join(items)}){write_parameters(inner.parameters)}"


def write_parameters(parameters: Parameters) -> str:
    """`;key=value` for each, the value left out where it is true."""
    return "".join(_parameter(parameters.items()))


def _parameter(parameters: Iterable[tuple[str, Bare]]) -> Iterable[str]:
    for key, value in parameters:
        yield f";{key}" if value is True else f";{key}={write_bare(value)}"


def write_bare(value: Bare) -> str:
    """One value in its strict spelling."""
    match value:
        case bool():
            return "?1" if value else "?0"
        case int():
            return str(value)
        case Decimal():
            whole, _, fraction = format(value, "f").partition(".")
            return f"{whole}.{fraction.rstrip('0') or '0'}"
        case bytes():
            return f":{b64encode(value).decode()}:"
        case Token():
            return value.text
        case _:
            return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
