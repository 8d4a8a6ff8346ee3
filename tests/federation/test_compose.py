"""Our people write: to whom they choose, in answer to others, again with better words; and nothing
that they typed is lost."""

import re

import pytest

from actors import accounts
from storage import accounts as kept_accounts
from storage import objects, sessions
from storage.audience import Viewer
from storage.database import Transaction
from storage.objects import Post
from tests.town import Person, Town, TownSchool
from tests.town.browser import Browser

PUBLIC = "https://www.w3.org/ns/activitystreams#Public"


@pytest.fixture
async def riverside(town: Town, oakfield: TownSchool) -> TownSchool:
    return await town.school("riverside")


@pytest.fixture
async def lee(oakfield: TownSchool) -> Person:
    return await oakfield.staff("lee", "Lee Okafor")


@pytest.fixture
async def browser(oakfield: TownSchool, lee: Person) -> Browser:
    """Lee is signed in with it."""
    browser = Browser(oakfield)
    await browser.enter(lee)
    return browser


async def said(school: TownSchool, who: Person) -> list[Post]:
    """What somebody of the school wrote, newest first."""

    def look(tx: Transaction) -> list[Post]:
        found = objects.by_author(tx, Viewer(who.id, local=True), who.id, before=None, limit=50)
        return list(found)

    return await school.read(look)


async def note(school: TownSchool, post: Post, reader: Person) -> dict[str, object]:
    return (await school.get(post.uri, as_=reader)).json


async def test_a_post_goes_to_whom_its_author_chose(
    town: Town, oakfield: TownSchool, riverside: TownSchool, lee: Person, browser: Browser
) -> None:
    bob = await riverside.staff("bob")
    await browser.open("/compose")
    (form,) = [form for form in browser.forms if form.action == "/compose"]
    # Before anything is chosen it stays inside (SECURITY R46).
    assert dict(form.fields)["audience"] == "school"
    expected = {
        "public": {"to": [PUBLIC], "cc": [f"{lee.uri}/followers"]},
        "unlisted": {"to": [f"{lee.uri}/followers"], "cc": [PUBLIC]},
        "followers": {"to": [f"{lee.uri}/followers"]},
        "school": {"to": [f"{oakfield.url}/school/members"]},
        "direct": {"to": [bob.uri]},
    }
    for audience, addresses in expected.items():
        await browser.open("/compose")
        await browser.submit(
            "/compose",
            text=f"**Good morning** for {audience} #Optics",
            audience=audience,
            to="@bob@riverside.example",
        )
        newest = (await said(oakfield, lee))[0]
        assert newest.audience == audience
        assert browser.path == f"/@lee/{newest.id}"
        assert "<strong>Good morning</strong>" in newest.content
        made = await note(oakfield, newest, lee)
        assert {name: made[name] for name in ("to", "cc") if name in made} == addresses
        assert made["source"] == {
            "content": f"**Good morning** for {audience} #Optics",
            "mediaType": "text/markdown",
        }
    await town.settle()
    arrived = [one["object"]["content"] for one in await bob.inbox()]
    assert len(arrived) == 1
    assert "for direct" in arrived[0]


async def test_who_is_misspelt_is_said_before_anything_goes_out(
    oakfield: TownSchool, riverside: TownSchool, lee: Person, browser: Browser
) -> None:
    sam = await oakfield.staff("sam")
    for to, complaint in (
        ("@nobody@riverside.example", "nobody"),
        ("@bob@elsewhere.example", "elsewhere.example"),
        ("@mistyped", "mistyped"),
        ("@@@", "@@@"),
        (" ".join(f"@sam{number}" for number in range(31)), "at most 30"),
    ):
        await browser.open("/compose")
        text = await browser.submit(
            "/compose", status=400, text="For you alone", audience="direct", to=f"@sam {to}"
        )
        trouble = re.search(r'class="trouble" role="alert">([^<]*)', text)
        assert trouble is not None, to
        assert complaint in trouble[1]
        (form,) = [form for form in browser.forms if form.action == "/compose"]
        fields = dict(form.fields)
        assert fields["text"] == "For you alone"
        assert (fields["audience"], fields["to"]) == ("direct", f"@sam {to}")
    assert await said(oakfield, lee) == []
    # Nobody named at all is a mistake as well; a colleague needs no school behind the name.
    await browser.submit("/compose", to="@sam")
    (sent,) = await said(oakfield, lee)
    assert (await note(oakfield, sent, lee))["to"] == [sam.uri]


