"""Which inboxes an activity goes to, and what a program may send to an outbox at all."""

from datetime import UTC, datetime
from typing import Any

import pytest

from api import shapes
from federation.errors import Malformed
from outbox import wording
from outbox.audience import Audience, inboxes
from storage.actors import Actor
from storage.reports import MOST_POSTS

PUBLIC = "https://www.w3.org/ns/activitystreams#Public"
NOW = datetime(2026, 9, 1, 8, 30, tzinfo=UTC)


def someone(number: int, host: str | None = None) -> Actor:
    """A person of the school at `host`, or one of ours."""
    uri = f"https://{host or 'oakfield.example'}/users/u{number}"
    return Actor(
        id=number,
        uri=uri,
        peer_id=None if host is None else 1,
        type="Person",
        username=f"u{number}",
        host=host or "oakfield.example",
        name="",
        summary="",
        url=uri,
        inbox=f"{uri}/inbox",
        shared_inbox=None,
        outbox=None,
        followers=f"{uri}/followers",
        following=None,
        featured=None,
        approves_followers=False,
        moved_to=None,
        state="active",
        document="{}",
        created_at=NOW,
        updated_at=NOW,
        fetched_at=None,
    )


ALICE = someone(1)
HEAD = someone(2)
BOB = someone(3, "riverside.example")
CAROL = someone(4, "hillside.example")


def addressed(kind: str, *, followers: bool = False) -> Audience:
    return Audience(
        kind=kind, to=(), cc=(), followers=followers, named=(BOB, HEAD), hidden=(CAROL,)
    )


@pytest.mark.parametrize("kind", ["public", "unlisted", "followers"])
def test_named_people_are_reached_by_the_shared_inbox_where_their_server_may_show_it_to_all(
    kind: str,
) -> None:
    to = inboxes(addressed(kind, followers=True), ALICE)
    assert to.shared == (BOB.id,)
    assert to.named == ()
    assert to.followers_of == ALICE.id


@pytest.mark.parametrize("kind", ["direct", "school"])
def test_named_people_are_reached_by_their_own_inbox_where_it_is_for_them_alone(kind: str) -> None:
    to = inboxes(addressed(kind), ALICE)
    assert to.named == (BOB.id,)
    assert to.shared == ()
    assert to.followers_of is None


@pytest.mark.parametrize("kind", ["public", "unlisted", "followers", "direct"])
def test_whoever_is_told_in_secret_is_always_told_at_their_own_inbox(kind: str) -> None:
    assert inboxes(addressed(kind), ALICE).hidden == (CAROL.id,)


def test_what_happens_to_a_post_for_this_school_only_is_told_to_no_other_school() -> None:
    post = "https://oakfield.example/objects/1"
    assert inboxes(addressed("public"), ALICE, post).reached_by == post
    assert inboxes(addressed("school"), ALICE, post).reached_by is None


# --- what a program may send -------------------------------------------------------------------


def create(**note: Any) -> dict[str, Any]:
    return {"type": "Create", "object": {"type": "Note", "content": "Lab 2", **note}}


@pytest.mark.parametrize(
    "activity",
    [
        create(to=[PUBLIC], cc=PUBLIC, tag=[{"type": "Mention", "href": BOB.uri}]),
        create(inReplyTo="https://riverside.example/objects/1", summary=None),
        create(to=[{"id": BOB.uri, "type": "Person"}]),
        {"@context": [], "type": "Follow", "object": BOB.uri, "to": BOB.uri},
        {"type": "Like", "object": {"id": BOB.uri, "type": "Note", "content": "whatever"}},
        {"type": "Undo", "object": {"type": "Like", "object": BOB.uri}},
        {"type": "Undo", "object": "https://oakfield.example/activities/1"},
        {"type": "Delete", "object": {"id": BOB.uri, "type": "Tombstone"}},
        {"type": "Update", "object": {"id": BOB.uri, "content": "Lab 3", "summary": None}},
        {"type": "Update", "object": {"id": ALICE.uri, "name": "Alice", "publicKey": {}}},
        {"type": "Flag", "object": [BOB.uri] * (1 + MOST_POSTS)},
    ],
)
def test_what_the_standard_knows_may_be_sent(activity: dict[str, Any]) -> None:
    shapes.check(activity)


@pytest.mark.parametrize(
    ("activity", "place"),
    [
        (create(visibility="direct"), "object: .*visibility"),
        (create(to=7), "object/to"),
        (create(to=[7]), "object/to"),
        (create(to=[{"name": "Bob"}]), "object/to"),
        (create(to=["x" * 2049]), "object/to"),
        (create(to=[BOB.uri] * 201), "object/to"),
        (create(content="x" * 20_001), "object/content"),
        (create(content=["x"]), "object/content"),
        (create(sensitive="yes"), "object/sensitive"),
        (create(tag=[{}] * 61), "object/tag"),
        (create(source="x"), "object/source"),
        ({**create(), "visibility": "direct"}, "visibility"),
        ({**create(), "actor": 7}, "actor"),
        ({"type": "Create"}, "object"),
        ({"type": "Create", "object": "https://oakfield.example/objects/1"}, "object"),
        ({"type": "Follow", "object": {"name": "Bob"}}, "object"),
        ({"type": "Follow", "object": None}, "object"),
        ({"type": "Undo", "object": {"type": "Like"}}, "object"),
        ({"type": "Update", "object": {"content": "no id"}}, "object"),
        ({"type": "Update", "object": {"id": BOB.uri, "colour": "red"}}, "object"),
        ({"type": "Flag", "object": [BOB.uri] * (2 + MOST_POSTS)}, "object"),
        ({"type": "Travel", "object": BOB.uri}, "type must be one of"),
        ({"type": ["Create"], "object": {}}, "type must be one of"),
        ({"object": {}}, "type must be one of"),
        ({}, "type must be one of"),
    ],
)
def test_what_we_do_not_know_is_refused_with_its_place(
    activity: dict[str, Any], place: str
) -> None:
    with pytest.raises(Malformed, match=place):
        shapes.check(activity)


# --- words -------------------------------------------------------------------------------------


def test_a_mention_is_made_for_each_named_person_who_has_none() -> None:
    tags = wording.mentions([{"type": "Mention", "href": BOB.uri, "name": "@bob"}], [BOB, CAROL])
    assert tags == [
        {"type": "Mention", "href": BOB.uri, "name": "@bob"},
        {"type": "Mention", "href": CAROL.uri, "name": "@u4@hillside.example"},
    ]


def test_fifty_mentions_are_the_most_that_are_made() -> None:
    crowd = [someone(number, "riverside.example") for number in range(80)]
    assert len(wording.mentions([], crowd)) == 50


def test_null_stays_null_so_that_an_edit_can_take_it_away() -> None:
    given = dict.fromkeys(wording.FIELDS)
    assert wording.read(given, [], None) == given
    assert wording.read({}, [], None) == {}
