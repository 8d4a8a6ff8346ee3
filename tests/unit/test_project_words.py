"""What projects are called in their address, and the words for roles and openness on the wire."""

from typing import Any

import pytest

from actors import projects, reading, remote
from federation import schemas, vocabulary
from federation.addresses import Rules
from federation.errors import Malformed, Refused

RULES = Rules()
GARDEN = "https://riverside.example/projects/garden"
STUB: dict[str, Any] = {
    "@context": "https://www.w3.org/ns/activitystreams",
    "id": GARDEN,
    "type": "Group",
    "inbox": f"{GARDEN}/inbox",
    "publicKey": {"id": f"{GARDEN}#main-key", "owner": GARDEN, "publicKeyPem": "…"},
}


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("School garden", "school-garden"),
        ("  Café & Küche!  ", "cafe-kuche"),
        ("Key stage 4: forces and motion, autumn term", "key-stage-4-forces-and-motion"),
        ("2026 play", "project-2026-play"),
        ("校园", "project"),
        ("x" * 40, "x" * 30),
        ("a" * 29 + " b", "a" * 29),
    ],
)
def test_an_open_project_is_called_in_its_address_as_it_is_called(name: str, slug: str) -> None:
    assert projects.slug_for(name, private=False, random="7f3a09c2d1") == slug
    assert projects.normal_slug(slug) == slug


@pytest.mark.parametrize("name", ["School garden", "Admin", "2026 play", "校园", "x" * 40])
def test_the_address_of_a_private_project_cannot_be_guessed_from_its_name(name: str) -> None:
    slug = projects.slug_for(name, private=True, random="7f3a09c2d1")

    assert slug.endswith("-7f3a09c2d1")
    assert projects.normal_slug(slug) == slug


def test_a_name_that_is_kept_for_the_school_gets_a_tail() -> None:
    assert projects.slug_for("Admin", private=False, random="7f3a") == "admin-7f3a"


@pytest.mark.parametrize(
    "typed", ["", "g" * 31, "4th-year", "-garden", "garden-", "gar den", "gärten", "a/b", "new"]
)
def test_what_cannot_stand_in_an_address_is_refused_in_words(typed: str) -> None:
    with pytest.raises(projects.BadSlug, match=r"cannot be the name|is kept for the school"):
        projects.normal_slug(typed)


def test_a_name_is_kept_in_lower_case_without_spaces_round_it() -> None:
    assert projects.normal_slug(" Garden_2-b ") == "garden_2-b"


@pytest.mark.parametrize(
    ("said", "role"),
    [
        ({"instrument": "admin"}, "lead"),
        ({"instrument": "write"}, "editor"),
        ({"instrument": "visit"}, "observer"),
        ({"instrument": ["observer"]}, "observer"),
        ({"instrument": "https://forgefed.org/ns#admin"}, "lead"),
        ({"instrument": {"id": "forge:visit"}}, "observer"),
        ({"role": "lead"}, "lead"),
        ({"instrument": None, "role": None}, "editor"),
        ({"instrument": ""}, "editor"),
        ({}, "editor"),
    ],
)
def test_a_role_is_read_in_the_words_of_others_too(said: dict[str, Any], role: str) -> None:
    assert projects.role_of(said) == role


@pytest.mark.parametrize("word", ["owner", 7, {"type": "Role"}, "ADMIN", "maintain"])
def test_nobody_gets_a_role_by_a_guess(word: Any) -> None:
    with pytest.raises(Refused):
        projects.role_of({"instrument": word})


def test_our_words_for_roles_are_read_back_as_they_were_meant() -> None:
    for role in ("lead", "editor", "observer"):
        assert projects.role_of({"instrument": projects.role_word(role)}) == role


def test_a_stub_is_read_with_the_end_of_its_id_for_a_name() -> None:
    read = remote.fields(STUB, RULES)

    assert (read.type, read.username, read.name) == ("Group", "garden", "garden")
    assert (read.inbox, read.shared_inbox, read.members) == (f"{GARDEN}/inbox", None, None)
    assert remote.is_stub(STUB)


@pytest.mark.parametrize(
    "changed", [{"type": "Person"}, {"id": "https://riverside.example/projects/a b"}]
)
def test_without_a_name_nobody_else_is_read(changed: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        remote.fields(STUB | changed, RULES)


def test_the_members_of_a_group_live_on_its_own_server() -> None:
    group = STUB | {"preferredUsername": "garden", "members": f"{GARDEN}/members"}

    assert remote.fields(group, RULES).members == f"{GARDEN}/members"
    listed = {"type": "Collection", "id": f"{GARDEN}/members", "items": [{"object": "x"}] * 200}
    read = remote.fields(group | {"members": listed}, RULES)
    assert read.members == f"{GARDEN}/members"
    assert "items" not in read.document
    elsewhere = group | {"members": "https://oakfield.example/projects/garden/members"}
    assert remote.fields(elsewhere, RULES).members is None
    assert remote.fields(group | {"type": "Person"}, RULES).members is None


@pytest.mark.parametrize(
    ("said", "openness"),
    [
        ("invite_only", "private"),
        ("https://joinmobilizon.org/ns#invite_only", "private"),
        ("moderated", "open"),
        ("open", "open"),
        (None, "open"),
    ],
)
def test_private_is_what_is_by_invitation_only(said: str | None, openness: str) -> None:
    assert remote.openness({"openness": said}) == openness


def test_every_word_of_a_project_is_explained() -> None:
    explained = vocabulary.CONTEXT[-1]

    assert {"members", "openness", "hasMember"} <= explained.keys()


def test_who_is_in_a_project_is_never_taken_for_a_post() -> None:
    assert "Relationship" in reading.NEVER_POSTS


def test_the_project_in_an_invitation_has_the_shape_of_an_actor() -> None:
    invite = {"id": f"{GARDEN}/invites/1", "type": "Invite", "actor": GARDEN, "object": STUB}
    schemas.check(invite)

    with pytest.raises(Malformed):
        schemas.check(invite | {"object": STUB | {"publicKey": 7}})
    with pytest.raises(Malformed):
        schemas.check(invite | {"instrument": 7})
