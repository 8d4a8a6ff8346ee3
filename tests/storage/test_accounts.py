"""Who can sign in here."""

from storage import accounts
from storage.transaction import Transaction
from tests.storage.people import person


def test_an_account_keeps_the_role_it_was_made_with(tx: Transaction) -> None:
    ada, ben = person(tx, "ada"), person(tx, "ben")
    accounts.add(tx, ada.id, "admin", "argon2 one")
    accounts.add(tx, ada.id, "staff")
    assert accounts.role(tx, ada.id) == "admin"
    assert accounts.role(tx, ben.id) is None
