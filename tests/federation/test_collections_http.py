"""The lists of a school: whole, in order, without repeats, and with nothing hidden in them."""

from typing import Any

import pytest

from actors import collections
from storage import featured, objects
from storage.database import Transaction
from tests.town import Person, Town, TownSchool

Some = list[dict[str, Any]]


@pytest.fixture
async def oakfield(town: Town) -> TownSchool:
    return await town.school("oakfield", mode="open")


@pytest.fixture
async def lee(oakfield: TownSchool) -> Person:
    return await oakfield.staff("lee")


@pytest.fixture
def short_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collections, "PAGE_SIZE", 3)


def contents(activities: Some) -> list[str]:
    return [one["object"]["content"] for one in activities]


def words(activities: Some) -> set[str]:
    return {text.removeprefix("<p>").removesuffix("</p>") for text in contents(activities)}


async def uris(school: TownSchool, path: str, **how: Any) -> list[Any]:
    """A list that holds ids alone."""
    return list(await school.collection(path, **how))


async def say(person: Person, *texts: str, **more: Any) -> list[dict[str, Any]]:
    return [await person.say(text, **more) for text in texts]


@pytest.mark.usefixtures("short_pages")
async def test_an_outbox_is_read_page_by_page_newest_first(
    oakfield: TownSchool, lee: Person
) -> None:
    made = await say(lee, *"abcdefg")
    head = (await oakfield.get("/users/lee/outbox")).json
    assert (head["type"], head["totalItems"]) == ("OrderedCollection", 7)

    pages = []
    where: str | None = head["first"]
    while where is not None:
        page = (await oakfield.get(where)).json
        assert page["id"] == where
        assert page["type"] == "OrderedCollectionPage"
        assert page["partOf"] == f"{lee.uri}/outbox" == head["id"]
        pages.append(page["orderedItems"])
        where = page.get("next")
        assert where is None or where.startswith(f"{lee.uri}/outbox?before=")

    assert [len(page) for page in pages] == [3, 3, 1]
    read = [one for page in pages for one in page]
    assert [one["type"] for one in read] == ["Create"] * 7
    assert contents(read) == [note["content"] for note in reversed(made)]


@pytest.mark.usefixtures("short_pages")
async def test_a_page_stays_the_same_page_while_new_posts_come_in(
    oakfield: TownSchool, lee: Person
) -> None:
    await say(lee, *"abcdef")
    first = (await oakfield.get("/users/lee/outbox?page=first")).json
    second = (await oakfield.get(first["next"])).json
    await say(lee, *"gh")
    again = (await oakfield.get(first["next"])).json

    assert again["orderedItems"] == second["orderedItems"]
    assert again["id"] == second["id"]


@pytest.mark.usefixtures("short_pages")
async def test_a_list_that_just_fills_its_page_has_no_empty_one_after_it(
    oakfield: TownSchool, lee: Person
) -> None:
    await say(lee, *"abc")
    assert "next" not in (await oakfield.get("/users/lee/outbox?page=first")).json


async def test_a_place_in_a_list_is_a_number(oakfield: TownSchool, lee: Person) -> None:
    for before in ("x", "-1", "1;drop", ""):
        assert (await oakfield.get(f"/users/lee/outbox?before={before}")).status == 400
    page = (await oakfield.get("/users/lee/outbox?before=1")).json
    assert (page["orderedItems"], "next" in page) == ([], False)


async def test_an_outbox_shows_and_counts_only_what_its_reader_may_see(
    town: Town, oakfield: TownSchool, lee: Person
) -> None:
    stranger = await town.stranger("stranger")
    fan, eve = stranger.person("fan"), stranger.person("eve")
    await fan.send(f"{lee.uri}/inbox", fan.activity("Follow", lee.uri, to=[], cc=[]))
    await town.settle()
    sam = await oakfield.staff("sam")
    await say(lee, "public")
    await say(lee, "followers", to=f"{lee.uri}/followers")
    await say(lee, "school", to="https://oakfield.example/school/members")
    await say(lee, "direct", to=sam.uri)
    outbox = f"{lee.uri}/outbox"

    async def seen(**how: Any) -> tuple[set[str], int]:
        read = words(await oakfield.collection(outbox, **how))
        total = (await oakfield.get(outbox, **how)).json["totalItems"]
        return read, total

    assert await seen() == ({"public"}, 1)
    assert await seen(as_=sam) == ({"public", "school", "direct"}, 3)
    assert await seen(as_=lee) == ({"public", "followers", "school", "direct"}, 4)
    for reader, texts in ((eve, {"public"}), (fan, {"public", "followers"})):
        page = (await reader.get(f"{outbox}?page=first")).json
        assert words(page["orderedItems"]) == texts
        assert (await reader.get(outbox)).json["totalItems"] == len(texts)


async def test_a_deleted_post_is_in_no_list(oakfield: TownSchool, lee: Person) -> None:
    kept, deleted = await say(lee, "kept", "deleted")
    await lee.post({"type": "Delete", "object": deleted["id"]})

    assert contents(await oakfield.collection("/users/lee/outbox")) == [kept["content"]]
    assert (await oakfield.get("/users/lee/outbox")).json["totalItems"] == 1


