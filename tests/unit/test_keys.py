"""Keys: ours stay sealed, theirs are read from documents, and both do only what they are for."""

from base64 import b64encode
from contextlib import suppress
from functools import lru_cache
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from federation import base58, keys
from federation.errors import BadSignature, Malformed
from federation.keys import Algorithm, Listed, PrivateKey, WrongSecret

SECRET = b"s" * 32
ALGORITHMS: list[Algorithm] = ["rsa", "ed25519"]

# RFC 8032 section 7.1, test 1, and the name that the did:key method has for its public half.
SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
MULTIBASE = "z6MktwupdmLXVVqTzCw4i46r4uGyosGXRnR3XjN4Zq7oMMsw"

ANNA = "https://oakfield.example/users/anna"


@lru_cache(maxsize=8)
def made(algorithm: Algorithm) -> PrivateKey:
    return keys.generate(algorithm)


def der_of(algorithm: Algorithm) -> bytes:
    return keys.public_der(made(algorithm))


def anna(**changes: Any) -> dict[str, Any]:
    """An actor with a key of each kind, as most servers write it."""
    return {
        "id": ANNA,
        "type": "Person",
        "publicKey": {
            "id": f"{ANNA}#main-key",
            "owner": ANNA,
            "publicKeyPem": keys.pem(der_of("rsa")),
        },
        "assertionMethod": [
            {
                "id": f"{ANNA}#ed25519-key",
                "type": "Multikey",
                "controller": ANNA,
                "publicKeyMultibase": keys.multibase(der_of("ed25519")),
            }
        ],
    } | changes


def rsa_public(bits: int) -> bytes:
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_sealed_key_opens_with_the_school_s_secret_and_signs_as_before(
    algorithm: Algorithm,
) -> None:
    sealed = keys.seal(SECRET, made(algorithm))
    opened = keys.unseal(SECRET, sealed)
    assert keys.public_der(opened) == der_of(algorithm)
    keys.verify(keys.load(der_of(algorithm)), keys.sign(opened, b"hello"), b"hello")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_sealed_key_shows_nothing_and_looks_different_each_time(algorithm: Algorithm) -> None:
    plain = made(algorithm).private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    one, other = keys.seal(SECRET, made(algorithm)), keys.seal(SECRET, made(algorithm))
    assert one != other
    assert plain not in one
    assert plain[-20:] not in one


def test_another_school_s_secret_opens_nothing() -> None:
    sealed = keys.seal(SECRET, made("ed25519"))
    with pytest.raises(WrongSecret):
        keys.unseal(b"t" * 32, sealed)


@given(st.data())
@settings(deadline=None)
def test_a_sealed_key_with_one_changed_bit_does_not_open(choice: st.DataObject) -> None:
    sealed = bytearray(keys.seal(SECRET, made("ed25519")))
    bit = choice.draw(st.integers(0, len(sealed) * 8 - 1))
    sealed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(WrongSecret):
        keys.unseal(SECRET, bytes(sealed))


@pytest.mark.parametrize("sealed", [b"", b"\x01", b"\x01" + b"n" * 12, b"\x02" + b"n" * 60])
def test_bytes_that_are_no_sealed_key_do_not_open(sealed: bytes) -> None:
    with pytest.raises(WrongSecret):
        keys.unseal(SECRET, sealed)


def test_the_same_key_is_parsed_once() -> None:
    sealed = keys.seal(SECRET, made("rsa"))
    assert keys.unseal(SECRET, sealed) is keys.unseal(SECRET, sealed)
    assert keys.load(der_of("rsa")) is keys.load(der_of("rsa"))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_public_key_survives_each_way_of_writing_it(algorithm: Algorithm) -> None:
    der = der_of(algorithm)
    assert keys.algorithm(der) == algorithm
    assert keys.from_pem(keys.pem(der)) == der
    assert keys.from_multibase(keys.multibase(der)) == der


def test_the_ed25519_key_of_the_standard_has_its_well_known_name() -> None:
    der = keys.public_der(Ed25519PrivateKey.from_private_bytes(SEED))
    assert keys.multibase(der) == MULTIBASE
    assert keys.from_multibase(MULTIBASE) == der


def test_the_older_pem_of_misskey_is_the_same_key() -> None:
    public = made("rsa").public_key()
    assert isinstance(public, rsa.RSAPublicKey)
    older = public.public_bytes(Encoding.PEM, PublicFormat.PKCS1).decode()
    assert older.startswith("-----BEGIN RSA PUBLIC KEY-----")
    assert keys.from_pem(older) == der_of("rsa")


def test_a_pem_may_be_wrapped_anywhere_or_nowhere() -> None:
    pem = keys.pem(der_of("rsa"))
    assert keys.from_pem(pem.replace("\n", "\r\n")) == der_of("rsa")
    assert keys.from_pem(f"  {pem}\n\n") == der_of("rsa")
    lines = pem.split("\n")
    assert keys.from_pem(lines[0] + "".join(lines[1:-2]) + lines[-2]) == der_of("rsa")


