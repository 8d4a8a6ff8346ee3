"""A teacher types: colleagues of other schools are found by their handle, told, quoted, asked."""

from typing import Any

import pytest

from outbox import acting
from storage import hashtags, notifications, objects
from storage.audience import NOBODY
from storage.database import Transaction
from tests.town import Person, Town, TownSchool

PUBLIC = "https://www.w3.org/ns/activitystreams#Public"


@pytest.fixture
async def riverside(town: Town, oakfield: TownSchool) -> TownSchool:
    return await town.school("riverside")


async def types(person: Person, text: str, **note: Any) -> dict[str, Any]:
    """A post in Markdown by that person, as it was made."""
    given = {"type": "Note", "source": markdown(text), "to": PUBLIC, **note}
    location = await person.post(given)
    made = (await person.school.get(location, as_=person)).json["object"]
    assert isinstance(made, dict)
    return made


def markdown(text: str) -> dict[str, str]:
    return {"content": text, "mediaType": "text/markdown"}


def told(tx: Transaction, person: Person) -> list[tuple[str, str]]:
    """What that person was notified of: kind, and the words it is about; newest first."""
    found = notifications.recent(tx, person.id, before=None, limit=20)
    return [(one.kind, one.post.content if one.post else "") for one in found]


async def test_a_colleague_of_another_school_is_found_by_handle_and_told(
    town: Town, oakfield: TownSchool, riverside: TownSchool, alice: Person
) -> None:
    bob, head = await riverside.staff("bob"), await oakfield.staff("head")
    note = await types(alice, "Dear @Bob@Riverside.example and @head: **#Labs** are free")
    assert note["cc"] == [f"{alice.uri}/followers", bob.uri, head.uri]
    assert [tag["name"] for tag in note["tag"]] == [
        "@bob@riverside.example",
        "@head@oakfield.example",
        "#Labs",
    ]
    assert '<a href="https://riverside.example/@bob" class="u-url mention"' in note["content"]
    await town.settle()
    for school, person in ((riverside, bob), (oakfield, head)):
        kinds = await school.read(told, person)
        assert [kind for kind, _ in kinds] == ["mention"]
        found = await school.read(hashtags.posts, NOBODY, "labs", before=None, limit=9)
        assert [post.uri for post in found] == [note["id"]]
        assert "<strong>" in found[0].content

    changed = {"id": note["id"], "source": markdown("Dear @head and @carol@riverside.example")}
    carol = await riverside.staff("carol")
    town.clock.advance(minutes=5)
    await alice.post({"type": "Update", "object": changed})
    await town.settle()
    assert [kind for kind, _ in await riverside.read(told, carol)] == ["mention"]
    for school, person in ((riverside, bob), (oakfield, head)):
        assert len(await school.read(told, person)) == 1
    assert await riverside.read(hashtags.posts, NOBODY, "labs", before=None, limit=9) == []


async def test_whoever_cannot_be_found_stays_text_and_the_post_goes_out(
    town: Town, riverside: TownSchool, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    bob = await riverside.staff("bob")
    slow, unlisted = await town.stranger("slow"), await town.stranger("unlisted", known=False)
    slow.person("lee")
    unlisted.person("lee")
    slow.let_go.clear()
    monkeypatch.setattr(acting, "LOOK_UP_SECONDS", 1.0)
    note = await types(
        alice, "@nobody@riverside.example @lee@slow.example @lee@unlisted.example"
        " @lee@nowhere.example @lee@127.0.0.1 @bob@riverside.example",
    )  # fmt: skip
    assert note["cc"] == [f"{alice.uri}/followers", bob.uri]
    assert note["content"].count("<a ") == 1
    assert "@lee@slow.example" in note["content"]
    assert slow.fetched == ["/.well-known/webfinger"]
    assert unlisted.fetched == []
    slow.let_go.set()


async def test_a_post_full_of_handles_asks_for_ten(town: Town, alice: Person) -> None:
    crowd = await town.stranger("crowd")
    names = [f"p{number}" for number in range(14)]
    for name in names:
        crowd.person(name)
    note = await types(alice, " ".join(f"@{name}@crowd.example" for name in names))
    assert crowd.fetched.count("/.well-known/webfinger") == acting.MOST_LOOK_UPS
    assert len(note["tag"]) == acting.MOST_LOOK_UPS
    # Whom we know by now is not asked for again.
    crowd.fetched.clear()
    note = await types(alice, " ".join(f"@{name}@crowd.example" for name in names))
    assert crowd.fetched.count("/.well-known/webfinger") == 4
    assert len(note["tag"]) == 14


async def test_words_for_this_school_that_name_somebody_outside_are_not_sent(
    oakfield: TownSchool, riverside: TownSchool, alice: Person
) -> None:
    await riverside.staff("bob")
    note = {
        "type": "Note",
        "source": markdown("Ask @bob@riverside.example"),
        "to": f"{oakfield.url}/school/members",
    }
    reply = await oakfield.post(alice, note)
    assert reply.status == 400
    assert "this school only" in reply.text


async def test_a_post_of_another_school_is_quoted_and_shown_beside_the_words(
    town: Town, oakfield: TownSchool, riverside: TownSchool, alice: Person
) -> None:
    bob = await riverside.staff("bob")
    said = await bob.say("Choir on Tuesday")
    note = await types(alice, "Go to this, @bob@riverside.example", quote=said["id"])
    assert note["quote"] == note["quoteUrl"] == said["id"]
    await town.settle()
    copy = await riverside.read(objects.by_uri, note["id"])
    assert copy is not None
    assert copy.quotes == said["id"]
    assert "RE:" not in copy.content
    hidden = await bob.say("Only here", to=f"{riverside.url}/school/members")
    reply = await oakfield.post(
        alice, {"type": "Note", "content": "Look", "to": PUBLIC, "quote": hidden["id"]}
    )
    assert reply.status == 400
    assert "there is no such post" in reply.text


async def test_what_is_no_post_of_ours_is_refused_by_name(
    oakfield: TownSchool, alice: Person
) -> None:
    choice = {"type": "Note", "name": "a"}
    for given, words in (
        ({"type": "Question", "content": "Which?", "oneOf": [choice]}, "2 to 20"),
        ({"type": "Question", "content": "Which?", "oneOf": [choice, {**choice, "x": 1}]}, "oneOf"),
        ({"type": "Note", "content": "x", "contentMap": {"en": "x", "cy": "y"}}, "contentMap"),
        ({"type": "Note", "content": "x", "contentMap": {"e": "x"}}, "not a language"),
        ({"type": "Note", "content": "x", "quote": f"{oakfield.url}/objects/1"}, "no such post"),
        ({"type": "Flag", "object": [alice.uri], "content": "x", "forward": "yes"}, "forward"),
        ({"type": "Block", "object": alice.uri, "note": "x"}, "note"),
    ):
        reply = await oakfield.post(alice, given)
        assert reply.status == 400, given
        assert words in reply.text, (given, reply.text)
