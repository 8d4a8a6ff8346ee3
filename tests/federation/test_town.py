"""The first things two schools do with each other."""

from collections.abc import Callable

import orjson
import pytest

from actors import local
from federation.signatures import Signer
from outbox import knock as opening
from storage import peers
from storage.database import Unavailable
from tests.town import HTML, Person, Town
from tests.town.streets import Authority

PUBLIC = "https://www.w3.org/ns/activitystreams#Public"


async def two_colleagues(town: Town) -> tuple[Person, Person]:
    """Alice of Oakfield follows Bob of Riverside."""
    oakfield = await town.school("oakfield")
    riverside = await town.school("riverside")
    alice = await oakfield.staff("alice")
    bob = await riverside.staff("bob")
    await alice.post({"type": "Follow", "object": bob.uri})
    await town.settle()
    return alice, bob


async def test_somebody_follows_a_colleague_at_another_school(town: Town) -> None:
    alice, bob = await two_colleagues(town)
    assert (await bob.school.get(f"{bob.uri}/followers", as_=bob)).json["totalItems"] == 1
    assert (await alice.school.get(f"{alice.uri}/following", as_=alice)).json["totalItems"] == 1
    assert [one["type"] for one in await bob.inbox()] == ["Follow"]
    assert [one["type"] for one in await alice.inbox()] == ["Accept"]


async def test_a_post_reaches_the_follower_and_changes_with_its_author(town: Town) -> None:
    alice, bob = await two_colleagues(town)
    note = await bob.say("The ripple tank works.")
    await town.settle()
    newest = (await alice.inbox())[0]
    assert newest["type"] == "Create"
    assert newest["object"]["id"] == note["id"]
    assert "The ripple tank works." in newest["object"]["content"]

    town.clock.advance(minutes=5)
    await bob.post({"type": "Update", "object": note | {"content": "<p>It does not.</p>"}})
    await town.settle()
    created = [one for one in await alice.inbox() if one["type"] == "Create"]
    assert "It does not." in created[0]["object"]["content"]

    town.clock.advance(minutes=5)
    await bob.post({"type": "Delete", "object": note["id"]})
    await town.settle()
    created = [one for one in await alice.inbox() if one["type"] == "Create"]
    assert created[0]["object"]["type"] == "Tombstone"
    assert (await bob.school.get(note["id"], signed_by=alice.school)).status == 410


async def test_posts_wait_while_a_school_is_closed(town: Town) -> None:
    alice, bob = await two_colleagues(town)
    await alice.school.go_silent()
    note = await bob.say("Is anybody there?")
    await town.settle()
    await alice.school.listen()
    assert [one["type"] for one in await alice.inbox()] == ["Accept"]
    town.clock.advance(minutes=2)
    await town.settle()
    assert (await alice.inbox())[0]["object"]["id"] == note["id"]


async def test_a_school_that_opens_again_knocks_and_gets_what_waited(town: Town) -> None:
    alice, bob = await two_colleagues(town)
    await alice.school.shut()
    note = await bob.say("Is anybody there?")
    await town.settle()
    town.clock.advance(seconds=75)  # the lane tries again after 48 to 72 seconds,
    await town.settle()
    town.clock.advance(seconds=75)  # then after four minutes at the earliest
    await alice.school.open()
    await town.settle()
    assert (await alice.inbox())[0]["type"] == "Accept"
    await opening.knock(alice.school.server)
    await town.settle()
    assert (await alice.inbox())[0]["object"]["id"] == note["id"]


async def test_a_school_that_opens_again_at_once_gets_what_waited_within_a_minute(
    town: Town,
) -> None:
    alice, bob = await two_colleagues(town)
    await alice.school.shut()
    note = await bob.say("Only a short power cut.")
    await town.settle()
    await alice.school.open()
    await opening.knock(alice.school.server)
    town.clock.advance(seconds=60)
    await town.settle()
    assert (await alice.inbox())[0]["object"]["id"] == note["id"]


async def test_nobody_wakes_a_lane_with_a_forged_knock(town: Town) -> None:
    alice, bob = await two_colleagues(town)
    await alice.school.shut()
    note = await bob.say("Is anybody there?")
    await town.settle()
    town.clock.advance(seconds=75)
    await town.settle()
    town.clock.advance(seconds=75)
    await alice.school.open()
    signer = await alice.school.read(local.instance_signer)
    village = await town.stranger("village")
    forged = Signer(signer.key_id, village.person("eve").key)
    reply = await bob.school.get("/actor", signed_by=forged)
    assert reply.status == 200
    await town.settle()
    assert note["id"] not in [one["object"]["id"] for one in await alice.inbox()]


async def test_a_school_keeps_everything_when_it_closes_and_opens_again(town: Town) -> None:
    alice, bob = await two_colleagues(town)
    note = await bob.say("See you after the holidays.")
    await town.settle()
    await alice.school.shut()
    town.clock.advance(days=42)
    await alice.school.open()
    assert (await alice.inbox())[0]["object"]["id"] == note["id"]


