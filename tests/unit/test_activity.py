"""Documents: what was hashed is what is read, and it can be read in one way only."""

import hashlib
import json
from contextlib import suppress
from time import perf_counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation import activity
from federation.addresses import Rules
from federation.errors import Malformed

NOTE = {
    "@context": ["https://www.w3.org/ns/activitystreams", {"Hashtag": "as:Hashtag"}],
    "id": "https://oakfield.example/activities/1",
    "type": "Create",
    "actor": "https://oakfield.example/users/lee",
    "to": ["https://www.w3.org/ns/activitystreams#Public"],
    "cc": ["https://oakfield.example/users/lee/followers"],
    "object": {
        "id": "https://oakfield.example/objects/1",
        "type": "Note",
        "attributedTo": "https://oakfield.example/users/lee",
        "content": "<p>" + "The trip to the museum needs two more adults. " * 20 + "</p>",
        "contentMap": {"en": "<p>The trip</p>"},
        "tag": [{"type": "Hashtag", "name": f"#trip{number}"} for number in range(4)],
        "published": "2026-03-01T10:00:00Z",
        "sensitive": False,
    },
}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'"text"',
        b"null",
        b"{",
        b"{} {}",
        b'\xef\xbb\xbf{"id": "1"}',
        b'{"id": "\xff"}',
        '{"id": "1"}'.encode("utf-16"),
        '{"id": "1"}'.encode("utf-16-le"),
        '{"id": "1"}'.encode("utf-32"),
        b'{"id": "1", "id": "2"}',
        b'{"id": "1", "\\u0069d": "2"}',
        b'{"object": {"actor": 1, "actor": 2}}',
        b'{"n": NaN}',
        b'{"n": Infinity}',
        b'{"n": -Infinity}',
        b'{"n": 1e400}',
        b'{"n": -1e400}',
        b'{"n": 9223372036854775808}',
        b'{"n": ' + b"9" * 5000 + b"}",
        b'{"n": 0.' + b"1" * 5000 + b"}",
        b'{"n": 01}',
        b'{"text": "\\ud800"}',
        b'{"text": "\\udc00\\ud800"}',
        b'{"\\ud800": 1}',
        b'{"text": "\\u0000"}',
        b'{"list": [["\\u0000"]]}',
        b'{"text": "a\x00b"}',
        b'{"text": "a\nb"}',
        b"{'id': 1}",
        b'{"id": 1,}',
        b'{"id": 1} // comment',
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(body: bytes) -> None:
    with pytest.raises(Malformed):
        activity.parse(body)


def nested(depth: int, opening: bytes = b"[", closing: bytes = b"]") -> bytes:
    return b'{"a":' + opening * (depth - 1) + closing * (depth - 1) + b"}"


def test_nesting_ends_at_thirty_two() -> None:
    activity.parse(nested(32))
    with pytest.raises(Malformed):
        activity.parse(nested(33))
    with pytest.raises(Malformed):
        activity.parse(nested(33, b'[{"a":[', b"]}]"))


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'[{"a":'])
def test_a_megabyte_of_brackets_is_refused_before_anything_recurses(opening: bytes) -> None:
    with pytest.raises(Malformed):
        activity.parse((b'{"a":' + opening * 1_000_000)[: activity.LARGEST])


def test_brackets_inside_a_text_are_text() -> None:
    text = '[{"' * 200 + "\\"
    assert activity.parse(json.dumps({"a": text}).encode()) == {"a": text}


def test_many_short_lists_are_not_deep() -> None:
    assert activity.parse(b'{"a": [' + b"[],{}," * 1000 + b"0]}")["a"][-1] == 0


def test_an_object_has_at_most_two_hundred_keys() -> None:
    activity.parse(json.dumps({str(key): key for key in range(200)}).encode())
    with pytest.raises(Malformed):
        activity.parse(json.dumps({str(key): key for key in range(201)}).encode())


