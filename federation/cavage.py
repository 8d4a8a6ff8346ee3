"""The older form of signed requests, which every server understands.

https://datatracker.ietf.org/doc/html/draft-cavage-http-signatures-12, as the fediverse speaks it.
"""

import re
from base64 import b64encode
from binascii import Error as BadBase64
from binascii import a2b_base64
from datetime import datetime
from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from federation import claims, digests, keys
from federation.claims import Message, Signer, Stamp
from federation.errors import BadSignature

# Numbers stand bare, or (Lemmy's library) in quotes.
PARAMETER = re.compile(
    r'[ \t]*([A-Za-z][A-Za-z0-9_-]*)=(?:"([^"\\]*)"|([0-9]{1,15}))[ \t]*(,|\Z)', re.ASCII
)
# How nearly everybody writes it.
STATED = ("keyid", "algorithm", "headers", "signature")
USUAL = re.compile(
    r'keyId="([^"\\]+)",algorithm="([^"\\]*)",headers="([^"\\]*)",signature="([^"\\]+)"'
)
SECONDS = re.compile(r"[0-9]{1,15}", re.ASCII)
# A header name is lower-case; the three in brackets are made, not sent.
COVERED = re.compile(r"\((?:request-target|created|expires)\)|[!#$%&'*+\-.^_`|~0-9a-z]+")


def parse(header: str) -> Stamp:
    """Read the value of a Signature header. Raises BadSignature for anything out of the ordinary.

    Without `headers` the draft means the date alone, or `(created)` where the algorithm is hs2019.
    """
    usual = USUAL.fullmatch(header)
    if usual is not None:
        parameters = dict(zip(STATED, usual.groups(), strict=True))
    else:
        parameters = _parameters(header)
    for name in ("keyid", "signature"):
        if not parameters.get(name):
            raise BadSignature(f"the signature has no {name}")
    algorithm = parameters.get("algorithm")
    default = "(created)" if algorithm == "hs2019" else "date"
    covered = _covered(parameters.get("headers", default))
    for name in ("created", "expires"):
        if f"({name})" in covered:
            _may_be_covered(name, parameters)
    return Stamp(
        key_id=parameters["keyid"],
        covered=covered,
        signature=_signature(parameters["signature"]),
        algorithm=algorithm,
        created=_seconds(parameters, "created"),
        expires=_seconds(parameters, "expires"),
    )


def _parameters(header: str) -> dict[str, str]:
    parameters: dict[str, str] = {}
    at = 0
    while True:
        match = PARAMETER.match(header, at)
        if match is None:
            raise BadSignature("the signature header cannot be read")
        name = match[1].lower()
        if name in parameters:
            raise BadSignature(f"the signature states {name} twice")
        parameters[name] = match[3] if match[2] is None else match[2]
        at = match.end()
        if not match[4]:
            return parameters


@lru_cache(maxsize=256)  # each server covers the same ones in all its requests
def _covered(headers: str) -> tuple[str, ...]:
    names = tuple(headers.split(" "))
    if not all(COVERED.fullmatch(name) for name in names):
        raise BadSignature("the list of signed headers cannot be read")
    if len(set(names)) != len(names):
        raise BadSignature("a header is said to be signed twice")
    return names


def _may_be_covered(name: str, parameters: dict[str, str]) -> None:
    if name not in parameters:
        raise BadSignature(f"({name}) is said to be signed but is not stated")
    algorithm = parameters.get("algorithm", "")
    if algorithm.lower().startswith(("rsa", "hmac", "ecdsa")):
        raise BadSignature(f"({name}) does not go with {algorithm}")


def _signature(text: str) -> bytes:
    try:
        return a2b_base64(text, strict_mode=True)
    except (BadBase64, ValueError) as error:
        raise BadSignature("the signature is not base64") from error


def _seconds(parameters: dict[str, str], name: str) -> int | None:
    text = parameters.get(name)
    if text is None:
        return None
    if not SECONDS.fullmatch(text):
        raise BadSignature(f"{name} is not a number of seconds")
    return int(text)


def base(stamp: Stamp, message: Message, with_query: bool = True) -> bytes:
    """The text that was signed. Raises BadSignature when a covered header is not there.

    Old Mastodons leave the query out of `(request-target)`: `with_query=False`.
    """
    lines = [f"{name}: {_value(name, stamp, message, with_query)}" for name in stamp.covered]
    try:
        # aiohttp keeps bytes that are not UTF-8 as escaped surrogates: they go back as they came.
        return "\n".join(lines).encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise BadSignature("a signed header is not text") from error


def _value(name: str, stamp: Stamp, message: Message, with_query: bool) -> str:
    if not name.startswith("("):
        return claims.field(message, name)
    if name == "(request-target)":
        target = claims.target(message.url)
        return f"{message.method.lower()} {target.path}{target.query if with_query else ''}"
    if name == "(created)":
        return str(stamp.created)
    return str(stamp.expires)


def sign(
    method: str,
    url: str,
    *,
    signer: Signer,
    now: datetime,
    body: bytes | None,
    content_type: str | None,
    with_query: bool,
) -> dict[str, str]:
    """All headers of a signed request; see `signatures.sign`."""
    target = claims.target(url)
    headers = {"Host": target.authority, "Date": claims.date(int(now.timestamp()))}
    names = "(request-target) host date"
    text = (
        f"(request-target): {method.lower()} {target.path}{target.query if with_query else ''}\n"
        f"host: {target.authority}\ndate: {headers['Date']}"
    )
    if body is not None:
        headers["Digest"] = digests.digest(body)
        names += " digest"
        text += f"\ndigest: {headers['Digest']}"
    if content_type is not None:
        headers["Content-Type"] = content_type
        names += " content-type"
        text += f"\ncontent-type: {content_type}"
    algorithm = "hs2019" if isinstance(signer.key, Ed25519PrivateKey) else "rsa-sha256"
    signature = b64encode(keys.sign(signer.key, text.encode())).decode()
    headers["Signature"] = (
        f'keyId="{signer.key_id}",algorithm="{algorithm}",headers="{names}",signature="{signature}"'
    )
    return headers
