"""Canonical documents, keys and proofs that other projects published, checked one by one.

Each vector's own verdict is asserted, and beside it ours with the rule that decides.
"""

import json
import struct

import pytest

from federation import base58, jcs, keys, proofs
from federation.errors import Malformed
from federation.keys import PublicKey
from tests.wild import vectors
from tests.wild.vectors import Case

FILES = (
    "data-integrity/fep-8b32.json",
    "data-integrity/w3c-vc-di-eddsa.json",
    "feps/fep-521a-examples.json",
    "feps/fep-8b32-examples.json",
    "feps/fep-c390-examples.json",
    "feps/fep-ef61-examples.json",
    "identity-proofs/fep-c390.json",
    "jcs/jcs.json",
    "multikey/fep-521a.json",
)
if vectors.folder("STAFFROOM_VECTORS") is None:
    pytest.skip(
        f"STAFFROOM_VECTORS is not set: {len(FILES)} files of test vectors skipped",
        allow_module_level=True,
    )

JCS = vectors.load("jcs/jcs.json")
MULTIKEY = vectors.load("multikey/fep-521a.json")
FEP8B32 = vectors.load("data-integrity/fep-8b32.json")
W3C = vectors.load("data-integrity/w3c-vc-di-eddsa.json")
C390 = vectors.load("identity-proofs/fep-c390.json")

NO_FIT = "the signature does not fit the key"


@vectors.each(JCS["documents"], "name")
def test_a_document_in_its_one_spelling(case: Case) -> None:
    assert jcs.canonical(json.loads(case["input_text"])).hex() == case["output_hex"]
    assert jcs.canonical(json.loads(case["input_text"])).decode() == case["output_text"]


@vectors.each(JCS["numbers_ieee754_hex_to_text"], "hex")
def test_a_number_in_its_one_spelling(case: Case) -> None:
    (number,) = struct.unpack(">d", bytes.fromhex(case["hex"]))
    assert jcs.canonical(number).decode() == case["text"]


UNSPEAKABLE = {
    "NaN and Infinity must be refused": (float("nan"), float("inf"), -float("inf")),
    "a lone surrogate in a string must be refused": ("\ud800", ["a\udfff"], {"\ud83d": 1}),
    # A dictionary cannot hold two: federation/activity.py refuses them as it reads.
    "duplicate keys must be refused before canonicalization": (),
}


@pytest.mark.parametrize("rule", JCS["invalid"])
def test_what_has_no_spelling_is_refused(rule: str) -> None:
    for value in UNSPEAKABLE[rule]:
        with pytest.raises(Malformed):
            jcs.canonical(value)


MULTIKEYS = [
    MULTIKEY["ed25519"]["multikey"] | {"pem": MULTIKEY["ed25519"]["public_spki_pem"]},
    MULTIKEY["rsa"]["multikey"] | {"pem": MULTIKEY["rsa"]["public_spki_pem"]},
    *[more | {"pem": more["public_spki_pem"]} for more in MULTIKEY["more"]],
]


@vectors.each(MULTIKEYS, "publicKeyMultibase")
def test_a_multikey_and_its_pem_are_one_key(case: Case) -> None:
    der = keys.from_multibase(case["publicKeyMultibase"])
    assert keys.pem(der) == case["pem"]
    assert keys.from_pem(case["pem"]) == der
    assert keys.multibase(der) == case["publicKeyMultibase"]


@vectors.each(MULTIKEY["malformed"], "why")
def test_a_broken_multikey_lists_nothing(case: Case) -> None:
    good = {
        "id": "https://server.example/users/alice#ed25519-key",
        "type": "Multikey",
        "controller": "https://server.example/users/alice",
        "publicKeyMultibase": "z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2",
    }
    actor = {"id": "https://server.example/users/alice", "assertionMethod": [good]}
    assert len(keys.listed(actor)) == 1
    if "assertionMethod" in case:
        actor = actor | {"assertionMethod": case["assertionMethod"]}
    else:
        actor = actor | {"assertionMethod": [good | {k: case[k] for k in case if k != "why"}]}
    assert keys.listed(actor) == []


