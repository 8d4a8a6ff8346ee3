"""Requests made for a school, each with the verdict that its door must give."""

import json
from typing import Any

import pytest

from federation import cavage, keys, rfc9421, signatures
from federation.signatures import Message
from tests.wild import vectors
from tests.wild.vectors import Case

FOLDER = vectors.folder("STAFFROOM_FIXTURES")
if FOLDER is None:
    pytest.skip(
        "STAFFROOM_FIXTURES is not set: 1 file of test vectors skipped", allow_module_level=True
    )

CONTENT: Case = json.loads((FOLDER / "_vectors/http-signatures-staffroom.json").read_text("utf-8"))
CASES = [pytest.param(case, id=f"{case['id']} {case['what']}") for case in CONTENT["tests"]]

NO_FIT = "the signature does not fit the key"
WINDOW = "the signature is too old, or from the future"
BODY = "the sha-256 digest is not that of the body"
RULES = {
    "g-c06": BODY,
    "g-c07": "digest is not signed",
    "g-c08": WINDOW,
    "g-c09": WINDOW,
    "g-c10": "host is not signed",
    "g-c11": "(request-target) is not signed",
    "g-c12": NO_FIT,
    "g-c13": NO_FIT,
    "g-c14": "the signature has expired",
    "g-c15": "the digest is neither SHA-256 nor SHA-512",
    "g-c16": "neither date nor (created) is signed",
    "g-r10": BODY,
    "g-r11": '"content-digest" is not signed',
    "g-r12": WINDOW,
    "g-r13": WINDOW,
    "g-r14": "the signature has expired",
    "g-r15": NO_FIT,
    "g-r16": NO_FIT,
    "g-r17": "the algorithm rsa-pss-sha512 does not go with the key",
    "g-r18": "the algorithm ed25519 does not go with the key",
    "g-r19": '"@method" is not signed',
    "g-r20": "the sha-512 digest is not that of the body",
    "g-r21": "the signature header cannot be read",
    "g-r22": NO_FIT,
    "g-r23": "the signature does not say when it was made",
    "g-r24": '"@authority" is not signed',
}


def door(message: Message, now: Any) -> None:
    claim = signatures.read(message)
    public = keys.load(keys.from_pem(CONTENT["keys"][claim.key_id]["public_spki_pem"]))
    signatures.verify(claim, message, public, now)


@pytest.mark.parametrize("case", CASES)
def test_a_school_s_door(case: Case) -> None:
    message = vectors.message(case["request"])
    verdict = vectors.refusal(door, message, vectors.moment(case["now"]))
    assert verdict == RULES.get(case["id"], "")
    assert (verdict == "") is (case["expect"] == "valid")
    if "signing_string" in case:
        text = cavage.base(cavage.parse(message.headers["Signature"]), message)
        assert text.decode() == case["signing_string"]
    if "signature_base" in case:
        headers = message.headers
        (stamp,) = rfc9421.parse(headers["Signature-Input"], headers["Signature"])
        assert rfc9421.base(stamp, message).decode() == case["signature_base"]
