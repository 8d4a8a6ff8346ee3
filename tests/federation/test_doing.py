"""What our people do with people and posts from a page, and what becomes of it at other schools."""

from outbox import delete as leaving
from storage import actors, blocks, featured, follows, objects, polls, reports
from storage.audience import NOBODY
from storage.database import Transaction
from tests.federation.reading import at_a_browser, number, well_formed
from tests.town import Town
from tests.town.browser import Browser

PUBLIC = "https://www.w3.org/ns/activitystreams#Public"


async def press(browser: Browser, deed: str) -> str:
    """Press the button of the page whose form ends in `deed`."""
    (action,) = {form.action for form in browser.forms if form.action.endswith(f"/{deed}")}
    return await browser.submit(action)


async def test_somebody_who_asks_to_follow_is_let_in_or_turned_away_and_later_removed(
    town: Town,
) -> None:
    oakfield, riverside = await town.school("oakfield"), await town.school("riverside")
    lee, bob = await oakfield.staff("lee"), await riverside.staff("bob", "Bob Byrne")
    await lee.post({"type": "Update", "object": {"id": lee.uri, "manuallyApprovesFollowers": True}})
    at_lee, at_bob = await at_a_browser(lee), await at_a_browser(bob)

    async def standing() -> str:
        found = await oakfield.read(_follow, bob.uri, lee.id)
        return "" if found is None else found.state

    await at_bob.open("/@lee@oakfield.example", status=404)
    await at_bob.open("/find")
    await at_bob.submit("/find", who="@lee@oakfield.example")
    await press(at_bob, "follow")
    await town.settle()
    assert "Take back my request" in await at_bob.open("/@lee@oakfield.example")
    assert "1 person asks to follow you" in well_formed(await at_lee.open("/notifications"))
    assert "Bob Byrne" in well_formed(await at_lee.open("/requests"))
    await press(at_lee, "accept")
    assert at_lee.path == "/requests"
    assert "Nobody waits" in at_lee.page.text
    await town.settle()
    assert await standing() == "accepted"
    assert ">Unfollow<" in await at_bob.open("/@lee@oakfield.example")
    assert "lets you follow them" in await at_bob.open("/notifications")
    assert "@lee@oakfield.example" in await at_bob.open("/@bob/following")

    assert "@bob@riverside.example" in well_formed(await at_lee.open("/@lee/followers"))
    page = await press(at_lee, "reject")
    assert "Nobody follows you yet" in page
    await town.settle()
    assert await standing() == "rejected"
    assert ">Follow<" in await at_bob.open("/@lee@oakfield.example")


async def test_who_blocks_somebody_sees_nothing_of_them_until_they_end_it(town: Town) -> None:
    oakfield, riverside = await town.school("oakfield"), await town.school("riverside")
    lee, bob = await oakfield.staff("lee", "Lee Okafor"), await riverside.staff("bob")
    for one, other in ((lee, bob), (bob, lee)):
        await one.post({"type": "Follow", "object": other.uri})
    await town.settle()
    note = await lee.say("Prisms for everybody")
    await bob.say("BOBMARK on prisms", inReplyTo=note["id"], cc=[lee.uri])
    await bob.post({"type": "Like", "object": note["id"]})
    await town.settle()
    browser = await at_a_browser(lee)
    path = note["url"].removeprefix(oakfield.url)
    pages = ("/home", "/notifications", path, "/@lee", "/@bob@riverside.example")
    for page in ("/home", "/notifications", path):
        assert "BOBMARK" in await browser.open(page)

    await browser.open("/@bob@riverside.example")
    assert "You block" in await press(browser, "block")
    for page in pages:
        text = await browser.open(page)
        assert "BOBMARK" not in text, page
        assert '<span class="number">' not in text, page
        assert "1 answer" not in text, page
    await town.settle()
    assert await oakfield.read(_follow, bob.uri, lee.id) is None
    assert "@bob@riverside.example" in await browser.open("/@lee/blocked")
    await press(browser, "unblock")
    await town.settle()
    for page in ("/home", path):
        assert "BOBMARK" in await browser.open(page)
    assert await oakfield.read(blocks.of_actor, lee.id, before=None, limit=5) == []


async def test_a_report_reaches_our_administrator_and_only_if_wanted_the_other_school(
    town: Town,
) -> None:
    oakfield, hall = await town.school("oakfield"), await town.stranger("hall")
    mia = hall.person("mia")
    lee = await oakfield.staff("lee")
    await lee.post({"type": "Follow", "object": mia.uri})
    await mia.send(oakfield.shared_inbox, mia.create("Buy <b>now</b>", cc=[lee.uri]))
    await town.settle()
    browser = await at_a_browser(lee)
    page = await browser.open("/@mia@hall.example")
    post = number(browser, "Buy <b>now</b>")
    assert "Buy <b>now</b>" in page
    thanks = await browser.submit(f"/posts/{post}/report", reason="selling <things> & worse")
    assert "Thank you" in thanks
    await town.settle()
    assert hall.activities("Flag") == []
    await browser.open("/@mia@hall.example")
    person = next(
        f.action for f in browser.forms if f.action.startswith("/people/") and "report" in f.action
    )
    await browser.submit(person, reason="again", forward="yes")
    await town.settle()
    (flag,) = hall.activities("Flag")
    assert flag["actor"] == f"{oakfield.url}/actor"
    assert "lee" not in str(flag)
    first, second = sorted(await oakfield.read(reports.open_ones), key=lambda one: one.id)
    assert first.reason == "selling <things> & worse"
    assert second.reason == "again"


