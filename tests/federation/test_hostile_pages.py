"""What somebody who means harm can do through the pages and the newer verbs: with a name, an
address, a number of a post, an account that moves on."""

from itertools import pairwise
from typing import Any

import orjson
from aiohttp import web

from actors import handles
from pages import words
from storage import actors, follows, notifications, objects
from storage.audience import Viewer
from tests.federation.reading import well_formed
from tests.town import Foreigner, Person, Town, TownSchool
from tests.town.browser import Browser

DEEDS = ("like", "unlike", "announce", "unannounce", "pin", "unpin", "delete", "vote", "report")


async def reading(person: Person) -> Browser:
    """That person, signed in."""
    browser = Browser(person.school)
    await browser.enter(person)
    await browser.open("/home")
    return browser


async def row(school: TownSchool, uri: str) -> int:
    found = await school.read(actors.by_uri, uri)
    assert found is not None
    return found.id


async def kept(person: Person, uri: str) -> int | None:
    """The number of a post in the school's database, if that person may see it."""
    found = await person.school.read(objects.seen_by_uri, Viewer(person.id, local=True), uri)
    return None if found is None else found.id


def card(subject: str, actor_uri: str) -> web.Response:
    link = {"rel": "self", "type": "application/activity+json", "href": actor_uri}
    body = orjson.dumps({"subject": subject, "links": [link]})
    return web.Response(body=body, content_type="application/jrd+json")


async def tell(who: Foreigner, school: TownSchool, activity: dict[str, Any]) -> int:
    reply = await who.send(school.shared_inbox, activity)
    await who.home.town.settle()
    return reply.status


# --- who is speaking -----------------------------------------------------------------------------


async def test_a_name_that_reads_as_two_handles_does_not_bring_a_colleague_into_a_letter(
    town: Town,
) -> None:
    oakfield, village = await town.school("oakfield"), await town.stranger("village")
    lee, head = await oakfield.staff("lee"), await oakfield.staff("head")
    village.person("eve")
    for number, name in enumerate(("head,eve", "head;eve")):
        eve = Foreigner(village, name, f"/people/{number}")
        letter = eve.create("Just between us", to=[lee.uri], cc=[])
        await tell(eve, oakfield, letter)
        at_lee = await reading(lee)
        post = await kept(lee, letter["object"]["id"])
        if post is not None:
            await at_lee.open(f"/compose?reply={post}")
            await at_lee.submit("/compose", text="SECRETMARK")
        assert "SECRETMARK" not in await (await reading(head)).open("/notifications")


async def test_a_server_gives_nobody_another_name_on_the_domain_of_a_school(town: Town) -> None:
    oakfield, school = await town.school("oakfield"), await town.stranger("short")
    lee, provider = await oakfield.staff("lee"), await town.stranger("village")
    eve = provider.person("eve")
    for server in (school, provider):
        for host in ("short", "village"):
            server.cards[f"acct:eve@{host}.example"] = card("acct:eve@short.example", eve.uri)
    found = await handles.find(oakfield.server, "@eve@short.example")
    assert found.handle == "@eve@short.example"
    changed = {**eve.document, "preferredUsername": "head", "name": "Eve"}
    assert await tell(eve, oakfield, eve.activity("Update", changed)) == 202
    assert await oakfield.read(actors.by_handle, "head", "short.example") == []
    page = await (await reading(lee)).open(f"/people/{found.id}")
    assert "@head@short.example" not in page
    assert "@head@village.example" in page


async def test_who_moved_where_is_told_only_if_the_new_account_says_so_too(town: Town) -> None:
    oakfield, village = await town.school("oakfield"), await town.stranger("village")
    lee, head = await oakfield.staff("lee"), await oakfield.staff("head")
    eve, other = village.person("eve"), village.person("other")
    await tell(other, oakfield, other.create("Good morning"))
    eve.document["movedTo"] = head.uri
    await tell(eve, oakfield, eve.create("Good morning"))
    at_lee = await reading(lee)
    assert "has moved to" not in await at_lee.open("/@eve@village.example")
    other.document["alsoKnownAs"] = [eve.uri]
    await tell(other, oakfield, other.activity("Update", other.document))
    await tell(eve, oakfield, eve.activity("Update", eve.document | {"movedTo": other.uri}))
    assert "has moved to" in await at_lee.open("/@eve@village.example")


# --- where a link leads --------------------------------------------------------------------------


