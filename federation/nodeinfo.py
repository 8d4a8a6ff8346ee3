"""What another server says about itself: which software it runs, and for how many.

Only an administrator is told. Nothing is ever concluded from it, for names of programs say little
about what they can do (FEP-0151). https://nodeinfo.diaspora.software/protocol
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from federation import activity, addresses, webfinger
from federation.addresses import Rules
from federation.answers import check_found
from federation.client import Client
from federation.errors import Malformed
from federation.vocabulary import many

_SCHEMA: Final = "http://nodeinfo.diaspora.software/ns/schema/"
_VERSIONS: Final = ("2.2", "2.1", "2.0", "1.1", "1.0")  # what we ask for is in all of them
_ACCEPT: Final = "application/json"
_LONGEST: Final = 100
"""Characters of a name or a version."""


@dataclass(frozen=True, slots=True)
class Node:
    """A server by its own account."""

    software: str
    version: str
    people: int | None
    speaks_activitypub: bool


async def ask(client: Client, host: str) -> Node:
    """What the server of this host says. Raises Gone, Refused, Unreachable and Malformed."""
    fetch = partial(_document, client)
    links = await webfinger.at(host, "/.well-known/nodeinfo", client.rules, fetch)
    return read(await fetch(address(links, client.rules)))


def address(links: dict[str, Any], rules: Rules) -> str:
    """Where the newest document is that we can read. Raises Malformed."""
    found: dict[str, str] = {}
    for link in many(links.get("links")):
        if isinstance(link, dict) and isinstance(link.get("href"), str):
            found[str(link.get("rel")).removeprefix(_SCHEMA)] = link["href"]
    newest = next((found[version] for version in _VERSIONS if version in found), None)
    if newest is None:
        raise Malformed("NodeInfo has no version that we can read")
    addresses.parse(newest, rules)
    return newest


def read(document: dict[str, Any]) -> Node:
    """A NodeInfo document of any version. Raises Malformed."""
    software, protocols = document.get("software"), document.get("protocols")
    if not isinstance(software, dict) or not isinstance(software.get("name"), str):
        raise Malformed("NodeInfo does not name the software")
    if isinstance(protocols, dict):  # versions 1.x tell what comes in from what goes out
        protocols = [*many(protocols.get("inbound")), *many(protocols.get("outbound"))]
    usage = document.get("usage")
    users = usage.get("users") if isinstance(usage, dict) else None
    people = users.get("total") if isinstance(users, dict) else None
    return Node(
        software=_line(software["name"]),
        version=_line(software.get("version")),
        people=people if isinstance(people, int) and not isinstance(people, bool) else None,
        speaks_activitypub="activitypub" in many(protocols),
    )


def _line(value: object) -> str:
    text = value if isinstance(value, str) else ""
    return "".join(letter for letter in text if letter.isprintable())[:_LONGEST]


async def _document(client: Client, url: str) -> dict[str, Any]:
    answer = await client.get(url, accept=_ACCEPT)
    check_found(url, answer, client.rules)
    return activity.parse(answer.body)
