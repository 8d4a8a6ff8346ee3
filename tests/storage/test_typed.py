"""What one of our people types, as it goes out: mentions, hashtags, quotes, polls, languages."""

from typing import Any

import orjson
import pytest

from federation import vocabulary
from federation.addresses import Rules
from federation.errors import Malformed, Refused
from federation.vocabulary import MOST_MENTIONS
from outbox import acting, typed
from storage import actors, blocks, hashtags, objects, polls
from storage.actors import Actor
from storage.database import Transaction
from storage.objects import Post
from tests.storage.people import colleague, later, post
from tests.storage.teachers import (
    PUBLIC,
    document,
    does,
    inboxes,
    latest,
    says,
    teacher,
    told_here,
)

MEMBERS = "https://oakfield.example/school/members"
BOB = {
    "type": "Mention",
    "href": "https://riverside.example/users/bob",
    "name": "@bob@riverside.example",
}


def types(tx: Transaction, actor: Actor, text: str, **note: Any) -> dict[str, Any]:
    """A post in Markdown, as it went out."""
    given = {"type": "Note", "source": markdown(text), **note}
    addressed = {} if {"to", "bcc"} & note.keys() else {"to": [PUBLIC]}
    return _posted(tx, actor, {**addressed, **given})


def _posted(tx: Transaction, actor: Actor, given: dict[str, Any]) -> dict[str, Any]:
    sent = does(tx, actor, type="Create", object={"type": "Note", **given})
    made = document(tx, actor, sent)["object"]
    assert isinstance(made, dict)
    return made


def markdown(text: str) -> dict[str, str]:
    return {"content": text, "mediaType": "text/markdown"}


def edits(tx: Transaction, actor: Actor, uri: str, **changes: Any) -> dict[str, Any]:
    """The Update of a post, as it went out."""
    later(tx, minutes=5)
    sent = does(tx, actor, type="Update", object={**changes, "id": uri})
    return document(tx, actor, sent)


def kept(tx: Transaction, uri: str) -> Post:
    found = objects.by_uri(tx, uri)
    assert found is not None
    return found


# --- whom the words mention ----------------------------------------------------------------------


def test_whom_the_words_mention_is_addressed_told_and_linked(
    tx: Transaction, alice: Actor, head: Actor, bob: Actor
) -> None:
    note = types(tx, alice, "Dear @head and @bob@riverside.example", tag=[BOB])
    assert note["to"] == [PUBLIC]
    assert note["cc"] == [alice.followers, head.uri, bob.uri]
    assert note["tag"] == [typed.mention(head), BOB]
    assert note["source"] == markdown("Dear @head and @bob@riverside.example")
    for person in (head, bob):
        assert f'<a href="{person.url}" class="u-url mention"' in note["content"]
    create = latest(tx, alice, "Create")
    assert inboxes(tx, create) == [bob.shared_inbox]
    assert told_here(tx, create) == [0]
    assert {person.id for person in objects.recipients_of(tx, kept(tx, note["id"]).id)} == {
        head.id,
        bob.id,
    }


def test_words_for_named_people_only_go_to_whom_they_name(
    tx: Transaction, alice: Actor, head: Actor, bob: Actor
) -> None:
    note = types(tx, alice, "@head, @bob@riverside.example: a word", to=[head.uri], tag=[BOB])
    assert note["to"] == [head.uri, bob.uri]
    assert "cc" not in note
    assert kept(tx, note["id"]).audience == "direct"
    assert inboxes(tx, latest(tx, alice, "Create")) == [bob.inbox]
    alone = types(tx, alice, "Only @head", to=[])
    assert alone["to"] == [head.uri]


def test_words_for_this_school_cannot_mention_somebody_outside(
    tx: Transaction, alice: Actor, head: Actor, bob: Actor
) -> None:
    with pytest.raises(Malformed, match=f"this school only .*{bob.uri}"):
        types(tx, alice, "See @bob@riverside.example", to=[MEMBERS], tag=[BOB])
    note = types(tx, alice, "See @head", to=[MEMBERS])
    assert note["cc"] == [head.uri]
    assert inboxes(tx, latest(tx, alice, "Create")) == []