async def test_an_answer_is_for_no_more_people_than_what_it_answers(
    town: Town, oakfield: TownSchool, riverside: TownSchool, lee: Person, browser: Browser
) -> None:
    bob = await riverside.staff("bob", "Bob Llewellyn")
    sam = await oakfield.staff("sam")
    await bob.say("Only for three", to=[lee.uri, sam.uri])
    await town.settle()
    (post,) = [one["object"] for one in await lee.inbox() if one["type"] == "Create"]
    kept = await oakfield.read(objects.by_uri, post["id"])
    assert kept is not None
    text = await browser.open(f"/compose?reply={kept.id}")
    assert "Only for three" in text
    assert "@bob@riverside.example" in text
    (form,) = [form for form in browser.forms if form.action == "/compose"]
    fields = dict(form.fields)
    assert fields["audience"] == "direct"
    assert set(fields["to"].split()) == {"@bob@riverside.example", "@sam@oakfield.example"}
    # Somebody who changes the form by hand gets no further.
    await browser.submit("/compose", status=400, text="To everybody!", audience="public")
    assert "more people" in browser.page.text
    await browser.submit("/compose", text="Thank you, Bob", audience="direct")
    await town.settle()
    (answer,) = await said(oakfield, lee)
    assert answer.in_reply_to == post["id"]
    made = await note(oakfield, answer, lee)
    assert set(made["to"]) == {bob.uri, sam.uri}  # type: ignore[call-overload]
    assert "Thank you, Bob" in str(await bob.inbox())


async def test_an_answer_to_what_everybody_reads_goes_to_everybody_unless_chosen_otherwise(
    oakfield: TownSchool, lee: Person, browser: Browser
) -> None:
    sam = await oakfield.staff("sam")
    for to, audience in (
        (PUBLIC, "public"),
        (f"{oakfield.url}/school/members", "school"),
    ):
        question = await sam.say("Who has the key?", to=to)
        kept = await oakfield.read(objects.by_uri, question["id"])
        assert kept is not None
        await browser.open(f"/compose?reply={kept.id}")
        await browser.submit("/compose", text="I have")
        newest = (await said(oakfield, lee))[0]
        assert (newest.audience, newest.in_reply_to) == (audience, question["id"])


async def test_what_is_not_for_somebody_can_be_neither_answered_quoted_nor_seen(
    oakfield: TownSchool, lee: Person, browser: Browser
) -> None:
    sam = await oakfield.staff("sam")
    hidden = await sam.say("MARKER", to=(await oakfield.staff("kim")).uri)
    kept = await oakfield.read(objects.by_uri, hidden["id"])
    assert kept is not None
    for number in (kept.id, kept.id + 1, 0, "x", "99999999999999999999", "-1", "%00"):
        for role in ("reply", "quote", "edit"):
            text = await browser.open(f"/compose?{role}={number}", status=404)
            assert "MARKER" not in text
    own = await sam.say("Only Sam changes this")
    public = await oakfield.read(objects.by_uri, own["id"])
    assert public is not None
    await browser.open(f"/compose?edit={public.id}", status=404)
    await browser.open("/compose")
    fields = browser.filled("/compose", text="mine now", edit=str(public.id))
    await browser.send("/compose", fields, status=400)
    assert "mine now" in browser.page.text
    assert "Only Sam changes this" in str(await oakfield.read(objects.by_uri, own["id"]))


async def test_better_words_replace_the_first_ones_and_reach_whoever_got_those(
    town: Town, oakfield: TownSchool, riverside: TownSchool, lee: Person, browser: Browser
) -> None:
    bob = await riverside.staff("bob")
    await browser.open("/compose")
    await browser.submit(
        "/compose",
        text="Chess on *Tuesday*\n\n</textarea><b>x",
        warning="Chess",
        audience="direct",
        to="@bob@riverside.example",
    )
    (first,) = await said(oakfield, lee)
    await town.settle()
    oakfield.town.clock.advance(minutes=5)
    await browser.open(f"/compose?edit={first.id}")
    (form,) = [form for form in browser.forms if form.action == "/compose"]
    fields = dict(form.fields)
    assert fields["text"] == "Chess on *Tuesday*\n\n</textarea><b>x"
    assert fields["warning"] == "Chess"
    assert "audience" not in fields
    await browser.submit("/compose", text="Chess on *Wednesday*", warning="")
    await town.settle()
    (edited,) = await said(oakfield, lee)
    assert (edited.id, edited.summary, edited.audience) == (first.id, None, "direct")
    assert "<em>Wednesday</em>" in edited.content
    assert "Wednesday" in str(await bob.inbox())


