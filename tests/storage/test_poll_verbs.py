"""Asking and voting, verb by verb: what counts, what is refused, and that no vote is ever seen."""

import json
from datetime import timedelta
from typing import Any

import orjson
import pytest
from sqlalchemy import select

from actors import staff
from federation.errors import Malformed, Refused
from federation.vocabulary import PUBLIC, rfc3339
from inbox import concerned
from outbox import polls as voting
from storage import arrivals, blocks, notifications, objects, polls, published, tables
from storage.actors import Actor
from storage.audience import Viewer
from storage.objects import Post
from storage.received import Incoming
from storage.transaction import Transaction
from tests.storage.people import arrived, colleague, follow, later, post
from tests.storage.test_inbox_verbs import act, arrive, create, home, note, refused, told

DAYS = ("Monday", "Friday")


@pytest.fixture
def ada(tx: Transaction) -> Actor:
    return staff.add(tx, username="ada", name="Ada Lee", role="staff")


@pytest.fixture
def ben(tx: Transaction) -> Actor:
    return staff.add(tx, username="ben", name="Ben Oak", role="staff")


def ask(
    tx: Transaction,
    author: Actor,
    *,
    several: bool = False,
    audience: str = "public",
    to: tuple[Actor, ...] = (),
) -> Post:
    """A poll of ours as `outbox/create` writes it, open for a week."""
    number = tx.new_id()
    uri = f"{tx.school.url}/objects/{number}"
    choices: list[dict[str, str]] = [{"type": "Note", "name": name} for name in DAYS]
    draft = voting.drafted({"anyOf" if several else "oneOf": choices}, tx.now)
    document = {
        "id": uri,
        "type": "Question",
        "attributedTo": author.uri,
        "content": "<p>Which day?</p>",
        "to": [PUBLIC] if audience == "public" else [person.uri for person in to],
        **voting.document_of(draft),
    }
    question, _ = objects.add(
        tx,
        id=number,
        uri=uri,
        author_id=author.id,
        type="Question",
        audience=audience,
        name=None,
        summary=None,
        content="<p>Which day?</p>",
        url=uri,
        in_reply_to=None,
        document=document,
        published_at=tx.now,
        recipients=[(person.id, False) for person in to],
    )
    voting.keep(tx, question.id, draft)
    return question


def vote(voter: Actor, question: Post, name: str = "Friday", **more: Any) -> dict[str, Any]:
    """A vote as other servers send it."""
    return {
        "id": f"{voter.uri}#votes/{question.id}/{name}",
        "type": "Note",
        "name": name,
        "attributedTo": voter.uri,
        "inReplyTo": question.uri,
        "to": [question.uri.partition("/objects")[0] + "/users/ada"],
        **more,
    }


def cast(tx: Transaction, voter: Actor, subject: Any, **how: Any) -> None:
    arrive(tx, act(voter, "Create", subject, to=[], cc=[]), **how)


def figures(tx: Transaction, question: Post) -> list[int]:
    found = polls.of_post(tx, None, question.id)
    assert found is not None
    return [option.votes for option in found.options]


# --- votes arrive --------------------------------------------------------------------------------


def test_a_vote_counts_and_is_seen_by_nobody(tx: Transaction, ada: Actor, ben: Actor) -> None:
    bob = colleague(tx, "bob")
    follow(tx, ben, bob)
    question = ask(tx, ada)
    activity = act(bob, "Create", vote(bob, question), to=[ada.uri], cc=[f"{bob.uri}/followers"])
    arrive(tx, activity)
    concerned.note_arrival(
        tx,
        activity,
        arrived(tx, Incoming(activity.id, bob.uri, 0, "Create", orjson.dumps(activity.json))),
    )
    assert figures(tx, question) == [0, 1]
    assert objects.by_uri(tx, vote(bob, question)["id"]) is None
    assert objects.replies(tx, Viewer(ada.id, True), question.uri, before=None, limit=9) == []
    for person in (ada, ben):
        assert told(tx, person) == []
        assert home(tx, person) == []
        assert arrivals.inbox(tx, person.id, before=None, limit=9) == []


def test_a_second_vote_a_late_one_and_one_for_nothing_are_refused(
    tx: Transaction, ada: Actor
) -> None:
    bob, eve = colleague(tx, "bob"), colleague(tx, "eve")
    question = ask(tx, ada)
    cast(tx, bob, vote(bob, question))
    assert "second" in refused(tx, act(bob, "Create", vote(bob, question)))
    assert "second" in refused(tx, act(bob, "Create", vote(bob, question, "Monday")))
    assert "no choice" in refused(tx, act(eve, "Create", vote(eve, question, "Sunday")))
    later(tx, days=8)
    assert "ended" in refused(tx, act(eve, "Create", vote(eve, question)))
    assert figures(tx, question) == [0, 1]