def test_who_is_unknown_gone_or_kept_apart_stays_text(
    tx: Transaction, alice: Actor, head: Actor, bob: Actor
) -> None:
    gone, foe = teacher(tx, "gone"), teacher(tx, "foe")
    actors.update_local(tx, gone.id, state="suspended")
    blocks.add(tx, uri=f"{foe.uri}#b", actor_id=foe.id, target_id=alice.id)
    blocks.add(tx, uri=f"{alice.uri}#b", actor_id=alice.id, target_id=bob.id)
    text = "@gone, @foe, @bob@riverside.example, @eve@riverside.example, @alice"
    note = types(tx, alice, text, tag=[BOB])
    assert note["cc"] == [alice.followers]
    assert "tag" not in note or note["tag"] == [typed.mention(alice)]
    assert note["content"].count("<a ") == 1
    assert f'href="{alice.url}"' in note["content"]


def test_a_program_that_brings_html_decides_itself(tx: Transaction, alice: Actor) -> None:
    head = teacher(tx, "head")
    note = says(tx, alice, "<p>@head #labs <script>x</script></p>")
    assert note["content"] == "<p>@head #labs </p>"
    assert "tag" not in note
    assert "source" not in note
    assert head.uri not in note["cc"]


def test_plain_text_is_read_wherever_it_stands(tx: Transaction, alice: Actor, head: Actor) -> None:
    text = "*Dear* @head"
    for given in (
        {"content": text, "mediaType": "text/plain"},
        {"content": None, "source": {"content": text}},
        {"content": None, "contentMap": {"en": text}, "mediaType": "text/plain"},
    ):
        note = _posted(tx, alice, {"to": [PUBLIC], **given})
        assert note["content"].startswith("<p>*Dear* <a "), given
        assert note["source"] == {"content": text, "mediaType": "text/plain"}
        assert note["cc"] == [alice.followers, head.uri]


def test_limits_are_said_aloud(tx: Transaction, alice: Actor) -> None:
    people = [teacher(tx, "head").username] + [
        colleague(tx, f"t{number}").handle[1:] for number in range(50)
    ]
    tags = [
        typed.named(f"t{n}@riverside.example", f"https://riverside.example/users/t{n}")
        for n in range(50)
    ]
    with pytest.raises(Malformed, match="more than 50 people"):
        types(tx, alice, " ".join(f"@{name}" for name in people), tag=tags)
    with pytest.raises(Malformed, match="more than 60"):
        types(tx, alice, " ".join(f"#tag{number}" for number in range(61)))
    field: dict[str, Any]
    for field in ({"content": "x" * 20_001}, {"content": None, "source": markdown("x" * 20_001)}):
        with pytest.raises(Malformed, match="more than 20,000"):
            _posted(tx, alice, field)
    for field in ({"content": 7}, {"content": None, "source": {"content": 7}}):
        with pytest.raises(Malformed, match="must be text"):
            _posted(tx, alice, field)
    with pytest.raises(Malformed, match="mediaType"):
        _posted(tx, alice, {"content": "x", "mediaType": "text/rtf"})
    with pytest.raises(Malformed, match="needs content"):
        types(tx, alice, " \n ")


# --- hashtags, languages -------------------------------------------------------------------------


def test_hashtags_file_a_post_and_say_where(tx: Transaction, alice: Actor) -> None:
    note = types(tx, alice, "#Labs and #Größe, #labs", tag=[{"type": "Hashtag", "name": "#Extra"}])
    base = "https://oakfield.example/tags"
    assert note["tag"] == [
        {"type": "Hashtag", "href": f"{base}/labs", "name": "#Labs"},
        {"type": "Hashtag", "href": f"{base}/gr%C3%B6sse", "name": "#Größe"},
        {"type": "Hashtag", "name": "#Extra"},
    ]
    assert f'<a href="{base}/gr%C3%B6sse" class="mention hashtag"' in note["content"]
    assert hashtags.of_post(tx, kept(tx, note["id"]).id) == ["extra", "grösse", "labs"]


