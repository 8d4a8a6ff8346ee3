"""Who may read what: decided by who signed, before anything is looked up, and never by a guess."""

import asyncio
import re
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web

from actors import accounts, remote
from federation.errors import BadSignature, Gone, Refused, Unreachable
from storage import actors, peers
from storage.database import Transaction
from tests.town import ACTIVITY, HTML, Foreigner, Person, Reply, Town, TownSchool

GUARDED = (
    "/users/lee",
    "/users/nobody",
    "/users/lee/outbox",
    "/users/lee/followers",
    "/users/lee/following",
    "/users/lee/featured",
    "/users/lee/liked",
    "/users/nobody/outbox",
    "/school",
    "/school/outbox",
    "/school/members",
    "/objects/1",
    "/objects/1/replies",
    "/activities/1",
)
OPEN = (
    "/actor",
    "/.well-known/webfinger?resource=acct:lee@oakfield.example",
    "/.well-known/nodeinfo",
    "/.well-known/host-meta",
    "/nodeinfo/2.1",
)


def told(reply: Reply) -> tuple[int, bytes, dict[str, str]]:
    """All that a stranger can tell two answers apart by."""
    # The clock of the machine is in every answer.
    return reply.status, reply.body, {n: v for n, v in reply.headers.items() if n != "Date"}


def path_of(uri: str) -> str:
    return uri.removeprefix("https://oakfield.example")


async def follow(town: Town, follower: Foreigner, followee: Person) -> None:
    inbox = f"{followee.uri}/inbox"
    reply = await follower.send(inbox, follower.activity("Follow", followee.uri, to=[], cc=[]))
    assert reply.status == 202, reply.text
    await town.settle()


# --- network mode ------------------------------------------------------------------------------


async def test_between_schools_an_unsigned_reader_sees_the_same_for_what_is_and_what_is_not(
    town: Town,
) -> None:
    oakfield = await town.school("oakfield")
    lee = await oakfield.staff("lee")
    note = await lee.say("Good morning")
    answers = [await oakfield.get(path) for path in (*GUARDED, path_of(note["id"]))]

    assert {answer.status for answer in answers} == {401}
    assert len({answer.body for answer in answers}) == 1


async def test_between_schools_some_doors_are_open_to_everybody(town: Town) -> None:
    oakfield = await town.school("oakfield")
    lee = await oakfield.staff("lee")
    note = await lee.say("Good morning")

    for path in OPEN:
        assert (await oakfield.get(path)).status == 200, path
    for path in ("/", "/@lee", "/users/lee", path_of(note["id"]), path_of(note["url"])):
        reply = await oakfield.get(path, accept=HTML)
        assert (reply.status, reply.headers["Content-Type"]) == (200, "text/html; charset=utf-8")


async def test_a_listed_school_reads_what_is_public(town: Town) -> None:
    oakfield = await town.school("oakfield")
    riverside = await town.school("riverside")
    lee = await oakfield.staff("lee")
    note = await lee.say("Good morning")

    for path in ("/users/lee", "/users/lee/outbox", path_of(note["id"]), "/school"):
        reply = await oakfield.get(path, signed_by=riverside)
        assert (reply.status, reply.headers["Content-Type"]) == (200, ACTIVITY), path
    assert (await oakfield.get("/users/nobody", signed_by=riverside)).status == 404


async def test_a_host_that_is_not_listed_is_turned_away_and_asked_nothing(town: Town) -> None:
    oakfield = await town.school("oakfield")
    stranger = await town.stranger("stranger", known=False)
    await oakfield.staff("lee")
    answers = [await stranger.person("eve").get(f"{oakfield.url}{path}") for path in GUARDED]

    assert {answer.status for answer in answers} == {403}
    assert len({answer.body for answer in answers}) == 1
    assert stranger.fetched == []