def test_all_choices_of_one_voter_may_come_in_one_activity(tx: Transaction, ada: Actor) -> None:
    bob, eve = colleague(tx, "bob"), colleague(tx, "eve")
    question = ask(tx, ada, several=True)
    cast(tx, bob, [vote(bob, question, name) for name in DAYS])
    assert figures(tx, question) == [1, 1]
    forged = [vote(eve, question), vote(eve, question, "Monday", attributedTo=bob.uri)]
    assert "another's name" in refused(tx, act(eve, "Create", forged))


def test_who_may_not_see_a_poll_has_no_vote_in_it(tx: Transaction, ada: Actor) -> None:
    bob, eve = colleague(tx, "bob"), colleague(tx, "eve")
    question = ask(tx, ada, audience="direct", to=(bob,))
    assert refused(tx, act(eve, "Create", vote(eve, question))) == "no such post"
    cast(tx, bob, vote(bob, question))
    open_to_all = ask(tx, ada)
    blocks.add(tx, uri=f"{ada.uri}#blocks/1", actor_id=ada.id, target_id=eve.id)
    assert refused(tx, act(eve, "Create", vote(eve, open_to_all))) == "no such post"
    assert (figures(tx, question), figures(tx, open_to_all)) == ([0, 1], [0, 0])


def test_nobody_votes_in_anothers_name(tx: Transaction, ada: Actor) -> None:
    bob, eve = colleague(tx, "bob"), colleague(tx, "eve")
    question = ask(tx, ada)
    forged = vote(eve, question, attributedTo=bob.uri)
    assert "another's name" in refused(tx, act(eve, "Create", forged))
    assert figures(tx, question) == [0, 0]


def test_a_vote_in_a_poll_of_another_school_is_none_of_our_business(
    tx: Transaction, ben: Actor
) -> None:
    bob, eve = colleague(tx, "bob"), colleague(tx, "eve", "hilltop.example")
    choices = [{"type": "Note", "name": name} for name in DAYS]
    question = create(tx, bob, note(bob, "<p>When?</p>", type="Question", oneOf=choices))
    assert "not ours" in refused(tx, act(eve, "Create", vote(eve, question)))
    assert figures(tx, question) == [0, 0]


def test_a_title_in_answer_to_a_post_is_an_answer(tx: Transaction, ada: Actor) -> None:
    bob = colleague(tx, "bob")
    asked = post(tx, ada)
    assert create(tx, bob, vote(bob, asked)).content == "<p>Friday</p>"
    assert told(tx, ada) == [("reply", "bob")]


# --- figures of others' polls --------------------------------------------------------------------


def question_of(bob: Actor, figures: tuple[int, int], **more: Any) -> dict[str, Any]:
    choices = [
        {"type": "Note", "name": name, "replies": {"type": "Collection", "totalItems": count}}
        for name, count in zip(DAYS, figures, strict=True)
    ]
    return note(bob, "<p>When?</p>", type="Question", oneOf=choices, **more)


def test_new_figures_are_no_edit_and_new_words_are(tx: Transaction, ben: Actor) -> None:
    bob = colleague(tx, "bob")
    subject = question_of(bob, (1, 0), published=rfc3339(tx.now))
    kept = create(tx, bob, subject)
    assert figures(tx, kept) == [1, 0]
    later(tx, hours=1)
    newer = {**question_of(bob, (4, 2), votersCount=6), "id": subject["id"]}
    newer["published"] = subject["published"]
    arrive(tx, act(bob, "Update", newer))
    assert figures(tx, kept) == [4, 2]
    known = objects.by_uri(tx, kept.uri)
    assert known is not None
    assert known.edited_at is None
    assert json.loads(known.document)["votersCount"] == 6
    edited = newer | {"content": "<p>Which day?</p>", "updated": rfc3339(tx.now)}
    arrive(tx, act(bob, "Update", edited))
    known = objects.by_uri(tx, kept.uri)
    assert known is not None
    assert (known.content, known.edited_at) == ("<p>Which day?</p>", tx.now)
    # What was said before the edit and comes late changes nothing.
    late = newer | {"updated": rfc3339(tx.now - timedelta(minutes=30))}
    arrive(tx, act(bob, "Update", late | {"content": "<p>Which day?</p>", "votersCount": 1}))
    assert json.loads(objects.by_uri(tx, kept.uri).document)["votersCount"] == 6  # type: ignore[union-attr]


