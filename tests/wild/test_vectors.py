"""Signed requests and digests that other projects published, checked one by one.

Each vector's own verdict is asserted, and beside it ours with the rule that decides: some public
vectors are too weak or too old for a school, and then the reason must be the one we name.
"""

from base64 import b64encode
from datetime import datetime

import pytest

from federation import cavage, digests, keys, rfc9421, signatures, structured
from federation.claims import Stamp
from federation.errors import BadSignature
from federation.signatures import Claim, Form, Message
from tests.wild import vectors
from tests.wild.vectors import Case

FILES = (
    "digest/digests.json",
    "http-signatures/cavage.json",
    "http-signatures/malformed.json",
    "http-signatures/mastodon.json",
    "http-signatures/peers.json",
    "http-signatures/rfc9421.json",
)
if vectors.folder("STAFFROOM_VECTORS") is None:
    pytest.skip(
        f"STAFFROOM_VECTORS is not set: {len(FILES)} files of test vectors skipped",
        allow_module_level=True,
    )

CAVAGE = vectors.load("http-signatures/cavage.json")
MALFORMED = vectors.load("http-signatures/malformed.json")
MASTODON = vectors.load("http-signatures/mastodon.json")
PEERS = vectors.load("http-signatures/peers.json")
RFC9421 = vectors.load("http-signatures/rfc9421.json")
DIGESTS = vectors.load("digest/digests.json")

NO_ADDRESS = "the id of the key: not an address of the web"
WEAK = "an RSA key of 1024 bits, not 2048 to 4096"
NO_FIT = "the signature does not fit the key"


def only_stamp(message: Message) -> tuple[Form, Stamp]:
    """The signature, read without any rule about whose it is."""
    header = message.headers["Signature"]
    if "Signature-Input" in message.headers:
        return "rfc9421", rfc9421.parse(message.headers["Signature-Input"], header)[0]
    return "cavage", cavage.parse(header)


def our_verdict(message: Message, pem: str | None, now: datetime) -> str:
    """Why we refuse the whole request, "" where we take it; `pem` is None for an unknown key."""

    def door() -> None:
        claim = signatures.read(message)
        if pem is None:
            raise BadSignature("no key")
        signatures.verify(claim, message, keys.load(keys.from_pem(pem)), now)

    return vectors.refusal(door)


# http-signatures/cavage.json: keys of 1024 bits that are called "Test", so we take none of them.
# What we would say if the key were sound:
CAVAGE_COVERAGE = {
    "C.1": "(request-target) is not signed",
    "C.2": "digest is not signed",
    "C.3": "",
    "joyent-default": "(request-target) is not signed",
    "joyent-all": "",
}


@vectors.each(CAVAGE["tests"])
def test_the_draft_s_examples_are_genuine_but_not_what_a_school_takes(case: Case) -> None:
    message, key = vectors.message(case["request"]), CAVAGE["keys"]["Test"]
    stamp = cavage.parse(message.headers["Signature"])
    text = cavage.base(stamp, message)
    assert text.decode() == case["signing_string"]
    assert b64encode(stamp.signature).decode() == case["signature_base64"]
    assert vectors.genuine("rsa-v1_5-sha256", key, stamp.signature, text)

    assert vectors.refusal(signatures.read, message) == NO_ADDRESS
    assert vectors.refusal(keys.from_pem, key["public_spki_pem"]) == WEAK
    claim = Claim("https://peer.example/key", "cavage", (stamp,))
    then = vectors.moment("2014-01-05T21:31:40Z")
    assert vectors.refusal(signatures.screen, claim, message, then) == CAVAGE_COVERAGE[case["id"]]