async def test_a_question_with_choices_is_asked_in_the_same_form(
    oakfield: TownSchool, lee: Person, browser: Browser
) -> None:
    await browser.open("/compose")
    await browser.submit(
        "/compose", status=400, text="When?", audience="public", option=["Monday", "", "", ""]
    )
    assert "at least two choices" in browser.page.text
    await browser.submit("/compose", status=400, text=" \n ")
    assert "Write something first." in browser.page.text
    assert '<details class="more" open>' in browser.page.text
    await browser.submit(
        "/compose", text="When?", option=["Monday", " ", "Friday", ""], several="on", days="3"
    )
    (question,) = await said(oakfield, lee)
    made = await note(oakfield, question, lee)
    assert made["type"] == "Question"
    assert [one["name"] for one in made["anyOf"]] == ["Monday", "Friday"]  # type: ignore[attr-defined]


async def test_a_quote_shows_what_it_quotes(
    oakfield: TownSchool, lee: Person, browser: Browser
) -> None:
    sam = await oakfield.staff("sam")
    quoted = await sam.say("Bar models up to Year 9")
    kept = await oakfield.read(objects.by_uri, quoted["id"])
    assert kept is not None
    assert "Bar models" in await browser.open(f"/compose?quote={kept.id}")
    await browser.submit("/compose", text="Worth reading", audience="public")
    (post,) = await said(oakfield, lee)
    assert post.quotes == quoted["id"]


async def test_a_look_before_it_goes_out_sends_nothing(
    oakfield: TownSchool, lee: Person, browser: Browser
) -> None:
    await browser.open("/compose")
    text = await browser.submit(
        "/compose", text="Some *emphasis* <script>x</script>", warning="W", look="yes"
    )
    assert "<em>emphasis</em>" in text
    assert "<script" not in text
    assert await said(oakfield, lee) == []
    await browser.submit("/compose")
    assert len(await said(oakfield, lee)) == 1


async def test_what_is_too_long_or_empty_comes_back_as_it_was_typed(
    oakfield: TownSchool, lee: Person, browser: Browser
) -> None:
    for text, warning in (("", ""), ("   ", ""), ("a" * 20_001, ""), ("x", "w" * 1_001)):
        await browser.open("/compose")
        await browser.submit("/compose", status=400, text=text, warning=warning)
        (form,) = [form for form in browser.forms if form.action == "/compose"]
        assert dict(form.fields)["text"] == text
        assert dict(form.fields)["warning"] == warning
    assert await said(oakfield, lee) == []


async def test_a_draft_survives_a_session_that_ended_while_it_was_written(
    oakfield: TownSchool, lee: Person, browser: Browser
) -> None:
    await browser.open("/compose")
    fields = browser.filled("/compose", text="Two hours' work", audience="followers", warning="W")
    await oakfield.write(sessions.end_all, lee.id)
    text = await browser.send("/compose", fields, status=403)
    assert "no longer signed in" in text
    assert "Two hours&#39; work" in text
    assert await said(oakfield, lee) == []
    kept = dict(next(form for form in browser.forms if form.action == "/sign-in").fields)["kept"]
    # Signing in is slow on purpose; what follows it is the same for a session begun at once.
    assert "form_token" not in kept
    text = await browser.submit(
        "/sign-in", status=403, username="lee", password="not the right words"
    )
    assert "Two hours&#39; work" in text


async def test_after_signing_in_again_the_draft_lies_open(
    oakfield: TownSchool, lee: Person, browser: Browser
) -> None:
    password = "correct lantern biscuit"
    kept = await accounts.hashed(oakfield.server, password, username="lee")
    await oakfield.write(kept_accounts.set_password, lee.id, kept)
    await browser.open("/compose")
    fields = browser.filled(
        "/compose", text="Two hours' work", audience="followers", option=["a", "b", "", ""]
    )
    await oakfield.write(sessions.end_all, lee.id)
    await browser.send("/compose", fields, status=403)
    text = await browser.submit("/sign-in", username="lee", password=password)
    assert "signed in again" in text
    assert await said(oakfield, lee) == []
    (form,) = [form for form in browser.forms if form.action == "/compose"]
    assert dict(form.fields)["text"] == "Two hours' work"
    assert dict(form.fields)["audience"] == "followers"
    assert [value for name, value in form.fields if name == "option"] == ["a", "b", "", ""]
    await browser.submit("/compose")
    (post,) = await said(oakfield, lee)
    assert post.audience == "followers"


async def test_a_form_that_came_too_late_lies_open_again(
    oakfield: TownSchool, lee: Person, browser: Browser
) -> None:
    await browser.open("/compose")
    fields = browser.filled("/compose", text="Two hours' work")
    await browser.enter(lee)  # signed in anew in another tab
    text = await browser.send("/compose", fields, status=403)
    assert "Nothing was done" in text
    await browser.submit("/compose")
    (post,) = await said(oakfield, lee)
    assert "Two hours" in post.content