@pytest.mark.usefixtures("short_pages")
async def test_followers_and_following_hold_who_was_accepted(town: Town, lee: Person) -> None:
    oakfield = lee.school
    fans = [await oakfield.staff(f"fan{number}") for number in range(4)]
    for fan in fans:
        await fan.post({"type": "Follow", "object": lee.uri})
    await town.settle()

    followers = await uris(oakfield, "/users/lee/followers", as_=lee)
    assert followers == [fan.uri for fan in reversed(fans)]
    assert (await oakfield.get("/users/lee/followers", as_=lee)).json["totalItems"] == 4
    assert await uris(oakfield, "/users/fan0/following", as_=lee) == [lee.uri]
    assert await uris(oakfield, "/users/fan0/followers", as_=lee) == []


@pytest.mark.parametrize("name", ["followers", "following"])
async def test_who_does_not_say_who_they_are_learns_how_many_follow_and_not_who(
    town: Town, lee: Person, name: str
) -> None:
    fan = await lee.school.staff("fan")
    await fan.post({"type": "Follow", "object": lee.uri})
    await town.settle()
    whose = "lee" if name == "followers" else "fan"

    head = await lee.school.get(f"/users/{whose}/{name}")
    assert head.status == 200
    assert head.json["totalItems"] == 1
    assert not {"first", "orderedItems"} & head.json.keys()
    for page in ("?page=first", f"?before={2**62}"):
        assert (await lee.school.get(f"/users/{whose}/{name}{page}")).status == 401


async def test_liked_holds_what_the_reader_may_see(
    town: Town, oakfield: TownSchool, lee: Person
) -> None:
    sam = await oakfield.staff("sam")
    (public,) = await say(lee, "public")
    (private,) = await say(lee, "school", to="https://oakfield.example/school/members")
    for note in (public, private):
        await sam.post({"type": "Like", "object": note["id"]})
    await town.settle()

    assert await uris(oakfield, "/users/sam/liked") == [public["id"]]
    assert (await oakfield.get("/users/sam/liked")).json["totalItems"] == 1
    assert await uris(oakfield, "/users/sam/liked", as_=lee) == [private["id"], public["id"]]


async def test_featured_holds_the_posts_themselves(oakfield: TownSchool, lee: Person) -> None:
    public, private = await say(lee, "public", "private")
    (hidden,) = await say(lee, "hidden", to=f"{lee.uri}/followers")

    def pin(tx: Transaction) -> None:
        for note in (public, hidden):
            featured.add(tx, lee.id, int(note["id"].rpartition("/")[2]))

    await oakfield.write(pin)
    found = (await oakfield.get("/users/lee/featured")).json

    assert found["type"] == "OrderedCollection"
    assert [note["id"] for note in found["orderedItems"]] == [public["id"]]
    assert found["totalItems"] == 1
    assert private["id"] not in str(found)


@pytest.mark.usefixtures("short_pages")
async def test_replies_are_listed_as_far_as_the_reader_may_see_them(
    oakfield: TownSchool, lee: Person
) -> None:
    sam = await oakfield.staff("sam")
    (note,) = await say(lee, "Who has the keys?")
    answers = await say(sam, *"abcd", inReplyTo=note["id"])
    await say(sam, "not for all", inReplyTo=note["id"], to=lee.uri)
    replies = f"{note['id']}/replies"

    listed = await uris(oakfield, replies)
    assert listed == [answer["id"] for answer in reversed(answers)]
    assert (await oakfield.get(replies)).json["totalItems"] == 4
    assert (await oakfield.get(replies, as_=lee)).json["totalItems"] == 5


async def test_the_school_and_its_signing_actor_have_lists_too(oakfield: TownSchool) -> None:
    for path in ("/actor", "/school"):
        document = (await oakfield.get(path)).json
        named = {"outbox", "followers", "following", "featured", "liked"} & document.keys()
        assert "outbox" in named
        for name in named:
            reply = await oakfield.get(document[name])
            assert (reply.status, reply.json["totalItems"]) == (200, 0), document[name]


async def test_hidden_recipients_are_nowhere(oakfield: TownSchool, lee: Person) -> None:
    sam, kim = await oakfield.staff("sam"), await oakfield.staff("kim")
    location = await lee.post(
        {"type": "Note", "content": "Hello", "to": sam.uri, "bto": kim.uri, "bcc": [kim.uri]}
    )
    reply = await oakfield.get(location, as_=sam)
    note = await oakfield.get(reply.json["object"]["id"], as_=sam)

    for text in (reply.text, note.text):
        assert kim.uri not in text
        assert "bto" not in text
        assert "bcc" not in text
    assert (await oakfield.get(note.json["id"], as_=kim)).status == 200


async def test_hidden_recipients_that_were_kept_by_mistake_are_not_shown(
    oakfield: TownSchool, lee: Person
) -> None:
    (note,) = await say(lee, "Hello")

    def spoil(tx: Transaction) -> None:
        kept = objects.by_uri(tx, note["id"])
        assert kept is not None
        objects.edit(
            tx,
            kept.id,
            name=None,
            summary=None,
            content=kept.content,
            url=kept.url,
            document=note | {"bto": ["https://oakfield.example/users/kim"]},
            edited_at=tx.now,
        )

    await oakfield.write(spoil)
    assert "kim" not in (await oakfield.get(note["id"])).text