@pytest.mark.parametrize("mode", ["network", "open"])
@pytest.mark.parametrize("blocked", ["stranger.example", "sub.stranger.example"])
async def test_a_blocked_host_and_its_sub_domains_read_nothing(
    town: Town, mode: Any, blocked: str
) -> None:
    oakfield = await town.school("oakfield", mode=mode)
    lee = await oakfield.staff("lee")
    stranger = await town.stranger(blocked)
    eve = stranger.person("eve")
    assert (await eve.get(lee.uri)).status == 200
    await oakfield.block("stranger.example")

    assert (await eve.get(lee.uri)).status == 403
    assert (await eve.get(f"{oakfield.url}/users/nobody")).status == 403


# --- open mode ---------------------------------------------------------------------------------


async def test_in_open_mode_what_is_not_public_is_missing_for_whoever_may_not_see_it(
    town: Town,
) -> None:
    oakfield = await town.school("oakfield", mode="open")
    stranger = await town.stranger("stranger", known=False)
    fan, eve = stranger.person("fan"), stranger.person("eve")
    lee = await oakfield.staff("lee")
    await follow(town, fan, lee)
    note = await lee.say("For those who follow me", to=f"{lee.uri}/followers")
    missing = f"{oakfield.url}/objects/{'1' * len(note['id'].rpartition('/')[2])}"

    assert (await fan.get(note["id"])).json["content"] == note["content"]
    assert told(await eve.get(note["id"])) == told(await eve.get(missing))
    assert told(await oakfield.get(note["id"])) == told(await oakfield.get(missing))
    assert (await oakfield.get(note["id"])).status == 404
    assert (await oakfield.get(f"{note['id']}/replies")).status == 404
    assert (await oakfield.get(note["id"], accept=HTML)).status == 404
    assert (await oakfield.get(note["url"], accept=HTML)).status == 404
    assert (await fan.get(f"{note['id']}/replies")).status == 200


async def test_in_open_mode_the_activity_round_a_post_is_as_hidden_as_the_post(town: Town) -> None:
    oakfield = await town.school("oakfield", mode="open")
    stranger = await town.stranger("stranger", known=False)
    fan, eve = stranger.person("fan"), stranger.person("eve")
    lee = await oakfield.staff("lee")
    await follow(town, fan, lee)
    hidden = await lee.post(
        {"type": "Note", "content": "For followers", "to": f"{lee.uri}/followers"}
    )
    public = await lee.post({"type": "Note", "content": "For all", "to": "as:Public"})

    assert (await oakfield.get(public)).status == 200
    assert (await oakfield.get(hidden)).status == 404
    assert (await eve.get(hidden)).status == 404
    assert (await fan.get(hidden)).status == 200


@pytest.mark.parametrize("mode", ["network", "open"])
async def test_what_is_for_the_school_stays_in_the_school(town: Town, mode: Any) -> None:
    oakfield = await town.school("oakfield", mode=mode)
    stranger = await town.stranger("stranger")
    fan = stranger.person("fan")
    lee, sam = await oakfield.staff("lee"), await oakfield.staff("sam")
    await follow(town, fan, lee)
    note = await lee.say("Staff meeting at four", to="https://oakfield.example/school/members")

    assert (await oakfield.get(note["id"], as_=sam)).status == 200
    assert (await fan.get(note["id"])).status == 404
    members = f"{oakfield.url}/school/members"
    assert (await fan.get(members)).status == 404
    inside = (await oakfield.get(members, as_=sam)).json
    assert inside["orderedItems"] == [lee.uri, sam.uri]


async def test_a_deleted_post_is_gone_for_those_who_saw_it_and_missing_for_others(
    town: Town,
) -> None:
    oakfield = await town.school("oakfield", mode="open")
    stranger = await town.stranger("stranger", known=False)
    fan, eve = stranger.person("fan"), stranger.person("eve")
    lee = await oakfield.staff("lee")
    await follow(town, fan, lee)
    public = await lee.say("A slip of the pen")
    private = await lee.say("For followers", to=f"{lee.uri}/followers")
    for note in (public, private):
        await lee.post({"type": "Delete", "object": note["id"]})

    gone = await oakfield.get(public["id"])
    assert (gone.status, gone.headers["Content-Type"]) == (410, ACTIVITY)
    assert gone.json["type"] == "Tombstone"
    assert gone.json["formerType"] == "Note"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", gone.json["deleted"])
    assert "slip" not in gone.text
    assert (await oakfield.get(public["url"], accept=HTML)).status == 410
    assert (await fan.get(private["id"])).status == 410
    assert (await eve.get(private["id"])).status == 404


