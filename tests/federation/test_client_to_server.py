"""A program acts for a member of staff: it posts to their outbox and reads their inbox."""

from typing import Any

import orjson
import pytest
from sqlalchemy import func, select

from actors import accounts
from storage import actors, arrivals, tables, timelines, tokens
from storage.database import Transaction
from tests.town import ACTIVITY, Person, Reply, Town, TownSchool

PUBLIC = "https://www.w3.org/ns/activitystreams#Public"
NOTE: dict[str, Any] = {"type": "Note", "content": "Lab 2 is free", "to": [PUBLIC]}


@pytest.fixture
async def riverside(town: Town, oakfield: TownSchool) -> TownSchool:
    return await town.school("riverside")


async def knock(
    alice: Person,
    body: bytes | dict[str, Any] = NOTE,
    *,
    token: str | None = "",
    box: str | None = None,
    headers: dict[str, str] | None = None,
) -> Reply:
    """POST to an outbox, hers unless said, with her token unless said."""
    sent = {"Content-Type": ACTIVITY}
    if token is not None:
        sent["Authorization"] = f"Bearer {token or alice.token}"
    sent |= headers or {}
    return await alice.school.request(
        "POST",
        box or f"{alice.uri}/outbox",
        headers=sent,
        body=body if isinstance(body, bytes) else orjson.dumps(body),
    )


def rows(tx: Transaction) -> int:
    """How much was written, all in all."""
    written = (tables.objects, tables.published, tables.deliveries, tables.received, tables.follows)
    return sum(
        tx.execute(select(func.count()).select_from(table)).scalar_one() for table in written
    )


# --- posting -----------------------------------------------------------------------------------


async def test_an_object_alone_becomes_its_create(oakfield: TownSchool, alice: Person) -> None:
    reply = await knock(alice)
    assert reply.status == 201
    assert reply.body == b""
    made = (await oakfield.get(reply.headers["Location"], signed_by=oakfield, as_=alice)).json
    assert made["type"] == "Create"
    assert made["actor"] == made["object"]["attributedTo"] == alice.uri
    assert made["to"] == made["object"]["to"] == [PUBLIC]


async def test_what_programs_call_json_is_read(alice: Person) -> None:
    for media_type in (
        "application/activity+json",
        "application/activity+json; charset=utf-8",
        'application/ld+json; profile="https://www.w3.org/ns/activitystreams"',
        "application/json",
    ):
        assert (await knock(alice, headers={"Content-Type": media_type})).status == 201


async def test_other_kinds_of_bodies_are_not(oakfield: TownSchool, alice: Person) -> None:
    for headers in (
        {"Content-Type": "text/plain"},
        {"Content-Type": "text/html; charset=utf-8"},
        {"Content-Encoding": "gzip"},
    ):
        assert (await knock(alice, headers=headers)).status == 415, headers
    assert await oakfield.read(rows) == 0


BAD_BODIES: list[tuple[bytes, int]] = [
    (b"", 400),
    (b"[]", 400),
    (b"{", 400),
    (b'{"type": "Note", "content": "a", "content": "b"}', 400),
    (b'{"type": "Note", "content": "a", "to": ' + b"[" * 40 + b"]" * 40 + b"}", 400),
    (b'{"type": "Note", "content": NaN}', 400),
    ('{"type": "Note", "content": "é"}'.encode("latin-1"), 400),
    (b'{"type": "Note", "content": "a", "visibility": "direct"}', 400),
    (b'{"type": "Note", "content": "a", "to": "nobody"}', 400),
    (b'{"type": "Arrive"}', 400),
    (b'{"content": "no type"}', 400),
    (b'{"type": "Note", "content": "' + b"x" * 20_001 + b'"}', 400),
    (b'{"type": "Note", "content": "' + b"x" * 1_100_000 + b'"}', 413),
]


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
async def test_a_body_that_cannot_be_used_gets_a_clear_error_and_writes_nothing(
    oakfield: TownSchool, alice: Person
) -> None:
    for body, status in BAD_BODIES:
        reply = await knock(alice, body)
        assert reply.status == reply.json["status"] == status, body[:60]
    assert await oakfield.read(rows) == 0


# --- who it is ---------------------------------------------------------------------------------


