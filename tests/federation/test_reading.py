"""Our people read in a browser what is for them, and only a form of ours changes anything."""

import re

from pages import acts
from storage import actors, objects, published
from storage.audience import NOBODY
from tests.federation.reading import at_a_browser, number, well_formed
from tests.town import HTML, Town
from tests.town.browser import Browser
from tests.town.stranger import Foreigner

PUBLIC = "https://www.w3.org/ns/activitystreams#Public"


async def test_two_colleagues_of_two_schools_find_follow_answer_and_thank_each_other(
    town: Town,
) -> None:
    oakfield, riverside = await town.school("oakfield"), await town.school("riverside")
    alice = await at_a_browser(await oakfield.staff("alice", "Alice Okafor"))
    bob_person = await riverside.staff("bob", "Bob Byrne", title="Head of Music")
    bob = await at_a_browser(bob_person)

    await alice.open("/home")
    assert "You follow nobody yet" in alice.page.text
    await alice.open("/find")
    page = await alice.submit("/find", who=" @bob@riverside.example ")
    assert alice.path == "/@bob@riverside.example"
    for words in ("Bob Byrne", "at <b>riverside.example</b>", "Head of Music"):
        assert words in page
    follow = next(form.action for form in alice.forms if form.action.endswith("/follow"))
    await alice.submit(follow)
    await town.settle()
    assert ">Unfollow<" in await alice.open("/@bob@riverside.example")

    await bob.open("/compose")
    await bob.submit("/compose", text="Choir on Tuesday, all welcome. #Choir", audience="public")
    await town.settle()
    assert "Choir on Tuesday" in await alice.open("/home")
    post = number(alice, "Choir on Tuesday")
    await alice.submit(f"/posts/{post}/like")
    assert alice.path.endswith(f"#post-{post}")
    await alice.submit(f"/posts/{post}/announce")
    assert ">Liked<" in alice.page.text
    assert ">Passed on<" in alice.page.text
    assert "Choir on Tuesday" in await alice.open("/tags/choir")
    await alice.open(f"/compose?reply={post}")
    await alice.submit("/compose", text="We bring eleven altos.")
    await town.settle()

    page = await bob.open("/notifications")
    for words in ("follows you", "likes what you wrote", "passed on", "answered you", "altos"):
        assert words in page
    assert page.count("new-mark") == 4
    page = await bob.submit("/notifications/read")
    assert "new-mark" not in page
    assert "Mark all as read" not in page
    assert "1 answer<" in await bob.open("/@bob")
    page = await bob.open(f"/@bob/{number(bob, 'Choir on Tuesday')}")
    assert "We bring eleven altos." in page
    # They stand below; a link would lead to where one is.
    assert "1 answer<" not in page

    for deed in ("unlike", "unannounce"):
        await alice.open(f"/posts/{post}")
        await alice.submit(f"/posts/{post}/{deed}")
    await town.settle()
    assert '<span class="number">' not in await bob.open("/@bob")


