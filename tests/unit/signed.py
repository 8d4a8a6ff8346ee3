"""Anna of Oakfield sends requests to Riverside: honest ones, and ones signed by hand."""

from base64 import b64encode
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from multidict import CIMultiDict

from federation import digests, keys, rfc9421, signatures
from federation.errors import BadSignature
from federation.keys import Algorithm, PublicKey
from federation.signatures import Form, Message, Signer

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
STAMP = int(NOW.timestamp())
INBOX = "https://riverside.example/inbox"
OUTBOX = "https://riverside.example/users/ben/outbox?page=true"
KEY_ID = "https://oakfield.example/users/anna#main-key"
BODY = b'{"type":"Follow"}'
JSON = "application/activity+json"

DATE = "Mon, 02 Mar 2026 09:00:00 GMT"
LINE = {
    "(request-target)": "post /inbox",
    "host": "riverside.example",
    "date": DATE,
    "digest": digests.digest(BODY),
    "(created)": str(STAMP),
}

FORMS: list[Form] = ["cavage", "rfc9421"]
ALGORITHMS: list[Algorithm] = ["rsa", "ed25519"]
both_forms = pytest.mark.parametrize("form", FORMS)
both_algorithms = pytest.mark.parametrize("algorithm", ALGORITHMS)


@lru_cache(maxsize=8)
def anna(algorithm: Algorithm = "ed25519") -> Signer:
    """Anna of Oakfield, who sends; the Ed25519 key is always the same one."""
    if algorithm == "ed25519":
        return Signer(KEY_ID, Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
    return Signer(KEY_ID, keys.generate(algorithm))


def public(algorithm: Algorithm = "ed25519") -> PublicKey:
    return keys.load(keys.public_der(anna(algorithm).key))


def arrived(method: str, url: str, headers: dict[str, str], body: bytes | None) -> Message:
    """The request as Riverside's door sees it."""
    return Message(method, url, CIMultiDict(headers), body or b"")


def posted(
    form: Form = "cavage", algorithm: Algorithm = "ed25519", url: str = INBOX, **changes: Any
) -> Message:
    """An honest POST by Anna."""
    arguments: dict[str, Any] = {"signer": anna(algorithm), "now": NOW, "form": form}
    arguments |= {"body": BODY, "content_type": JSON} | changes
    headers = signatures.sign("POST", url, **arguments)
    return arrived("POST", url, headers, BODY)


def fetched(form: Form = "cavage", algorithm: Algorithm = "ed25519", url: str = OUTBOX) -> Message:
    """An honest GET by Anna."""
    headers = signatures.sign("GET", url, form=form, signer=anna(algorithm), now=NOW)
    return arrived("GET", url, headers, None)


def door(message: Message, key: PublicKey | None = None, now: datetime = NOW) -> None:
    """What Riverside does with a request once it has Anna's key."""
    claim = signatures.read(message)
    if claim.key_id != KEY_ID:
        raise BadSignature("a key that Riverside does not know")
    signatures.verify(claim, message, key or public(), now)


def refused(message: Message, reason: str, now: datetime = NOW) -> None:
    with pytest.raises(BadSignature, match=reason):
        door(message, now=now)


def with_headers(message: Message, **changes: str | None) -> Message:
    """The request with headers set, or taken away (None); `_` stands for `-`."""
    headers = CIMultiDict(message.headers)
    for name, value in changes.items():
        headers.pop(name.replace("_", "-"), None)
        if value is not None:
            headers[name.replace("_", "-")] = value
    return replace(message, headers=headers)


def cavage_by_hand(message: Message, covered: str, lines: str, **parameters: str) -> Message:
    """Sign `lines` with Anna's key and say whatever we like about it."""
    signature = b64encode(anna().key.sign(lines.encode())).decode()  # type: ignore[call-arg]
    stated = {"keyId": f'"{KEY_ID}"', "headers": f'"{covered}"'} | parameters
    stated["signature"] = f'"{signature}"'
    value = ",".join(f"{name}={text}" for name, text in stated.items() if text)
    return with_headers(message, Signature=value)


def rfc9421_by_hand(
    message: Message, covered: str, parameters: str | None = None, label: str = "sig1"
) -> Message:
    """Sign what `covered` lists, with our own reading of it, under any parameters."""
    if parameters is None:
        parameters = f';created={STAMP};keyid="{KEY_ID}"'
    described = f"{label}=({covered}){parameters}"
    keyed = described if "keyid" in described else described + ';keyid="x"'
    (stamp,) = rfc9421.parse(keyed, f"{label}=:AAAA:")
    signature = b64encode(keys.sign(anna().key, rfc9421.base(stamp, message))).decode()
    return with_headers(message, Signature_Input=described, Signature=f"{label}=:{signature}:")


PAIR = (f'sig1=("@method" "@target-uri" "content-digest");created={STAMP};keyid="{KEY_ID}"',
        "sig1=:AAAA:")  # fmt: skip