def test_figures_come_from_the_author_only(tx: Transaction, ben: Actor) -> None:
    bob, eve = colleague(tx, "bob"), colleague(tx, "eve")
    subject = question_of(bob, (1, 0))
    kept = create(tx, bob, subject)
    forged = {**question_of(bob, (9, 9)), "id": subject["id"]}
    assert "author" in refused(tx, act(eve, "Update", forged))
    assert figures(tx, kept) == [1, 0]


# --- our people vote -----------------------------------------------------------------------------


def sent(tx: Transaction, uri: str) -> dict[str, Any]:
    row = tx.execute(select(tables.published).where(tables.published.c.uri == uri)).one()
    document: dict[str, Any] = orjson.loads(row.document)
    return document


def test_a_vote_goes_to_whoever_asked_and_to_nobody_else(
    tx: Transaction, ada: Actor, ben: Actor
) -> None:
    bob, eve = colleague(tx, "bob"), colleague(tx, "eve", "hilltop.example")
    follow(tx, eve, ada)
    question = create(tx, bob, question_of(bob, (1, 0)))
    uri = voting.vote(tx, ada, question, ["Friday"])
    document = sent(tx, uri)
    assert document["type"] == "Create"
    assert (document["to"], document.get("cc")) == ([bob.uri], None)
    ballot = document["object"]
    assert (ballot["type"], ballot["name"], ballot["inReplyTo"]) == ("Note", "Friday", question.uri)
    assert (ballot["attributedTo"], ballot["to"]) == (ada.uri, [bob.uri])
    assert "content" not in ballot
    waiting = tx.execute(select(tables.deliveries.c.inbox)).scalars().all()
    assert waiting == [bob.inbox]
    assert objects.by_uri(tx, ballot["id"]) is None
    assert published.outbox(tx, Viewer(ada.id, True), ada.id, before=None, limit=9) == []
    assert figures(tx, question) == [1, 1]
    found = polls.of_post(tx, ada.id, question.id)
    assert found is not None
    assert found.chosen == {1}
    with pytest.raises(Refused, match="already"):
        voting.vote(tx, ada, question, ["Monday"])
    assert published.seen_by_uri(tx, Viewer(eve.id, False), uri) is None
    assert published.seen_by_uri(tx, Viewer(ben.id, True), uri) is None


def test_a_colleague_at_this_school_votes_and_it_counts_once(
    tx: Transaction, ada: Actor, ben: Actor
) -> None:
    question = ask(tx, ada, several=True)
    for name in DAYS:
        document = sent(tx, voting.vote(tx, ben, question, [name]))
        # It arrives at our own door like everybody else's.
        arrive(tx, act(ben, "Create", document["object"], to=[ada.uri], cc=[]))
    assert figures(tx, question) == [1, 1]
    assert told(tx, ada) == []
    assert tx.execute(select(tables.deliveries)).all() == []


def test_what_is_no_vote_is_said_aloud(tx: Transaction, ada: Actor, ben: Actor) -> None:
    bob = colleague(tx, "bob")
    one, several = ask(tx, ada), ask(tx, ada, several=True)
    secret = ask(tx, ada, audience="direct", to=(bob,))
    for asked, names, words in (
        (one, [], "needs a choice"),
        (one, ["Sunday"], "not a choice"),
        (one, ["Monday", "Friday"], "only one"),
        (several, ["Monday", "Sunday"], "not a choice"),
        (secret, ["Monday"], "no such post"),
        (post(tx, ada), ["Monday"], "not a poll"),
    ):
        with pytest.raises(Malformed, match=words):
            voting.vote(tx, ben, asked, list(names))
    with pytest.raises(Refused, match="whoever asks"):
        voting.vote(tx, ada, one, ["Monday"])
    later(tx, days=8)
    with pytest.raises(Refused, match="ended"):
        voting.vote(tx, ben, one, ["Monday"])
    assert figures(tx, one) == figures(tx, several) == [0, 0]


# --- a draft -------------------------------------------------------------------------------------


def choices(*names: Any) -> list[dict[str, Any]]:
    return [{"type": "Note", "name": name} for name in names]