async def test_every_page_shows_each_reader_what_is_for_them(town: Town) -> None:
    oakfield, riverside = await town.school("oakfield"), await town.school("riverside")
    lee = await oakfield.staff("lee", "Lee Okafor")
    sam, ben = await oakfield.staff("sam"), await oakfield.staff("ben")
    ana, kim = await riverside.staff("ana"), await riverside.staff("kim")
    for follower in (ben, ana):
        await follower.post({"type": "Follow", "object": lee.uri})
    await town.settle()

    marked = {}
    for name, to in (
        ("PUBLIC", PUBLIC),
        ("FOLLOWERS", f"{lee.uri}/followers"),
        ("SCHOOL", f"{oakfield.url}/school/members"),
        ("DIRECT", sam.uri),
    ):
        picture = {"type": "Image", "url": "https://files.example/a.png", "name": f"{name}MARK alt"}
        marked[name] = await lee.say(
            f"{name}MARK words",
            to=to,
            summary=f"{name}MARK warning",
            attachment=[picture],
            tag=[{"type": "Hashtag", "name": "#optics"}],
        )
        await lee.say("SECRET answer", to=sam.uri, inReplyTo=marked[name]["id"])
    await town.settle()

    everybody: list[tuple[Browser, set[str]]] = [
        (await at_a_browser(lee), {"PUBLIC", "FOLLOWERS", "SCHOOL", "DIRECT"}),
        (await at_a_browser(sam), {"PUBLIC", "SCHOOL", "DIRECT"}),
        (await at_a_browser(ben), {"PUBLIC", "FOLLOWERS", "SCHOOL"}),
        (await at_a_browser(ana), {"PUBLIC", "FOLLOWERS"}),
        (await at_a_browser(kim), {"PUBLIC"}),
        (Browser(oakfield), {"PUBLIC"}),
        (Browser(riverside), set()),
    ]
    for browser, for_them in everybody:
        text = ""
        paths = ["/tags/optics", "/tags/OPTICS"]
        if browser.school is oakfield:
            paths += ["/@lee", "/@sam"]
        if browser.cookies:
            paths += ["/@lee@oakfield.example", "/home", "/notifications", "/find"]
        for path in paths:
            text += well_formed(await browser.open(path))
        for name, note in marked.items():
            kept = await browser.school.read(objects.by_uri, note["id"])
            pages = [note["url"].removeprefix(oakfield.url)] if browser.school is oakfield else []
            if browser.cookies and kept is not None:
                pages.append(f"/posts/{kept.id}")
            for path in pages:
                page = await browser.open(path, status=200 if name in for_them else 404)
                text += well_formed(page)
        found = {name for name in marked if f"{name}MARK" in text}
        assert found == for_them, (browser.school.host, browser.cookies)
        assert ("SECRET answer" in text) == (for_them >= {"DIRECT"})


async def test_for_who_is_signed_in_hidden_and_missing_look_the_same(town: Town) -> None:
    oakfield = await town.school("oakfield")
    lee, sam = await oakfield.staff("lee"), await at_a_browser(await oakfield.staff("sam"))
    hidden = await lee.say("hidden", to=f"{lee.uri}/followers")
    number = hidden["url"].rpartition("/")[2]
    answers = [
        await sam.open(path, status=404)
        for path in (
            hidden["url"].removeprefix(oakfield.url),
            f"/posts/{number}",
            "/posts/1",
            "/posts/9999999999999999999",
            "/@lee/1",
            "/@nobody",
            "/@nobody@riverside.example",
            "/people/1",
            "/@lee/followers",
        )
    ]
    assert len(set(answers)) == 1
    await sam.open("/find")
    looked = [
        re.sub(r'value="http[^"]*"', "", await sam.submit("/find", who=who, status=404))
        for who in (hidden["id"], hidden["url"], f"{oakfield.url}/objects/1", f"{oakfield.url}/@x")
    ]
    assert len(set(looked)) == 1
    token = sam.filled("/find")[0]
    for deed in acts.POST_DEEDS:
        for post in (number, "1"):
            await sam.send(f"/posts/{post}/{deed}", [token, ("reason", "x")], status=404)
    # Nobody who is not signed in learns whether there is something.
    guest = Browser(oakfield)
    for path in (f"/posts/{number}", "/posts/1", "/@bob@riverside.example", "/home", "/requests"):
        assert "Sign in" in await guest.open(path)
        assert guest.path.startswith("/sign-in?next=%2F")


async def test_nothing_changes_without_the_form_of_our_own_page(town: Town) -> None:
    oakfield = await town.school("oakfield")
    lee, person = await oakfield.staff("lee"), await oakfield.staff("sam")
    note = await lee.say("Good morning")
    sam = await at_a_browser(person)
    post = note["url"].rpartition("/")[2]
    await sam.open(f"/posts/{post}")
    good = sam.filled(f"/posts/{post}/like")
    forged = [(name, "0" * 64 if name == "form_token" else value) for name, value in good]
    paths = [f"/posts/{post}/{deed}" for deed in acts.POST_DEEDS]
    paths += [f"/people/{lee.id}/{deed}" for deed in acts.PERSON_DEEDS]
    paths += ["/find", "/notifications/read"]
    for path in paths:
        await sam.send(path, forged, status=403)
        await sam.send(path, good, status=403, headers={"Origin": "https://evil.example"})
        if path != "/find":
            reply = await oakfield.get(path, accept=HTML)
            assert reply.status in (404, 405), path
    assert await oakfield.read(published.outbox, NOBODY, person.id, before=None, limit=5) == []
    # Where it leads afterwards is always a page of ours.
    for back in ("https://evil.example/", "//evil.example", "/\\evil.example", "evil"):
        await sam.send(
            f"/posts/{post}/like",
            [(name, back if name == "back" else value) for name, value in good],
            follow=False,
        )
        assert sam.page.headers["Location"] == f"{oakfield.url}/home"


