"""Every school spells a document in the same bytes, or a proof would hold nowhere else."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation import jcs
from federation.errors import Malformed

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text('aé€😂\ufb33"\\\n\x7f/'), inner),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": 1, "a": [True, None, "x"]}, '{"a":[true,null,"x"],"b":1}'),
        ({}, "{}"),
        ([[]], "[[]]"),
        ('a"b\\c/d', '"a\\"b\\\\c/d"'),
        ("\b\f\n\r\t\x00\x1f\x7f\u2028é", '"\\b\\f\\n\\r\\t\\u0000\\u001f\x7f\u2028é"'),
        # A surrogate pair sorts before U+FB33, though the code point is higher.
        ({"\ufb33": 1, "😂": 2}, '{"😂":2,"\ufb33":1}'),
        (0, "0"),
        (-0.0, "0"),
        (10.0, "10"),
        (-1.5, "-1.5"),
        (25.273962, "25.273962"),
        (1e16, "10000000000000000"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (10**21, "1e+21"),
        (123456789012345680000, "123456789012345680000"),
        (1.2345e25, "1.2345e+25"),
        (0.000001, "0.000001"),
        (0.0000012, "0.0000012"),
        (1e-7, "1e-7"),
        (-1.23e-10, "-1.23e-10"),
        (5e-324, "5e-324"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
    ],
)  # fmt: skip
def test_a_value_has_one_spelling(value: Any, text: str) -> None:
    assert jcs.canonical(value).decode() == text


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        float("-inf"),
        2**53 + 1,  # another reader would round it
        10**400,
        "half \ud83d",
        {"half \udc00": 1},
        {1: "a key that is not text"},
        b"bytes",
        {"set"},
    ],
    ids=repr,
)
def test_what_other_readers_could_read_otherwise_is_refused(value: Any) -> None:
    with pytest.raises(Malformed):
        jcs.canonical({"in": [value]})


def test_a_tower_of_brackets_is_refused_and_does_not_bring_the_school_down() -> None:
    tower: list[Any] = []
    for _ in range(100_000):
        tower = [tower]
    with pytest.raises(Malformed):
        jcs.canonical(tower)


@given(VALUES)
@settings(deadline=None)
def test_the_spelling_means_the_same_and_is_its_own_spelling(value: Any) -> None:
    spelt = jcs.canonical(value)
    assert json.loads(spelt, parse_int=float) == value
    assert jcs.canonical(json.loads(spelt)) == spelt


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), st.integers(0, 9)))
@settings(deadline=None)
def test_the_order_in_which_a_peer_wrote_the_keys_does_not_matter(members: dict[str, int]) -> None:
    backwards = dict(reversed(members.items()))
    assert jcs.canonical(members) == jcs.canonical(backwards)
