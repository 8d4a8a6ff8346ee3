"""The keys of our actors and of theirs: made, kept sealed, read from documents, used.

RSA signs requests, since every server understands it; Ed25519 signs documents (FEP-8b32) and
requests where a peer has such a key. Which algorithm counts is decided by the key, never by what
a header says. RSA keys have 2048 to 4096 bits. Public keys are kept as SubjectPublicKeyInfo in
DER, ours also as a sealed PKCS#8 that only the school's secret opens.
"""

import os
from base64 import b64decode
from binascii import Error as BadBase64
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any, Literal, TypeAlias

from cryptography.exceptions import InvalidSignature, InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
)

from federation import addresses, base58
from federation.errors import BadSignature, Malformed

Algorithm = Literal["rsa", "ed25519"]
PrivateKey: TypeAlias = rsa.RSAPrivateKey | Ed25519PrivateKey
PublicKey: TypeAlias = rsa.RSAPublicKey | Ed25519PublicKey

RSA_BITS = 2048
SMALLEST, LARGEST = 2048, 4096
LARGEST_EXPONENT = 2**32
PADDING = padding.PKCS1v15()
SHA256 = hashes.SHA256()

VERSION = b"\x01"
NONCE = 12

ED25519_CODEC = b"\xed\x01"
RSA_CODEC = b"\x85\x24"
LONGEST_MULTIBASE = 1024
LONGEST_PEM = 4096
MOST_LISTED = 10

# A document is judged as it stands; whether we may fetch from its host is another question.
ANY_ORIGIN = addresses.Rules(allow_http=True, allow_private=True)


class WrongSecret(Exception):
    """A sealed private key does not open: another school's secret, or damaged bytes."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A public key as a document lists it: its id, whose it is, and the key (DER)."""

    id: str
    owner: str
    public: bytes


def generate(algorithm: Algorithm) -> PrivateKey:
    """A fresh private key: RSA with 2048 bits, or Ed25519."""
    if algorithm == "rsa":
        return rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
    return Ed25519PrivateKey.generate()


@lru_cache(maxsize=4)
def _cipher(secret: bytes) -> AESGCM:
    # The school's secret seals more than keys; each use gets a key of its own.
    info = b"staffroom private keys"
    return AESGCM(HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=info).derive(secret))


def seal(secret: bytes, key: PrivateKey) -> bytes:
    """`key` encrypted with the school's secret, fit for a database row.

    One byte of version, twelve of nonce, then AES-256-GCM over the PKCS#8.
    """
    plain = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    nonce = os.urandom(NONCE)
    return VERSION + nonce + _cipher(secret).encrypt(nonce, plain, VERSION)


@lru_cache(maxsize=2048)
def unseal(secret: bytes, sealed: bytes) -> PrivateKey:
    """The private key in `sealed`. Raises WrongSecret when the secret does not open it."""
    version, nonce, box = sealed[:1], sealed[1 : 1 + NONCE], sealed[1 + NONCE :]
    if version != VERSION or len(nonce) != NONCE:
        raise WrongSecret("a sealed key of an unknown version")
    try:
        plain = _cipher(secret).decrypt(nonce, box, version)
    except InvalidTag as error:
        raise WrongSecret("this secret does not open the sealed key") from error
    # We made this key and the seal is whole, so the primality check (30 ms) would tell nothing.
    key = load_der_private_key(plain, None, unsafe_skip_rsa_key_validation=True)
    if not isinstance(key, rsa.RSAPrivateKey | Ed25519PrivateKey):
        raise WrongSecret("a sealed key of an unknown kind")
    return key


def public_der(private: PrivateKey) -> bytes:
    """The public half of `private`, as SubjectPublicKeyInfo."""
    return _der(private.public_key())


def _der(public: PublicKey) -> bytes:
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@lru_cache(maxsize=4096)
def load(der: bytes) -> PublicKey:
    """The public key in `der` (SubjectPublicKeyInfo, or PKCS#1 for RSA).

    Raises BadSignature for anything but Ed25519 and RSA with 2048 to 4096 bits.
    """
    try:
        key = load_der_public_key(der)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BadSignature("the public key cannot be read") from error
    if isinstance(key, Ed25519PublicKey):
        return key
    if not isinstance(key, rsa.RSAPublicKey):
        raise BadSignature("the public key is neither RSA nor Ed25519")
    if not SMALLEST <= key.key_size <= LARGEST:
        raise BadSignature(f"an RSA key of {key.key_size} bits, not {SMALLEST} to {LARGEST}")
    if key.public_numbers().e > LARGEST_EXPONENT:
        raise BadSignature("an RSA key with a huge exponent")
    return key


def algorithm(der: bytes) -> Algorithm:
    """What kind of key `der` is. Raises BadSignature as `load` does."""
    return "ed25519" if isinstance(load(der), Ed25519PublicKey) else "rsa"


def sign(private: PrivateKey, text: bytes) -> bytes:
    """Sign `text`: RSASSA-PKCS1-v1_5 with SHA-256, or Ed25519, as the key is."""
    if isinstance(private, Ed25519PrivateKey):
        return private.sign(text)
    return private.sign(text, PADDING, SHA256)