async def test_the_address_of_a_page_at_another_school_leads_to_the_person_and_the_post(
    town: Town,
) -> None:
    oakfield, riverside = await town.school("oakfield"), await town.school("riverside")
    bob, sam = await riverside.staff("bob"), await at_a_browser(await oakfield.staff("sam"))
    note = await bob.say("Prisms for everybody")
    for typed, path in (
        (f"{riverside.url}/@bob", "/@bob@riverside.example"),
        (f"{riverside.url}/@Bob", "/@bob@riverside.example"),
        (f"{riverside.url}/@school", "/@school@riverside.example"),
    ):
        await sam.open("/find")
        await sam.submit("/find", who=typed)
        assert sam.path == path
    await sam.open("/find")
    assert "Prisms for everybody" in await sam.submit("/find", who=note["url"])
    # Whoever names no ActivityPub type, or a page before it, gets the page.
    for accept in ("*/*", "text/html", "text/html, application/activity+json;q=0.9"):
        reply = await riverside.request("GET", note["url"], headers={"Accept": accept})
        assert reply.status == 200, accept
        assert reply.headers["Content-Type"].startswith("text/html"), accept


async def test_a_name_in_a_post_leads_our_people_to_the_page_here_and_others_to_theirs(
    town: Town,
) -> None:
    oakfield, hall = await town.school("oakfield"), await town.stranger("hall")
    far = await town.stranger("far")
    lee, sam = await oakfield.staff("lee"), await at_a_browser(await oakfield.staff("sam"))
    mia, nil, max_ = hall.person("mia"), hall.person("nil"), far.person("max")
    twin, other = Foreigner(far, "ann", path="/people/ann"), Foreigner(far, "ann", path="/ann")
    for known in (mia, max_, twin, other):
        await sam.open("/find")
        await sam.submit("/find", who=known.uri)
    await oakfield.block("far.example")
    await oakfield.allow("far.example")

    def link(who: Foreigner, words: str) -> str:
        return f'<a class="u-url mention" href="{who.document["url"]}">{words}</a>'

    everybody = (mia, nil, max_, twin)
    text = " ".join(
        [
            *(link(who, f"@<span>{who.username}</span>") for who in everybody),
            f'<a class="mention" href="{lee.uri}">@lee</a>',
            f'<a href="{mia.uri}">@mia@hall.example</a>',
            f'<a href="{mia.uri}">bank.example</a>',
        ]
    )
    named = [{"type": "Mention", "href": who.uri} for who in everybody]
    named.append({"type": "Mention", "href": lee.uri})
    note = await lee.say("Who comes?")
    answer = mia.create(text, inReplyTo=note["id"], tag=named, cc=[lee.uri])
    unnamed = mia.create(link(max_, "@max"), inReplyTo=note["id"], cc=[lee.uri])
    for activity in (answer, unnamed):
        assert (await mia.send(oakfield.shared_inbox, activity)).status == 202
    await town.settle()
    path = note["url"].removeprefix(oakfield.url)

    page = well_formed(await sam.open(path))
    twin_row = await oakfield.read(actors.by_uri, twin.uri)
    assert twin_row is not None
    said = '<span class="target">({}.example)</span>'
    for expected in (
        f'<a class="mention" href="/@mia@hall.example">@<span>mia</span></a> {said.format("hall")}',
        f'<a class="mention" href="/@max@far.example">@<span>max</span></a> {said.format("far")}',
        f'<a class="mention" href="/people/{twin_row.id}">@<span>ann</span></a>',
        '<a class="mention" href="/@lee">@lee</a>',
        '<a class="mention" href="/@mia@hall.example">@mia@hall.example</a> <a',
        f'<a class="mention" href="/@mia@hall.example">bank.example</a> {said.format("hall")}',
        f'href="{nil.document["url"]}"',  # nobody here knows them
    ):
        assert expected in page, expected
    # Without a Mention it is a link like any other.
    assert page.count(f'href="{max_.document["url"]}"') == 1
    await sam.open("/@mia@hall.example")

    anybody = well_formed(await Browser(oakfield).open(path))
    assert anybody.count(f'href="{mia.document["url"]}"') > 0
    assert 'href="/@mia@' not in anybody

    await oakfield.block("far.example")
    page = await sam.open(path)
    assert "/@max@far.example" not in page
    assert f"/people/{twin_row.id}" not in page
    assert page.count(f'href="{max_.document["url"]}"') == 2