async def test_without_a_good_token_nobody_posts(oakfield: TownSchool, alice: Person) -> None:
    for token in (None, "wrong", "é", "x" * 500):
        reply = await knock(alice, token=token)
        assert reply.status == 401, token
        assert reply.headers["WWW-Authenticate"] == "Bearer"
    assert await oakfield.read(rows) == 0


async def test_nobody_posts_to_anothers_outbox_and_learns_who_works_here(
    oakfield: TownSchool, alice: Person
) -> None:
    head = await oakfield.staff("head")
    answers = [
        await knock(alice, box=f"{oakfield.url}/users/{name}/outbox") for name in ("head", "nobody")
    ]
    assert [reply.status for reply in answers] == [403, 403]
    assert answers[0].body == answers[1].body
    assert (await knock(alice, {**NOTE, "attributedTo": head.uri})).status == 400
    assert (await knock(alice, {"type": "Create", "actor": head.uri, "object": NOTE})).status == 400
    assert await oakfield.read(rows) == 0


async def test_a_token_does_what_it_was_given_for(oakfield: TownSchool, alice: Person) -> None:
    head = await oakfield.staff("head")

    def issue(tx: Transaction, scope: str) -> str:
        actor = actors.by_id(tx, alice.id)
        assert actor is not None
        return accounts.issue_token(tx, actor, [scope])

    for scope, kind, status in (
        ("read", "Create", 403),
        ("read", "Follow", 403),
        ("follow", "Create", 403),
        ("follow", "Like", 403),
        ("follow", "Follow", 201),
        ("write", "Create", 201),
        ("write", "Follow", 201),
    ):
        token = await oakfield.write(issue, scope)
        thing: Any = NOTE if kind == "Create" else head.uri
        reply = await knock(alice, {"type": kind, "object": thing}, token=token)
        assert reply.status == status, (scope, kind)


async def test_a_revoked_token_and_a_suspended_person_post_nothing(
    oakfield: TownSchool, alice: Person
) -> None:
    head = await oakfield.staff("head")
    await oakfield.write(tokens.revoke_all, alice.id)
    await oakfield.write(actors.update_local, head.id, state="suspended")
    assert (await knock(alice)).status == 401
    assert (await knock(head)).status == 401


async def test_somebody_who_moved_away_does_not_post(oakfield: TownSchool, alice: Person) -> None:
    await oakfield.write(
        actors.update_local, alice.id, moved_to="https://riverside.example/users/alice"
    )
    reply = await knock(alice)
    assert reply.status == 403
    assert "moved to" in reply.json["detail"]


# --- people and posts of other schools ---------------------------------------------------------


async def test_somebody_addressed_for_the_first_time_is_looked_up(
    town: Town, oakfield: TownSchool, riverside: TownSchool, alice: Person
) -> None:
    bob = await riverside.staff("bob")
    await alice.say("Hello Bob", to=[bob.uri])
    await town.settle()
    assert [activity["object"]["content"] for activity in await bob.inbox()] == ["Hello Bob"]


async def test_somebody_is_followed_by_handle(
    town: Town, oakfield: TownSchool, riverside: TownSchool, alice: Person
) -> None:
    bob = await riverside.staff("bob")
    await alice.post({"type": "Follow", "object": "@bob@riverside.example"})
    await town.settle()
    following = await oakfield.collection(f"{alice.uri}/following", as_=alice)
    assert [bob.uri] == list(map(str, following))


async def test_somebody_who_approves_followers_lets_one_in_and_sends_them_away_again(
    town: Town, oakfield: TownSchool, riverside: TownSchool, alice: Person
) -> None:
    bob = await riverside.staff("bob")
    await bob.post({"type": "Update", "object": {"id": bob.uri, "manuallyApprovesFollowers": True}})
    await alice.post({"type": "Follow", "object": bob.uri})
    await town.settle()
    assert await oakfield.collection(f"{alice.uri}/following", as_=alice) == []

    (request,) = await bob.inbox()
    assert (request["type"], request["actor"]) == ("Follow", alice.uri)
    await bob.post({"type": "Accept", "object": request["id"]})
    await town.settle()
    following = await oakfield.collection(f"{alice.uri}/following", as_=alice)
    assert [bob.uri] == list(map(str, following))

    await bob.post({"type": "Reject", "object": request["id"]})
    await town.settle()
    assert await oakfield.collection(f"{alice.uri}/following", as_=alice) == []
    assert await riverside.collection(f"{bob.uri}/followers", as_=bob) == []
    await bob.say("For those who follow me")
    await town.settle()
    assert [activity["type"] for activity in await alice.inbox()] == ["Reject", "Accept"]


