"""A document carries its own proof, so that it stays true when another school passes it on."""

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from federation import base58, keys, proofs
from federation.errors import BadSignature, Malformed

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key()
ANNA = "https://oakfield.example/users/anna"
METHOD = f"{ANNA}#ed25519-key"
CONTEXT = [
    "https://www.w3.org/ns/activitystreams",
    "https://w3id.org/security/data-integrity/v2",
]
CREATE: dict[str, Any] = {
    "@context": CONTEXT,
    "id": "https://oakfield.example/activities/1",
    "type": "Create",
    "actor": ANNA,
    "object": {
        "id": "https://oakfield.example/objects/1",
        "type": "Note",
        "attributedTo": ANNA,
        "content": "<p>Größe ½ 🎒</p>",
    },
}

# Made without our code.
HASHED = (
    "b624abc944b5d14194de24ccf44b9b85db230267bdc9f8158b427bdc0f2c6ab0"
    "fa92a9720203203fe69009f19bdb6948366c33192472261f97aaf083019d992e"
)
VALUE = "zLKCZ4abCvaKmuDxKhYo9SQ9RWDm2x2FdS8kecjd5tVzDw1oScW7JoMqYyuqUPgmk2HEZHSHZiaC69aF5nrgRCLZ"


def proven(document: dict[str, Any] = CREATE, **changes: Any) -> dict[str, Any]:
    """`document` with a proof by Anna; `changes` are made to its options before she signs."""
    made = proofs.prove(document, key=KEY, method=METHOD, now=NOW)
    if not changes:
        return made
    options = {**made["proof"], **changes}
    options = {name: value for name, value in options.items() if value is not None}
    options["proofValue"] = base58.encode(KEY.sign(proofs.hashed(document, options)))
    return {**document, "proof": options}


def refused(document: dict[str, Any], reason: str, method: str = METHOD) -> None:
    with pytest.raises(BadSignature, match=reason):
        proofs.verify(document, method, PUBLIC, NOW)


def test_a_proof_is_made_as_the_proposal_says() -> None:
    made = proven()
    assert made == CREATE | {
        "proof": {
            "@context": CONTEXT,
            "type": "DataIntegrityProof",
            "cryptosuite": "eddsa-jcs-2022",
            "created": "2026-03-02T09:00:00Z",
            "verificationMethod": METHOD,
            "proofPurpose": "assertionMethod",
            "proofValue": VALUE,
        }
    }
    assert proofs.hashed(made, made["proof"]).hex() == HASHED
    assert proofs.method_of(made) == [METHOD]
    proofs.verify(made, METHOD, PUBLIC, NOW)


def test_the_document_that_was_proven_is_left_as_it_was() -> None:
    before = copy.deepcopy(CREATE)
    proofs.verify(proven(), METHOD, PUBLIC, NOW)
    assert before == CREATE


def test_a_new_proof_takes_the_place_of_the_old_one() -> None:
    assert proofs.prove(proven(), key=KEY, method=METHOD, now=NOW) == proven()


def test_the_time_of_a_proof_is_written_in_utc() -> None:
    summer = NOW.astimezone(datetime.fromisoformat("2026-07-01T00:00:00+02:00").tzinfo)
    made = proofs.prove(CREATE, key=KEY, method=METHOD, now=summer)
    assert made["proof"]["created"] == "2026-03-02T09:00:00Z"


def test_a_document_without_a_context_is_proven_without_one() -> None:
    bare = {name: value for name, value in CREATE.items() if name != "@context"}
    made = proven(bare)
    assert "@context" not in made["proof"]
    proofs.verify(made, METHOD, PUBLIC, NOW)
    refused(made | {"@context": CONTEXT}, "does not fit")


def test_a_linked_data_signature_beside_the_proof_does_not_count() -> None:
    signature = {"type": "RsaSignature2017", "signatureValue": "x"}
    proofs.verify(proven() | {"signature": signature}, METHOD, PUBLIC, NOW)


