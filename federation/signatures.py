"""Who is speaking: requests are signed by the sending actor, and nothing is believed before.

There are two forms, `cavage` and `rfc9421`; each reads and writes its own headers, the rules for
what a good signature covers and how old it may be are here, once. Signing and checking follow the
key: a header that names another algorithm than the key's own is refused.
"""

import re
from datetime import UTC, datetime
from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from federation import addresses, cavage, claims, digests, keys, rfc9421
from federation.claims import Claim, Form, Message, Signer, Stamp, Way
from federation.errors import BadSignature, Malformed
from federation.keys import PublicKey

__all__ = [
    "Claim",
    "Form",
    "Message",
    "Signer",
    "Way",
    "made_by",
    "read",
    "screen",
    "sign",
    "verify",
]

OLDEST = 12 * 3600
"""Seconds that a request may have been under way."""
AHEAD = 3600
"""Seconds that a peer's clock may be ahead of ours."""

# What a header may call the algorithm, for each kind of key. The draft's `hs2019` means "see key".
RSA_NAMES = {"cavage": {"rsa-sha256", "hs2019"}, "rfc9421": {"rsa-v1_5-sha256"}}
ED25519_NAMES = {"cavage": {"ed25519", "hs2019"}, "rfc9421": {"ed25519"}}

BODILESS = frozenset({"GET", "HEAD"})
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
DATE = re.compile(
    r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), ([0-9]{2}) ([A-Z][a-z]{2}) ([0-9]{4}) "
    r"([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT"
)


def sign(
    method: str,
    url: str,
    *,
    signer: Signer,
    now: datetime,
    form: Way = "cavage",
    body: bytes | None = None,
    content_type: str | None = None,
    with_query: bool = True,
) -> dict[str, str]:
    """All headers that a signed request to `url` needs, Host and Date among them.

    Pass `body` (also an empty one) for a request that carries one, and send exactly these bytes.
    `with_query=False` leaves the query out of what is signed, for old Mastodons (cavage only).
    The signature is good for minutes: sign at the moment of sending.
    """
    if form != "cavage":
        return rfc9421.sign(
            method, url, signer=signer, now=now, body=body, content_type=content_type
        )
    return cavage.sign(
        method,
        url,
        signer=signer,
        now=now,
        body=body,
        content_type=content_type,
        with_query=with_query,
    )


def read(message: Message) -> Claim:
    """What the signature of `message` claims; nothing of it is checked yet.

    Raises BadSignature when there is none, more than one Signature header, or one that cannot be
    accepted whatever the key; Malformed when Signature-Input is not a structured field.
    """
    headers = message.headers.getall("Signature", [])
    if len(headers) != 1:
        raise BadSignature("unsigned" if not headers else "more than one Signature header")
    inputs = message.headers.getall("Signature-Input", [])
    if len(inputs) > 1:
        raise BadSignature("more than one Signature-Input header")
    stamps = rfc9421.parse(inputs[0], headers[0]) if inputs else (cavage.parse(headers[0]),)
    key_id = stamps[0].key_id
    if any(stamp.key_id != key_id for stamp in stamps):
        # All must be good, and we look up one key for a request.
        raise BadSignature("signatures by several keys")
    try:
        addresses.parse(key_id, keys.ANY_ORIGIN)
    except Malformed as error:
        raise BadSignature(f"the id of the key: {error}") from error
    return Claim(key_id, "rfc9421" if inputs else "cavage", stamps)


def screen(claim: Claim, message: Message, now: datetime) -> None:
    """All that can be checked before the key is known: coverage, age and digest.

    Raises BadSignature, or Malformed for a broken Content-Digest. `verify` does this too; a door
    that would have to fetch the key first asks here whether that is worth it.
    """
    needs_digest = bool(message.body) or message.method not in BODILESS
    if message.body and message.method in BODILESS:
        raise BadSignature(f"a {message.method} with a body")
    for stamp in claim.stamps:
        if claim.form == "rfc9421":
            _covers_rfc9421(stamp, message, needs_digest)
        else:
            _covers_cavage(stamp, needs_digest)
        _fresh(stamp, message, claim.form, now.timestamp())
    if needs_digest:
        digests.check(message.headers, message.body)


def verify(claim: Claim, message: Message, public: PublicKey, now: datetime) -> None:
    """Raises BadSignature unless `public` signed `message`, all of it that counts, just now.

    Malformed for a broken Content-Digest. Where a request carries several signatures, every one
    must be good. Whose key it is, and whether they may sign at all, is not asked here.
    """
    screen(claim, message, now)
    for stamp in claim.stamps:
        _names_the_key(stamp, claim.form, public)
        made_by(stamp, claim.form, message, public)


def made_by(stamp: Stamp, form: Form, message: Message, public: PublicKey) -> None:
    """The cryptography alone: raises BadSignature unless the key's other half made `stamp`."""
    if form == "rfc9421":
        keys.verify(public, stamp.signature, rfc9421.base(stamp, message))
        return
    try:
        keys.verify(public, stamp.signature, cavage.base(stamp, message))
    except BadSignature:
        if not claims.target(message.url).query or "(request-target)" not in stamp.covered:
            raise
        keys.verify(public, stamp.signature, cavage.base(stamp, message, with_query=False))


def _names_the_key(stamp: Stamp, form: Form, public: PublicKey) -> None:
    names = (RSA_NAMES if isinstance(public, RSAPublicKey) else ED25519_NAMES)[form]
    if stamp.algorithm is not None and stamp.algorithm not in names:
        raise BadSignature(f"the algorithm {stamp.algorithm} does not go with the key")


def _covers_cavage(stamp: Stamp, needs_digest: bool) -> None:
    needed = ["(request-target)", "host"]
    needed += ["digest"] if needs_digest else []
    for name in needed:
        if name not in stamp.covered:
            raise BadSignature(f"{name} is not signed")
    if "date" not in stamp.covered and "(created)" not in stamp.covered:
        raise BadSignature("neither date nor (created) is signed")


def _covers_rfc9421(stamp: Stamp, message: Message, needs_digest: bool) -> None:
    needed = ['"@method"']
    needed += ['"content-digest"'] if needs_digest else []
    if '"@target-uri"' not in stamp.covered:
        needed += ['"@authority"', '"@path"']
        needed += ['"@query"'] if claims.target(message.url).query else []
    for name in needed:
        if name not in stamp.covered:
            raise BadSignature(f"{name} is not signed")
    if stamp.created is None:
        raise BadSignature("the signature does not say when it was made")


def _fresh(stamp: Stamp, message: Message, form: Form, now: float) -> None:
    """Every time that is signed must lie in the window, and `expires` in the future."""
    if stamp.expires is not None and stamp.expires < now:
        raise BadSignature("the signature has expired")
    times = []
    if stamp.created is not None and (form == "rfc9421" or "(created)" in stamp.covered):
        times.append(stamp.created)
    if form == "cavage" and "date" in stamp.covered:
        times.append(_seconds(claims.field(message, "date")))
    for seconds in times:
        if not now - OLDEST <= seconds <= now + AHEAD:
            raise BadSignature("the signature is too old, or from the future")


@lru_cache(maxsize=256)  # of one second there are many
def _seconds(date: str) -> int:
    match = DATE.fullmatch(date)
    try:
        if match is None:
            raise ValueError(date)
        day, month, year, hour, minute, second = match.groups()
        moment = datetime(
            int(year), MONTHS.index(month) + 1, int(day), int(hour), int(minute), int(second),
            tzinfo=UTC,
        )  # fmt: skip
    except ValueError as error:
        raise BadSignature("the date cannot be read") from error
    return int(moment.timestamp())
