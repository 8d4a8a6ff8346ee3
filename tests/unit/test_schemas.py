"""The shapes that we rely on: refused is only what our reading could not make sense of."""

from typing import Any

import jsonschema  # type: ignore[import-untyped]
import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation import schemas
from federation.errors import Malformed

LEE = "https://oakfield.example/users/lee"
PEOPLE = [f"https://riverside.example/users/{number}" for number in range(201)]

ACTIVITY: dict[str, Any] = {
    "id": "https://oakfield.example/activities/1",
    "type": "Create",
    "actor": LEE,
    "to": PEOPLE[:3],
    "object": {"id": "https://oakfield.example/objects/1", "type": "Note", "content": "<p>x</p>"},
}
ACTOR: dict[str, Any] = {
    "id": LEE,
    "type": "Person",
    "inbox": f"{LEE}/inbox",
    "preferredUsername": "lee",
    "endpoints": {"sharedInbox": "https://oakfield.example/inbox"},
    "publicKey": {"id": f"{LEE}#main-key", "owner": LEE, "publicKeyPem": "…"},
}
POST: dict[str, Any] = {"id": "https://oakfield.example/objects/1", "type": "Note", "content": "x"}

FINE = [
    ACTIVITY,
    ACTIVITY | {"actor": [{"id": LEE, "type": "Person"}]},
    ACTIVITY | {"object": "https://oakfield.example/objects/1"},
    ACTIVITY | {"object": [POST, POST]},
    ACTIVITY | {"object": None, "to": None},
    ACTIVITY | {"somethingNew": {"deep": [1, 2, 3]}},
    ACTIVITY | {"to": PEOPLE[:200]},
    ACTIVITY | {"type": "Update", "object": ACTOR},
    ACTOR,
    ACTOR | {"publicKey": [ACTOR["publicKey"]], "endpoints": None, "summary": None},
    ACTOR | {"outbox": None, "alsoKnownAs": [LEE], "icon": {"type": "Image"}},
    POST,
    POST | {"content": None, "contentMap": {"en": "x"}, "tag": {"type": "Mention"}},
    POST | {"attributedTo": [LEE, {"id": LEE}], "inReplyTo": None, "contentMap": []},
    POST | {"tag": [{"type": "Hashtag"}] * 100, "attachment": [{"type": "Image"}] * 40},
    {},
]
WRONG = [
    ACTIVITY | {"id": None},
    ACTIVITY | {"id": ""},
    ACTIVITY | {"id": "https://oakfield.example/" + "a" * 2048},
    ACTIVITY | {"type": {}},
    ACTIVITY | {"type": []},
    ACTIVITY | {"actor": [LEE, LEE]},
    ACTIVITY | {"actor": 7},
    ACTIVITY | {"object": 7},
    ACTIVITY | {"object": [["nested"]]},
    ACTIVITY | {"to": 7},
    ACTIVITY | {"cc": [7]},
    ACTIVITY | {"to": PEOPLE},
    ACTIVITY | {"object": POST | {"content": 7}},
    ACTIVITY | {"object": POST | {"cc": PEOPLE}},
    ACTIVITY | {"type": "Update", "object": {"id": LEE, "type": "Person", "inbox": 7}},
    ACTOR | {"inbox": None},
    ACTOR | {"inbox": [f"{LEE}/inbox"]},
    ACTOR | {"preferredUsername": "l" * 201},
    ACTOR | {"preferredUsername": ["lee"]},
    ACTOR | {"publicKey": 7},
    ACTOR | {"publicKey": ["x"] * 51},
    ACTOR | {"endpoints": {"sharedInbox": 7}},
    POST | {"id": 7},
    POST | {"content": 7},
    POST | {"contentMap": {"en": 7}},
    POST | {"attributedTo": [7]},
    POST | {"tag": 7},
    POST | {"tag": [7]},
    POST | {"attachment": [{}] * 501},
]


@pytest.mark.parametrize("document", FINE)
def test_what_servers_send_is_let_in(document: dict[str, Any]) -> None:
    schemas.check(document)


@pytest.mark.parametrize("document", WRONG)
def test_what_we_could_not_read_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        schemas.check(document)


def test_recipients_are_counted_over_all_fields() -> None:
    schemas.check(ACTIVITY | {"to": PEOPLE[:100], "bcc": PEOPLE[100:200]})
    with pytest.raises(Malformed, match="recipients"):
        schemas.check(ACTIVITY | {"to": PEOPLE[:100], "cc": PEOPLE[100:200], "bto": PEOPLE[200]})


def test_a_refusal_names_the_place_and_none_of_the_content() -> None:
    with pytest.raises(Malformed) as refusal:
        schemas.check(ACTIVITY | {"cc": ["https://a.example", 7.25], "x": "something private"})
    assert "cc" in str(refusal.value)
    assert "private" not in str(refusal.value)


PARTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4) | st.just("x" * 2049),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.just("id"), inner, max_size=1),
    max_leaves=6,
)
FIELDS = sorted({field for document in (*FINE, *WRONG) for field in document})


@given(
    st.dictionaries(st.sampled_from(FIELDS), PARTS), st.sampled_from([ACTIVITY, ACTOR, POST, {}])
)
def test_both_validators_give_the_same_verdict(
    change: dict[str, Any], document: dict[str, Any]
) -> None:
    document = document | change
    for name, (slow, fast) in VALIDATORS.items():
        assert fast.is_valid(document) == slow.is_valid(document), name


VALIDATORS = {
    name: (
        jsonschema.Draft202012Validator(schemas.source(name)),
        jsonschema_rs.validator_for(schemas.source(name)),
    )
    for name in schemas.NAMES
}


@pytest.mark.parametrize("name", schemas.NAMES)
def test_each_schema_is_one(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schemas.source(name))


@pytest.mark.parametrize("document", [*FINE, *WRONG])
def test_both_validators_agree_on_every_example(document: dict[str, Any]) -> None:
    slow, fast = VALIDATORS[schemas.kind(document)]
    assert fast.is_valid(document) == slow.is_valid(document)