# http-signatures/malformed.json: why we refuse each, named as the file does or by the header.
MALFORMED_RULES = {
    "asdf": "the signature header cannot be read",
    "": "the signature header cannot be read",
    "no keyId": "the signature has no keyid",
    'keyId="not a url",headers="(request-target) date digest",signature="AAAA"': (
        "the id of the key: address holds characters that have no business there"
    ),
    "empty headers list": "the list of signed headers cannot be read",
    "algorithm none": "the signature has no signature",
    'keyId="https://a.example/k#main-key",algorithm="rsa-sha256",headers="date",'
    'signature="not base64 !"': "the signature is not base64",
    "repeated parameter": "the signature states keyid twice",
    "(created) with rsa-sha256": "(created) does not go with rsa-sha256",
    "(created) signed but absent": "(created) is said to be signed but is not stated",
    "no keyid": "the signature has no keyid",
    "a component covered twice": "a component is covered twice",
    "labels do not match": "the labels of Signature-Input and Signature do not pair",
    "@signature-params must not be covered": "@signature-params is not a component of a request",
    "component names are lower case": (
        "the name of a component is not that of a header in lower case"
    ),
    "@status on a request": "@status is not a component of a request",
    "unknown derived component": "@made-up is not a component of a request",
    "sig1=(": "a value was expected in a structured field",
    'sig1=("@method");created=abc;keyid="https://a.example/k"': (
        "created is not a number of seconds"
    ),
    "upper-case dictionary key is not a valid structured field (Mastodon answers 400)": (
        "a key was expected in a structured field"
    ),
    "no colons: not a byte sequence": ", was expected in a structured field",
    "decodes to 3 bytes, not 32": "the sha-256 digest is not that of the body",
    "no SHA-256 offered": "the digest is neither SHA-256 nor SHA-512",
}


@vectors.each(MALFORMED["tests"])
def test_a_header_that_makes_no_sense_is_refused(case: Case) -> None:
    headers = {
        "Host": "school.example",
        "Date": "Mon, 02 Mar 2026 09:00:00 GMT",
        "Content-Type": "application/activity+json",
    }
    named = {
        "signature": "Signature",
        "signature_input": "Signature-Input",
        "content_digest": "Content-Digest",
        "digest": "Digest",
    }
    body = "Hello world"
    headers |= {named[name]: value for name, value in case.items() if name in named}
    request = {
        "method": "POST",
        "url": "https://school.example/inbox",
        "headers": list(headers.items()),
        "body": body,
    }
    message = vectors.message(request)
    if "signature" in case:
        pem = MASTODON["keys"]["https://remote.domain/users/bob#main-key"]["rsa_public_spki_pem"]
        verdict = our_verdict(message, pem, vectors.moment("2026-03-02T09:00:00Z"))
    else:
        verdict = vectors.refusal(digests.check, message.headers, message.body)
    name = case.get("why") or case.get("signature_input") or case["signature"]
    assert verdict == MALFORMED_RULES[name]


# http-signatures/mastodon.json: where we judge otherwise than the file, and every rule.
MASTODON_RULES = {
    "cavage with an acct key ID": NO_ADDRESS,
    "cavage with mismatching query string": NO_FIT,
    "cavage with a mismatching path": NO_FIT,
    "cavage with a mismatching method": "digest is not signed",
    "cavage with an unparsable date": "the date cannot be read",
    "cavage with a request older than a day": "the signature is too old, or from the future",
    "cavage when the Digest of a POST request is not signed": "digest is not signed",
    "cavage with a tampered body on a POST request": "the sha-256 digest is not that of the body",
    "cavage with a tampered path in a POST request": NO_FIT,
    "cavage with an inaccessible key": "no key",
    "rfc9421 with mismatching query string": NO_FIT,
    "rfc9421 with a mismatching path": NO_FIT,
    "rfc9421 with a mismatching method": '"content-digest" is not signed',
    "rfc9421 with a request older than a day": "the signature is too old, or from the future",
    "rfc9421 when the Digest of a POST request is not signed": '"content-digest" is not signed',
    "rfc9421 with a tampered body on a POST request": "the sha-256 digest is not that of the body",
    "rfc9421 with a tampered path in a POST request": NO_FIT,
    "rfc9421 with a malformed `Content-Digest` header": "a key was expected in a structured field",
    "rfc9421 with an inaccessible key": "no key",
}