async def test_an_author_keeps_edits_and_deletes_their_posts_from_the_page(town: Town) -> None:
    oakfield = await town.school("oakfield")
    lee, sam = await oakfield.staff("lee"), await oakfield.staff("sam")
    note = await lee.say("Prisms first")
    path = note["url"].removeprefix(oakfield.url)
    at_lee, at_sam, guest = await at_a_browser(lee), await at_a_browser(sam), Browser(oakfield)
    await at_lee.open(path)
    await press(at_lee, "pin")
    assert "Kept at the top" in await guest.open("/@lee")
    assert "Kept at the top" not in await guest.open("/@lee?before=1")
    # Nobody is offered what is for the author, and whoever tries is told no.
    await at_sam.open(path)
    offered = {form.action.rpartition("/")[2] for form in at_sam.forms}
    assert offered == {"sign-out", "like", "announce", "report"}
    post = path.rpartition("/")[2]
    token = at_sam.filled(f"/posts/{post}/like")
    for deed in ("delete", "pin"):
        page = await at_sam.send(f"/posts/{post}/{deed}", token, status=403)
        assert "<h1" in page
    assert len(await oakfield.read(featured.of_actor, NOBODY, lee.id)) == 1

    await at_lee.open(path)
    await press(at_lee, "unpin")
    assert "Kept at the top" not in await guest.open("/@lee")
    await at_lee.open(path)
    await press(at_lee, "delete")
    assert at_lee.path == "/home"
    assert "deleted" in await at_lee.open(path, status=410)
    assert "deleted" in await at_sam.open(f"/posts/{post}", status=410)
    found = await oakfield.read(objects.by_uri, note["id"])
    assert found is not None
    assert found.deleted_at is not None

    # What everybody could read of somebody who left says so; the rest is missing.
    public, private = await lee.say("Farewell"), await lee.say("Keys", to=sam.uri)
    actor = await oakfield.read(actors.by_uri, lee.uri)
    assert actor is not None
    await oakfield.write(leaving.account, actor)
    for browser in (guest, at_sam):
        await browser.open(public["url"].removeprefix(oakfield.url), status=410)
        await browser.open(private["url"].removeprefix(oakfield.url), status=404)
        await browser.open(
            public["url"].removeprefix(oakfield.url).replace("lee", "sam"), status=404
        )
        await browser.open("/@lee", status=410)


async def test_a_poll_is_voted_in_once_and_quoted_with_its_figures(town: Town) -> None:
    oakfield, riverside = await town.school("oakfield"), await town.school("riverside")
    lee, bob = await oakfield.staff("lee"), await riverside.staff("bob")
    await bob.post({"type": "Follow", "object": lee.uri})
    await town.settle()
    asked = await lee.say(
        "Which evening?",
        type="Question",
        oneOf=[{"type": "Note", "name": "Tuesday"}, {"type": "Note", "name": "Friday <late>"}],
    )
    await town.settle()
    at_bob, at_lee = await at_a_browser(bob), await at_a_browser(lee)
    assert 'name="choice"' not in await at_lee.open("/@lee")
    page = await at_bob.open("/home")
    post = number(at_bob, "Which evening?")
    assert "Friday &lt;late&gt;" in well_formed(page)
    assert "Choose something first" in await at_bob.submit(f"/posts/{post}/vote", status=400)
    await at_bob.open("/home")
    vote = at_bob.filled(f"/posts/{post}/vote", choice="1")
    page = await at_bob.send(f"/posts/{post}/vote", vote)
    assert "your choice" in page
    assert 'name="choice"' not in page
    await at_bob.send(f"/posts/{post}/vote", vote, status=403)
    await town.settle()
    kept = await oakfield.read(objects.by_uri, asked["id"])
    assert kept is not None
    counted = await oakfield.read(polls.of_post, None, kept.id)
    assert counted is not None
    assert [(one.name, one.votes) for one in counted.options] == [
        ("Tuesday", 0),
        ("Friday <late>", 1),
    ]
    await at_bob.open(f"/compose?quote={post}")
    await at_bob.submit("/compose", text="See this poll", audience="public")
    page = await at_bob.open("/@bob")
    quoted = page.partition('class="quoted"')[2]
    for words in ("Which evening?", "@lee@oakfield.example", "your choice"):
        assert words in quoted


async def test_a_conversation_is_read_from_its_beginning_across_schools(town: Town) -> None:
    oakfield, riverside = await town.school("oakfield"), await town.school("riverside")
    lee, bob = await oakfield.staff("lee"), await riverside.staff("bob")
    first = await lee.say("FIRST: where are the maps?")
    await bob.post({"type": "Follow", "object": lee.uri})
    await lee.post({"type": "Follow", "object": bob.uri})
    await town.settle()
    second = await bob.say("SECOND: in the library", inReplyTo=first["id"])
    await town.settle()
    await lee.say("THIRD: thank you", inReplyTo=second["id"])
    await town.settle()
    browser = await at_a_browser(bob)
    middle = await browser.open(second["url"].removeprefix(riverside.url))
    middle = middle.partition("<main")[2]
    order = [middle.index(words) for words in ("FIRST:", 'post alone"', "SECOND:", "THIRD:")]
    assert order == sorted(order)
    assert middle.count("In answer to") == 0


def _follow(tx: Transaction, follower_uri: str, followee_id: int) -> follows.Follow | None:
    follower = actors.by_uri(tx, follower_uri)
    return None if follower is None else follows.get(tx, follower.id, followee_id)
