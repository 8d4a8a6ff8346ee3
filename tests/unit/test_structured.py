"""A structured field is read to the letter, or not at all."""

from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation import structured
from federation.errors import BadSignature, Malformed
from federation.structured import InnerList, Item, Token


def test_every_kind_of_value_is_read() -> None:
    text = (
        r'a=1, b=-2.50;x,c="say \"hi\" \\";y=?0, d=:aGk=:  ,	e=tok/en:*, f=?1;z=1, *g.h-i_9=()'
    )
    assert structured.dictionary(text) == {
        "a": Item(1, {}),
        "b": Item(Decimal("-2.50"), {"x": True}),
        "c": Item('say "hi" \\', {"y": False}),
        "d": Item(b"hi", {}),
        "e": Item(Token("tok/en:*"), {}),
        "f": Item(True, {"z": 1}),
        "*g.h-i_9": InnerList((), {}),
    }


def test_an_inner_list_is_read_with_the_parameters_of_its_items() -> None:
    inner = structured.dictionary('s=( "@method"  "@query-param";name="a" 7 );created=1')["s"]
    assert inner == InnerList(
        (Item("@method", {}), Item("@query-param", {"name": "a"}), Item(7, {})), {"created": 1}
    )
    assert isinstance(inner, InnerList)
    assert structured.write_inner_list(inner) == '("@method" "@query-param";name="a" 7);created=1'


def test_an_empty_field_has_no_members() -> None:
    assert structured.dictionary("  ") == {}


@pytest.mark.parametrize(
    "text",
    [
        "A=1",
        "é=1",
        "a=",
        "a=1,",
        "a=1 b=2",
        "a=1,,b=2",
        "a =1",
        "a= 1",
        "a=1;",
        "a=1; B",
        "a=(",
        'a=("x"',
        'a=("x""y")',
        'a=("x",)',
        'a="',
        'a="\\x"',
        'a="é"',
        'a="\n"',
        "a=:aGk:",
        "a=:a-_k:",
        "a=:aGk=",
        "a=1.",
        "a=1.2345",
        "a=1234567890123456",
        "a=1234567890123.1",
        "a=--1",
        "a=+1",
        "a=٣",
        "a=?2",
        "a=@1659578233",
        "\ta=1",
    ],
)
def test_a_field_outside_the_grammar_is_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        structured.dictionary(text)


@pytest.mark.parametrize("text", ["a=1, b=2, a=3", "a=1;x=1;x=2", 'a=("m";x;x)', "a=();x;x"])
def test_what_stands_twice_is_refused(text: str) -> None:
    with pytest.raises(BadSignature):
        structured.dictionary(text)


@given(st.text())
@settings(deadline=None)
def test_any_text_is_read_or_refused_and_nothing_else_happens(text: str) -> None:
    with suppress(Malformed, BadSignature):
        structured.dictionary(text)


BARE = (
    st.integers(-999_999_999_999_999, 999_999_999_999_999)
    | st.decimals(-999_999_999_999, 999_999_999_999, places=3)
    | st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E))
    | st.binary(max_size=20)
    | st.booleans()
    | st.from_regex(r"\A[a-zA-Z*][a-z0-9:/!#]*\Z", fullmatch=True).map(Token)
)
PARAMETERS = st.dictionaries(st.from_regex(r"\A[a-z*][a-z0-9_.*-]*\Z"), BARE, max_size=3)
ITEMS = st.builds(Item, BARE, PARAMETERS)


@given(st.lists(ITEMS, max_size=4), PARAMETERS)
@settings(deadline=None)
def test_a_list_that_we_write_is_read_back_as_it_was(
    items: list[Item], parameters: structured.Parameters
) -> None:
    inner = InnerList(tuple(items), parameters)
    written = structured.write_inner_list(inner)
    assert structured.dictionary(f"s={written}") == {"s": inner}