async def test_an_address_that_cannot_be_had_is_named_and_nothing_is_written(
    oakfield: TownSchool, riverside: TownSchool, alice: Person
) -> None:
    await riverside.staff("bob")
    for address, why in (
        ("https://riverside.example/users/nobody", "404"),
        ("https://nowhere.example/users/bob", "not on our list"),
        ("https://oakfield.example/users/nobody", "would be one of ours"),
        ("https://riverside.example/users/bob/followers", "not an actor"),
        ("https://10.0.0.1/users/bob", ""),
        ("http://riverside.example/users/bob", ""),
        ("nobody", ""),
    ):
        for activity in ({**NOTE, "cc": [address]}, {"type": "Follow", "object": address}):
            reply = await knock(alice, activity)
            assert reply.status == 400, address
            assert address in reply.json["detail"]
            assert activity["type"] == "Follow" or why in reply.json["detail"]
    assert await oakfield.read(rows) == 0


async def test_a_school_that_is_off_cannot_be_addressed_for_the_first_time(
    oakfield: TownSchool, riverside: TownSchool, alice: Person
) -> None:
    bob = await riverside.staff("bob")
    await riverside.go_silent()
    reply = await knock(alice, {**NOTE, "cc": [bob.uri]})
    assert reply.status == 400
    assert bob.uri in reply.json["detail"]
    assert await oakfield.read(rows) == 0


async def test_somebody_known_at_a_school_that_is_no_longer_allowed_is_not_addressed(
    town: Town, oakfield: TownSchool, riverside: TownSchool, alice: Person
) -> None:
    bob = await riverside.staff("bob")
    await alice.say("Hello Bob", to=[bob.uri])
    await oakfield.block(riverside.host)
    reply = await knock(alice, {**NOTE, "cc": [bob.uri]})
    assert reply.status == 400
    assert "blocked" in reply.json["detail"]


async def test_a_post_that_never_came_is_answered_and_its_author_is_told(
    town: Town, oakfield: TownSchool, riverside: TownSchool, alice: Person
) -> None:
    bob = await riverside.staff("bob")
    asked = await bob.say("Who has the key of lab 2?")
    await alice.say("I have", inReplyTo=asked["id"])
    await town.settle()
    (arrived,) = await bob.inbox()
    assert arrived["object"]["inReplyTo"] == asked["id"]
    assert bob.uri in arrived["cc"]


async def test_a_post_that_never_came_is_liked_and_passed_on_and_its_author_is_told(
    town: Town, oakfield: TownSchool, riverside: TownSchool, alice: Person
) -> None:
    bob, head = await riverside.staff("bob"), await oakfield.staff("head")
    await head.post({"type": "Follow", "object": alice.uri})
    await town.settle()
    shared = await bob.say("The whole unit on forces")
    for kind in ("Like", "Announce"):
        await alice.post({"type": kind, "object": shared["id"]})
    await town.settle()

    assert [activity["type"] for activity in await bob.inbox()] == ["Announce", "Like"]
    liked = await oakfield.collection(f"{alice.uri}/liked", as_=alice)
    assert list(map(str, liked)) == [shared["id"]]
    (row,) = await oakfield.read(timelines.home, head.id, before=None, limit=40)
    assert row.announced_by is not None
    assert (row.post.uri, row.author.uri, row.announced_by.uri) == (
        shared["id"],
        bob.uri,
        alice.uri,
    )


async def test_only_what_its_own_server_shows_to_us_can_be_liked_or_passed_on(
    oakfield: TownSchool, riverside: TownSchool, alice: Person
) -> None:
    bob = await riverside.staff("bob")
    hidden = await bob.say("For my followers", to=[f"{bob.uri}/followers"])
    for kind in ("Like", "Announce"):
        details = set()
        for uri in (
            hidden["id"],
            bob.uri,
            f"{riverside.url}/objects/1",
            f"{oakfield.url}/objects/1",
            "https://nowhere.example/objects/1",
        ):
            reply = await knock(alice, {"type": kind, "object": uri})
            assert reply.status == 400, uri
            details.add(reply.json["detail"].replace(uri, "URI"))
        assert len(details) == 1
    assert await oakfield.read(rows) == 0