def test_a_poll_of_ours_is_open_for_a_week_unless_said(tx: Transaction) -> None:
    draft = voting.drafted({"oneOf": choices("  Monday ", "Friday")}, tx.now)
    assert draft == voting.Draft(False, ("Monday", "Friday"), tx.now + timedelta(days=7))
    end = tx.now + timedelta(hours=2)
    for field in ("endTime", "closed"):
        draft = voting.drafted({"anyOf": ["Monday", "Friday"], field: rfc3339(end)}, tx.now)
        assert draft == voting.Draft(True, ("Monday", "Friday"), end)
    shown = voting.document_of(draft)
    assert [(one["name"], one["replies"]["totalItems"]) for one in shown["anyOf"]] == [
        ("Monday", 0),
        ("Friday", 0),
    ]
    assert (shown["endTime"], shown["votersCount"]) == (rfc3339(end), 0)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "2 to 20"),
        ({"oneOf": choices("one")}, "2 to 20"),
        ({"oneOf": choices(*map(str, range(21)))}, "2 to 20"),
        ({"oneOf": choices("a", "b"), "anyOf": choices("a", "b")}, "either"),
        ({"oneOf": choices("a", "A")}, "differ"),
        ({"oneOf": choices("a", " ")}, "needs a name"),
        ({"oneOf": choices("a", 7)}, "must be text"),
        ({"oneOf": choices("a", "b" * 201)}, "200 characters"),
        ({"oneOf": choices("a", "b"), "endTime": "soon"}, "date and time"),
        ({"oneOf": choices("a", "b"), "endTime": "2026-09-01T08:34:00Z"}, "between five minutes"),
        ({"oneOf": choices("a", "b"), "endTime": "2027-09-02T08:30:00Z"}, "between five minutes"),
        ({"oneOf": choices("a", "b"), "closed": True}, "date and time"),
    ],
)
def test_a_poll_that_cannot_be_asked(tx: Transaction, given: dict[str, Any], words: str) -> None:
    with pytest.raises(Malformed, match=words):
        voting.drafted(given, tx.now)


# --- figures go out ------------------------------------------------------------------------------


def last_sent(tx: Transaction) -> dict[str, Any]:
    uri = tx.execute(
        select(tables.published.c.uri).order_by(tables.published.c.id.desc()).limit(1)
    ).scalar_one()
    return sent(tx, uri)


def test_figures_go_to_followers_and_voters_and_are_no_edit(tx: Transaction, ada: Actor) -> None:
    bob, eve = colleague(tx, "bob"), colleague(tx, "eve", "hilltop.example")
    question = ask(tx, ada)
    cast(tx, bob, vote(bob, question))
    cast(tx, eve, vote(eve, question, "Monday"))
    assert voting.tell(tx) == 0
    later(tx, minutes=3)
    assert voting.tell(tx) == 1
    document = last_sent(tx)
    shown = document["object"]
    assert (document["type"], shown["type"], shown["votersCount"]) == ("Update", "Question", 2)
    assert [one["replies"]["totalItems"] for one in shown["oneOf"]] == [1, 1]
    assert "updated" not in shown
    assert "closed" not in shown
    assert bob.uri not in json.dumps(document)
    to = set(tx.execute(select(tables.deliveries.c.inbox)).scalars())
    assert to == {bob.shared_inbox, eve.shared_inbox}
    known = objects.by_id(tx, question.id)
    assert known is not None
    assert known.edited_at is None
    assert json.loads(known.document)["votersCount"] == 2
    assert voting.tell(tx) == 0


def test_at_the_end_the_author_and_our_voters_are_told_once(
    tx: Transaction, ada: Actor, ben: Actor
) -> None:
    bob = colleague(tx, "bob")
    question = ask(tx, ada)
    voting.vote(tx, ben, question, ["Friday"])
    cast(tx, bob, vote(bob, question))
    theirs = create(tx, bob, question_of(bob, (0, 0), endTime="2026-09-02T09:00:00Z"))
    voting.vote(tx, ben, theirs, ["Monday"])
    later(tx, days=8)
    assert voting.tell(tx) == 2
    assert last_sent(tx)["object"]["closed"] == rfc3339(tx.now)
    assert told(tx, ada) == [("poll", "ada")]
    assert sorted(told(tx, ben)) == [("poll", "ada"), ("poll", "bob")]
    assert voting.tell(tx) == 0
    assert len(notifications.recent(tx, ben.id, before=None, limit=9)) == 2


def test_a_poll_for_a_few_tells_its_figures_to_those_few(tx: Transaction, ada: Actor) -> None:
    bob, eve = colleague(tx, "bob"), colleague(tx, "eve", "hilltop.example")
    follow(tx, eve, ada)
    question = ask(tx, ada, audience="direct", to=(bob,))
    cast(tx, bob, vote(bob, question))
    later(tx, minutes=3)
    assert voting.tell(tx) == 1
    assert set(tx.execute(select(tables.deliveries.c.inbox)).scalars()) == {bob.inbox}


def test_nothing_goes_out_for_whoever_is_suspended(tx: Transaction, ada: Actor) -> None:
    bob = colleague(tx, "bob")
    question = ask(tx, ada)
    cast(tx, bob, vote(bob, question))
    tx.execute(tables.actors.update().where(tables.actors.c.id == ada.id).values(state="suspended"))
    later(tx, minutes=3)
    assert voting.tell(tx) == 1
    assert tx.execute(select(tables.published)).all() == []
    assert voting.tell(tx) == 0
