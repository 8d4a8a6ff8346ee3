"""Lists are read page by page, and a page stays the same page while new things come in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import collections
from federation.errors import Malformed

OUTBOX = "https://oakfield.example/users/lee/outbox"


def test_the_head_of_a_list_says_how_many_and_where_to_begin() -> None:
    head = collections.collection(OUTBOX, 3)

    assert head["type"] == "OrderedCollection"
    assert head["totalItems"] == 3
    assert head["first"] == f"{OUTBOX}?page=first"
    assert "orderedItems" not in head


def test_a_page_names_its_list_and_the_next_page_by_whole_addresses() -> None:
    page = collections.page(OUTBOX, before=None, items=["c", "b"], after_this=17, total=3)

    assert page["id"] == f"{OUTBOX}?page=first"
    assert page["partOf"] == OUTBOX
    assert page["next"] == f"{OUTBOX}?before=17"
    assert page["orderedItems"] == ["c", "b"]


def test_the_last_page_has_no_next_one() -> None:
    page = collections.page(OUTBOX, before=17, items=["a"], after_this=None, total=3)

    assert page["id"] == f"{OUTBOX}?before=17"
    assert "next" not in page


def test_a_short_list_comes_whole() -> None:
    assert collections.whole(OUTBOX, ["a", "b"])["totalItems"] == 2
    assert collections.whole(OUTBOX, [])["orderedItems"] == []


@pytest.mark.parametrize(
    "before", ["", "-1", "1.5", "0x10", "１２", "1 ", "1e3", "99999999999999999999", "abc"]
)
def test_a_place_in_a_list_that_is_no_number_is_refused(before: str) -> None:
    with pytest.raises(Malformed):
        collections.cursor({"before": before})


def test_a_place_beyond_every_id_is_the_newest_page() -> None:
    assert collections.cursor({"before": "9999999999999999999"}) == collections.LARGEST_ID
    assert collections.cursor({}) is None
    assert collections.cursor({"page": "first"}) is None


@given(st.lists(st.integers(min_value=1, max_value=2**63 - 1), unique=True, max_size=60))
def test_whoever_follows_the_pages_reads_everything_once_newest_first(ids: list[int]) -> None:
    newest_first = sorted(ids, reverse=True)
    read: list[int] = []
    before: int | None = None
    for _ in range(len(ids) + 1):
        rows = [one for one in newest_first if before is None or one < before][:8]
        found, more = collections.cut(rows, 7)
        read += found
        if not more:
            break
        before = found[-1]

    assert read == newest_first
