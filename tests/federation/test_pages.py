"""Anybody with a browser can read what our people made public, and nothing else."""

import re
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from pages import people
from storage import objects
from storage.database import Transaction
from tests.town import HTML, Person, Reply, Town, TownSchool

VOID = {"meta", "link", "br", "hr", "img", "input"}


class Reading(HTMLParser):
    """Reads a page strictly: every element that opens is closed again."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.headings: list[str] = []
        self.levels: list[int] = []
        self.links: dict[str, str] = {}
        self.words: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag in VOID:
            return
        self.open.append(tag)
        if tag in ("h1", "h2", "h3"):
            self.levels.append(int(tag[1]))
        if tag == "a":
            self.links[dict(attrs).get("href") or ""] = ""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)
        if self.open and self.open[-1] in ("h1", "h2", "h3"):
            self.headings.append(data.strip())

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture
async def lee(oakfield: TownSchool) -> Person:
    return await oakfield.staff(
        "lee",
        "Lee Okafor",
        title="Head of Science",
        subjects=["Physics", "Chemistry"],
        phases=["Key stage 4"],
        summary="Loves optics.",
    )


async def read(school: TownSchool, path: str, status: int = 200) -> Reading:
    reply = await school.get(path, accept=HTML)
    assert reply.status == status, reply.text
    assert reply.headers["Content-Type"] == "text/html; charset=utf-8"
    return sound(reply)


def sound(reply: Reply) -> Reading:
    """What holds for every page: a language, a title, a way past the header, no scripts, a CSP."""
    page = Reading(reply.text)
    assert reply.text.startswith("<!doctype html>")
    assert ("html", "lang", "en-GB") in page.attributes
    assert "#content" in page.links
    assert page.levels[0] == 1
    assert page.levels.count(1) == 1
    assert all(deeper - level <= 1 for level, deeper in pairwise(page.levels))
    assert re.search(r"<title>[^<]+</title>", reply.text)
    assert not {"script", "style", "iframe", "img", "form"} & {tag for tag, _, _ in page.attributes}
    assert not [name for _, name, _ in page.attributes if name.startswith("on") or name == "style"]
    policy = reply.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    return page


async def test_a_member_of_staff_has_a_page_with_who_and_where_they_are(
    oakfield: TownSchool, lee: Person
) -> None:
    page = await read(oakfield, "/@lee")

    assert "Lee Okafor" in page.headings
    for words in (
        "@lee@oakfield.example",
        "Oakfield School",
        "Head of Science",
        "Physics, Chemistry",
        "Key stage 4",
        "Loves optics.",
        "Nothing public yet.",
    ):
        assert words in page.text
    assert ("link", "href", lee.uri) in page.attributes


async def test_the_same_page_answers_a_browser_at_the_address_of_the_actor(
    oakfield: TownSchool, lee: Person
) -> None:
    chrome = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
    for path in ("/users/lee", "/@lee", "/@LEE"):
        reply = await oakfield.get(path, accept=chrome)
        assert reply.status == 200
        assert "Lee Okafor" in sound(reply).headings
        assert "Accept" in reply.headers["Vary"]


async def test_nobody_is_kept_by_search_engines_before_they_say_so(
    oakfield: TownSchool, lee: Person
) -> None:
    note = await lee.say("Good morning")
    for path in ("/@lee", note["url"]):
        reply = await oakfield.get(path, accept=HTML)
        assert "noindex" in reply.headers["X-Robots-Tag"]
        assert '<meta name="robots" content="noindex' in reply.text


async def test_posts_stand_newest_first_page_by_page(
    oakfield: TownSchool, lee: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people, "PAGE_SIZE", 2)
    for text in ("first", "second", "third"):
        await lee.say(f"The {text} post")
    newest = await read(oakfield, "/@lee")
    assert newest.text.index("third post") < newest.text.index("second post")
    assert "first post" not in newest.text
    (older,) = [href for href in newest.links if "?before=" in href]
    last = await read(oakfield, older)

    assert "The first post" in last.text
    assert not [href for href in last.links if "?before=" in href]
    assert "/@lee" in last.links


async def test_a_page_shows_nothing_that_is_not_for_everybody(
    oakfield: TownSchool, lee: Person
) -> None:
    sam = await oakfield.staff("sam")
    hidden = [
        await lee.say("MARKER followers", to=f"{lee.uri}/followers"),
        await lee.say("MARKER school", to="https://oakfield.example/school/members"),
        await lee.say("MARKER direct", to=sam.uri),
    ]
    public = await lee.say("For everybody")
    for note in hidden:
        await sam.say("MARKER answer", to=lee.uri, inReplyTo=public["id"])
        for path in (note["id"], note["url"]):
            page = await read(oakfield, path, 404)
            assert "MARKER" not in page.text
    for path in ("/@lee", "/@sam", public["url"], "/"):
        assert "MARKER" not in (await read(oakfield, path)).text


async def test_hidden_and_missing_pages_look_the_same(oakfield: TownSchool, lee: Person) -> None:
    note = await lee.say("hidden", to=f"{lee.uri}/followers")
    hidden = await oakfield.get(note["url"], accept=HTML)
    missing = await oakfield.get("/@lee/1", accept=HTML)
    nobody = await oakfield.get("/@nobody", accept=HTML)

    assert hidden.body == missing.body == nobody.body
    assert hidden.status == missing.status == nobody.status == 404


async def test_a_post_has_a_page_with_its_author_and_the_answers(
    town: Town, oakfield: TownSchool, lee: Person
) -> None:
    riverside = await town.school("riverside")
    ana = await riverside.staff("ana", "Ana Ruiz")
    await ana.post({"type": "Follow", "object": lee.uri})
    await town.settle()
    note = await lee.say("Who teaches optics in spring?")
    await ana.say("We do, in March.", inReplyTo=note["id"], cc=[lee.uri])
    await town.settle()
    page = await read(oakfield, note["url"])

    for words in (
        "Lee Okafor",
        "@lee@oakfield.example",
        "Who teaches optics in spring?",
        "Answers",
        "Ana Ruiz",
        "@ana@riverside.example",
        "We do, in March.",
    ):
        assert words in page.text
    assert f"{riverside.url}/@ana" in page.links
    assert (await read(oakfield, note["id"])).text == page.text


async def test_a_post_is_found_only_under_the_name_of_its_author(
    oakfield: TownSchool, lee: Person
) -> None:
    await oakfield.staff("sam")
    note = await lee.say("Good morning")
    await read(oakfield, note["url"].replace("/@lee/", "/@sam/"), 404)


async def test_an_edited_and_a_deleted_post_say_so(oakfield: TownSchool, lee: Person) -> None:
    note = await lee.say("Chess on Tuesday")
    oakfield.town.clock.advance(minutes=5)
    await lee.post({"type": "Update", "object": note | {"content": "Chess on Wednesday"}})
    page = await read(oakfield, note["url"])
    assert "Chess on Wednesday" in page.text
    assert "Tuesday" not in page.text
    assert "edited" in page.text

    await lee.post({"type": "Delete", "object": note["id"]})
    gone = await read(oakfield, note["url"], 410)
    assert "deleted" in gone.text
    assert "Chess" not in gone.text


async def test_a_longer_text_has_its_title_on_every_page(oakfield: TownSchool, lee: Person) -> None:
    article = await lee.say("Prisms first.", type="Article", name="Teaching optics")
    for path in ("/@lee", article["url"]):
        assert "Teaching optics" in (await read(oakfield, path)).headings


async def test_a_content_warning_stands_before_the_words(oakfield: TownSchool, lee: Person) -> None:
    note = await lee.say("The answer is 42", summary="Spoiler <for> the quiz")
    reply = await oakfield.get(note["url"], accept=HTML)
    sound(reply)
    assert "<details" in reply.text
    assert "Spoiler &lt;for&gt; the quiz" in reply.text


async def test_whatever_was_kept_a_page_is_cleaned_again_as_the_last_step(
    oakfield: TownSchool, lee: Person
) -> None:
    note = await lee.say("Good morning")
    evil = '<script>alert(1)</script><img src=x onerror=alert(1)><p style="x">kept</p>'

    def spoil(tx: Transaction) -> None:
        post = objects.by_uri(tx, note["id"])
        assert post is not None
        objects.edit(
            tx,
            post.id,
            name="<script>alert(2)</script>",
            summary=None,
            content=evil,
            url="javascript:alert(3)",
            document=post.document,
            edited_at=tx.now,
        )

    await oakfield.write(spoil)
    for path in ("/@lee", note["id"]):
        reply = await oakfield.get(path, accept=HTML)
        page = sound(reply)
        assert "kept" in page.text
        assert "<script" not in reply.text
        assert not [href for href in page.links if href.startswith("javascript")]


async def test_the_front_door_names_the_school_and_lists_nobody(
    oakfield: TownSchool, lee: Person
) -> None:
    page = await read(oakfield, "/")

    assert "Oakfield School" in page.headings
    assert "Lee" not in page.text
    assert "lee" not in page.text.lower().split()


async def test_the_school_has_a_page_and_the_signing_actor_has_none(oakfield: TownSchool) -> None:
    assert "Oakfield School" in (await read(oakfield, "/@school")).headings
    assert "Oakfield School" in (await read(oakfield, "/school")).headings
    assert (await oakfield.get("/@oakfield.example", accept=HTML)).status == 404


async def test_a_place_in_a_page_that_is_no_number_is_no_page(
    oakfield: TownSchool, lee: Person
) -> None:
    await read(oakfield, "/@lee?before=x", 404)
    await read(oakfield, "/@lee?before=1", 200)


async def test_the_style_sheet_is_ours_and_the_only_thing_a_page_loads(
    oakfield: TownSchool, lee: Person
) -> None:
    page = await read(oakfield, "/@lee")
    loaded = [
        value
        for tag, name, value in page.attributes
        if name == "src" or (tag == "link" and name == "href")
    ]
    assert loaded[0] == "/static/style.css"
    assert all(value.startswith((oakfield.url, "/static/")) for value in loaded)
    style = await oakfield.get("/static/style.css", accept="text/css")
    assert (style.status, style.headers["Content-Type"]) == (200, "text/css; charset=utf-8")
    assert "prefers-color-scheme: dark" in style.text
    assert "url(" not in style.text
