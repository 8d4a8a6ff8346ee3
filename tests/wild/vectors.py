"""Reads the test vectors that other projects published, and checks them without our rules.

`STAFFROOM_VECTORS` names their folder; where it is not set, the tests that need them say so.
Some vectors use what we never accept (RSA with 1024 bits, RSA-PSS, ECDSA, a shared secret): the
cryptography for those is here, so that a vector's own verdict can stand beside ours.
"""

import hmac
import json
import os
from base64 import b64decode
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256, SHA512
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from multidict import CIMultiDict

from federation import base58
from federation.errors import BadSignature, Malformed
from federation.signatures import Message

Case = dict[str, Any]


def folder(variable: str) -> Path | None:
    """The folder that the environment variable names, if it is set."""
    name = os.environ.get(variable)
    return Path(name) if name else None


def load(file: str) -> Case:
    """One file of vectors."""
    root = folder("STAFFROOM_VECTORS")
    assert root is not None
    content: Case = json.loads((root / file).read_text("utf-8"))
    return content


def each(cases: list[Any], name: str = "id") -> pytest.MarkDecorator:
    """One test for each case, called by its `name` where it has one."""
    params = [
        pytest.param(
            case, id=str(case.get(name, number)) if isinstance(case, dict) else str(number)
        )
        for number, case in enumerate(cases)
    ]
    return pytest.mark.parametrize("case", params)


def message(request: Case) -> Message:
    """A vector's request as a door would see it."""
    return Message(
        method=request["method"],
        url=request["url"],
        headers=CIMultiDict((name, value) for name, value in request.get("headers", [])),
        body=request.get("body", "").encode(),
    )


def moment(text: str) -> datetime:
    """`2026-03-02T09:00:00Z` and the like."""
    return datetime.fromisoformat(text)


def seconds(number: int) -> datetime:
    return datetime.fromtimestamp(number, UTC)


def genuine(algorithm: str, key: Case, signature: bytes, text: bytes) -> bool:
    """Whether `signature` over `text` is cryptographically good, whatever we think of the kind."""
    if algorithm == "hmac-sha256":
        return hmac.digest(b64decode(key["secret_base64"]), text, "sha256") == signature
    public = load_pem_public_key(key["public_spki_pem"].encode())
    try:
        match algorithm, public:
            case "rsa-v1_5-sha256", rsa.RSAPublicKey():
                public.verify(signature, text, padding.PKCS1v15(), SHA256())
            case "rsa-pss-sha512", rsa.RSAPublicKey():
                public.verify(signature, text, padding.PSS(padding.MGF1(SHA512()), 64), SHA512())
            case "ecdsa-p256-sha256", ec.EllipticCurvePublicKey():
                half = len(signature) // 2
                r, s = (
                    int.from_bytes(part, "big") for part in (signature[:half], signature[half:])
                )
                public.verify(utils.encode_dss_signature(r, s), text, ec.ECDSA(SHA256()))
            case "ed25519", Ed25519PublicKey():
                public.verify(signature, text)
            case _:
                raise AssertionError(f"a vector with {algorithm} and another kind of key")
    except InvalidSignature:
        return False
    return True


def secret_key(multibase: str) -> Ed25519PrivateKey:
    """A private key as the FEPs publish theirs: multicodec 8026."""
    raw = base58.decode(multibase, 100)
    assert raw[:2] == b"\x80\x26"
    return Ed25519PrivateKey.from_private_bytes(raw[2:])


def refusal(attempt: Any, *arguments: Any) -> str:
    """Why we refuse, or "" when we do not."""
    try:
        attempt(*arguments)
    except (BadSignature, Malformed) as error:
        return str(error)
    return ""
