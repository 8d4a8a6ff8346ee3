"""Finding a person by handle, as it stands on a business card: @lee@school.example.

A server may say of a handle that it belongs to somebody on another server. That is believed only
when that other server says the same, so that nobody can hang a victim's name on an actor of
theirs, or their own name on a victim. https://www.rfc-editor.org/rfc/rfc7033
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Literal, TypeVar
from urllib.parse import quote

from federation import activity, addresses, host_meta
from federation.addresses import Rules
from federation.answers import check_found, speaks_activitypub
from federation.client import Client
from federation.errors import Gone, Malformed, Refused, Unreachable, WireError
from federation.signatures import Signer
from federation.vocabulary import MEDIA_TYPE, many

Kind = Literal["Person", "Group"]
T = TypeVar("T")

JRD_TYPE: Final = "application/jrd+json"
SERVICE: Final = "https://www.w3.org/ns/activitystreams#Service"

_JRD_TYPES: Final = frozenset({JRD_TYPE, "application/json"})
_ACCEPT: Final = f"{JRD_TYPE}, application/json"
_PATH: Final = "/.well-known/webfinger"
_KIND: Final = "https://www.w3.org/ns/activitystreams#type"
_PROFILE_PAGE: Final = "http://webfinger.net/rel/profile-page"
_USERNAME = re.compile(r"[\w.~+-]{1,100}")


@dataclass(frozen=True, slots=True)
class Found:
    """Who has a handle: the actor's id, and the handle as the servers concerned write it.

    Of what only one server said it is a claim.
    """

    actor: str
    username: str
    host: str

    def is_named(self, username: str, host: str) -> bool:
        return self.username.casefold() == username.casefold() and self.host == host


def handle(text: str, rules: Rules) -> tuple[str, str]:
    """User name and HOST of `@lee@school.example`, with or without the first @ or `acct:`.

    A group's may begin with an exclamation mark. The host is in our spelling, the user name as
    written. Raises Malformed.
    """
    text = text.strip()
    if text[:5].lower() == "acct:":
        text = text[5:]
    username, at, host = text.removeprefix("!" if text.startswith("!") else "@").partition("@")
    if not at or not _USERNAME.fullmatch(username):
        raise Malformed("not a handle of the form name@school.example")
    return username, addresses.host(host, rules)


async def look_up(
    client: Client,
    username: str,
    host: str,
    *,
    kind: Kind = "Person",
    signer: Signer | None = None,
) -> Found:
    """Who has this handle, confirmed by every server concerned.

    Where a person and a group share a name, `kind` says which is meant. Raises Gone if there is
    nobody, Refused if the servers disagree, Unreachable, and Malformed.
    """
    ask = partial(_ask, client, kind=kind, signer=signer)
    said = await ask(username, host)
    home = addresses.authority(said.actor, client.rules)
    if said.is_named(username, host):
        if home == host:
            return said
        # The handle's server points elsewhere: the actor's server must know them by this handle.
        again = await _confirmation(ask(username, home), home)
    else:
        if home not in (host, said.host):
            raise Refused(f"{host} speaks of an actor on a third server")
        # The handle is known under another name: the server of that name must say so itself.
        again = await _confirmation(ask(said.username, said.host), said.host)
    if again.actor != said.actor or not again.is_named(said.username, said.host):
        raise Refused(f"{home} and {host} do not agree on who {username}@{host} is")
    return said


async def _confirmation(asked: Awaitable[Found], host: str) -> Found:
    """What the second server says; that it knows nobody of that name is a no."""
    try:
        return await asked
    except Gone:
        raise Refused(f"{host} does not know them by this name") from None


async def service(client: Client, host: str, *, signer: Signer | None = None) -> str:
    """The id of the actor that stands for the server of this host itself (FEP-d556).

    Raises Gone where it says of none, Malformed for one on another server, Unreachable.
    """

    async def ask(url: str) -> str:
        own_address = quote(url.removesuffix(_PATH) + "/", safe="")
        answer = await client.get(f"{url}?resource={own_address}", signer=signer, accept=_ACCEPT)
        check_found(url, answer, client.rules)
        for link in many(activity.parse(answer.body).get("links")):
            if isinstance(link, dict) and link.get("rel") == SERVICE:
                actor = link.get("href")
                if isinstance(actor, str) and addresses.same_origin(actor, url, client.rules):
                    return actor
        raise Malformed(f"{host} names no actor that stands for it")

    return await at(host, _PATH, client.rules, ask)


def jrd(subject: str, actor_uri: str, page_url: str) -> dict[str, Any]:
    """What we answer about one of ours. `subject` is `acct:name@host`."""
    links: list[dict[str, str]] = [
        {"rel": "self", "type": MEDIA_TYPE, "href": actor_uri},
        {"rel": _PROFILE_PAGE, "type": "text/html", "href": page_url},
    ]
    aliases = list(dict.fromkeys((page_url, actor_uri)))
    return {"subject": subject, "aliases": aliases, "links": links}


# --- asking one server -------------------------------------------------------------------------


async def _ask(
    client: Client, username: str, host: str, *, kind: Kind, signer: Signer | None
) -> Found:
    """What the server of this host says, or whoever it says answers for it."""
    resource = f"acct:{quote(username)}@{host}"
    ask = partial(_ask_at, client, kind=kind, signer=signer)
    try:
        return await at(host, f"{_PATH}?resource={resource}", client.rules, ask)
    except Gone as nobody:
        # A host that has only pages may say in an older way who answers for it.
        template = await _template(client, host, signer)
        if template is None:
            raise
        try:
            return await ask(template.replace("{uri}", resource))
        except Malformed:
            raise nobody from None


async def _template(client: Client, host: str, signer: Signer | None) -> str | None:
    """The address that host-meta names for questions, if it is another than the usual one."""

    async def ask(url: str) -> str:
        answer = await client.get(
            url, signer=signer, accept=host_meta.MEDIA_TYPE, limit=host_meta.LARGEST
        )
        check_found(url, answer, client.rules)
        return host_meta.template(answer.body, client.rules)

    try:
        found = await at(host, "/.well-known/host-meta", client.rules, ask)
    except WireError:
        return None
    return None if found.partition("://")[2].startswith(f"{host}{_PATH}") else found


async def at(host: str, path: str, rules: Rules, ask: Callable[[str], Awaitable[T]]) -> T:
    """Ask at this path of a host, and by http where that may be and https leads nowhere."""
    first, *others = _schemes(host, rules)
    try:
        return await ask(f"{first}://{host}{path}")
    except Unreachable:
        if not others:
            raise
        return await ask(f"{others[0]}://{host}{path}")


def _schemes(host: str, rules: Rules) -> list[str]:
    """https alone, except among schools on one machine."""
    if not rules.allow_http:
        return ["https"]
    name, _, port = host.rpartition(":")
    local = "." not in host or addresses.is_numeric(name if port.isdecimal() and name else host)
    return ["http", "https"] if local else ["https", "http"]


async def _ask_at(client: Client, url: str, *, kind: Kind, signer: Signer | None) -> Found:
    answer = await client.get(url, signer=signer, accept=_ACCEPT)
    check_found(url, answer, client.rules)
    media_type = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if media_type not in _JRD_TYPES:
        raise Malformed(f"{url} answers with {media_type or 'no type'}, not with a JRD")
    document = activity.parse(answer.body)
    subject = document.get("subject")
    if not isinstance(subject, str) or subject[:5].lower() != "acct:":
        raise Malformed(f"{url} does not say whom it speaks of")
    username, host = handle(subject, client.rules)
    return Found(_self_link(document, url, kind, client.rules), username, host)


def _self_link(document: dict[str, Any], url: str, kind: Kind, rules: Rules) -> str:
    """The actor's id. Where a person and a group share a name, the one that is meant."""
    found: list[tuple[bool, str]] = []
    for link in many(document.get("links")):
        if not isinstance(link, dict) or link.get("rel") != "self":
            continue
        media_type, href, properties = link.get("type"), link.get("href"), link.get("properties")
        if isinstance(href, str) and speaks_activitypub([str(media_type)]):
            said = properties.get(_KIND) if isinstance(properties, dict) else None
            found.append((said in (None, kind), href))
    if not found:
        raise Malformed(f"{url} names no actor")
    actor = max(found, key=lambda one: one[0])[1]
    addresses.parse(actor, rules)
    return actor
