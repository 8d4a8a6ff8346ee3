"""A request, and what its signature says before anybody has checked it.

The two forms of signature (`cavage` and `rfc9421`) read their headers into the same few words,
so that `signatures` can judge them by one set of rules.
"""

from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache
from typing import Literal

from multidict import MultiMapping

from federation.errors import BadSignature
from federation.keys import PrivateKey

Form = Literal["cavage", "rfc9421"]
# How a request of ours may be signed: the last is RFC 9421 with the actor's Ed25519 key.
Way = Literal["cavage", "rfc9421", "ed25519"]

DEFAULT_PORTS = {"https": ":443", "http": ":80"}


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs: the id of the key as our documents list it, and its private half."""

    key_id: str
    key: PrivateKey


@dataclass(frozen=True, slots=True)
class Message:
    """A request as it came in.

    `url` is our public address for it, scheme and host from our settings, path and query as they
    were sent; `headers` ignores letter case; `body` is what came over the wire, b"" for none.
    """

    method: str
    url: str
    headers: MultiMapping[str]
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Stamp:
    """One signature as its headers state it.

    `covered` names the parts of the request that were signed, in order. `created` and `expires`
    are seconds since 1970. `parameters` is the last line of an RFC 9421 signature base.
    """

    key_id: str
    covered: tuple[str, ...]
    signature: bytes
    algorithm: str | None = None
    created: int | None = None
    expires: int | None = None
    parameters: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """Who says to have signed a request, and in which form."""

    key_id: str
    form: Form
    stamps: tuple[Stamp, ...]


@dataclass(frozen=True, slots=True)
class Target:
    """The parts of a request's address. `query` begins with its question mark, or is empty."""

    scheme: str
    authority: str
    path: str
    query: str


@lru_cache(maxsize=1024)
def target(url: str) -> Target:
    """Take `url` apart without touching a character of path or query."""
    scheme, _, rest = url.partition("://")
    rest = rest.partition("#")[0]
    before, question, query = rest.partition("?")
    authority, slash, path = before.partition("/")
    scheme = scheme.lower()
    authority = authority.lower().removesuffix(DEFAULT_PORTS.get(scheme, ""))
    return Target(scheme, authority, slash + path or "/", question + query)


def host(message: Message) -> str:
    """The host that a signature must be for: ours.

    Written as the peer wrote it where it means the same, since that is what was signed. A proxy
    in front of us may have put its own name into the header; then our public name stands.
    """
    ours = target(message.url)
    written = message.headers.getall("Host", [])
    if len(written) > 1:
        raise BadSignature("the request names more than one host")
    for name in written:
        name = name.strip(" \t")
        if name == ours.authority:
            return name
        if name.lower().removesuffix(DEFAULT_PORTS.get(ours.scheme, "")) == ours.authority:
            return name
    return ours.authority


def field(message: Message, name: str) -> str:
    """The value of a covered header, several of one name joined as the standards say."""
    if name == "host":
        return host(message)
    values = message.headers.getall(name, ())
    if not values:
        raise BadSignature(f"{name} is said to be signed but is not in the request")
    if len(values) == 1:
        value = values[0].strip(" \t")
    else:
        value = ", ".join([value.strip(" \t") for value in values])
    if "\n" in value or "\r" in value:
        raise BadSignature(f"{name} runs over more than one line")
    return value


@lru_cache(maxsize=16)
def date(seconds: int) -> str:
    """`seconds` since 1970 as a Date header writes them."""
    return formatdate(seconds, usegmt=True)