def test_what_was_added_to_the_end_of_the_context_does_not_break_the_proof() -> None:
    proofs.verify(proven() | {"@context": [*CONTEXT, {"x": "y:z"}]}, METHOD, PUBLIC, NOW)


@pytest.mark.parametrize(
    "context",
    [None, [], CONTEXT[0], CONTEXT[:1], CONTEXT[::-1], ["https://evil.example/", *CONTEXT], {}],
)
def test_a_context_that_begins_otherwise_is_refused(context: Any) -> None:
    refused(proven() | {"@context": context}, "another @context")


def test_one_context_may_be_a_word_or_a_list_of_one() -> None:
    made = proven(CREATE | {"@context": CONTEXT[0]})
    proofs.verify(made | {"@context": [CONTEXT[0]]}, METHOD, PUBLIC, NOW)


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    found = []
    for name, member in inner:
        found.append((*path, name))
        if isinstance(member, dict | list):
            found += paths(member, (*path, name))
    return found


@given(st.data())
@settings(deadline=None, max_examples=200)
def test_one_changed_bit_or_a_missing_or_added_part_is_noticed(choice: st.DataObject) -> None:
    changed = copy.deepcopy(proven())
    *way, last = choice.draw(st.sampled_from(paths(changed)))
    place: Any = changed
    for name in way:
        place = place[name]
    how = choice.draw(st.sampled_from(["flip", "remove", "add"]))
    if how == "flip" and isinstance(place[last], str):
        raw = bytearray(place[last].encode("utf-16-le"))
        bit = choice.draw(st.integers(0, len(raw) * 8 - 1))
        raw[bit // 8] ^= 1 << bit % 8
        place[last] = raw.decode("utf-16-le", "surrogatepass")
    elif how == "remove":
        del place[last]
    elif isinstance(place, dict):
        place["bto"] = ["https://evil.example/users/mallory"]
    elif way[:1] == ["proof"]:
        place.append("https://evil.example/context")
    else:
        return  # the end of the document's own context is free
    with pytest.raises(BadSignature):
        proofs.verify(changed, METHOD, PUBLIC, NOW)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
DOCUMENTS = st.dictionaries(
    TEXT.filter(lambda name: name not in ("proof", "signature")),
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
        max_leaves=8,
    ),
    max_size=5,
)


@given(DOCUMENTS)
@settings(deadline=None)
def test_whatever_we_prove_holds(document: dict[str, Any]) -> None:
    proofs.verify(proven(document), METHOD, PUBLIC, NOW)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(METHOD),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "type",
                    "cryptosuite",
                    "proof",
                    "proofValue",
                    "verificationMethod",
                    "proofPurpose",
                    "expires",
                    "@context",
                ]
            ),
            inner,
            max_size=8,
        )
    ),
    max_leaves=10,
)


@given(
    ANYTHING, st.dictionaries(st.sampled_from(["@context", "expires", "proofValue", "x"]), ANYTHING)
)
@settings(deadline=None)
def test_a_proof_of_any_shape_is_refused_in_our_own_words(
    proof: Any, changes: dict[str, Any]
) -> None:
    for document in (CREATE | {"proof": proof}, CREATE | {"proof": proven()["proof"] | changes}):
        proofs.method_of(document)
        if document["proof"] != proven()["proof"]:
            with pytest.raises(BadSignature):
                proofs.verify(document, METHOD, PUBLIC, NOW)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"proofPurpose": "authentication"}, "another purpose"),
        ({"proofPurpose": None}, "another purpose"),
        ({"expires": "2026-03-02T09:00:00Z"}, "has expired"),
        ({"expires": "2026-03-02T10:59:59+02:00"}, "has expired"),
        ({"expires": "2026-03-02T10:00:00"}, "clearly when it expires"),
        ({"expires": "next week"}, "clearly when it expires"),
        ({"expires": 1772442000}, "clearly when it expires"),
        ({"previousProof": "urn:uuid:1"}, "chains"),
        ({"cryptosuite": "eddsa-rdfc-2022"}, "no eddsa-jcs-2022 proof"),
        ({"cryptosuite": None}, "no eddsa-jcs-2022 proof"),
        ({"type": "Ed25519Signature2020"}, "no eddsa-jcs-2022 proof"),
        ({"verificationMethod": f"{ANNA}#other"}, "no eddsa-jcs-2022 proof"),
        ({"verificationMethod": [METHOD]}, "no eddsa-jcs-2022 proof"),
    ],
)
def test_a_genuine_proof_that_says_the_wrong_thing_is_refused(
    changes: dict[str, Any], reason: str
) -> None:
    document = proven(**changes)
    keys.verify(
        PUBLIC,
        base58.decode(document["proof"]["proofValue"], 100),
        proofs.hashed(document, document["proof"]),
    )
    refused(document, reason)