async def test_times_are_those_of_the_school_s_own_clock(town: Town) -> None:
    oakfield, hall = await town.school("oakfield"), await town.stranger("hall")
    lee, mia = await oakfield.staff("lee"), hall.person("mia")
    note = await lee.say("Who comes?")
    for when in ("2026-07-04T13:05:00Z", "2026-01-04T13:05:00Z", "0001-01-01T00:00:00Z"):
        answer = mia.create("I do", inReplyTo=note["id"], published=when, cc=[lee.uri])
        assert (await mia.send(oakfield.shared_inbox, answer)).status == 202
    await town.settle()
    page = await Browser(oakfield).open(note["url"].removeprefix(oakfield.url))
    assert '<time datetime="2026-09-01T08:00:00Z">1 September 2026, 09:00</time>' in page
    assert '<time datetime="2026-07-04T13:05:00Z">4 July 2026, 14:05</time>' in page
    assert '<time datetime="2026-01-04T13:05:00Z">4 January 2026, 13:05</time>' in page
    assert " UTC<" not in page.replace("January 1, 00:00 UTC", "")


async def test_finding_says_plainly_why_nothing_was_found(town: Town) -> None:
    oakfield = await town.school("oakfield")
    hall, elsewhere = await town.stranger("hall"), await town.stranger("far", known=False)
    mia, person = hall.person("mia"), elsewhere.person("max")
    await oakfield.staff("lee", "Lee Okafor")
    sam = await at_a_browser(await oakfield.staff("sam"))
    page = await sam.open("/find")
    assert "Lee Okafor" in page
    assert 'class="name" href="/@sam"' not in page
    for typed, status, words in (
        ("@max@far.example", 403, "not one of the servers that this school talks to"),
        (person.uri, 403, "far.example is not one of the servers"),
        ("two words", 400, "neither a handle"),
        ("https://hall.example/<>", 400, "neither a handle"),
        ("javascript:alert(1)", 400, "neither a handle"),
        ("@nobody@hall.example", 404, "Nobody and nothing was found"),
        ("lea", 404, "Nobody and nothing was found"),
        (f"{hall.url}/nothing", 404, "Nobody and nothing was found"),
        (oakfield.host, 404, "Nobody and nothing was found"),
    ):
        assert words in await sam.submit("/find", who=typed, status=status), typed
        assert typed.partition("<")[0] in sam.page.text
    assert elsewhere.fetched == []
    for typed, path in (
        ("lee", "/@lee"),
        ("@LEE@oakfield.example", "/@lee"),
        (f"{oakfield.url}/users/lee", "/@lee"),
        (f"{oakfield.url}/@lee", "/@lee"),
        (mia.uri, "/@mia@hall.example"),
        ("school", "/@school"),
    ):
        await sam.open("/find")
        await sam.submit("/find", who=typed)
        assert sam.path == path
    # Whoever shares a handle with somebody is told apart by their address.
    double = Foreigner(hall, "mia", path="/other/mia")
    await sam.open("/find")
    await sam.submit("/find", who=double.uri)
    page = well_formed(sam.page.text)
    assert "Whom do you mean?" in page
    assert mia.uri in page
    assert double.uri in page
    await oakfield.block("hall.example")
    await sam.open("/@mia@hall.example", status=404)
    await sam.open("/tags/Caf%C3%A9")
    assert "<h1>#café</h1>" in sam.page.text