async def test_an_actor_that_was_removed_is_gone_with_all_its_lists(town: Town) -> None:
    oakfield = await town.school("oakfield", mode="open")
    lee = await oakfield.staff("lee")
    await oakfield.write(actors.bury, lee.id)

    gone = await oakfield.get(lee.uri)
    assert (gone.status, gone.json["type"], gone.json["formerType"]) == (410, "Tombstone", "Person")
    for name in ("outbox", "followers", "following", "featured", "liked"):
        assert (await oakfield.get(f"{lee.uri}/{name}")).status == 410
    assert (await oakfield.get("/@lee", accept=HTML)).status == 410


async def test_an_inbox_is_not_read_from_outside(town: Town) -> None:
    oakfield = await town.school("oakfield", mode="open")
    lee = await oakfield.staff("lee")
    for path in (f"{lee.uri}/inbox", "/actor/inbox", "/school/inbox", "/inbox"):
        reply = await oakfield.get(path)
        assert (reply.status, reply.headers["Allow"]) == (405, "POST"), path


# --- caches ------------------------------------------------------------------------------------


async def test_what_is_not_public_is_never_stored_and_every_answer_depends_on_its_signer(
    town: Town,
) -> None:
    oakfield = await town.school("oakfield", mode="open")
    stranger = await town.stranger("stranger")
    fan = stranger.person("fan")
    lee = await oakfield.staff("lee")
    await follow(town, fan, lee)
    public = await lee.say("For everybody")
    private = await lee.say("For followers", to=f"{lee.uri}/followers")

    answers = {
        "public": await oakfield.get(public["id"]),
        "hidden": await oakfield.get(private["id"]),
        "seen": await fan.get(private["id"]),
        "list": await fan.get(f"{lee.uri}/outbox?page=first"),
    }
    for answer in answers.values():
        assert {"Accept", "Signature"} <= set(answer.headers["Vary"].split(", "))
        assert "private" in answer.headers["Cache-Control"]
    assert "no-store" not in answers["public"].headers["Cache-Control"]
    for name in ("hidden", "seen", "list"):
        assert "no-store" in answers[name].headers["Cache-Control"], name


@pytest.mark.parametrize("accept", ["application/json", "*/*", "", 'application/ld+json; q="x"'])
async def test_whoever_does_not_ask_for_a_page_gets_the_document(town: Town, accept: str) -> None:
    oakfield = await town.school("oakfield", mode="open")
    lee = await oakfield.staff("lee")
    reply = await oakfield.get(lee.uri, accept=accept)

    assert (reply.status, reply.headers["Content-Type"]) == (200, ACTIVITY)


# --- signatures on a GET -----------------------------------------------------------------------


@pytest.fixture
async def oakfield(town: Town) -> TownSchool:
    school = await town.school("oakfield")
    await school.staff("lee")
    return school


LEE = "https://oakfield.example/users/lee"


async def test_a_signature_that_does_not_hold_opens_nothing(
    town: Town, oakfield: TownSchool
) -> None:
    stranger = await town.stranger("stranger")
    eve = stranger.person("eve")
    honest = eve.headers(LEE, None, method="GET")
    assert (await stranger.request("GET", LEE, honest)).status == 200

    elsewhere = eve.headers("https://riverside.example/users/lee", None, method="GET")
    forgeries = {
        "another date": honest | {"Date": "Sun, 01 Jan 2023 00:00:00 GMT"},
        "another path": eve.headers(f"{LEE}/outbox", None, method="GET"),
        "another host": elsewhere | {"Host": "oakfield.example"},
        "date alone": eve.headers(LEE, None, method="GET", covered=("date",)),
        "no signature at all": honest | {"Signature": "nonsense"},
        "somebody else's key": honest
        | {"Signature": honest["Signature"].replace("/eve#", "/mallory#")},
    }
    for name, headers in forgeries.items():
        assert (await stranger.request("GET", LEE, headers)).status == 401, name
    town.clock.advance(hours=13)
    assert (await stranger.request("GET", LEE, honest)).status == 401