def test_a_proof_that_expires_tomorrow_holds_today() -> None:
    document = proven(expires="2026-03-03T09:00:00Z")
    proofs.verify(document, METHOD, PUBLIC, NOW)
    with pytest.raises(BadSignature, match="has expired"):
        proofs.verify(document, METHOD, PUBLIC, NOW + timedelta(days=1))


@pytest.mark.parametrize("value", [None, "", "z", "...", VALUE[1:], "z" + "1" * 500, 7, [VALUE]])
def test_a_value_that_is_no_signature_is_refused(value: Any) -> None:
    document = proven()
    refused(document | {"proof": document["proof"] | {"proofValue": value}}, "proof|signature")


@pytest.mark.parametrize("proof", [None, "x", 7, [], {}, [[]], [None, "x"]])
def test_a_document_without_a_proof_is_refused(proof: Any) -> None:
    document = CREATE | {"proof": proof}
    assert proofs.method_of(document) == []
    refused(document, "no eddsa-jcs-2022 proof")
    refused(CREATE, "no eddsa-jcs-2022 proof")


def test_one_good_proof_among_several_is_enough() -> None:
    good = proven()["proof"]
    bad = good | {"created": "2020-01-01T00:00:00Z"}
    other = good | {"verificationMethod": "https://riverside.example/actor#key"}
    document = CREATE | {"proof": [other, bad, {"type": "Ed25519Signature2020"}, good]}
    assert proofs.method_of(document) == [other["verificationMethod"], METHOD]
    proofs.verify(document, METHOD, PUBLIC, NOW)
    refused(CREATE | {"proof": [other, bad]}, "does not fit")


def test_only_ten_proofs_are_looked_at() -> None:
    good = proven()["proof"]
    bad = good | {"created": "2020-01-01T00:00:00Z"}
    refused(CREATE | {"proof": [*[bad] * 10, good]}, "does not fit")


def test_a_proof_by_somebody_else_s_key_is_refused() -> None:
    with pytest.raises(BadSignature, match="does not fit"):
        proofs.verify(proven(), METHOD, Ed25519PrivateKey.generate().public_key(), NOW)
    rsa_key = keys.load(keys.public_der(keys.generate("rsa")))
    with pytest.raises(BadSignature, match="not Ed25519"):
        proofs.verify(proven(), METHOD, rsa_key, NOW)


def test_a_key_for_requests_proves_no_documents() -> None:
    with pytest.raises(TypeError, match="needs an Ed25519 key"):
        proofs.prove(CREATE, key=keys.generate("rsa"), method=METHOD, now=NOW)


def test_a_document_that_has_no_canonical_spelling_cannot_be_proven_or_checked() -> None:
    with pytest.raises(Malformed):
        proofs.prove(CREATE | {"x": float("nan")}, key=KEY, method=METHOD, now=NOW)
    refused(proven() | {"x": 2**53 + 1}, "cannot be checked")