def pem_of(der: bytes, name: str = "PUBLIC KEY") -> str:
    return f"-----BEGIN {name}-----\n{b64encode(der).decode()}\n-----END {name}-----\n"


@pytest.mark.parametrize("bits", [1024, 2047, 4097])
def test_an_rsa_key_that_is_too_small_or_too_large_is_refused(bits: int) -> None:
    if bits == 4097:  # made from its numbers: nobody waits for so large a prime
        der = rsa.RSAPublicNumbers(65537, 2**4096 + 1).public_key().public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        )  # fmt: skip
    else:
        der = rsa_public(bits)
    with pytest.raises(BadSignature, match=f"{bits} bits"):
        keys.load(der)
    with pytest.raises(BadSignature):
        keys.from_pem(pem_of(der))


def test_an_rsa_key_that_would_keep_us_busy_is_refused() -> None:
    numbers = rsa.RSAPublicNumbers(2**63 + 1, 2**2047 + 1)
    der = numbers.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(BadSignature, match="exponent"):
        keys.load(der)


def test_a_key_of_another_kind_is_refused() -> None:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(BadSignature, match="neither RSA nor Ed25519"):
        keys.load(der)


@pytest.mark.parametrize(
    "text",
    [
        None,
        7,
        "",
        "hello",
        "-----BEGIN PUBLIC KEY-----AAAA-----END PUBLIC KEY-----",
        "-----BEGIN PUBLIC KEY-----\n!!!!\n-----END PUBLIC KEY-----",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
        "-----BEGIN PUBLIC KEY-----" + "A" * 10_000 + "-----END PUBLIC KEY-----",
    ],
)
def test_a_text_that_is_no_public_key_is_refused(text: object) -> None:
    with pytest.raises(BadSignature):
        keys.from_pem(text)


def test_a_private_key_in_the_place_of_a_public_one_is_refused() -> None:
    plain = made("ed25519").private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(BadSignature):
        keys.from_pem(pem_of(plain))


@pytest.mark.parametrize(
    "text",
    [
        None,
        ["z6Mk"],
        "",
        "z",
        "z1",
        MULTIBASE[1:],
        MULTIBASE[:-1],
        MULTIBASE + "1",
        MULTIBASE.replace("L", "l", 1),
        MULTIBASE.replace("X", "0", 1),
        "u7QHXWpgB",
        "z" + "2" * 2000,
        base58.encode(b"\xed\x01" + b"k" * 31),
        base58.encode(b"\xe7\x01" + b"k" * 33),
        base58.encode(b"\x80\x26" + b"k" * 32),
        base58.encode(b"\x85\x24" + b"k" * 270),
    ],
)
def test_a_word_that_is_no_multikey_is_refused(text: object) -> None:
    with pytest.raises(BadSignature):
        keys.from_multibase(text)


def test_an_ed25519_key_that_is_dressed_as_rsa_is_refused() -> None:
    with pytest.raises(BadSignature):
        keys.from_multibase(base58.encode(b"\x85\x24" + der_of("ed25519")))


def test_a_word_longer_than_makes_sense_is_not_even_tried() -> None:
    assert base58.decode("z" + "2" * 99, 100)
    with pytest.raises(Malformed, match="more than 100"):
        base58.decode("z" + "2" * 100, 100)


@given(st.binary(max_size=80))
@settings(deadline=None)
def test_base58_gives_back_what_it_was_given(raw: bytes) -> None:
    if raw:
        assert base58.decode(base58.encode(raw), 200) == raw


@given(st.text())
@settings(deadline=None)
def test_base58_reads_or_refuses_any_text(text: str) -> None:
    with suppress(Malformed):
        base58.decode(text, 100)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_signature_holds_for_its_own_text_and_key_only(algorithm: Algorithm) -> None:
    public = keys.load(der_of(algorithm))
    signature = keys.sign(made(algorithm), b"hello")
    keys.verify(public, signature, b"hello")
    other: Algorithm = "ed25519" if algorithm == "rsa" else "rsa"
    for bad_public, bad_signature, bad_text in (
        (public, signature, b"hellp"),
        (public, signature[:-1], b"hello"),
        (public, b"", b"hello"),
        (keys.load(der_of(other)), signature, b"hello"),
        (keys.load(keys.public_der(keys.generate(algorithm))), signature, b"hello"),
    ):
        with pytest.raises(BadSignature):
            keys.verify(bad_public, bad_signature, bad_text)


def test_an_actor_lists_a_key_for_requests_and_one_for_documents() -> None:
    assert keys.listed(anna()) == [
        Listed(f"{ANNA}#main-key", ANNA, der_of("rsa")),
        Listed(f"{ANNA}#ed25519-key", ANNA, der_of("ed25519")),
    ]