def verify(public: PublicKey, signature: bytes, text: bytes) -> None:
    """Raises BadSignature unless `signature` over `text` was made with the key's other half."""
    try:
        if isinstance(public, Ed25519PublicKey):
            public.verify(signature, text)
        else:
            public.verify(signature, text, PADDING, SHA256)
    except InvalidSignature as error:
        raise BadSignature("the signature does not fit the key") from error


def pem(der: bytes) -> str:
    """The key as `publicKeyPem` shows it."""
    return load(der).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def from_pem(text: object) -> bytes:
    """The DER of a key written as `BEGIN PUBLIC KEY` or `BEGIN RSA PUBLIC KEY`.

    Some servers wrap the base64 in other places, or not at all. Raises BadSignature for anything
    that `load` does not take.
    """
    if not isinstance(text, str) or len(text) > LONGEST_PEM:
        raise BadSignature("the public key is not a PEM text")
    body = text.strip()
    for name in ("PUBLIC KEY", "RSA PUBLIC KEY"):
        first, last = f"-----BEGIN {name}-----", f"-----END {name}-----"
        if body.startswith(first) and body.endswith(last):
            break
    else:
        raise BadSignature("the public key is not a PEM text")
    try:
        der = b64decode("".join(body[len(first) : -len(last)].split()), validate=True)
    except (BadBase64, ValueError) as error:
        raise BadSignature("the public key is not base64") from error
    return _der(load(der))


def multibase(der: bytes) -> str:
    """The key as `publicKeyMultibase` shows it (FEP-521a): `z6Mk…` for Ed25519."""
    public = load(der)
    if isinstance(public, Ed25519PublicKey):
        return base58.encode(ED25519_CODEC + public.public_bytes_raw())
    return base58.encode(RSA_CODEC + public.public_bytes(Encoding.DER, PublicFormat.PKCS1))


def from_multibase(text: object) -> bytes:
    """The DER of a key written as `publicKeyMultibase`. Raises BadSignature for other things."""
    try:
        raw = base58.decode(text, LONGEST_MULTIBASE)
    except Malformed as error:
        raise BadSignature(f"the public key is {error}") from error
    codec, key = raw[:2], raw[2:]
    if codec == RSA_CODEC:
        public = load(key)
        if isinstance(public, rsa.RSAPublicKey):
            return _der(public)
    elif codec == ED25519_CODEC and len(key) == 32:
        return _der(Ed25519PublicKey.from_public_bytes(key))
    raise BadSignature("the public key is neither RSA nor Ed25519")


def listed(actor_document: dict[str, Any]) -> list[Listed]:
    """The keys that an actor's own document lists, at most ten, each id once.

    Reads `publicKey` and `assertionMethod` (FEP-521a), single or in arrays. Left out, because they
    prove nothing here: IRIs, keys that name another owner or stand on another origin than the
    actor, and kinds and sizes that we do not take.
    """
    owner = actor_document.get("id")
    if not isinstance(owner, str):
        return []
    found: dict[str, Listed] = {}
    for entry in islice(_entries(actor_document), MOST_LISTED):
        key = _usable(entry, owner)
        if key is not None and key.owner == owner and key.id not in found:
            found[key.id] = key
    return list(found.values())


def from_document(document: dict[str, Any], key_id: str) -> Listed:
    """The key `key_id` out of what its address answered.

    Three shapes are in use: a full actor, an actor cut down to its key (GoToSocial), and a key
    that is a document of its own. In the last the owner is only claimed: whoever calls must see
    the key listed in the owner's document too. Raises BadSignature when the key is not in there,
    or is one that we do not take.
    """
    for key in listed(document):
        if key.id == key_id:
            return key
    if document.get("id") == key_id:
        owner = document.get("owner") or document.get("controller")
        key_alone = _usable(document, owner) if isinstance(owner, str) else None
        if key_alone is not None:
            return key_alone
    raise BadSignature(f"{key_id} is not a key that its document lists")


def _entries(actor_document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for name in ("publicKey", "assertionMethod"):
        value = actor_document.get(name)
        for entry in value if isinstance(value, list) else [value]:
            if isinstance(entry, dict):
                yield entry


def _usable(entry: dict[str, Any], owner: str) -> Listed | None:
    """`entry` as a key, if it is one that can sign for `owner`."""
    key_id = entry.get("id")
    if not isinstance(key_id, str):
        return None
    try:
        if "publicKeyMultibase" in entry:
            types = entry.get("type")
            if "Multikey" not in (types if isinstance(types, list) else [types]):
                return None
            named, public = entry.get("controller"), from_multibase(entry["publicKeyMultibase"])
        else:
            # Bridgy Fed leaves the owner out; the key then stands in its owner's own document.
            named, public = entry.get("owner", owner), from_pem(entry.get("publicKeyPem"))
        if named != owner or not addresses.same_origin(key_id, owner, ANY_ORIGIN):
            return None
    except (BadSignature, Malformed):
        return None
    return Listed(key_id, owner, public)