async def test_where_a_post_is_said_to_be_is_where_its_link_leads(town: Town) -> None:
    oakfield, village = await town.school("oakfield"), await town.stranger("village")
    lee, eve = await oakfield.staff("lee"), village.person("eve")
    eve.document["url"] = "https://phishing.example/eve"
    note = await lee.say("Who comes?")
    lure = "https://phishing.example/sign-in"
    answer = eve.create("I do", url=lure, inReplyTo=note["id"], cc=[lee.uri])
    missing = {"inReplyTo": f"{lure}?1", "quote": f"{lure}?2"}
    other = eve.create("Me too", cc=[lee.uri], **missing)
    for activity in (answer, other):
        assert await tell(eve, oakfield, activity) == 202
    at_lee = await reading(lee)
    for activity in (answer, other):
        page = await at_lee.open(f"/posts/{await kept(lee, activity['object']['id'])}")
        well_formed(page)
        named = page.count("phishing.example)") + page.count("See it at phishing.example<")
        assert 0 < page.count(f'href="{lure}') == named
    public = await Browser(oakfield).open(note["url"].removeprefix(oakfield.url))
    assert "I do" in public
    assert "phishing.example" not in public


def test_letters_turned_round_do_not_hide_where_a_link_leads() -> None:
    for mark in ("\u202e", "\u202d", "&#x202e;"):
        shown = words.shown(
            f'<p>{mark}<a href="https://elpmaxe.example/">our school</a></p>', "oakfield.example"
        )
        assert "(elpmaxe.example)" in shown
        assert not {"\u202d", "\u202e"} & set(shown)
    assert "\u200f" in words.shown("<p>\u05d0\u200f!</p>", "oakfield.example")


# --- what is not for one -------------------------------------------------------------------------


async def test_whatever_one_tries_with_a_hidden_post_it_is_as_if_it_were_not_there(
    town: Town,
) -> None:
    oakfield, village = await town.school("oakfield"), await town.stranger("village")
    lee, sam, eve = await oakfield.staff("lee"), await oakfield.staff("sam"), village.person("eve")
    mine = await lee.say("SECRETMARK", to=[sam.uri])
    hers = eve.create("SECRETMARK", to=[sam.uri], cc=[])
    await tell(eve, oakfield, hers)
    hidden = [await kept(sam, uri) for uri in (mine["id"], hers["object"]["id"])]
    assert None not in hidden
    nosy = await oakfield.staff("nosy")
    browser = await reading(nosy)
    token = browser.filled("/sign-out")

    async def answers(post: int | None) -> list[tuple[int, str]]:
        found = []
        for deed in DEEDS:
            await browser.send(f"/posts/{post}/{deed}", token, status=404)
            found.append((browser.page.status, browser.page.text))
        for path in ("/posts/{}", "/@lee/{}", "/compose?reply={}", "/compose?quote={}"):
            await browser.open(path.format(post), status=404)
            text = browser.page.text.replace(str(post), "N")
            found.append((browser.page.status, text))
        fields = [*token, ("text", "Hm"), ("quote", str(post)), ("audience", "school")]
        await browser.send("/compose", fields, status=400)
        found.append((browser.page.status, browser.page.text.replace(str(post), "N")))
        return found

    nothing = await answers(1_234_567_890_123)
    for post in hidden:
        assert await answers(post) == nothing
    for role in ("reply", "quote", "edit"):  # more than a number of a row can be
        await browser.open(f"/compose?{role}=9999999999999999999", status=404)
    for uri in (mine["id"], hers["object"]["id"], f"{oakfield.url}/objects/7"):
        for kind in ("Like", "Announce", "Add", "Flag"):
            reply = await oakfield.post(nosy, {"type": kind, "object": uri})
            assert reply.status in (400, 403), (kind, reply.text)
            assert "SECRETMARK" not in reply.text
    assert await oakfield.read(notifications.unread, lee.id) == 0


async def test_nobody_answers_deletes_or_keeps_at_the_top_what_is_a_colleague_s(
    town: Town,
) -> None:
    oakfield, village = await town.school("oakfield"), await town.stranger("village")
    lee, nosy = await oakfield.staff("lee"), await oakfield.staff("nosy")
    eve = village.person("eve")
    await lee.post({"type": "Update", "object": {"id": lee.uri, "manuallyApprovesFollowers": True}})
    await tell(eve, oakfield, eve.activity("Follow", lee.uri))
    note = await lee.say("Who comes?")
    post, asking = await kept(nosy, note["id"]), await row(oakfield, eve.uri)
    browser = await reading(nosy)
    token = browser.filled("/sign-out")
    for deed in ("delete", "pin"):
        await browser.send(f"/posts/{post}/{deed}", token, status=403)
    await browser.open(f"/compose?edit={post}", status=404)
    await browser.send("/compose", [*token, ("edit", str(post)), ("text", "No")], status=400)
    for answer in ("accept", "reject"):
        await browser.send(f"/people/{asking}/{answer}", token, status=404)
    follow = await oakfield.read(follows.get, asking, lee.id)
    assert follow is not None
    assert follow.state == "requested"
    assert "Who comes?" in await browser.open("/@lee")
    assert "Kept at the top" not in browser.page.text


