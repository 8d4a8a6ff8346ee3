"""An actor of another server is read within limits, and only what is its own to say."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors import profile, remote
from federation.addresses import Rules
from federation.errors import Malformed

RULES = Rules()
ANA = "https://riverside.example/users/ana"


def ana(**changed: Any) -> dict[str, Any]:
    document = {
        "@context": "https://www.w3.org/ns/activitystreams",
        "id": ANA,
        "type": "Person",
        "preferredUsername": "ana",
        "name": "Ana Ruiz",
        "summary": "<p>Maths</p>",
        "url": "https://riverside.example/@ana",
        "inbox": f"{ANA}/inbox",
        "outbox": f"{ANA}/outbox",
        "followers": f"{ANA}/followers",
        "following": f"{ANA}/following",
        "featured": f"{ANA}/featured",
        "endpoints": {"sharedInbox": "https://riverside.example/inbox"},
    }
    return {name: value for name, value in (document | changed).items() if value is not None}


def test_a_plain_actor_is_read_as_it_stands() -> None:
    read = remote.fields(ana(), RULES)

    assert (read.uri, read.peer_host, read.host) == (ANA, "riverside.example", "riverside.example")
    assert (read.username, read.name, read.type) == ("ana", "Ana Ruiz", "Person")
    assert read.inbox == f"{ANA}/inbox"
    assert read.shared_inbox == "https://riverside.example/inbox"
    assert read.followers == f"{ANA}/followers"
    assert (read.approves_followers, read.moved_to, read.state) == (False, None, "active")


def test_a_port_is_part_of_the_host() -> None:
    rules = Rules(allow_http=True, allow_private=True)
    uri = "http://localhost:8002/users/ana"
    read = remote.fields(ana(id=uri, inbox=f"{uri}/inbox"), rules)

    assert read.peer_host == "localhost:8002"


@pytest.mark.parametrize(
    "changed",
    [
        {"id": None},
        {"id": 7},
        {"id": "http://riverside.example/users/ana"},
        {"id": "https://127.0.0.1/users/ana"},
        {"id": "https://user@riverside.example/users/ana"},
        {"type": "Note"},
        {"type": None},
        {"type": ["Note", "Tombstone"]},
        {"inbox": None},
        {"inbox": "not an address"},
        {"inbox": "https://victim.example/inbox"},
        {"inbox": "https://riverside.example:8443/inbox"},
        {"preferredUsername": None},
        {"preferredUsername": ""},
        {"preferredUsername": 5},
        {"preferredUsername": "head@victim.example"},
        {"preferredUsername": "an a"},
        {"preferredUsername": "ana\u202e"},
        {"preferredUsername": "a/b"},
        {"preferredUsername": "a" * 201},
    ],
    ids=repr,
)
def test_what_is_not_a_usable_actor_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        remote.fields(ana(**changed), RULES)


@pytest.mark.parametrize("field", ["outbox", "followers", "following", "featured"])
@pytest.mark.parametrize("value", ["https://victim.example/users/x", 7, "", [], {"type": "x"}])
def test_a_list_elsewhere_is_not_this_actors_list(field: str, value: object) -> None:
    assert getattr(remote.fields(ana(**{field: value}), RULES), field) is None


@pytest.mark.parametrize(
    "endpoints", [None, [], "x", {"sharedInbox": "https://victim.example/inbox"}, {}]
)
def test_a_shared_inbox_on_another_server_is_left_out(endpoints: object) -> None:
    assert remote.fields(ana(endpoints=endpoints), RULES).shared_inbox is None


def test_lists_may_be_given_as_objects() -> None:
    read = remote.fields(ana(followers={"id": f"{ANA}/followers", "type": "Collection"}), RULES)
    assert read.followers == f"{ANA}/followers"


def test_names_and_texts_are_cut_and_cleaned() -> None:
    read = remote.fields(
        ana(
            name="Ana\n\u202eRuiz " + "x" * 500,
            summary="<script>alert(1)</script><p onclick=x>Hello</p>" + "y" * 9_000,
        ),
        RULES,
    )

    assert read.name.startswith("Ana Ruiz xxx")
    assert len(read.name) <= profile.NAME_LIMIT
    assert "script" not in read.summary
    assert "onclick" not in read.summary
    assert "<p>Hello</p>" in read.summary
    assert len(read.summary) < 6_000


def test_a_name_that_is_missing_is_the_username() -> None:
    assert remote.fields(ana(name=None), RULES).name == "ana"
    assert remote.fields(ana(name=None, nameMap={"en": "Ana"}), RULES).name == "Ana"


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "ftp://riverside.example/", "https://10.0.0.1/", 5, None]
)
def test_a_page_that_cannot_be_shown_is_the_id(url: object) -> None:
    assert remote.fields(ana(url=url), RULES).url == ANA


def test_where_an_actor_moved_is_kept_only_when_it_is_an_address() -> None:
    moved = remote.fields(ana(movedTo="https://new.example/users/ana"), RULES)
    assert moved.moved_to == "https://new.example/users/ana"
    assert remote.fields(ana(movedTo="javascript:x"), RULES).moved_to is None


def test_a_suspended_actor_is_kept_as_such() -> None:
    assert remote.fields(ana(suspended=True), RULES).state == "suspended"
    assert remote.fields(ana(suspended="true"), RULES).state == "active"


def test_what_is_kept_of_a_document_has_no_endless_lists() -> None:
    field = {"type": "PropertyValue", "name": "Web", "value": "x"}
    document = ana(
        attachment=[field] * 100,
        alsoKnownAs=[f"https://old.example/users/{number}" for number in range(100)],
    )
    kept = json.loads(remote.fields(document, RULES).document)

    assert len(kept["attachment"]) == profile.FIELDS
    assert len(kept["alsoKnownAs"]) == profile.ALIASES
    assert len(document["attachment"]) == 100


def test_aliases_may_be_one_or_many() -> None:
    assert remote.aliases(ana(alsoKnownAs="https://old.example/users/ana")) == [
        "https://old.example/users/ana"
    ]
    assert remote.aliases(ana()) == []


small = st.none() | st.booleans() | st.integers() | st.text(max_size=20)
names = st.sampled_from(["id", "type", "name", "value", "href", "en"])
anything = small | st.lists(small, max_size=3) | st.dictionaries(names, small, max_size=3)
deeper = anything | st.lists(anything, max_size=2) | st.dictionaries(names, anything, max_size=2)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(sorted(ana(suspended=True, movedTo="x"))), deeper))
def test_no_document_makes_the_reading_fall_over(changed: dict[str, Any]) -> None:
    document = ana() | changed
    try:
        read = remote.fields(document, RULES)
    except Malformed:
        return
    assert read.inbox.startswith("https://riverside.example/")
    assert len(read.name) <= profile.NAME_LIMIT