async def test_a_post_that_is_not_for_us_cannot_be_answered_and_looks_like_none(
    oakfield: TownSchool, riverside: TownSchool, alice: Person
) -> None:
    bob = await riverside.staff("bob")
    hidden = await bob.say("For my followers", to=[f"{bob.uri}/followers"])
    details = set()
    for uri in (hidden["id"], f"{riverside.url}/objects/1"):
        reply = await knock(alice, {**NOTE, "inReplyTo": uri})
        assert reply.status == 400
        details.add(reply.json["detail"].replace(uri, "URI"))
    assert len(details) == 1


# --- reading the inbox -------------------------------------------------------------------------


async def test_an_inbox_shows_each_post_as_it_stands_now(
    town: Town, oakfield: TownSchool, riverside: TownSchool, alice: Person
) -> None:
    bob = await riverside.staff("bob")
    await alice.post({"type": "Follow", "object": bob.uri})
    await town.settle()
    note = await bob.say("Lab 2 is free")
    await town.settle()

    def posts(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [a["object"] for a in found if a["type"] == "Create"]

    assert posts(await alice.inbox())[0]["content"] == "Lab 2 is free"
    await bob.post({"type": "Update", "object": {"id": note["id"], "content": "Lab 3 is free"}})
    await town.settle()
    assert posts(await alice.inbox())[0]["content"] == "Lab 3 is free"
    await bob.post({"type": "Delete", "object": note["id"]})
    await town.settle()
    assert posts(await alice.inbox())[0]["type"] == "Tombstone"
    assert b"Lab" not in (await oakfield.get(f"{alice.uri}/inbox?page=first", as_=alice)).body


async def test_nobody_reads_in_their_inbox_who_else_was_told_in_secret(
    town: Town, oakfield: TownSchool, alice: Person
) -> None:
    eve = (await town.stranger("village")).person("eve")
    secret = "https://village.example/people/secret"
    thing = {"id": "https://village.example/things/1", "type": "Note", "bcc": [secret]}
    offer = eve.activity("Offer", {**thing, "attachment": {"bto": secret}}, to=[alice.uri])
    await eve.send(oakfield.shared_inbox, offer | {"bto": secret})
    await town.settle()
    (arrived,) = await alice.inbox()
    assert arrived["id"] == offer["id"]
    assert secret not in str(arrived)


async def test_an_inbox_is_read_page_by_page_newest_first(
    town: Town, oakfield: TownSchool, riverside: TownSchool, alice: Person
) -> None:
    bob = await riverside.staff("bob")
    await alice.post({"type": "Follow", "object": bob.uri})
    await town.settle()
    for number in range(45):
        await bob.say(f"Lesson {number}")
    await town.settle()

    head = await oakfield.get(f"{alice.uri}/inbox", as_=alice)
    assert head.json["type"] == "OrderedCollection"
    assert head.json["totalItems"] == await oakfield.read(arrivals.count, alice.id)
    assert head.headers["Cache-Control"] == "private, no-store"
    first = await oakfield.get(head.json["first"], as_=alice)
    assert len(first.json["orderedItems"]) == 40
    assert "?before=" in first.json["next"]
    everything = await alice.inbox()
    texts = [a["object"]["content"] for a in everything if a["type"] == "Create"]
    assert texts == [f"Lesson {number}" for number in reversed(range(45))]
    assert len({activity["id"] for activity in everything}) == len(everything)


async def test_nobody_reads_anothers_inbox(
    oakfield: TownSchool, riverside: TownSchool, alice: Person
) -> None:
    head = await oakfield.staff("head")
    url = f"{alice.uri}/inbox"
    assert (await oakfield.get(url, as_=head)).status == 403
    assert (await oakfield.get(url)).status == 405
    assert (await oakfield.get(url, signed_by=riverside)).status == 405
    wrong = {"Authorization": "Bearer wrong"}
    assert (await oakfield.get(url, headers=wrong)).status == 401
    assert (await oakfield.get(f"{url}?before=x", as_=alice)).status == 400
