"""Finding a person by handle, as it stands on a business card: @lee@school.example.

A server may say of a handle that it belongs to somebody on another server. That is believed only
when that other server says the same, so that nobody can hang a victim's name on an actor of
theirs, or their own name on a victim. https://www.rfc-editor.org/rfc/rfc7033
"""

import re
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from federation import activity, addresses
from federation.addresses import Rules
from federation.answers import check_found, speaks_activitypub
from federation.client import Client
from federation.errors import Malformed, Refused, Unreachable
from federation.signatures import Signer
from federation.vocabulary import MEDIA_TYPE, many

JRD_TYPE: Final = "application/jrd+json"

_JRD_TYPES: Final = frozenset({JRD_TYPE, "application/json"})
_ACCEPT: Final = f"{JRD_TYPE}, application/json"
_KIND: Final = "https://www.w3.org/ns/activitystreams#type"
_PROFILE_PAGE: Final = "http://webfinger.net/rel/profile-page"
_USERNAME = re.compile(r"[\w.~+-]{1,100}")


@dataclass(frozen=True, slots=True)
class _Said:
    """What one server says: whom it calls what."""

    username: str
    host: str
    actor: str

    def is_named(self, username: str, host: str) -> bool:
        return self.username.casefold() == username.casefold() and self.host == host


def handle(text: str, rules: Rules) -> tuple[str, str]:
    """User name and HOST of `@lee@school.example`, with or without the first @ or `acct:`.

    The host is in our spelling, the user name as written. Raises Malformed.
    """
    text = text.strip()
    if text[:5].lower() == "acct:":
        text = text[5:]
    username, at, host = text.removeprefix("@").partition("@")
    if not at or not _USERNAME.fullmatch(username):
        raise Malformed("not a handle of the form name@school.example")
    return username, addresses.host(host, rules)


async def discover(
    client: Client, username: str, host: str, *, signer: Signer | None = None
) -> str:
    """The id of the actor that has this handle, confirmed by every server concerned.

    Raises Gone if there is nobody, Refused if the servers disagree, Unreachable, and Malformed.
    """
    said = await _ask(client, username, host, signer)
    home = addresses.authority(said.actor, client.rules)
    if said.is_named(username, host):
        if home == host:
            return said.actor
        # The handle's server points elsewhere: the actor's server must know them by this handle.
        again = await _ask(client, username, home, signer)
    else:
        if home not in (host, said.host):
            raise Refused(f"{host} speaks of an actor on a third server")
        # The handle is known under another name: the server of that name must say so itself.
        again = await _ask(client, said.username, said.host, signer)
    if again.actor != said.actor or not again.is_named(said.username, said.host):
        raise Refused(f"{home} and {host} do not agree on who {username}@{host} is")
    return said.actor


def jrd(subject: str, actor_uri: str, page_url: str) -> dict[str, Any]:
    """What we answer about one of ours. `subject` is `acct:name@host`."""
    links: list[dict[str, str]] = [
        {"rel": "self", "type": MEDIA_TYPE, "href": actor_uri},
        {"rel": _PROFILE_PAGE, "type": "text/html", "href": page_url},
    ]
    aliases = list(dict.fromkeys((page_url, actor_uri)))
    return {"subject": subject, "aliases": aliases, "links": links}


async def _ask(client: Client, username: str, host: str, signer: Signer | None) -> _Said:
    path = f"{host}/.well-known/webfinger?resource=acct:{quote(username)}@{host}"
    first, *others = _schemes(host, client.rules)
    try:
        return await _ask_at(client, f"{first}://{path}", signer)
    except Unreachable:
        if not others:
            raise
        return await _ask_at(client, f"{others[0]}://{path}", signer)


def _schemes(host: str, rules: Rules) -> list[str]:
    """https alone, except among schools on one machine."""
    if not rules.allow_http:
        return ["https"]
    name, _, port = host.rpartition(":")
    local = "." not in host or addresses.is_numeric(name if port.isdecimal() and name else host)
    return ["http", "https"] if local else ["https", "http"]


async def _ask_at(client: Client, url: str, signer: Signer | None) -> _Said:
    answer = await client.get(url, signer=signer, accept=_ACCEPT)
    check_found(url, answer, client.rules)
    media_type = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if media_type not in _JRD_TYPES:
        raise Malformed(f"{url} does not answer with a JRD")
    document = activity.parse(answer.body)
    subject = document.get("subject")
    if not isinstance(subject, str) or subject[:5].lower() != "acct:":
        raise Malformed(f"{url} does not say whom it speaks of")
    username, host = handle(subject, client.rules)
    return _Said(username, host, _self_link(document, url, client.rules))


def _self_link(document: dict[str, Any], url: str, rules: Rules) -> str:
    """The actor's id. Where a person and a group share a name, the person."""
    found: list[tuple[bool, str]] = []
    for link in many(document.get("links")):
        if not isinstance(link, dict) or link.get("rel") != "self":
            continue
        media_type, href, properties = link.get("type"), link.get("href"), link.get("properties")
        if isinstance(href, str) and speaks_activitypub([str(media_type)]):
            kind = properties.get(_KIND) if isinstance(properties, dict) else None
            found.append((kind in (None, "Person"), href))
    if not found:
        raise Malformed(f"{url} names no actor")
    actor = max(found, key=lambda one: one[0])[1]
    addresses.parse(actor, rules)
    return actor