def test_a_document_has_at_most_a_megabyte() -> None:
    frame = len(b'{"a": ""}')
    activity.parse(b'{"a": "' + b"x" * (activity.LARGEST - frame) + b'"}')
    with pytest.raises(Malformed):
        activity.parse(b'{"a": "' + b"x" * (activity.LARGEST - frame + 1) + b'"}')


def test_whole_characters_and_escaped_backslashes_are_fine() -> None:
    assert activity.parse(b'{"a": "\\ud83d\\ude00 \\\\ud800 \\\\u0000"}') == {
        "a": "😀 \\ud800 \\u0000"
    }


def test_numbers_that_a_school_counts_to_are_read() -> None:
    assert activity.parse(b'{"a": [0, -1, 9223372036854775807, 0.5, -2.5e3]}') == {
        "a": [0, -1, 2**63 - 1, 0.5, -2500.0]
    }


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    with suppress(Malformed):
        assert isinstance(activity.parse(body), dict)


@given(st.text(alphabet='{}[]",:\\u0dD8c19eE.+-ntNaIfy \x00', max_size=200))
@settings(max_examples=300)
def test_any_json_like_text_is_read_or_refused(text: str) -> None:
    try:
        found = activity.parse(text.encode())
    except Malformed:
        return
    assert json.loads(text) == found


texts = st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63) + 1, 2**63 - 1) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(texts, values, max_size=5), st.booleans())
def test_an_honest_document_is_read_as_it_was_written(document: Any, escaped: bool) -> None:
    body = json.dumps(document, ensure_ascii=escaped).encode()
    before = hashlib.sha256(body).digest()
    assert activity.parse(body) == document
    assert hashlib.sha256(body).digest() == before


def test_a_note_is_read_in_well_under_a_tenth_of_a_millisecond() -> None:
    body = json.dumps(NOTE).encode()
    fastest = 1.0
    for _ in range(50):
        start = perf_counter()
        activity.parse(body)
        fastest = min(fastest, perf_counter() - start)
    assert fastest < 0.0001


def test_an_activity_names_who_did_what() -> None:
    rules = Rules()
    found = activity.read(NOTE, rules)
    assert found.id == "https://oakfield.example/activities/1"
    assert (found.type, found.actor) == ("Create", "https://oakfield.example/users/lee")
    assert found.object["type"] == "Note"
    assert found.target is None
    assert (found.owner_id, dict(found.fetched), found.rules) == (0, {}, rules)


@pytest.mark.parametrize(
    "actor",
    [
        {"id": "https://oakfield.example/users/lee", "type": "Person"},
        ["https://oakfield.example/users/lee"],
    ],
)
def test_the_actor_may_be_embedded(actor: object) -> None:
    found = activity.read(NOTE | {"actor": actor}, Rules())
    assert found.actor == "https://oakfield.example/users/lee"


@pytest.mark.parametrize(
    "change",
    [
        {"id": None},
        {"id": ""},
        {"id": 7},
        {"id": ["https://oakfield.example/activities/1"]},
        {"id": "urn:uuid:1"},
        {"id": "https://riverside.example/activities/1"},
        {"id": "https://oakfield.example.evil.example/activities/1"},
        {"actor": None},
        {"actor": []},
        {"actor": {}},
        {"actor": {"id": {"id": "https://oakfield.example/users/lee"}}},
        {"actor": "https://riverside.example/users/bo"},
        {"actor": ["https://oakfield.example/users/lee", "https://oakfield.example/users/bo"]},
        {"type": None},
        {"type": ""},
        {"type": []},
        {"type": 3},
    ],
)
def test_an_activity_without_one_sender_of_its_own_server_is_refused(
    change: dict[str, object],
) -> None:
    with pytest.raises(Malformed):
        activity.read(NOTE | change, Rules())


@pytest.mark.parametrize("document", [None, [], "Create", 1])
def test_what_is_not_an_object_is_no_activity(document: object) -> None:
    with pytest.raises(Malformed):
        activity.read(document, Rules())


def test_the_first_of_several_types_counts() -> None:
    assert activity.read(NOTE | {"type": ["Create", "Extension"]}, Rules()).type == "Create"
