"""Who can sign in here."""

from storage import accounts, actors
from storage.accounts import Account
from storage.transaction import Transaction
from tests.storage.people import person


def test_an_account_keeps_the_role_it_was_made_with(tx: Transaction) -> None:
    ada, ben = person(tx, "ada"), person(tx, "ben")
    accounts.add(tx, ada.id, "admin", "argon2 one")
    accounts.add(tx, ada.id, "staff")
    assert accounts.role(tx, ada.id) == "admin"
    assert accounts.role(tx, ben.id) is None


def test_a_password_is_set_and_goes_with_the_account(tx: Transaction) -> None:
    ada, ben = person(tx, "ada"), person(tx, "ben")
    accounts.add(tx, ada.id, "admin")
    assert accounts.of_actor(tx, ada.id) == Account(ada, "admin", None)
    assert accounts.set_password(tx, ada.id, "argon2 one")
    assert accounts.of_actor(tx, ada.id) == Account(ada, "admin", "argon2 one")
    assert not accounts.set_password(tx, ben.id, "argon2 two")
    assert accounts.of_actor(tx, ben.id) is None
    actors.update_local(tx, ada.id, state="suspended")
    kept = accounts.of_actor(tx, ada.id)
    assert kept is not None
    assert kept.actor.state == "suspended"
    accounts.remove(tx, ada.id)
    assert accounts.of_actor(tx, ada.id) is None