async def test_whom_one_blocks_does_not_read_whom_one_knows(town: Town) -> None:
    oakfield, village = await town.school("oakfield"), await town.stranger("village")
    lee, eve, mia = await oakfield.staff("lee"), village.person("eve"), village.person("mia")
    for who in (eve, mia):
        await tell(who, oakfield, who.activity("Follow", lee.uri))
    lists = [f"{lee.uri}/{name}" for name in ("followers", "following")]
    for path in lists:
        assert (await eve.get(path)).status == 200
    await lee.post({"type": "Block", "object": eve.uri})
    for path in lists:
        for page in (path, f"{path}?page=true"):
            assert (await eve.get(page)).status == 404, page
            assert (await mia.get(page)).status == 200, page


# --- polls and moves -----------------------------------------------------------------------------


async def test_a_vote_is_no_post_whatever_brings_it(town: Town) -> None:
    oakfield, village = await town.school("oakfield"), await town.stranger("village")
    lee, eve = await oakfield.staff("lee"), village.person("eve")
    asked = await lee.post(
        {
            "type": "Create",
            "to": ["https://www.w3.org/ns/activitystreams#Public"],
            "object": {
                "type": "Question",
                "content": "Which day?",
                "to": ["https://www.w3.org/ns/activitystreams#Public"],
                "oneOf": [{"type": "Note", "name": name} for name in ("Monday", "Friday")],
            },
        }
    )
    question = (await oakfield.get(asked, as_=lee)).json["object"]["id"]
    for kind in ("Update", "Announce"):
        vote = eve.note("", name="Monday", inReplyTo=question)
        del vote["content"]
        await tell(eve, oakfield, eve.activity(kind, vote))
        assert await kept(lee, vote["id"]) is None, kind
    told = await oakfield.read(notifications.recent, lee.id, before=None, limit=9)
    assert [one.kind for one in told] == []


async def test_followers_are_not_led_from_account_to_account(town: Town) -> None:
    oakfield, village = await town.school("oakfield"), await town.stranger("village")
    alice = await oakfield.staff("alice")
    chain = [village.person(f"eve{number}") for number in range(4)]
    for old, new in pairwise(chain):
        new.document["alsoKnownAs"] = [old.uri]
    await alice.post({"type": "Follow", "object": chain[0].uri})
    await town.settle()

    async def let_in_and_move(old: Foreigner, new: Foreigner) -> None:
        for follow in village.activities("Follow"):
            if follow["object"] == old.uri:
                await tell(old, oakfield, old.activity("Accept", follow))
        await tell(old, oakfield, old.activity("Move", old.uri, target=new.uri))

    for old, new in pairwise(chain):
        await let_in_and_move(old, new)
    assert {one["object"] for one in village.activities("Follow")} == {one.uri for one in chain[:2]}
    town.clock.advance(days=8)
    await let_in_and_move(chain[1], chain[2])
    found = await oakfield.read(follows.get, alice.id, await row(oakfield, chain[2].uri))
    assert found is not None


# --- more than anybody types ---------------------------------------------------------------------


async def test_a_preview_of_more_than_can_be_posted_is_not_made(town: Town) -> None:
    oakfield = await town.school("oakfield")
    browser = await reading(await oakfield.staff("lee"))
    await browser.open("/compose")
    page = await browser.submit("/compose", text="![" * 15_000, look="yes", status=400)
    assert "20,000 characters" in page
    assert "How it will look" not in page


async def test_long_answers_do_not_make_a_page_that_takes_the_school_s_time(town: Town) -> None:
    oakfield, village = await town.school("oakfield"), await town.stranger("village")
    lee, eve = await oakfield.staff("lee"), village.person("eve")
    note = await lee.say("Who comes?")
    for number in range(12):
        answer = eve.create(f"<b>I{number}</b>" + "&amp;" * 19_900, inReplyTo=note["id"])
        assert (await eve.send(oakfield.shared_inbox, answer)).status == 202
    await town.settle()
    anybody = Browser(oakfield)
    page = await anybody.open(note["url"].removeprefix(oakfield.url))
    assert all(f"<b>I{number}</b>" in page for number in range(12))
    assert len(page) < 600_000
    well_formed(page)
    at_lee = await reading(lee)
    whole = await at_lee.open(f"/posts/{await kept(lee, answer['object']['id'])}")
    assert whole.count("&amp;") >= 19_900