async def test_a_signature_that_cannot_hold_is_not_worth_a_fetch(
    town: Town, oakfield: TownSchool
) -> None:
    stranger = await town.stranger("stranger")
    eve = stranger.person("eve")
    stale = eve.headers(LEE, None, method="GET")
    partial = eve.headers(LEE, None, method="GET", covered=("host", "date"))
    town.clock.advance(hours=13)
    for headers in (stale, partial):
        assert (await stranger.request("GET", LEE, headers)).status == 401

    assert stranger.fetched == []


async def test_a_signed_question_with_a_body_is_refused(town: Town, oakfield: TownSchool) -> None:
    stranger = await town.stranger("stranger")
    headers = stranger.person("eve").headers(LEE, None, method="GET")
    assert (await stranger.request("GET", LEE, headers, b"hello")).status == 400


@pytest.mark.parametrize("state", ["suspended", "deleted"])
async def test_a_suspended_or_deleted_actor_signs_nothing(
    town: Town, oakfield: TownSchool, state: str
) -> None:
    stranger = await town.stranger("stranger")
    eve = stranger.person("eve")
    assert (await eve.get(LEE)).status == 200
    known = await oakfield.read(actors.by_uri, eve.uri)
    assert known is not None
    if state == "deleted":
        await oakfield.write(actors.bury, known.id)
    else:
        eve.document["suspended"] = True
        await remote.actor(oakfield.server, eve.uri, max_age=timedelta(0))

    assert (await eve.get(LEE)).status == 403


async def test_whoever_signs_is_heard_so_that_what_waits_for_them_goes_out(
    town: Town, oakfield: TownSchool
) -> None:
    stranger = await town.stranger("stranger")
    await stranger.person("eve").get(LEE)
    peer = await oakfield.read(peers.by_host, stranger.host)

    assert peer is not None
    assert peer.heard_at == town.clock()


async def test_a_reader_with_a_token_is_its_owner(town: Town, oakfield: TownSchool) -> None:
    sam = await oakfield.staff("sam")
    assert (await oakfield.get("/users/lee", as_=sam)).status == 200
    wrong = await oakfield.get("/users/lee", headers={"Authorization": "Bearer nonsense"})
    assert wrong.status == 401

    def write_only(tx: Transaction) -> str:
        actor = actors.by_id(tx, sam.id)
        assert actor is not None
        return accounts.issue_token(tx, actor, ["write"])

    token = await oakfield.write(write_only)
    headers = {"Authorization": f"Bearer {token}"}
    assert (await oakfield.get("/users/lee", headers=headers)).status == 403


async def test_who_fetched_a_post_hears_when_it_changes(town: Town, oakfield: TownSchool) -> None:
    stranger = await town.stranger("stranger")
    sam = await oakfield.staff("sam")
    note = await sam.say("Chess club on Tuesday")
    await town.settle()
    assert stranger.activities() == []
    assert (await stranger.person("eve").get(note["id"])).status == 200

    await sam.post({"type": "Update", "object": note | {"content": "Chess club on Wednesday"}})
    await town.settle()
    assert [one["type"] for one in stranger.activities()] == ["Update"]


# --- keys --------------------------------------------------------------------------------------


async def test_a_known_key_is_not_fetched_again(town: Town, oakfield: TownSchool) -> None:
    stranger = await town.stranger("stranger")
    eve = stranger.person("eve")
    for _ in range(3):
        assert (await eve.get(LEE)).status == 200

    assert stranger.fetched == ["/people/eve"]


async def test_many_who_come_at_once_with_one_new_key_cause_one_fetch(
    town: Town, oakfield: TownSchool
) -> None:
    stranger = await town.stranger("stranger")
    eve = stranger.person("eve")
    replies = await asyncio.gather(*(eve.get(LEE) for _ in range(8)))

    assert {reply.status for reply in replies} == {200}
    assert stranger.fetched == ["/people/eve"]


