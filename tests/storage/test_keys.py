"""Public keys of everyone, and the sealed private ones of our own actors."""

import pytest

from storage import keys
from storage.transaction import Transaction
from tests.storage.people import colleague, later, person

MAIN = "https://riverside.example/users/bob#main-key"


def test_our_own_keys_come_with_their_sealed_half(tx: Transaction) -> None:
    ada = person(tx, "ada")
    (key,) = keys.of_actor(tx, ada.id)
    assert key.private == b"sealed ada"
    assert keys.by_uri(tx, key.uri) == key
    assert keys.by_uri(tx, MAIN) is None
    with pytest.raises(keys.KeyTaken):
        keys.add(tx, uri=key.uri, actor_id=ada.id, algorithm="rsa", public=b"other")


def test_what_an_actor_lists_now_replaces_what_it_listed_before(tx: Transaction) -> None:
    bob = colleague(tx, "bob")
    keys.replace_remote(tx, bob.id, [(MAIN, "rsa", b"old"), ("urn:second", "ed25519", b"two")])
    later(tx, days=1)
    keys.replace_remote(tx, bob.id, [(MAIN, "rsa", b"new"), (MAIN, "rsa", b"newer")])
    (key,) = keys.of_actor(tx, bob.id)
    assert (key.uri, key.public, key.private, key.fetched_at) == (MAIN, b"newer", None, tx.now)
    assert keys.by_uri(tx, MAIN) == key
    assert keys.by_uri(tx, "urn:second") is None
    keys.replace_remote(tx, bob.id, [])
    assert keys.of_actor(tx, bob.id) == []


def test_nobody_lists_the_key_of_another(tx: Transaction) -> None:
    ada, bob, mallory = person(tx, "ada"), colleague(tx, "bob"), colleague(tx, "mallory")
    keys.replace_remote(tx, bob.id, [(MAIN, "rsa", b"bob's")])
    for taken in (MAIN, f"{ada.uri}#main-key"):
        with pytest.raises(keys.KeyTaken):
            keys.replace_remote(tx, mallory.id, [(taken, "rsa", b"mallory's")])
    (key,) = keys.of_actor(tx, bob.id)
    assert key.public == b"bob's"


def test_a_document_from_outside_never_touches_our_private_keys(tx: Transaction) -> None:
    ada = person(tx, "ada")
    (key,) = keys.of_actor(tx, ada.id)
    keys.replace_remote(tx, ada.id, [])
    with pytest.raises(keys.KeyTaken):
        keys.replace_remote(tx, ada.id, [(key.uri, "rsa", b"forged")])
    assert keys.of_actor(tx, ada.id) == [key]