@vectors.each(MULTIKEY["actor_examples"])
def test_an_actor_s_keys_are_listed_once_each(case: Case) -> None:
    found = {key.id: keys.algorithm(key.public) for key in keys.listed(case)}
    expected = {
        "https://server.example/users/alice": {
            "https://server.example/users/alice#ed25519-key": "ed25519"
        },
        "https://example.com/person2": {
            "https://example.com/person2#key3": "rsa",
            "https://example.com/person2#key4": "ed25519",
            "https://example.com/peson2#key3": "rsa",  # misspelt in the file
        },
    }
    assert found == expected[case["id"]]


ALICE = "https://server.example/users/alice#ed25519-key"


def alice() -> PublicKey:
    (listed,) = keys.listed(FEP8B32["vector"]["actor"])
    assert listed.id == ALICE
    return keys.load(listed.public)


def genuine_proof(document: Case, public: PublicKey) -> bool:
    """The cryptography of the one proof in `document`, without our rules for it."""
    proof = document["proof"]
    signature = base58.decode(proof["proofValue"], 100)
    return vectors.refusal(keys.verify, public, signature, proofs.hashed(document, proof)) == ""


NOW = vectors.moment("2026-03-02T09:00:00Z")


def test_the_proof_of_fep_8b32_is_made_and_verified() -> None:
    vector = FEP8B32["vector"]
    signed = vector["signed"]
    assert genuine_proof(signed, alice())
    proofs.verify(signed, ALICE, alice(), NOW)
    hashed = proofs.hashed(signed, signed["proof"])
    assert hashed.hex() == vector["combined_hash_hex"]
    assert hashed[:32].hex() == vector["proof_hash_hex"]
    assert hashed[32:].hex() == vector["document_hash_hex"]
    assert jcs.canonical(vector["unsigned"]).decode() == vector["canonical_document"]
    options = {key: value for key, value in signed["proof"].items() if key != "proofValue"}
    assert jcs.canonical(options).decode() == vector["canonical_proof_config"]
    made = proofs.prove(
        vector["unsigned"],
        key=vectors.secret_key(vector["secret_key_multibase"]),
        method=vector["verification_method"],
        now=vectors.moment(vector["created"]),
    )
    assert made == signed


@vectors.each(FEP8B32["negative"], "what")
def test_a_proven_document_that_was_changed_is_refused(case: Case) -> None:
    document = case["document"]
    assert not genuine_proof(document, alice())
    method = document["proof"]["verificationMethod"]
    assert vectors.refusal(proofs.verify, document, method, alice(), NOW) == NO_FIT


@vectors.each(FEP8B32["with_expires"]["tests"], "what")
def test_a_proof_with_a_date_of_expiry(case: Case) -> None:
    assert genuine_proof(case["document"], alice())
    verdict = vectors.refusal(proofs.verify, case["document"], ALICE, alice(), NOW)
    assert verdict == ("" if case["expect"] == "valid" else "the proof has expired")


@vectors.each(FEP8B32["older_vector"]["variants"], "proof_has_context")
def test_a_proof_is_checked_as_it_stands(case: Case) -> None:
    good = case["signature_itself"] == "good"
    assert genuine_proof(case["document"], alice()) is good
    verdict = vectors.refusal(proofs.verify, case["document"], ALICE, alice(), NOW)
    assert verdict == ("" if good else NO_FIT)


def test_the_proof_of_the_w3c_is_made_and_verified() -> None:
    vector = W3C["eddsa-jcs-2022"]
    public = keys.load(keys.from_multibase(vector["key_pair"]["publicKeyMultibase"]))
    method = vector["proof_config"]["verificationMethod"]
    assert proofs.method_of(vector["signed"]) == [method]
    proofs.verify(vector["signed"], method, public, NOW)
    hashed = proofs.hashed(vector["unsigned"], vector["proof_config"])
    assert hashed.hex() == vector["combined_hash_hex"]
    key = vectors.secret_key(vector["key_pair"]["privateKeyMultibase"])
    assert keys.sign(key, hashed).hex() == vector["signature_hex"]
    now = vectors.moment(vector["proof_config"]["created"])
    assert proofs.prove(vector["unsigned"], key=key, method=method, now=now) == vector["signed"]


