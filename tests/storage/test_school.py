"""The school itself."""

import pytest

from storage import school
from storage.school import SchoolRow
from storage.transaction import Transaction


def test_a_database_belongs_to_one_school_for_ever(tx: Transaction) -> None:
    assert school.get(tx) is None
    school.create(tx, "oakfield.example", "https://oakfield.example", "Oakfield School")
    expected = SchoolRow("oakfield.example", "https://oakfield.example", "Oakfield School", tx.now)
    assert school.get(tx) == expected
    with pytest.raises(school.Founded):
        school.create(tx, "riverside.example", "https://riverside.example", "Riverside")
    assert school.get(tx) == expected