async def test_a_new_key_is_learned_at_most_once_in_five_minutes(
    town: Town, oakfield: TownSchool
) -> None:
    stranger = await town.stranger("stranger")
    eve = stranger.person("eve")
    await eve.get(LEE)
    eve.change_key("second")
    assert (await eve.get(LEE)).status == 200
    eve.change_key("third")
    assert (await eve.get(LEE)).status == 401
    assert len(stranger.fetched) == 2

    town.clock.advance(minutes=5, seconds=1)
    assert (await eve.get(LEE)).status == 200
    assert len(stranger.fetched) == 3


@pytest.mark.parametrize(
    ("trouble", "status"), [(500, 503), (404, 401), (410, 401), (403, 403)], ids=str
)
async def test_a_key_that_cannot_be_had_is_asked_for_once_in_five_minutes(
    town: Town, oakfield: TownSchool, trouble: int, status: int
) -> None:
    stranger = await town.stranger("stranger")
    eve = stranger.person("eve")
    stranger.documents["/people/eve"] = trouble
    for _ in range(3):
        assert (await eve.get(LEE)).status == status
    assert stranger.fetched == ["/people/eve"]

    stranger.documents["/people/eve"] = eve.document
    town.clock.advance(minutes=5, seconds=1)
    assert (await eve.get(LEE)).status == 200


async def test_an_actor_that_does_not_list_the_key_is_asked_once_in_five_minutes(
    town: Town, oakfield: TownSchool
) -> None:
    stranger = await town.stranger("stranger")
    eve = stranger.person("eve")
    eve.key_id = f"{eve.uri}#other-key"
    for number in range(3):
        eve.key_id = f"{eve.uri}#other-key-{number}"
        assert (await eve.get(LEE)).status == 401

    assert stranger.fetched == ["/people/eve"]


async def test_a_key_that_is_a_document_of_its_own_counts_when_its_owner_lists_it(
    town: Town, oakfield: TownSchool
) -> None:
    stranger = await town.stranger("stranger")
    eve = stranger.person("eve")
    eve.key_id = f"{eve.uri}/main-key"
    key = {"id": eve.key_id, "type": "Key", "owner": eve.uri, "publicKeyPem": eve.pem()}
    stranger.documents["/people/eve/main-key"] = key
    eve.document["publicKey"] = eve.key_id

    assert (await eve.get(LEE)).status == 200
    assert stranger.fetched == ["/people/eve/main-key", "/people/eve"]


async def test_a_stub_of_an_actor_under_the_key_id_leads_to_the_actor(
    town: Town, oakfield: TownSchool
) -> None:
    stranger = await town.stranger("stranger")
    eve = stranger.person("eve")
    eve.key_id = f"{eve.uri}/main-key"
    eve.document["publicKey"]["id"] = eve.key_id
    stub = {name: eve.document[name] for name in ("id", "type", "preferredUsername", "publicKey")}
    stranger.documents["/people/eve/main-key"] = stub

    assert (await eve.get(LEE)).status == 200
    assert len(stranger.fetched) <= 3


async def test_a_key_that_its_owner_does_not_list_is_nobodys(
    town: Town, oakfield: TownSchool
) -> None:
    stranger = await town.stranger("stranger")
    victim, eve = stranger.person("victim"), stranger.person("eve")
    eve.key_id = f"{stranger.url}/keys/1"
    stranger.documents["/keys/1"] = {
        "id": eve.key_id,
        "type": "Key",
        "owner": victim.uri,
        "publicKeyPem": eve.pem(),
    }
    assert (await eve.get(LEE)).status == 401


async def test_a_key_cannot_be_owned_by_somebody_on_another_server(
    town: Town, oakfield: TownSchool
) -> None:
    stranger, good = await town.stranger("stranger"), await town.stranger("good")
    victim, eve = good.person("victim"), stranger.person("eve")
    eve.key_id = f"{stranger.url}/keys/1"
    stranger.documents["/keys/1"] = {
        "id": eve.key_id,
        "type": "Key",
        "owner": victim.uri,
        "publicKeyPem": eve.pem(),
    }
    victim.document["publicKey"] = eve.key_id

    assert (await eve.get(LEE)).status == 401
    assert good.fetched == []


