"""What other servers are shown of our actors: all they need to follow, check and show them."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from actors import local, profile
from federation import keys as federation_keys
from federation import vocabulary
from storage.actors import Actor
from storage.database import School
from storage.keys import Key

NOW = datetime(2026, 9, 4, 8, 30, 15, 250_000, tzinfo=UTC)
SCHOOL = School("oakfield.example", "https://oakfield.example", "Oakfield School", b"s" * 32)
LEE = "https://oakfield.example/users/lee"


@pytest.fixture(scope="module")
def listed() -> list[Key]:
    made = []
    for number, (algorithm, fragment) in enumerate(local.FRAGMENTS.items()):
        public = federation_keys.public_der(federation_keys.generate(algorithm))
        made.append(Key(number, f"{LEE}#{fragment}", 1, algorithm, public, b"", NOW, None))
    return made


def lee(said: profile.Profile | None = None, **changed: Any) -> Actor:
    said = said or profile.make("Head of Science", ["Physics", "Chemistry"], ["Key stage 4"])
    actor = Actor(
        id=1,
        uri=LEE,
        peer_id=None,
        type="Person",
        username="lee",
        host="oakfield.example",
        name="Lee Okafor",
        summary="<p>Teaches physics.</p>",
        url="https://oakfield.example/@lee",
        inbox=f"{LEE}/inbox",
        shared_inbox="https://oakfield.example/inbox",
        outbox=f"{LEE}/outbox",
        followers=f"{LEE}/followers",
        following=f"{LEE}/following",
        featured=f"{LEE}/featured",
        approves_followers=False,
        moved_to=None,
        state="active",
        document=orjson_text(said),
        created_at=NOW,
        updated_at=NOW,
        fetched_at=None,
    )
    return replace(actor, **changed)


def orjson_text(said: profile.Profile) -> str:
    return orjson.dumps(said.document()).decode()


def test_a_member_of_staff_has_everything_that_other_servers_look_for(listed: list[Key]) -> None:
    document = local.document(SCHOOL, lee(), listed)

    assert document["@context"] == vocabulary.CONTEXT
    assert document["id"] == LEE
    assert document["type"] == "Person"
    assert document["preferredUsername"] == "lee"
    assert document["webfinger"] == "lee@oakfield.example"
    assert document["endpoints"] == {"sharedInbox": "https://oakfield.example/inbox"}
    assert document["published"] == "2026-09-04T08:30:15Z"
    for name in ("inbox", "outbox", "followers", "following", "featured", "liked"):
        assert document[name] == f"{LEE}/{name}"
    assert document["url"] == "https://oakfield.example/@lee"
    assert document["manuallyApprovesFollowers"] is False
    assert document["suspended"] is document["memorial"] is False


def test_nobody_is_listed_anywhere_before_they_say_so(listed: list[Key]) -> None:
    document = local.document(SCHOOL, lee(), listed)
    assert (document["discoverable"], document["indexable"]) == (False, False)

    said = replace(profile.Profile(), discoverable=True, indexable=True)
    document = local.document(SCHOOL, lee(said), listed)
    assert (document["discoverable"], document["indexable"]) == (True, True)


def test_role_subjects_phases_and_school_stand_beside_the_name(listed: list[Key]) -> None:
    fields = local.document(SCHOOL, lee(), listed)["attachment"]

    assert [field["name"] for field in fields] == ["Role", "Subjects", "Phases", "School"]
    assert [field["type"] for field in fields] == ["PropertyValue"] * 4
    assert fields[0]["value"] == "Head of Science"
    assert fields[1]["value"] == "Physics, Chemistry"
    assert ">Oakfield School</a>" in fields[3]["value"]


def test_a_role_with_angle_brackets_is_text_and_not_markup(listed: list[Key]) -> None:
    said = profile.make("<script>alert(1)</script> & co", [], [])
    fields = local.document(SCHOOL, lee(said), listed)["attachment"]

    assert fields[0]["value"] == "&lt;script&gt;alert(1)&lt;/script&gt; &amp; co"


def test_both_keys_are_published_and_can_be_read_back(listed: list[Key]) -> None:
    document = local.document(SCHOOL, lee(), listed)

    assert document["publicKey"]["id"] == f"{LEE}#main-key"
    assert document["publicKey"]["owner"] == LEE
    method = document["assertionMethod"][0]
    assert (method["id"], method["type"]) == (f"{LEE}#ed25519-key", "Multikey")
    assert method["controller"] == LEE
    read = {key.id: key.public for key in federation_keys.listed(document)}
    assert read == {key.uri: key.public for key in listed}


def test_every_word_of_the_document_is_explained_by_its_context(listed: list[Key]) -> None:
    said = replace(profile.make("Head", [], []), aliases=("https://old.example/users/lee",))
    actor = lee(said, moved_to="https://new.example/users/lee")
    document = local.document(SCHOOL, actor, listed)
    terms = vocabulary.CONTEXT[-1]
    # From the ActivityStreams, security, data integrity and DID contexts that are named before.
    known = {
        "@context", "id", "type", "preferredUsername", "name", "summary", "url", "inbox", "outbox",
        "followers", "following", "liked", "endpoints", "published", "updated", "attachment",
        "publicKey", "assertionMethod", "alsoKnownAs",
    }  # fmt: skip
    assert document.keys() <= known | terms.keys()


def test_a_moved_member_of_staff_says_where_they_went_and_who_they_were(listed: list[Key]) -> None:
    said = replace(profile.Profile(), aliases=("https://old.example/users/lee",))
    moved = lee(said, moved_to="https://new.example/users/lee")
    document = local.document(SCHOOL, moved, listed)

    assert document["movedTo"] == "https://new.example/users/lee"
    assert document["alsoKnownAs"] == ["https://old.example/users/lee"]
    assert "movedTo" not in local.document(SCHOOL, lee(), listed)


def test_a_suspended_member_of_staff_shows_keys_and_nothing_they_said(listed: list[Key]) -> None:
    document = local.document(SCHOOL, lee(state="suspended"), listed)

    assert document["suspended"] is True
    assert "publicKey" in document
    assert not {"name", "summary", "attachment"} & document.keys()


def test_the_actor_that_signs_for_the_server_has_no_lists(listed: list[Key]) -> None:
    actor = lee(type="Application", followers=None, following=None, featured=None)
    document = local.document(SCHOOL, actor, listed)

    assert {"inbox", "outbox", "publicKey"} <= document.keys()
    assert not {"followers", "following", "featured", "liked", "attachment"} & document.keys()


def test_what_somebody_types_into_their_profile_is_cut_to_its_limits() -> None:
    said = profile.make("x" * 1000, ["Physics", "Physics", " ", "y" * 200, "z" * 200], [])

    assert len(said.title) == profile.FIELD_LIMIT
    assert said.subjects == ("Physics", "y" * 200)
    assert len(dict(profile.lines(said))["Subjects"]) <= profile.FIELD_LIMIT


def test_a_profile_comes_back_as_it_was_kept() -> None:
    said = replace(profile.make("Head", ["Art"], ["Primary"]), discoverable=True)
    assert profile.of(lee(said)) == said
    assert profile.of(lee(document="{}")) == profile.Profile()