@vectors.each(MASTODON["tests"], "title")
def test_a_request_from_mastodon_s_own_tests(case: Case) -> None:
    message = vectors.message(case["request"])
    kind = "ed25519" if case.get("key") == "ed25519" else "rsa"
    bob = MASTODON["keys"]["https://remote.domain/users/bob#main-key"]
    pem: str = bob[f"{kind}_public_spki_pem"]
    form, stamp = only_stamp(message)
    if form == "cavage":
        assert cavage.base(stamp, message).decode() == case["signing_string"]
    else:
        assert rfc9421.base(stamp, message).decode() == case["signature_base"]
    public = keys.load(keys.from_pem(pem))
    good = vectors.refusal(signatures.made_by, stamp, form, message, public) == ""
    assert good is case["signature_itself"].startswith("good")

    known = case["keyid"] in MASTODON["keys"] or case["keyid"].startswith("acct:")
    verdict = our_verdict(message, pem if known else None, vectors.moment(case["now"]))
    name = f"{case['spec']} {case['title']}"
    assert verdict == MASTODON_RULES.get(name, "")
    if name != "cavage with an acct key ID":  # Mastodon still reads those, we do not
        assert (verdict == "") is (case["expect"] == "valid")


@vectors.each(PEERS["tests"])
def test_a_request_as_another_server_writes_it(case: Case) -> None:
    if case["id"] == "fedify-rfc9421-base":
        message = vectors.message(case["request"])
        parameters = case["signature_base"].rpartition('"@signature-params": ')[2]
        (stamp,) = rfc9421.parse(f"sig1={parameters}", "sig1=:AAAA:")
        assert rfc9421.base(stamp, message).decode() == case["signature_base"]
        return
    key = {"public_spki_pem": case["public_key_pem"]}
    if case["id"] == "akkoma-sign":
        stamp = cavage.parse(case["signature_header"])
        assert vectors.genuine(
            "rsa-v1_5-sha256", key, stamp.signature, case["signing_string"].encode()
        )
        return
    message = vectors.message(case["request"])
    stamp = cavage.parse(message.headers["Signature"])
    text = cavage.base(stamp, message)
    assert text.decode() == case["signing_string"]
    assert vectors.genuine("rsa-v1_5-sha256", key, stamp.signature, text)
    assert our_verdict(message, case["public_key_pem"], vectors.moment(case["now"])) == ""


# http-signatures/rfc9421.json: names of keys that are no addresses, so we take none of them.
# What we would say otherwise: of the coverage, and of the key.
NEITHER = "the public key is neither RSA nor Ed25519"
RFC9421_RULES = {
    "B.2.1": ('"@method" is not signed', ""),
    "B.2.2": ('"@method" is not signed', ""),
    "B.2.3": ("", ""),
    "B.2.5": ('"@method" is not signed', "the public key is not a PEM text"),
    "B.2.6": ('"content-digest" is not signed', ""),
    "3.2": ('"@query" is not signed', ""),
    "4.3-client": ('"@query" is not signed', NEITHER),
    "4.3-proxy": ('"@query" is not signed', ""),
    "4.3-proxy-sig1": ('"@query" is not signed', NEITHER),
    "B.3": ('"content-digest" is not signed', NEITHER),
    "B.4-1": ('"@query" is not signed', ""),
    "B.4-2": ('"@query" is not signed', ""),
    "B.4-3": ('"@query" is not signed', ""),
    "B.4-4": ('"@query" is not signed', ""),
    "B.4-5": ('"content-digest" is not signed', ""),
    "B.4-6": ('"@query" is not signed', ""),
}


