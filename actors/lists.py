"""Whom somebody follows or blocks, a page at a time: from our own record, or as their server tells.

https://www.w3.org/TR/activitypub/#following: a list may come in one piece, in pages, or with its
first page inside; one that is not shown says only how many there are.
"""

from dataclasses import dataclass
from typing import Any, Literal

import orjson

from actors.server import Server
from federation import addresses, vocabulary
from federation.addresses import Rules
from federation.errors import Gone, Malformed, Refused
from federation.signatures import Signer
from storage import blocks, follows
from storage.actors import Actor
from storage.database import Transaction

Which = Literal["following", "blocked"]

# Pages that are read in one step, and of one list in all: nobody knows so many people.
PAGES = 10
MOST_PAGES = 1_000
# What is taken of one page: some servers send a list in one piece.
MOST = 10_000
OUR_PAGE = 80


@dataclass(frozen=True, slots=True)
class Page:
    """Ids of actors in our spelling; `next` is where it goes on, None at the end."""

    uris: tuple[str, ...]
    next: str | None


def place(owner: Actor, which: Which, rules: Rules) -> str | None:
    """Where another server keeps that list, on its own origin; None if it says of none."""
    if which == "following":
        return owner.following
    said = vocabulary.id_of(orjson.loads(owner.document).get("blocked"))
    try:
        return said if said and addresses.same_origin(said, owner.uri, rules) else None
    except Malformed:
        return None


async def page(
    server: Server, owner: Actor, which: Which, at: str | None, signer: Signer
) -> Page | None:
    """The page `at` of a list, or its beginning; None where there is no such list.

    Raises Unreachable; Refused, in words, where it is not shown to us or cannot be read.
    """
    if owner.local:
        return await server.database.read(_ours, owner.id, which, at)
    whole = place(owner, which, server.rules)
    if whole is None:
        return None
    try:
        document = await server.client.document(at or whole, signer=signer)
    except Gone:
        raise Refused("their server does not show this list") from None
    except Malformed as error:
        raise Refused(f"the list cannot be read: {error}") from error
    found = _read(document, whole, server.rules)
    if at is None and found.next is None and not found.uris and _count(document) > 0:
        raise Refused("their server says how many there are, and does not say who")
    return found


def _ours(tx: Transaction, actor_id: int, which: Which, at: str | None) -> Page:
    rows = follows.following if which == "following" else blocks.of_actor
    found = rows(tx, actor_id, before=None if at is None else int(at), limit=OUR_PAGE)
    after = str(found[-1][0]) if len(found) == OUR_PAGE else None
    return Page(tuple(actor.uri for _, actor in found), after)


def _read(document: dict[str, Any], whole: str, rules: Rules) -> Page:
    """What stands in a list or a page of it, and the way to what follows, on the same server."""
    first = vocabulary.one(document.get("first"))
    inside = first if isinstance(first, dict) else {}
    uris: dict[str, None] = {}
    for holder in (document, inside):
        for name in ("orderedItems", "items"):
            for said in vocabulary.ids_of(holder.get(name))[:MOST]:
                try:
                    uris[addresses.canonical(said, rules)] = None
                except Malformed:
                    continue
    # Pages name the first one too.
    page = any(kind.endswith("Page") for kind in vocabulary.types_of(document))
    following = document.get("next") if page else inside.get("next") if inside else first
    return Page(tuple(uris)[:MOST], _beside(vocabulary.id_of(following), whole, rules))


def _beside(found: str | None, whole: str, rules: Rules) -> str | None:
    try:
        return found if found and addresses.same_origin(found, whole, rules) else None
    except Malformed:
        return None


def _count(document: dict[str, Any]) -> int:
    total = document.get("totalItems")
    return total if type(total) is int else 0
