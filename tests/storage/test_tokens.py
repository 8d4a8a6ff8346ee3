"""Bearer tokens of our people."""

from storage import actors, tokens
from storage.transaction import Transaction
from tests.storage.people import person


def test_a_token_opens_for_its_owner_and_scopes_until_it_is_revoked(tx: Transaction) -> None:
    ada, ben = person(tx, "ada"), person(tx, "ben")
    tokens.add(tx, ada.id, b"one", ["read", "write", "read"])
    tokens.add(tx, ada.id, b"two", [])
    tokens.add(tx, ben.id, b"three", ["read"])
    found = tokens.by_hash(tx, b"one")
    assert found == tokens.Token(ada, frozenset({"read", "write"}))
    assert tokens.by_hash(tx, b"nobody's") is None
    tokens.revoke_all(tx, ada.id)
    assert tokens.by_hash(tx, b"one") is None
    assert tokens.by_hash(tx, b"two") is None
    assert tokens.by_hash(tx, b"three") is not None


def test_the_token_of_who_was_suspended_opens_nothing(tx: Transaction) -> None:
    ada = person(tx, "ada")
    tokens.add(tx, ada.id, b"one", ["read"])
    actors.update_local(tx, ada.id, state="suspended")
    assert tokens.by_hash(tx, b"one") is None
    actors.update_local(tx, ada.id, state="active")
    assert tokens.by_hash(tx, b"one") is not None
