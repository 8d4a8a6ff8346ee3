"""Lists that other servers read: how many there are, and pages from the newest to the oldest.

A page is named by the place after which it begins (`?before=ID`), not by a number, so it stays the
same page while new things come in. https://www.w3.org/TR/activitypub/#collections
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from federation import vocabulary
from federation.errors import Malformed

PAGE_SIZE = 40
# Ids are 63-bit, so this is before everything.
LARGEST_ID = 2**63 - 1
DIGITS = 19

T = TypeVar("T")


def collection(uri: str, total: int) -> dict[str, Any]:
    """The head of a list: its size, and where to begin."""
    return {
        "@context": vocabulary.CONTEXT,
        "id": uri,
        "type": "OrderedCollection",
        "totalItems": total,
        "first": f"{uri}?page=first",
    }


def whole(uri: str, items: Sequence[Any]) -> dict[str, Any]:
    """A short list, all in one piece."""
    return {
        "@context": vocabulary.CONTEXT,
        "id": uri,
        "type": "OrderedCollection",
        "totalItems": len(items),
        "orderedItems": list(items),
    }


def page(
    uri: str, *, before: int | None, items: Sequence[Any], after_this: int | None, total: int
) -> dict[str, Any]:
    """One page. `after_this` is the id that the next page begins before; None ends the list."""
    built: dict[str, Any] = {
        "@context": vocabulary.CONTEXT,
        "id": f"{uri}?page=first" if before is None else f"{uri}?before={before}",
        "type": "OrderedCollectionPage",
        "partOf": uri,
        "totalItems": total,
        "orderedItems": list(items),
    }
    if after_this is not None:
        built["next"] = f"{uri}?before={after_this}"
    return built


def wants_page(query: Mapping[str, str]) -> bool:
    """Whether a request asks for a page, and not for the head of the list."""
    return "before" in query or "page" in query


def cursor(query: Mapping[str, str]) -> int | None:
    """Where the asked page begins; None is the newest. Raises Malformed."""
    before = query.get("before")
    if before is None:
        return None
    if not (before.isascii() and before.isdigit() and len(before) <= DIGITS):
        raise Malformed("before is the id that a page begins after: digits only")
    return min(int(before), LARGEST_ID)


def cut(rows: Sequence[T], size: int) -> tuple[Sequence[T], bool]:
    """The rows of one page out of `size + 1` that were asked for, and whether more follow."""
    return rows[:size], len(rows) > size