def test_keys_may_stand_in_arrays_or_alone_and_types_too() -> None:
    document = anna()
    turned = anna(
        publicKey=[document["publicKey"]],
        assertionMethod=document["assertionMethod"][0] | {"type": ["Multikey", "Key"]},
    )
    assert keys.listed(turned) == keys.listed(document)


def test_a_key_that_leaves_its_owner_out_belongs_to_the_actor_it_stands_in() -> None:
    document = anna()
    del document["publicKey"]["owner"]
    assert keys.listed(document)[0].owner == ANNA


def main_key(**changes: Any) -> dict[str, Any]:
    return {**anna()["publicKey"], **changes}


def multikey(**changes: Any) -> dict[str, Any]:
    return {**anna()["assertionMethod"][0], **changes}


@pytest.mark.parametrize(
    "changes",
    [
        {"publicKey": f"{ANNA}#main-key"},
        {"publicKey": None},
        {"publicKey": [[]]},
        {"publicKey": main_key(owner="https://oakfield.example/users/ben")},
        {"publicKey": main_key(owner=None)},
        {"publicKey": main_key(owner={"id": ANNA})},
        {"publicKey": main_key(id="https://riverside.example/users/anna#main-key")},
        {"publicKey": main_key(id="http://oakfield.example/users/anna#main-key")},
        {"publicKey": main_key(id="#main-key")},
        {"publicKey": main_key(id=None)},
        {"publicKey": main_key(publicKeyPem=None)},
        {"publicKey": main_key(publicKeyPem="-----BEGIN PUBLIC KEY-----AAAA")},
        {"publicKey": multikey(controller=None)},
        {"publicKey": multikey(type="Key")},
    ],
)
def test_a_key_that_does_not_belong_to_the_actor_is_not_listed(changes: dict[str, Any]) -> None:
    assert keys.listed(anna(assertionMethod=[], **changes)) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"controller": "https://oakfield.example/users/ben"},
        {"controller": None},
        {"type": "Ed25519VerificationKey2020"},
        {"publicKeyMultibase": "z6Mk..."},
        {"id": "https://riverside.example/users/anna#ed25519-key"},
    ],
)
def test_a_multikey_that_does_not_belong_to_the_actor_is_not_listed(
    changes: dict[str, Any],
) -> None:
    assert keys.listed(anna(publicKey=None, assertionMethod=[multikey(**changes)])) == []


def test_at_most_ten_keys_are_read_and_each_id_once() -> None:
    many = [main_key(id=f"{ANNA}#key-{number}") for number in range(40)]
    assert len(keys.listed(anna(publicKey=many))) == 10
    assert len(keys.listed(anna(publicKey=[main_key(), main_key()]))) == 2


def test_of_two_keys_with_one_id_the_first_counts() -> None:
    other = main_key(publicKeyPem=keys.pem(der_of("ed25519")))
    document = anna(publicKey=[main_key(), other], assertionMethod=[])
    assert keys.listed(document) == [Listed(f"{ANNA}#main-key", ANNA, der_of("rsa"))]


def test_a_document_without_an_id_lists_nothing() -> None:
    assert keys.listed(anna(id=None)) == []
    assert keys.listed({}) == []


def test_a_key_is_found_in_its_actor() -> None:
    key = keys.from_document(anna(), f"{ANNA}#main-key")
    assert key == Listed(f"{ANNA}#main-key", ANNA, der_of("rsa"))


def test_a_key_is_found_in_a_stub_as_gotosocial_answers_it() -> None:
    key_id = f"{ANNA}/main-key"
    stub = {"id": ANNA, "type": "Person", "publicKey": main_key(id=key_id)}
    assert keys.from_document(stub, key_id).owner == ANNA


@pytest.mark.parametrize(
    "document",
    [
        main_key(id="https://oakfield.example/keys/1", type="Key"),
        multikey(id="https://oakfield.example/keys/1"),
    ],
)
def test_a_key_that_is_a_document_of_its_own_names_its_owner(document: dict[str, Any]) -> None:
    key = keys.from_document(document, "https://oakfield.example/keys/1")
    assert (key.id, key.owner) == ("https://oakfield.example/keys/1", ANNA)


@pytest.mark.parametrize(
    "document",
    [
        {},
        anna(),
        # Another key's document, or one that names an owner elsewhere, is not this key.
        main_key(id="https://oakfield.example/keys/2"),
        main_key(id="https://oakfield.example/keys/1", owner="https://riverside.example/users/v"),
        main_key(id="https://oakfield.example/keys/1", owner=None),
        main_key(id="https://oakfield.example/keys/1", publicKeyPem=""),
        {
            "id": "https://oakfield.example/users/ben",
            "publicKey": main_key(id="https://oakfield.example/keys/1"),
        },
    ],
)
def test_a_document_that_is_not_about_the_key_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(BadSignature):
        keys.from_document(document, "https://oakfield.example/keys/1")