RDFC = [
    {"name": "eddsa-rdfc-2022", "signed": W3C["eddsa-rdfc-2022"]["signed"]},
    *[
        {"name": name, "signed": document}
        for name, document in W3C["proof_sets_and_chains"].items()
        if name.startswith("signed")
    ],
]


@vectors.each(RDFC, "name")
def test_a_proof_over_rdf_is_not_ours_to_check(case: Case) -> None:
    proof = case["signed"]["proof"]
    method = (proof[0] if isinstance(proof, list) else proof)["verificationMethod"]
    public = keys.load(keys.from_multibase(method.partition("#")[0].removeprefix("did:key:")))
    assert proofs.method_of(case["signed"]) == []
    verdict = vectors.refusal(proofs.verify, case["signed"], method, public, NOW)
    assert verdict == f"no eddsa-jcs-2022 proof by {method}"


def test_an_identity_proof_of_fep_c390() -> None:
    statement, did = C390["statement"], C390["public_did"]
    public = keys.load(keys.from_multibase(did.removeprefix("did:key:")))
    assert proofs.method_of(statement) == [did] == [statement["subject"]]
    proofs.verify(statement, did, public, NOW)
    made = proofs.prove(
        C390["claim"],
        key=vectors.secret_key(C390["secret_key_multibase"]),
        method=did,
        now=vectors.moment(statement["proof"]["created"]),
    )
    assert made == statement
    context = C390["actor"]["@context"]
    with_context = {"@context": context, **statement}
    on_both = with_context | {"proof": statement["proof"] | {"@context": context}}
    verdicts = C390["checked"]
    for name, document in (
        ("@context of actor on document", with_context),
        ("@context on both", on_both),
    ):
        assert (vectors.refusal(proofs.verify, document, did, public, NOW) == "") is verdicts[name]


@pytest.mark.parametrize("rule", C390["negative"])
def test_an_identity_that_was_tampered_with(rule: str) -> None:
    statement, did = C390["statement"], C390["public_did"]
    public = keys.load(keys.from_multibase(did.removeprefix("did:key:")))
    changed = {
        C390["negative"][0]: {"alsoKnownAs": "https://evil.example/users/mallory"},
        C390["negative"][1]: {
            "subject": "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"
        },
        # The statement itself stays true; that it speaks of another actor is what gives it away.
        C390["negative"][2]: {},
    }[rule]
    verdict = vectors.refusal(proofs.verify, statement | changed, did, public, NOW)
    assert verdict == (NO_FIT if changed else "")
    assert changed or statement["alsoKnownAs"] != "https://evil.example/users/mallory"


EXAMPLES = [
    {"name": f"{file} {number}", "document": document}
    for file in ("feps/fep-8b32-examples.json", "feps/fep-ef61-examples.json")
    for number, document in enumerate(vectors.load(file)["examples"])
] + [
    {"name": f"feps/fep-c390-examples.json {number}", "document": document["attachment"][0]}
    for number, document in enumerate(vectors.load("feps/fep-c390-examples.json")["examples"])
]


@vectors.each(EXAMPLES, "name")
def test_an_example_with_three_dots_for_a_proof_proves_nothing(case: Case) -> None:
    document = case["document"]
    if "proof" not in document:
        assert proofs.method_of(document) == []
        assert vectors.refusal(proofs.verify, document, ALICE, alice(), NOW).startswith("no eddsa")
        return
    (method,) = proofs.method_of(document)
    assert method == document["proof"]["verificationMethod"]
    verdict = vectors.refusal(proofs.verify, document, method, alice(), NOW)
    assert verdict == "the proof cannot be checked: not a base58btc word"


@vectors.each(vectors.load("feps/fep-521a-examples.json")["examples"])
def test_an_actor_with_a_multikey(case: Case) -> None:
    (listed,) = keys.listed(case)
    assert listed.id == ALICE
    assert listed.owner == "https://server.example/users/alice"
    assert keys.load(listed.public) == alice()
