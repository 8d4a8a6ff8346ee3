"""Who can sign in here."""

import pytest
from sqlalchemy import select

from storage import accounts, tables
from storage.transaction import Transaction
from tests.storage.people import person


def test_an_account_has_one_role_and_a_password_that_can_change(tx: Transaction) -> None:
    ada, ben = person(tx, "ada"), person(tx, "ben")
    accounts.add(tx, ada.id, "admin", "argon2 one")
    accounts.add(tx, ada.id, "staff")
    assert accounts.role(tx, ada.id) == "admin"
    assert accounts.role(tx, ben.id) is None
    accounts.set_password(tx, ada.id, "argon2 two")
    assert tx.execute(select(tables.accounts.c.password_hash)).scalar_one() == "argon2 two"
    with pytest.raises(LookupError):
        accounts.set_password(tx, ben.id, "argon2 three")
