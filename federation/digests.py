"""A request says what its body weighs to the last bit; we weigh it again.

`Digest` is the old header (RFC 3230), `Content-Digest` the new one (RFC 9530). Every SHA-256 and
SHA-512 that a peer states must be right, and at least one must be there; MD5 and other things
beside them are not read. The body is weighed as it came, before anything decodes it.
"""

import hashlib
from base64 import b64encode
from binascii import Error as BadBase64
from binascii import a2b_base64
from functools import lru_cache
from hmac import compare_digest

from multidict import MultiMapping

from federation import structured
from federation.errors import BadSignature, Malformed

STRONG = {"sha-256": hashlib.sha256, "sha-512": hashlib.sha512}


def digest(body: bytes) -> str:
    """The value of a `Digest` header for `body`."""
    return f"SHA-256={_sha256(body)}"


def content_digest(body: bytes) -> str:
    """The value of a `Content-Digest` header for `body`."""
    return f"sha-256=:{_sha256(body)}:"


@lru_cache(maxsize=64)  # one body goes to many
def _sha256(body: bytes) -> str:
    return b64encode(hashlib.sha256(body).digest()).decode()


def check(headers: MultiMapping[str], body: bytes) -> None:
    """Compare `body` with every digest header that the request carries.

    Raises BadSignature when there is none, none is SHA-256 or SHA-512, or one of them is wrong;
    Malformed when Content-Digest is not a structured field.
    """
    old = headers.getall("Digest", ())
    new = headers.getall("Content-Digest", ())
    if not old and not new:
        raise BadSignature("the request states no digest of its body")
    if old:
        _compare(_read_digest(", ".join(old)), body)
    if new:
        _compare(_read_content_digest(", ".join(new)), body)


def _read_digest(value: str) -> list[tuple[str, bytes]]:
    stated = []
    for part in value.split(","):
        name, _, text = part.strip(" \t").partition("=")
        algorithm = name.lower()  # peers write SHA-256 and sha-256
        if algorithm not in STRONG:
            continue
        try:
            stated.append((algorithm, a2b_base64(text, strict_mode=True)))
        except (BadBase64, ValueError) as error:
            raise BadSignature("the digest is not base64") from error
    return stated


def _read_content_digest(value: str) -> list[tuple[str, bytes]]:
    stated = []
    for algorithm, member in structured.dictionary(value).items():
        if algorithm not in STRONG:
            continue
        if not isinstance(member, structured.Item) or not isinstance(member.value, bytes):
            raise Malformed("a content digest is not a byte sequence")
        stated.append((algorithm, member.value))
    return stated


def _compare(stated: list[tuple[str, bytes]], body: bytes) -> None:
    if not stated:
        raise BadSignature("the digest is neither SHA-256 nor SHA-512")
    for algorithm, claimed in stated:
        # compare_digest is false for another length, so a shortened digest never passes.
        if not compare_digest(STRONG[algorithm](body).digest(), claimed):
            raise BadSignature(f"the {algorithm} digest is not that of the body")