def test_a_post_says_its_language(tx: Transaction, alice: Actor) -> None:
    note = types(tx, alice, "Bore da", contentMap={"cy": "Bore da"})
    assert note["contentMap"] == {"cy": "<p>Bore da</p>"}
    assert note["content"] == "<p>Bore da</p>"
    assert vocabulary.language_of(note) == "cy"
    changed = edits(tx, alice, note["id"], source=markdown("Prynhawn da"))["object"]
    assert changed["contentMap"] == {"cy": "<p>Prynhawn da</p>"}
    for wrong in ({"x": "a"}, {"en": "a", "cy": "b"}, {}):
        with pytest.raises(Malformed):
            types(tx, alice, "Bore da", contentMap=wrong)


# --- quotes --------------------------------------------------------------------------------------


def test_a_quote_is_said_in_every_way_that_others_read(
    tx: Transaction, alice: Actor, bob: Actor
) -> None:
    said = post(tx, bob)
    note = types(tx, alice, "Well put #labs", quote=said.uri)
    assert note["quote"] == note["quoteUrl"] == said.uri
    assert note["tag"][-1]["type"] == "Link"
    assert note["tag"][-1]["href"] == said.uri
    assert f'<p class="quote-inline">RE: <a href="{said.url}"' in note["content"]
    assert vocabulary.quoted(note) == said.uri
    mine = kept(tx, note["id"])
    assert mine.quotes == said.uri
    assert "RE:" not in mine.content

    changed = edits(tx, alice, note["id"], source=markdown("Very well put"))["object"]
    assert changed["content"].startswith("<p>Very well put</p><p class=")
    assert changed["content"].count("RE:") == 1
    assert [tag["type"] for tag in changed["tag"]] == ["Link"]
    mine = kept(tx, note["id"])
    assert (mine.quotes, mine.content) == (said.uri, "<p>Very well put</p>")
    # A program sends back what it was given, with one word changed.
    again = {**changed, "content": changed["content"].replace("Very", "So"), "summary": "Praise"}
    changed = edits(tx, alice, note["id"], **{k: v for k, v in again.items() if k != "updated"})
    assert changed["object"]["content"].count("RE:") == 1
    assert kept(tx, note["id"]).content == "<p>So well put</p>"
    with pytest.raises(Malformed, match="cannot change quote"):
        edits(tx, alice, note["id"], quote=post(tx, bob).uri)


def test_what_was_not_written_for_everybody_is_not_quoted(
    tx: Transaction, alice: Actor, bob: Actor
) -> None:
    for hidden in (post(tx, bob, audience="followers").uri, "https://riverside.example/nothing"):
        with pytest.raises(Malformed, match="no such post, or you may not see it"):
            types(tx, alice, "So", quote=hidden)
    for closed in ("followers", "direct"):
        with pytest.raises(Refused, match="not written for everybody"):
            types(tx, alice, "So", quoteUrl=post(tx, bob, audience=closed, to=[alice]).uri)
    shy = post(tx, bob)
    policy = {"canQuote": {"automaticApproval": [bob.uri]}}
    objects.refresh(tx, shy.id, {**orjson.loads(shy.document), "interactionPolicy": policy})
    with pytest.raises(Refused, match="does not want that"):
        types(tx, alice, "So", quote=shy.uri)
    policy["canQuote"]["automaticApproval"].append(PUBLIC)
    objects.refresh(tx, shy.id, {**orjson.loads(shy.document), "interactionPolicy": policy})
    assert types(tx, alice, "So", quote=shy.uri)["quote"] == shy.uri


# --- polls ---------------------------------------------------------------------------------------


def test_a_question_brings_a_poll_and_a_name_alone_votes_in_it(
    tx: Transaction, alice: Actor, head: Actor
) -> None:
    choices = [{"type": "Note", "name": "Monday"}, {"type": "Note", "name": "Friday"}]
    asked = types(tx, alice, "Which day, @head?", type="Question", oneOf=choices, to=[MEMBERS])
    assert asked["type"] == "Question"
    assert [choice["name"] for choice in asked["oneOf"]] == ["Monday", "Friday"]
    assert "endTime" in asked
    question = kept(tx, asked["id"])
    assert "Monday" not in question.content

    vote = does(
        tx, head, type="Create", object={"type": "Note", "name": "Friday", "inReplyTo": asked["id"]}
    )
    poll = polls.of_post(tx, head.id, question.id)
    assert poll is not None
    assert [option.votes for option in poll.options] == [0, 1]
    assert poll.chosen == {1}
    assert document(tx, head, vote)["to"] == [alice.uri]
    assert objects.by_uri(tx, document(tx, head, vote)["object"]["id"]) is None
    with pytest.raises(Refused, match="voted already"):
        does(
            tx,
            head,
            type="Create",
            object={"type": "Note", "name": "Monday", "inReplyTo": asked["id"]},
        )
    with pytest.raises(Malformed, match="2 to 20 choices"):
        types(tx, alice, "One", type="Question", oneOf=choices[:1])

    changed = edits(tx, alice, asked["id"], source=markdown("What day?"), oneOf=choices[:1])
    assert len(changed["object"]["oneOf"]) == 2
    answer = types(tx, head, "Neither", inReplyTo=asked["id"], to=[MEMBERS])
    assert kept(tx, answer["id"]).in_reply_to == asked["id"]