@vectors.each(RFC9421["tests"])
def test_an_example_of_the_standard(case: Case) -> None:
    headers = dict(case["message"]["headers"])
    if "status" in case["message"]:
        reason = vectors.refusal(rfc9421.parse, headers["Signature-Input"], headers["Signature"])
        assert reason == "@status is not a component of a request"
        return
    message, key = vectors.message(case["message"]), RFC9421["keys"][case["key"]]
    stamps = rfc9421.parse(headers["Signature-Input"], headers["Signature"])
    label = list(structured.dictionary(headers["Signature-Input"])).index(case["label"])
    stamp = stamps[label]
    text = rfc9421.base(stamp, message)
    assert text.decode() == case["signature_base"]
    good = vectors.genuine(case["alg"], key, stamp.signature, text)
    assert good is (case["expect"] == "valid")
    if case["alg"] in ("rsa-v1_5-sha256", "ed25519"):
        public = keys.load(keys.from_pem(key["public_spki_pem"]))
        made = vectors.refusal(signatures.made_by, stamp, "rfc9421", message, public)
        assert (made == "") is good

    several = "signatures by several keys" if len(stamps) > 1 else NO_ADDRESS
    assert vectors.refusal(signatures.read, message) == several
    coverage, kind = RFC9421_RULES[case["id"]]
    claim = Claim("https://peer.example/key", "rfc9421", (stamp,))
    assert stamp.created is not None
    then = vectors.seconds(stamp.created)
    assert vectors.refusal(signatures.screen, claim, message, then) == coverage
    assert vectors.refusal(keys.from_pem, key.get("public_spki_pem")) == kind
    if case["id"] == "B.2.3":  # RSA-PSS: the algorithm follows the key, and ours is PKCS#1 v1.5
        public = keys.load(keys.from_pem(key["public_spki_pem"]))
        assert vectors.refusal(signatures.verify, claim, message, public, then) == NO_FIT


LINES = [
    {"request": group["request"], "line": line}
    for group in RFC9421["component_lines"]
    for line in group["lines"]
]


@vectors.each(LINES, "line")
def test_one_line_of_a_signature_base(case: Case) -> None:
    component = case["line"].partition(": ")[0]
    (stamp,) = rfc9421.parse(f'sig1=({component});keyid="k"', "sig1=:AAAA:")
    text = rfc9421.base(stamp, vectors.message(case["request"])).decode()
    assert text.partition("\n")[0] == case["line"]


@vectors.each(DIGESTS["tests"], "source")
def test_a_body_and_its_digests(case: Case) -> None:
    body = case["body_utf8"].encode()
    assert digests.digest(body) == case["digest_rfc3230"]
    assert digests.content_digest(body) == case["content_digest_sha256"]
    for name, header in (
        ("digest_rfc3230", "Digest"),
        ("content_digest_sha256", "Content-Digest"),
        ("content_digest_sha512", "Content-Digest"),
        ("content_digest_both", "Content-Digest"),
    ):
        request = {"method": "POST", "url": "https://a.example/", "headers": [(header, case[name])]}
        headers = vectors.message(request).headers
        digests.check(headers, body)
        with pytest.raises(BadSignature):
            digests.check(headers, body + b" ")


@pytest.mark.parametrize("algorithm", list(DIGESTS["rfc9530_sample_values_for_hello_world"]))
def test_the_standard_s_sample_digests(algorithm: str) -> None:
    value = DIGESTS["rfc9530_sample_values_for_hello_world"][algorithm]
    name = algorithm.partition(" ")[0]
    request = {"method": "POST", "url": "https://a.example/"}
    strong = vectors.message(request | {"headers": [("Content-Digest", f"{name}={value}")]})
    reason = vectors.refusal(digests.check, strong.headers, b'{"hello": "world"}')
    assert (reason == "") is (name != "md5")
    weak = ("Content-Digest", f"md5=:AAAA:, sha-256={value}")
    if name == "sha-256":
        digests.check(vectors.message(request | {"headers": [weak]}).headers, b'{"hello": "world"}')
