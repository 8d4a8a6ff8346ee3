"""Who wrote it: a proof inside a document, which stays true when others pass the document on.

FEP-8b32 with the suite eddsa-jcs-2022: the writer's Ed25519 key over one canonical spelling.
https://w3id.org/fep/8b32, https://www.w3.org/TR/vc-di-eddsa/#eddsa-jcs-2022
"""

import hashlib
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from federation import base58, jcs, keys
from federation.errors import BadSignature, Malformed
from federation.keys import PrivateKey, PublicKey

TYPE = "DataIntegrityProof"
SUITE = "eddsa-jcs-2022"
PURPOSE = "assertionMethod"
MOST_PROOFS = 10
LONGEST_VALUE = 100

Document = dict[str, Any]


def prove(document: Document, *, key: PrivateKey, method: str, now: datetime) -> Document:
    """`document` with a proof, made last of all. `method` is the id of the key.

    A proof that is already in there is replaced. Raises Malformed for a document that has no
    canonical spelling, TypeError for a key that is not Ed25519.
    """
    if not isinstance(key, Ed25519PrivateKey):
        raise TypeError("the suite eddsa-jcs-2022 needs an Ed25519 key")
    proof: Document = {
        "type": TYPE,
        "cryptosuite": SUITE,
        "created": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "verificationMethod": method,
        "proofPurpose": PURPOSE,
    }
    if "@context" in document:
        proof["@context"] = document["@context"]
    proof["proofValue"] = base58.encode(keys.sign(key, hashed(document, proof)))
    return {**document, "proof": proof}


def method_of(document: Document) -> list[str]:
    """The ids of the keys that made the proofs we can check, in order; at most ten."""
    methods = [proof.get("verificationMethod") for proof in _proofs(document)]
    return list(dict.fromkeys(method for method in methods if isinstance(method, str)))


def verify(document: Document, method: str, public: PublicKey, now: datetime) -> None:
    """Raises BadSignature unless a proof in `document` was made with the key `method`.

    One good proof is enough where there are several. Who owns the key is not asked here.
    """
    if not isinstance(public, Ed25519PublicKey):
        raise BadSignature("a proof by a key that is not Ed25519")
    failure = BadSignature(f"no {SUITE} proof by {method}")
    for proof in _proofs(document):
        if proof.get("verificationMethod") != method:
            continue
        try:
            _current(proof, now)
            keys.verify(public, _value(proof), hashed(document, proof))
            return
        except BadSignature as error:
            failure = error
        except Malformed as error:
            failure = BadSignature(f"the proof cannot be checked: {error}")
    raise failure


def hashed(document: Document, proof: Document) -> bytes:
    """The 64 bytes that are signed: the hash of the proof's options, then of the document.

    Raises BadSignature when the proof was made under another @context than the document's,
    Malformed when one of them has no canonical spelling.
    """
    options = {key: value for key, value in proof.items() if key != "proofValue"}
    unsigned = {key: value for key, value in document.items() if key not in ("proof", "signature")}
    if "@context" in options:
        stated, actual = _list(options["@context"]), _list(unsigned.get("@context"))
        if actual[: len(stated)] != stated:
            raise BadSignature("the proof was made under another @context")
        # What somebody added to the end of the context is not part of what was proven.
        unsigned["@context"] = options["@context"]
    return _sha256(options) + _sha256(unsigned)


def _sha256(value: Document) -> bytes:
    return hashlib.sha256(jcs.canonical(value)).digest()


def _list(value: object) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _proofs(document: Document) -> list[Document]:
    return [
        proof
        for proof in _list(document.get("proof"))[:MOST_PROOFS]
        if isinstance(proof, dict)
        and proof.get("type") == TYPE
        and proof.get("cryptosuite") == SUITE
    ]


def _current(proof: Document, now: datetime) -> None:
    """What a proof must say beside its value."""
    if proof.get("proofPurpose") != PURPOSE:
        raise BadSignature("the proof has another purpose")
    if "previousProof" in proof:
        raise BadSignature("chains of proofs are not supported")
    if "expires" in proof and _moment(proof["expires"]) <= now:
        raise BadSignature("the proof has expired")


def _moment(value: object) -> datetime:
    try:
        if not isinstance(value, str):
            raise ValueError(value)
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            raise ValueError(value)
    except ValueError as error:
        raise BadSignature("the proof does not say clearly when it expires") from error
    return moment


def _value(proof: Document) -> bytes:
    return base58.decode(proof.get("proofValue"), LONGEST_VALUE)