async def test_a_town_leaves_no_school_open_not_even_one_that_fell_silent(
    authority: Authority, fresh_database: Callable[[], str]
) -> None:
    async with Town(authority, fresh_database) as town:
        oakfield, riverside = await town.school("oakfield"), await town.school("riverside")
        await riverside.go_silent()
        assert await riverside.read(peers.by_host, oakfield.host) is not None
    for school in (oakfield, riverside):
        with pytest.raises(Unavailable):
            await school.read(peers.by_host, "village.example")


async def test_a_school_that_is_not_on_the_list_is_not_heard(town: Town) -> None:
    oakfield = await town.school("oakfield")
    elsewhere = await town.school("elsewhere", known=False)
    alice = await oakfield.staff("alice")
    carol = await elsewhere.staff("carol")
    await elsewhere.allow(oakfield.host)
    reply = await elsewhere.post(carol, {"type": "Follow", "object": alice.uri})
    await town.settle()
    assert reply.status == 400
    assert await alice.inbox() == []


async def test_a_stranger_who_signs_is_thanked_and_one_who_does_not_is_not(town: Town) -> None:
    oakfield = await town.school("oakfield")
    village = await town.stranger("village")
    eve = village.person("eve")
    note = eve.create("Hello from another kind of server.")
    assert (await eve.send(oakfield.shared_inbox, note)).status == 202
    body = orjson.dumps(eve.create("And now without a signature."))
    headers = eve.headers(oakfield.shared_inbox, body)
    del headers["Signature"]
    reply = await village.request("POST", oakfield.shared_inbox, headers, body)
    assert reply.status == 401
    assert reply.json["status"] == 401


async def test_a_stranger_is_delivered_to(town: Town) -> None:
    oakfield = await town.school("oakfield")
    alice = await oakfield.staff("alice")
    village = await town.stranger("village")
    eve = village.person("eve")
    follow = eve.activity("Follow", alice.uri, to=[alice.uri], cc=[])
    assert (await eve.send(f"{alice.uri}/inbox", follow)).status == 202
    await town.settle()
    assert [one["object"]["id"] for one in village.activities("Accept")] == [follow["id"]]
    await alice.say("Welcome.")
    await town.settle()
    assert "Welcome." in village.activities("Create")[0]["object"]["content"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("//evil.example/../inbox", 400),
        ("/users/../actor", 400),
        ("/users/%61lice", 400),
        ("/users\\alice", 400),
        ("/no/such/place", 404),
        ("/users/nobody", 401),
        ("/actor", 200),
    ],
)
async def test_a_path_is_plain_or_leads_nowhere(town: Town, path: str, status: int) -> None:
    oakfield = await town.school("oakfield")
    reply = await oakfield.request("GET", oakfield.url + path, headers={})
    assert reply.status == status
    assert "Python" not in reply.headers["Server"]


async def test_a_request_for_another_host_is_turned_away(town: Town) -> None:
    oakfield = await town.school("oakfield")
    for host in ("evil.example", "oakfield.example.evil.example", "oakfield.example:8443"):
        reply = await oakfield.request("GET", f"{oakfield.url}/actor", headers={"Host": host})
        assert reply.status == 421
    reply = await oakfield.request(
        "GET", f"{oakfield.url}/healthz", headers={"Host": "127.0.0.1:8000"}
    )
    assert (reply.status, reply.json) == (200, {"status": "ok"})


async def test_a_school_whose_database_is_gone_says_that_it_is_not_well(town: Town) -> None:
    oakfield = await town.school("oakfield")
    await oakfield.server.database.close()
    reply = await oakfield.get("/healthz")
    assert (reply.status, reply.headers["Cache-Control"]) == (503, "no-store")
    assert int(reply.headers["Retry-After"]) > 0


async def test_every_answer_wears_the_security_headers(town: Town) -> None:
    oakfield = await town.school("oakfield")
    alice = await oakfield.staff("alice")
    for path, accept in (("/@alice", HTML), ("/actor", ""), ("/nowhere", ""), (alice.uri, HTML)):
        reply = await oakfield.get(path, accept=accept)
        policy = reply.headers["Content-Security-Policy"]
        assert policy == (
            "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; "
            "form-action 'self'; frame-ancestors 'none'"
        )
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
        assert reply.headers["Referrer-Policy"] == "same-origin"


async def test_one_address_serves_people_a_page_and_servers_a_document(town: Town) -> None:
    alice, bob = await two_colleagues(town)
    note = await bob.say("For everybody.")
    for url in (bob.uri, note["id"], f"{bob.school.url}/school"):
        page = await bob.school.get(url, accept=HTML)
        assert page.status == 200
        assert page.headers["Content-Type"].startswith("text/html")
        document = await bob.school.get(url, signed_by=alice.school)
        assert document.json["id"] == url