async def test_a_key_document_is_an_activitypub_document_or_nothing(
    town: Town, oakfield: TownSchool
) -> None:
    stranger = await town.stranger("stranger")
    eve = stranger.person("eve")
    stranger.documents["/people/eve"] = web.json_response(eve.document)

    assert (await eve.get(LEE)).status == 401


async def test_nobody_speaks_from_outside_with_a_key_of_ours(
    town: Town, oakfield: TownSchool
) -> None:
    stranger = await town.stranger("stranger")
    eve = stranger.person("eve")
    for key_id in (f"{LEE}#main-key", f"{oakfield.url}/actor#main-key", f"{oakfield.url}/x"):
        eve.key_id = key_id
        assert (await eve.get(LEE)).status == 403
    assert stranger.fetched == []


# --- fetching actors ---------------------------------------------------------------------------


async def test_our_own_ids_are_looked_up_and_never_fetched(
    town: Town, oakfield: TownSchool
) -> None:
    found = await remote.actor(oakfield.server, LEE)
    assert found.local
    with pytest.raises(Refused, match="would be one of ours"):
        await remote.actor(oakfield.server, f"{oakfield.url}/users/nobody")
    with pytest.raises(Refused, match="would be one of ours"):
        await remote.fetch(oakfield.server, LEE)


async def test_an_actor_is_fetched_once_and_again_when_it_must_be_fresh(
    town: Town, oakfield: TownSchool
) -> None:
    stranger = await town.stranger("stranger")
    ana = stranger.person("ana")
    first = await remote.actor(oakfield.server, ana.uri)
    assert await remote.actor(oakfield.server, ana.uri, max_age=timedelta(days=7)) == first
    ana.document["name"] = "Ana Ruiz"
    town.clock.advance(days=8)
    again = await remote.actor(oakfield.server, ana.uri, max_age=timedelta(days=7))

    assert (again.id, again.name) == (first.id, "Ana Ruiz")
    assert stranger.fetched == ["/people/ana"] * 2


async def test_a_host_that_we_do_not_talk_to_is_asked_for_nobody(
    town: Town, oakfield: TownSchool
) -> None:
    stranger = await town.stranger("stranger", known=False)
    eve = stranger.person("eve")
    with pytest.raises(Refused):
        await remote.actor(oakfield.server, eve.uri)
    with pytest.raises(Refused):
        await remote.key(oakfield.server, eve.key_id)
    assert stranger.fetched == []


async def test_an_actor_that_was_deleted_does_not_come_back(
    town: Town, oakfield: TownSchool
) -> None:
    stranger = await town.stranger("stranger")
    ana = await remote.actor(oakfield.server, stranger.person("ana").uri)
    await oakfield.write(actors.bury, ana.id)

    with pytest.raises(Gone):
        await remote.actor(oakfield.server, ana.uri, max_age=timedelta(0))
    assert stranger.fetched == ["/people/ana"]


async def test_an_actor_cannot_take_the_key_of_another(town: Town, oakfield: TownSchool) -> None:
    stranger = await town.stranger("stranger")
    ana, eve = stranger.person("ana"), stranger.person("eve")
    await remote.actor(oakfield.server, ana.uri)
    before = await remote.key(oakfield.server, ana.key_id)
    eve.document["publicKey"] = {
        "id": ana.key_id,
        "owner": eve.uri,
        "publicKeyPem": eve.pem(),
    }
    with pytest.raises(Refused):
        await remote.actor(oakfield.server, eve.uri)
    assert await remote.key(oakfield.server, ana.key_id) == before


async def test_a_key_says_why_it_cannot_be_had(town: Town, oakfield: TownSchool) -> None:
    stranger = await town.stranger("stranger")
    with pytest.raises(BadSignature):
        await remote.key(oakfield.server, "acct:eve@stranger.example")
    await stranger.shut()
    with pytest.raises(Unreachable):
        await remote.key(oakfield.server, stranger.person("eve").key_id)