# --- edits ---------------------------------------------------------------------------------------


def test_an_edit_tells_whom_its_new_words_mention_and_files_it_anew(
    tx: Transaction, alice: Actor, head: Actor, bob: Actor
) -> None:
    note = types(tx, alice, "Dear @head #labs", to=[alice.followers])
    update = edits(
        tx, alice, note["id"], source=markdown("Dear @bob@riverside.example #physics"), tag=[BOB]
    )
    changed = update["object"]
    assert changed["to"] == update["to"] == [alice.followers]
    assert changed["cc"] == update["cc"] == [head.uri, bob.uri]
    assert [tag["name"] for tag in changed["tag"]] == [BOB["name"], "#physics", head.handle]
    assert changed["source"] == markdown("Dear @bob@riverside.example #physics")
    assert inboxes(tx, update["id"]) == [bob.shared_inbox]
    edited = kept(tx, note["id"])
    assert hashtags.of_post(tx, edited.id) == ["physics"]
    assert {person.id for person in objects.recipients_of(tx, edited.id)} == {head.id, bob.id}

    other = edits(tx, alice, note["id"], summary="About labs", sensitive=True)["object"]
    assert other["content"] == changed["content"]
    assert other["tag"] == changed["tag"]
    assert other["source"] == changed["source"]
    assert hashtags.of_post(tx, edited.id) == ["physics"]


def test_an_edit_of_words_for_named_people_stays_among_the_named(
    tx: Transaction, alice: Actor, head: Actor, bob: Actor
) -> None:
    secret = types(tx, alice, "A word", to=[head.uri], bcc=[bob.uri])
    update = edits(tx, alice, secret["id"], source=markdown("A word, @bob@riverside.example"),
                   tag=[BOB])  # fmt: skip
    assert update["to"] == [head.uri, bob.uri]
    school = types(tx, alice, "A word", to=[MEMBERS])
    with pytest.raises(Malformed, match="this school only"):
        edits(tx, alice, school["id"], source=markdown("Hi @bob@riverside.example"), tag=[BOB])


def test_a_program_that_sends_everything_back_changes_what_it_changed(
    tx: Transaction, alice: Actor
) -> None:
    note = types(tx, alice, "*Labs*", contentMap={"en": "Labs"})
    uri = note["id"]
    changed = edits(tx, alice, uri, **{**note, "source": markdown("**Labs**")})["object"]
    assert changed["content"] == "<p><strong>Labs</strong></p>"
    assert changed["contentMap"] == {"en": changed["content"]}
    back = {name: value for name, value in changed.items() if name != "updated"}
    changed = edits(tx, alice, uri, **{**back, "content": "<p>Lab</p>"})["object"]
    assert changed["content"] == "<p>Lab</p>"
    assert "source" not in changed
    changed = edits(tx, alice, uri, contentMap=None)["object"]
    assert changed["content"] == "<p>Lab</p>"
    assert "contentMap" not in changed


def test_no_more_handles_are_looked_up_here_than_a_post_may_mention(tx: Transaction) -> None:
    wanted = [f"p{number}@riverside.example" for number in range(MOST_MENTIONS + 3)]
    for handle in wanted:
        colleague(tx, handle.partition("@")[0])
    known = acting._known_by_handle(tx, "open", ["head", *wanted], Rules())
    assert [*known] == wanted[:MOST_MENTIONS]
