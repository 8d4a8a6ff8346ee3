"""What happens at Oakfield when an activity has arrived, verb by verb, on both engines."""

import itertools
import json
import textwrap
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import select

from actors import staff
from federation import activity as activities
from federation.activity import Activity
from federation.addresses import Rules
from federation.errors import Malformed, Refused
from federation.vocabulary import PUBLIC, rfc3339
from inbox import concerned, dispatch
from storage import (
    actors,
    announces,
    arrivals,
    follows,
    keys,
    likes,
    notifications,
    objects,
    published,
    received,
    tables,
    timelines,
)
from storage.actors import Actor
from storage.audience import NOBODY, Viewer, can_see
from storage.objects import Post
from storage.received import Incoming
from storage.transaction import Transaction
from tests.storage.people import colleague, follow, later, person, post

NUMBERS = itertools.count(1)


def note(author: Actor, text: str = "<p>Trip to the museum</p>", **more: Any) -> dict[str, Any]:
    """A Note as its author's school sends it, to the public unless said."""
    return {
        "id": f"https://{author.host}/notes/{next(NUMBERS)}",
        "type": "Note",
        "attributedTo": author.uri,
        "to": [PUBLIC],
        "cc": [f"{author.uri}/followers"],
        "content": text,
        **more,
    }


def act(actor: Actor, kind: str, subject: Any, **more: Any) -> Activity:
    """An activity as the worker hands it to a handler."""
    document = {
        "id": f"{actor.uri}/activities/{next(NUMBERS)}",
        "type": kind,
        "actor": actor.uri,
        "object": subject,
        "to": [PUBLIC],
        "cc": [f"{actor.uri}/followers"],
        **more,
    }
    return dispatch.typed(activities.read(document, Rules()))


def to_whom(subject: dict[str, Any]) -> dict[str, Any]:
    return {"to": subject.get("to", []), "cc": subject.get("cc", [])}


def arrive(
    tx: Transaction, activity: Activity, *, owner: Actor | None = None, **fetched: Any
) -> None:
    """Let the handler of an activity work; `owner` is whose personal inbox it came to."""
    arrived = Activity(
        json=activity.json,
        id=activity.id,
        type=activity.type,
        actor=activity.actor,
        rules=activity.rules,
        owner_id=owner.id if owner else 0,
        fetched=fetched.get("fetched", {}),
    )
    dispatch.HANDLERS[arrived.type].receive(tx, arrived)


def create(
    tx: Transaction, author: Actor, subject: dict[str, Any], *, owner: Actor | None = None
) -> Post:
    """A Create arrives, addressed as its Note is; the post as it is kept."""
    arrive(tx, act(author, "Create", subject, **to_whom(subject)), owner=owner)
    kept = objects.by_uri(tx, subject["id"])
    assert kept is not None
    return kept


def sees(tx: Transaction, reader: Actor, seen: Post) -> bool:
    return can_see(tx, Viewer(reader.id, reader.local), seen.id)


def home(tx: Transaction, reader: Actor) -> list[str]:
    return [row.post.uri for row in timelines.home(tx, reader.id, before=None, limit=20)]


def told(tx: Transaction, owner: Actor) -> list[tuple[str, str]]:
    """What someone was notified of: (kind, username), newest first."""
    found = notifications.recent(tx, owner.id, before=None, limit=20)
    return [(one.kind, one.actor.username) for one in found]


def refused(tx: Transaction, activity: Activity, **how: Any) -> str:
    with pytest.raises(Refused) as error:
        arrive(tx, activity, **how)
    return str(error.value)


# --- Create --------------------------------------------------------------------------------------


def test_a_public_post_is_read_at_home_by_who_follows_its_author(tx: Transaction) -> None:
    alice, carol, bob = person(tx, "alice"), person(tx, "carol"), colleague(tx, "bob")
    follow(tx, alice, bob)
    kept = create(tx, bob, note(bob))
    assert kept.audience == "public"
    assert home(tx, alice) == [kept.uri]
    assert home(tx, carol) == []
    assert can_see(tx, NOBODY, kept.id)


def test_a_post_that_comes_twice_is_one_post(tx: Transaction) -> None:
    alice, bob = person(tx, "alice"), colleague(tx, "bob")
    follow(tx, alice, bob)
    subject = note(bob)
    assert create(tx, bob, subject).id == create(tx, bob, subject).id
    assert home(tx, alice) == [subject["id"]]


def test_nobody_writes_in_another_persons_name_at_the_same_school(tx: Transaction) -> None:
    bob, mallory = colleague(tx, "bob"), colleague(tx, "mallory")
    assert "another's name" in refused(tx, act(mallory, "Create", note(bob)))


def test_a_post_in_nobodys_name_takes_no_place_that_is_anothers(tx: Transaction) -> None:
    alice, bob, mallory = person(tx, "alice"), colleague(tx, "bob"), colleague(tx, "mallory")
    follow(tx, alice, bob)
    his = note(bob)
    hers = {name: value for name, value in his.items() if name != "attributedTo"}
    assert "who wrote it" in refused(tx, act(mallory, "Create", hers))
    create(tx, bob, his)
    assert home(tx, alice) == [his["id"]]


def test_a_copy_of_a_post_from_another_school_is_not_believed(tx: Transaction) -> None:
    bob, mallory = colleague(tx, "bob"), colleague(tx, "mallory", "evil.example")
    subject = note(bob, attributedTo=mallory.uri)
    assert "elsewhere" in refused(tx, act(mallory, "Create", subject))
    assert objects.by_uri(tx, subject["id"]) is None


def test_what_was_had_from_its_own_school_is_its_own_authors(tx: Transaction) -> None:
    bob, mallory = colleague(tx, "bob"), colleague(tx, "mallory", "evil.example")
    subject = note(bob)
    hint = {**subject, "content": "<p>Never said</p>", "attributedTo": mallory.uri}
    arrive(tx, act(mallory, "Create", hint), fetched={subject["id"]: subject})
    kept = objects.by_uri(tx, subject["id"])
    assert kept is not None
    assert (kept.author_id, kept.content) == (bob.id, "<p>Trip to the museum</p>")


def test_an_id_that_is_taken_stays_with_its_author(tx: Transaction) -> None:
    bob, eve = colleague(tx, "bob"), colleague(tx, "eve")
    subject = note(bob)
    create(tx, bob, subject)
    stolen = {**subject, "attributedTo": eve.uri}
    assert "another author's" in refused(tx, act(eve, "Create", stolen))


def test_a_post_for_followers_is_seen_only_by_those_whom_we_know_to_follow(
    tx: Transaction,
) -> None:
    alice, carol, bob = person(tx, "alice"), person(tx, "carol"), colleague(tx, "bob")
    follow(tx, alice, bob)
    follow(tx, carol, bob, accepted=False)
    kept = create(tx, bob, note(bob, to=[f"{bob.uri}/followers"], cc=[]))
    assert kept.audience == "followers"
    assert sees(tx, alice, kept)
    assert not sees(tx, carol, kept)
    assert not can_see(tx, NOBODY, kept.id)


def test_another_school_cannot_speak_to_all_of_ours(tx: Transaction) -> None:
    alice, bob = person(tx, "alice"), colleague(tx, "bob")
    kept = create(tx, bob, note(bob, to=[f"{tx.school.url}/school/members"], cc=[]))
    assert kept.audience == "direct"
    assert not sees(tx, alice, kept)


def test_who_finds_a_direct_post_in_their_own_inbox_may_read_it_unnamed(tx: Transaction) -> None:
    alice, carol, bob = person(tx, "alice"), person(tx, "carol"), colleague(tx, "bob")
    kept = create(tx, bob, note(bob, to=[carol.uri], cc=[]), owner=alice)
    assert sees(tx, alice, kept)
    assert sees(tx, carol, kept)
    assert told(tx, alice) == [("mention", "bob")]


def test_a_follower_reads_what_is_for_followers_only_as_long_as_they_follow(
    tx: Transaction,
) -> None:
    alice, bob = person(tx, "alice"), colleague(tx, "bob", shared=False)
    follow(tx, alice, bob)
    kept = create(tx, bob, note(bob, to=[f"{bob.uri}/followers"], cc=[]), owner=alice)
    assert sees(tx, alice, kept)
    follows.remove(tx, alice.id, bob.id)
    assert not sees(tx, alice, kept)


def test_who_was_named_in_secret_may_read_it_and_nobody_learns_that(tx: Transaction) -> None:
    alice, carol, bob = person(tx, "alice"), person(tx, "carol"), colleague(tx, "bob")
    subject = note(bob, to=[carol.uri], cc=[], bto=[alice.uri], bcc=[alice.uri])
    kept = create(tx, bob, subject)
    assert sees(tx, alice, kept)
    assert alice.uri not in kept.document


def test_someone_mentioned_is_told_if_they_may_see_it(tx: Transaction) -> None:
    alice, carol, bob = person(tx, "alice"), person(tx, "carol"), colleague(tx, "bob")
    tags = [{"type": "Mention", "href": alice.uri}, {"type": "Mention", "name": "@carol"}]
    create(tx, bob, note(bob, tag=tags))
    assert told(tx, alice) == [("mention", "bob")]
    assert told(tx, carol) == []
    create(tx, bob, note(bob, to=[alice.uri], cc=[], tag={"type": "Mention", "href": carol.uri}))
    assert told(tx, carol) == []


def test_the_author_of_a_post_is_told_of_an_answer_once(tx: Transaction) -> None:
    alice, bob = person(tx, "alice"), colleague(tx, "bob")
    asked = post(tx, alice)
    tag = {"type": "Mention", "href": alice.uri}
    kept = create(tx, bob, note(bob, inReplyTo=[asked.uri], tag=tag))
    assert kept.in_reply_to == asked.uri
    assert told(tx, alice) == [("reply", "bob")]


def test_an_answer_that_its_reader_may_not_see_is_not_told(tx: Transaction) -> None:
    alice, carol, bob = person(tx, "alice"), person(tx, "carol"), colleague(tx, "bob")
    create(tx, bob, note(bob, to=[carol.uri], cc=[], inReplyTo=post(tx, alice).uri))
    assert told(tx, alice) == []


def test_a_suspended_colleague_says_nothing_here(tx: Transaction) -> None:
    bob = colleague(tx, "bob", state="suspended")
    assert "suspended" in refused(tx, act(bob, "Create", note(bob)))


def test_someone_unknown_says_nothing_here(tx: Transaction) -> None:
    bob = colleague(tx, "bob")
    stranger = act(bob, "Create", note(bob))
    activity = Activity(
        json=stranger.json, id=stranger.id, type="Create", actor=f"{bob.uri}-not", rules=Rules()
    )
    assert "unknown" in refused(tx, activity)


@pytest.mark.parametrize(
    ("kind", "shown"),
    [
        ("Article", "<p>Ten pages</p>"),
        ("Question", "<p>Ten pages</p>"),
    ],
)
def test_articles_and_polls_are_shown_as_their_text(tx: Transaction, kind: str, shown: str) -> None:
    bob = colleague(tx, "bob")
    more: dict[str, Any] = {"type": kind, "name": "Which day?"}
    if kind == "Question":
        more["oneOf"] = [{"name": "Monday"}, {"name": "Friday & Sunday"}, "odd"]
    kept = create(tx, bob, note(bob, "<p>Ten pages</p>", **more))
    assert kept.content == shown
    assert kept.name == "Which day?"


@pytest.mark.parametrize("kind", ["Event", "Video", "Audio", "Image", "Document", "Homework"])
def test_what_we_cannot_show_itself_is_a_title_a_summary_its_words_and_a_link(
    tx: Transaction, kind: str
) -> None:
    bob = colleague(tx, "bob")
    url = "https://riverside.example/films/7?a=1&b=2"
    subject = note(
        bob, "<p>The play</p>", type=kind, name="Our <b>film</b>", summary="<i>Year 9</i>", url=url
    )
    kept = create(tx, bob, subject)
    assert (kept.type, kept.name, kept.summary, kept.url) == (
        kind,
        "Our <b>film</b>",
        "Year 9",
        url,
    )
    assert kept.warning is None
    words, link = "<p>The play</p>", 'href="https://riverside.example/films/7?a=1&amp;b=2"'
    assert kept.content.startswith(words)
    assert link in kept.content


def test_a_title_alone_is_shown(tx: Transaction) -> None:
    bob = colleague(tx, "bob")
    assert create(tx, bob, note(bob, "", name="Sports day")).content == "<p>Sports day</p>"


def test_markup_is_cleaned_and_what_came_stays_beside_it(tx: Transaction) -> None:
    bob = colleague(tx, "bob")
    kept = create(tx, bob, note(bob, '<p onclick="x()">a<script>alert(1)</script></p>'))
    assert kept.content == "<p>a</p>"
    assert "onclick" in json.loads(kept.document)["content"]


def test_a_text_beyond_the_limit_is_cut_and_says_so(tx: Transaction) -> None:
    bob = colleague(tx, "bob")
    kept = create(tx, bob, note(bob, "<p>" + "words " * 5_000 + "</p>", name="n" * 300))
    assert kept.content.endswith("…</p>")
    assert len(kept.content) < 20_100
    assert kept.name == "n" * 200


@pytest.mark.parametrize("published_at", [None, "yesterday", "2999-01-01T00:00:00Z"])
def test_a_date_that_cannot_be_is_the_time_of_receipt(
    tx: Transaction, published_at: str | None
) -> None:
    bob = colleague(tx, "bob")
    assert create(tx, bob, note(bob, published=published_at)).published_at == tx.now


def test_an_address_that_leads_nowhere_is_left_out(tx: Transaction) -> None:
    bob = colleague(tx, "bob")
    subject = note(bob, inReplyTo="http://127.0.0.1/x", url="javascript:alert(1)")
    kept = create(tx, bob, subject)
    assert kept.in_reply_to is None
    assert kept.url == kept.uri


@pytest.mark.parametrize("kind", ["Person", "Tombstone", "Like", "OrderedCollection"])
def test_what_is_no_post_is_not_kept_as_one(tx: Transaction, kind: str) -> None:
    bob = colleague(tx, "bob")
    with pytest.raises(Malformed):
        arrive(tx, act(bob, "Create", note(bob, type=kind)))


def test_a_post_of_ours_comes_to_our_own_readers_the_same_way(tx: Transaction) -> None:
    alice, carol = person(tx, "alice"), person(tx, "carol")
    follow(tx, carol, alice)
    written = post(tx, alice, audience="school", to=[])
    members = f"{tx.school.url}/school/members"
    subject = {"id": written.uri, "type": "Note", "attributedTo": alice.uri, "to": [members]}
    arrive(tx, act(alice, "Create", subject, to=[members], cc=[]))
    assert home(tx, carol) == [written.uri]
    assert home(tx, alice) == [written.uri]


# --- Update --------------------------------------------------------------------------------------


def test_an_author_corrects_a_post(tx: Transaction) -> None:
    bob = colleague(tx, "bob")
    subject = note(bob)
    create(tx, bob, subject)
    later(tx, hours=1)
    changed = {**subject, "content": "<p>On Friday</p>", "updated": rfc3339(tx.now)}
    arrive(tx, act(bob, "Update", changed))
    kept = objects.by_uri(tx, subject["id"])
    assert kept is not None
    assert (kept.content, kept.edited_at) == ("<p>On Friday</p>", tx.now)


def test_an_older_correction_that_comes_late_changes_nothing(tx: Transaction) -> None:
    bob = colleague(tx, "bob")
    subject = note(bob)
    create(tx, bob, subject)
    later(tx, hours=2)
    newer = {**subject, "content": "<p>Newer</p>", "updated": rfc3339(tx.now)}
    older = {**subject, "content": "<p>Older</p>"}
    older["updated"] = rfc3339(tx.now - timedelta(hours=1))
    arrive(tx, act(bob, "Update", newer))
    arrive(tx, act(bob, "Update", older))
    kept = objects.by_uri(tx, subject["id"])
    assert kept is not None
    assert kept.content == "<p>Newer</p>"


def test_nobody_corrects_what_a_colleague_wrote(tx: Transaction) -> None:
    bob, eve = colleague(tx, "bob"), colleague(tx, "eve")
    subject = note(bob)
    create(tx, bob, subject)
    stolen = {**subject, "attributedTo": eve.uri, "content": "<p>No trip</p>"}
    assert "only its author" in refused(tx, act(eve, "Update", stolen))


def test_an_author_does_not_give_a_post_away(tx: Transaction) -> None:
    bob, eve = colleague(tx, "bob"), colleague(tx, "eve")
    subject = note(bob)
    create(tx, bob, subject)
    given = {**subject, "attributedTo": eve.uri}
    assert "change its author" in refused(tx, act(bob, "Update", given))


def test_a_correction_does_not_widen_an_audience_but_may_name_more(tx: Transaction) -> None:
    alice, carol, bob = person(tx, "alice"), person(tx, "carol"), colleague(tx, "bob")
    subject = note(bob, to=[alice.uri], cc=[])
    kept = create(tx, bob, subject)
    later(tx, minutes=5)
    wider = {**subject, "to": [PUBLIC, alice.uri, carol.uri], "updated": rfc3339(tx.now)}
    arrive(tx, act(bob, "Update", wider, **to_whom(wider)))
    assert sees(tx, carol, kept)
    assert told(tx, carol) == [("mention", "bob")]
    assert not can_see(tx, NOBODY, kept.id)


def test_a_new_post_that_we_only_hear_of_by_its_correction_is_kept(tx: Transaction) -> None:
    alice, bob = person(tx, "alice"), colleague(tx, "bob")
    follow(tx, alice, bob)
    fresh = note(bob, published=rfc3339(tx.now - timedelta(hours=3)))
    arrive(tx, act(bob, "Update", fresh))
    assert home(tx, alice) == [fresh["id"]]
    stale = note(bob, published=rfc3339(tx.now - timedelta(days=3)))
    assert "old post" in refused(tx, act(bob, "Update", stale))


def profile(actor: Actor, **more: Any) -> dict[str, Any]:
    return {
        "id": actor.uri,
        "type": "Person",
        "preferredUsername": actor.username,
        "inbox": f"{actor.uri}/inbox",
        "name": "Bob Hart, Head of Science",
        **more,
    }


def test_someone_changes_their_profile_and_keeps_their_keys(tx: Transaction) -> None:
    bob = colleague(tx, "bob")
    listed = [(f"{bob.uri}#main-key", "rsa", b"public")]
    keys.replace_remote(tx, bob.id, listed)
    arrive(tx, act(bob, "Update", profile(bob)))
    changed = actors.by_uri(tx, bob.uri)
    assert changed is not None
    assert changed.name == "Bob Hart, Head of Science"
    assert [key.uri for key in keys.of_actor(tx, bob.id)] == [f"{bob.uri}#main-key"]


def test_nobody_changes_a_colleagues_profile(tx: Transaction) -> None:
    bob, eve = colleague(tx, "bob"), colleague(tx, "eve")
    for kind in ("Person", ["Homework", "Person"]):
        claimed = profile(bob, type=kind, attributedTo=eve.uri)
        with pytest.raises(Malformed):
            arrive(tx, act(eve, "Update", claimed))
    assert refused(tx, act(eve, "Update", profile(bob)))
    assert refused(tx, act(eve, "Update", profile(bob, attributedTo=bob.uri)))
    known = actors.by_uri(tx, bob.uri)
    assert known is not None
    assert known.name == "Bob"


def test_a_profile_whose_inbox_is_elsewhere_is_not_taken_over(tx: Transaction) -> None:
    bob = colleague(tx, "bob")
    with pytest.raises(Malformed):
        arrive(tx, act(bob, "Update", profile(bob, inbox="https://victim.example/inbox")))


# --- Delete --------------------------------------------------------------------------------------


@pytest.mark.parametrize("as_tombstone", [True, False])
def test_an_author_deletes_a_post(tx: Transaction, as_tombstone: bool) -> None:
    alice, bob = person(tx, "alice"), colleague(tx, "bob")
    follow(tx, alice, bob)
    kept = create(tx, bob, note(bob))
    subject = {"id": kept.uri, "type": "Tombstone"} if as_tombstone else kept.uri
    arrive(tx, act(bob, "Delete", subject))
    arrive(tx, act(bob, "Delete", subject))
    gone = objects.by_uri(tx, kept.uri)
    assert gone is not None
    assert gone.deleted_at == tx.now
    assert gone.content == ""
    assert json.loads(gone.document)["formerType"] == "Note"
    assert home(tx, alice) == []


def test_only_an_id_or_a_tombstone_says_what_is_deleted(tx: Transaction) -> None:
    bob = colleague(tx, "bob")
    kept = create(tx, bob, note(bob))
    assert "tombstone" in refused(tx, act(bob, "Delete", {"id": kept.uri, "type": "Note"}))
    arrive(tx, act(bob, "Delete", {"id": kept.uri}))
    gone = objects.by_uri(tx, kept.uri)
    assert gone is not None
    assert gone.deleted_at is not None


def test_nobody_deletes_what_a_colleague_wrote(tx: Transaction) -> None:
    bob, eve = colleague(tx, "bob"), colleague(tx, "eve")
    kept = create(tx, bob, note(bob))
    assert "only its author" in refused(tx, act(eve, "Delete", kept.uri))


def test_what_was_deleted_before_it_came_does_not_come(tx: Transaction) -> None:
    bob = colleague(tx, "bob")
    subject = note(bob)
    arrive(tx, act(bob, "Delete", subject["id"]))
    assert "deleted" in refused(tx, act(bob, "Create", subject))
    assert "deleted" in refused(tx, act(bob, "Update", {**subject, "updated": rfc3339(tx.now)}))


def test_nobody_deletes_in_advance_what_another_school_will_write(tx: Transaction) -> None:
    bob, mallory = colleague(tx, "bob"), colleague(tx, "mallory", "evil.example")
    subject = note(bob)
    assert "only its author" in refused(tx, act(mallory, "Delete", subject["id"]))
    assert create(tx, bob, subject).deleted_at is None


def test_a_colleague_of_the_author_cannot_keep_a_post_from_coming(tx: Transaction) -> None:
    bob, eve = colleague(tx, "bob"), colleague(tx, "eve")
    subject = note(bob)
    arrive(tx, act(eve, "Delete", subject["id"]))
    assert create(tx, bob, subject).deleted_at is None


def test_someone_who_leaves_for_good_takes_everything_along(tx: Transaction) -> None:
    alice, bob = person(tx, "alice"), colleague(tx, "bob")
    follow(tx, alice, bob)
    kept = create(tx, bob, note(bob))
    arrive(tx, act(bob, "Delete", bob.uri))
    gone = objects.by_uri(tx, kept.uri)
    assert gone is not None
    assert gone.deleted_at is not None
    assert follows.count_following(tx, alice.id) == 0
    assert "deleted" in refused(tx, act(bob, "Create", note(bob)))


def test_nobody_deletes_a_colleague(tx: Transaction) -> None:
    bob, eve = colleague(tx, "bob"), colleague(tx, "eve")
    arrive(tx, act(eve, "Delete", bob.uri))
    known = actors.by_uri(tx, bob.uri)
    assert known is not None
    assert known.state == "active"


# --- Follow, Accept, Reject ----------------------------------------------------------------------


@pytest.fixture
def dana(tx: Transaction) -> Actor:
    """A member of staff who can sign."""
    return staff.add(tx, username="dana", name="Dana Cole")


def answers(tx: Transaction, actor: Actor) -> list[dict[str, Any]]:
    """What one of ours published, oldest first."""
    rows = tx.execute(
        select(tables.published.c.document)
        .where(tables.published.c.actor_id == actor.id)
        .order_by(tables.published.c.id)
    )
    return [orjson.loads(document) for document in rows.scalars()]


def test_someone_follows_one_of_ours_and_gets_an_answer(tx: Transaction, dana: Actor) -> None:
    bob = colleague(tx, "bob")
    asked = act(bob, "Follow", dana.uri)
    arrive(tx, asked)
    follow_ = follows.get(tx, bob.id, dana.id)
    assert follow_ is not None
    assert follow_.state == "accepted"
    assert told(tx, dana) == [("follow", "bob")]
    (answer,) = answers(tx, dana)
    assert answer["type"] == "Accept"
    assert answer["to"] == [bob.uri]
    assert answer["object"] == {
        "id": asked.id, "type": "Follow", "actor": bob.uri, "object": dana.uri,
    }  # fmt: skip


def test_who_asks_again_is_answered_again_under_the_new_id(tx: Transaction, dana: Actor) -> None:
    bob = colleague(tx, "bob")
    again = act(bob, "Follow", dana.uri)
    arrive(tx, act(bob, "Follow", dana.uri))
    arrive(tx, again)
    assert [answer["object"]["id"] for answer in answers(tx, dana)][1:] == [again.id]
    assert told(tx, dana) == [("follow", "bob")]
    assert follows.count_followers(tx, dana.id) == 1


def test_who_approves_followers_is_asked_first(tx: Transaction, dana: Actor) -> None:
    bob = colleague(tx, "bob")
    actors.update_local(tx, dana.id, approves_followers=True)
    arrive(tx, act(bob, "Follow", dana.uri))
    assert told(tx, dana) == [("request", "bob")]
    assert answers(tx, dana) == []
    assert follows.count_followers(tx, dana.id) == 0


@pytest.mark.parametrize("path", ["/users/nobody", "/objects/1"])
def test_only_one_of_ours_can_be_followed_here(tx: Transaction, path: str) -> None:
    bob = colleague(tx, "bob")
    assert refused(tx, act(bob, "Follow", f"{tx.school.url}{path}"))
    assert refused(tx, act(bob, "Follow", colleague(tx, "eve").uri))


def asked_by(tx: Transaction, follower: Actor, followee: Actor) -> str:
    uri = f"{tx.school.url}/activities/{next(NUMBERS)}"
    follows.request(tx, follower.id, followee.id, uri)
    return uri


@pytest.mark.parametrize("form", ["id", "embedded", "embedded without our id"])
def test_the_one_whom_ours_asked_accepts(tx: Transaction, form: str) -> None:
    alice, bob = person(tx, "alice"), colleague(tx, "bob")
    uri = asked_by(tx, alice, bob)
    subject: Any = {"id": uri, "type": "Follow", "actor": alice.uri, "object": bob.uri}
    if form == "id":
        subject = uri
    elif form != "embedded":
        del subject["id"]
    arrive(tx, act(bob, "Accept", subject))
    arrive(tx, act(bob, "Accept", subject))
    assert follows.count_following(tx, alice.id) == 1
    assert told(tx, alice) == [("accepted", "bob")]


@pytest.mark.parametrize("kind", ["Accept", "Reject"])
def test_nobody_else_answers_for_the_one_whom_ours_asked(tx: Transaction, kind: str) -> None:
    alice, bob, eve = person(tx, "alice"), colleague(tx, "bob"), colleague(tx, "eve")
    uri = asked_by(tx, alice, bob)
    embedded = {"id": uri, "type": "Follow", "actor": alice.uri, "object": bob.uri}
    assert refused(tx, act(eve, kind, uri))
    assert refused(tx, act(eve, kind, embedded))
    follow_ = follows.get(tx, alice.id, bob.id)
    assert follow_ is not None
    assert follow_.state == "requested"


@pytest.mark.parametrize("kind", ["Accept", "Reject"])
def test_an_answer_to_what_nobody_asked_changes_nothing(tx: Transaction, kind: str) -> None:
    alice, bob = person(tx, "alice"), colleague(tx, "bob")
    subject = {"id": f"{tx.school.url}/activities/9", "actor": alice.uri, "object": bob.uri}
    assert "asked" in refused(tx, act(bob, kind, subject))
    assert follows.get(tx, alice.id, bob.id) is None


def test_another_schools_follow_is_not_ours_to_have_accepted(tx: Transaction) -> None:
    bob, eve = colleague(tx, "bob"), colleague(tx, "eve", "elsewhere.example")
    follow(tx, eve, bob, accepted=False)
    follow_ = follows.get(tx, eve.id, bob.id)
    assert follow_ is not None
    assert refused(tx, act(bob, "Accept", follow_.uri))


def test_one_who_was_followed_sends_ours_away_for_good(tx: Transaction) -> None:
    alice, bob = person(tx, "alice"), colleague(tx, "bob")
    uri = asked_by(tx, alice, bob)
    arrive(tx, act(bob, "Accept", uri))
    arrive(tx, act(bob, "Reject", uri))
    assert follows.count_following(tx, alice.id) == 0
    assert "asked for again" in refused(tx, act(bob, "Accept", uri))


# --- Undo ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["id", "embedded", "another id"])
def test_someone_takes_back_what_they_did(tx: Transaction, form: str, dana: Actor) -> None:
    bob = colleague(tx, "bob")
    written = post(tx, dana)
    done = [
        act(bob, "Like", written.uri),
        act(bob, "Announce", written.uri),
        act(bob, "Follow", dana.uri),
    ]
    for one in done:
        arrive(tx, one)
    assert (likes.count(tx, written.id), announces.count(tx, written.id)) == (1, 1)
    for one in done:
        subject: Any = dict(one.json)
        if form == "id":
            subject = one.id
        elif form == "another id":
            subject["id"] = f"{one.id}-again"
        arrive(tx, act(bob, "Undo", subject))
    assert (likes.count(tx, written.id), announces.count(tx, written.id)) == (0, 0)
    assert follows.get(tx, bob.id, dana.id) is None


def test_nobody_takes_back_what_another_did(tx: Transaction) -> None:
    alice, bob, eve = person(tx, "alice"), colleague(tx, "bob"), colleague(tx, "eve")
    liked = act(bob, "Like", post(tx, alice).uri)
    arrive(tx, liked)
    assert "another" in refused(tx, act(eve, "Undo", liked.id))
    assert "another" in refused(tx, act(eve, "Undo", {**liked.json, "id": f"{eve.uri}/1"}))
    assert likes.by_uri(tx, liked.id) is not None


def test_taking_back_what_we_never_knew_changes_nothing(tx: Transaction) -> None:
    bob = colleague(tx, "bob")
    arrive(tx, act(bob, "Undo", f"{bob.uri}/activities/404"))
    arrive(tx, act(bob, "Undo", {"type": "Like", "object": f"{bob.uri}/notes/404"}))
    wave = act(bob, "Undo", {"type": "Wave", "object": f"{bob.uri}/notes/404"})
    assert refused(tx, wave) == "Wave is not taken back here"


# --- Like ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["Like", "EmojiReact"])
def test_someone_likes_a_post_of_ours_once(tx: Transaction, kind: str) -> None:
    alice, bob = person(tx, "alice"), colleague(tx, "bob")
    written = post(tx, alice)
    arrive(tx, act(bob, kind, {"id": written.uri, "type": "Note"}, content="🎉"))
    arrive(tx, act(bob, kind, written.uri))
    assert likes.count(tx, written.id) == 1
    assert told(tx, alice) == [("like", "bob")]


@pytest.mark.parametrize("audience", ["followers", "school", "direct"])
@pytest.mark.parametrize("kind", ["Like", "Announce"])
def test_what_one_may_not_see_one_can_neither_like_nor_announce(
    tx: Transaction, kind: str, audience: str
) -> None:
    alice, bob = person(tx, "alice"), colleague(tx, "bob")
    hidden = post(tx, alice, audience=audience)
    missing = act(bob, kind, f"{tx.school.url}/objects/404")
    assert refused(tx, act(bob, kind, hidden.uri)) == "no such post"
    if kind == "Like":
        assert refused(tx, missing) == "no such post"
    assert told(tx, alice) == []


def test_a_deleted_post_is_liked_no_more(tx: Transaction) -> None:
    alice, bob = person(tx, "alice"), colleague(tx, "bob")
    written = post(tx, alice)
    objects.bury(tx, written.id, {"id": written.uri, "type": "Tombstone"})
    assert refused(tx, act(bob, "Like", written.uri))


# --- Announce ------------------------------------------------------------------------------------


def test_a_post_of_ours_is_passed_on(tx: Transaction) -> None:
    alice, carol, bob = person(tx, "alice"), person(tx, "carol"), colleague(tx, "bob")
    follow(tx, carol, bob)
    written = post(tx, alice)
    arrive(tx, act(bob, "Announce", written.uri))
    assert told(tx, alice) == [("announce", "bob")]
    (row,) = timelines.home(tx, carol.id, before=None, limit=5)
    assert row.announced_by is not None
    assert (row.post.uri, row.announced_by.username) == (written.uri, "bob")


def test_a_copy_inside_an_announcement_is_never_believed(tx: Transaction) -> None:
    bob, eve = colleague(tx, "bob"), colleague(tx, "eve")
    mallory = colleague(tx, "mallory", "evil.example")
    for announcer in (eve, mallory):
        subject = note(bob, "<p>Never said</p>")
        assert refused(tx, act(announcer, "Announce", subject))
        assert objects.by_uri(tx, subject["id"]) is None


def test_what_was_had_from_its_own_school_is_passed_on(tx: Transaction) -> None:
    alice, bob, eve = person(tx, "alice"), colleague(tx, "bob"), colleague(tx, "eve", "a.example")
    follow(tx, alice, eve)
    subject = note(bob)
    arrive(tx, act(eve, "Announce", subject["id"]), fetched={subject["id"]: subject})
    kept = objects.by_uri(tx, subject["id"])
    assert kept is not None
    assert kept.author_id == bob.id
    assert home(tx, alice) == [kept.uri]


def test_an_announcement_does_not_widen_an_audience(tx: Transaction) -> None:
    alice, carol, bob = person(tx, "alice"), person(tx, "carol"), colleague(tx, "bob")
    eve = colleague(tx, "eve")
    follow(tx, alice, eve)
    follow(tx, eve, bob)
    kept = create(tx, bob, note(bob, to=[f"{bob.uri}/followers", carol.uri], cc=[]))
    assert "its author" in refused(tx, act(eve, "Announce", kept.uri))
    assert home(tx, alice) == []
    assert not sees(tx, alice, kept)


def test_someone_passes_on_their_own_post_that_comes_along(tx: Transaction) -> None:
    alice, bob = person(tx, "alice"), colleague(tx, "bob")
    follow(tx, alice, bob)
    subject = note(bob)
    arrive(tx, act(bob, "Announce", subject))
    assert home(tx, alice) == [subject["id"]]


# --- whose inbox it lies in ----------------------------------------------------------------------


@pytest.fixture
def lay(tx: Transaction) -> Callable[..., set[str]]:
    """Keep an activity, put it into inboxes, and say whose of these people's."""

    def laid(activity: Activity, *people: Actor, owner: Actor | None = None) -> set[str]:
        body = orjson.dumps(activity.json)
        incoming = Incoming(activity.id, activity.actor, 0, activity.type, body)
        received.add_all(tx, [incoming])
        claimed = received.claim(tx, limit=100, lease=timedelta(0))
        (row,) = (row for row in claimed if row.uri == activity.id)
        found = Activity(
            json=activity.json,
            id=activity.id,
            type=activity.type,
            actor=activity.actor,
            owner_id=owner.id if owner else 0,
        )
        concerned.note_arrival(tx, found, row.id)
        return {
            reader.username
            for reader in people
            if row.id
            in {
                arrival.received_id
                for arrival in arrivals.inbox(tx, reader.id, before=None, limit=100)
            }
        }

    return laid


def test_a_public_post_lies_with_followers_and_with_whom_it_names(
    tx: Transaction, lay: Callable[..., set[str]]
) -> None:
    alice, carol, dan = person(tx, "alice"), person(tx, "carol"), person(tx, "dan")
    bob = colleague(tx, "bob")
    follow(tx, alice, bob)
    subject = note(bob, cc=[carol.uri])
    create(tx, bob, subject)
    made = act(bob, "Create", subject, **to_whom(subject))
    assert lay(made, alice, carol, dan) == {"alice", "carol"}


def test_a_direct_post_lies_with_whom_it_names_and_whose_inbox_it_came_to(
    tx: Transaction, lay: Callable[..., set[str]]
) -> None:
    alice, carol, dan = person(tx, "alice"), person(tx, "carol"), person(tx, "dan")
    bob = colleague(tx, "bob")
    follow(tx, dan, bob)
    subject = note(bob, to=[carol.uri], cc=[])
    create(tx, bob, subject, owner=alice)
    made = act(bob, "Create", subject, **to_whom(subject))
    assert lay(made, alice, carol, dan, owner=alice) == {"alice", "carol"}


def test_what_is_for_this_school_lies_with_everybody_here(
    tx: Transaction, lay: Callable[..., set[str]]
) -> None:
    alice, carol = person(tx, "alice"), person(tx, "carol")
    written = post(tx, alice, audience="school")
    members = f"{tx.school.url}/school/members"
    subject = {"id": written.uri, "type": "Note", "to": [members]}
    made = act(alice, "Create", subject, to=[members], cc=[])
    assert lay(made, alice, carol) == {"alice", "carol"}


@pytest.mark.parametrize("kind", ["Like", "Announce", "Follow", "Wave"])
def test_what_is_done_to_one_of_ours_lies_with_them_though_unaddressed(
    tx: Transaction, lay: Callable[..., set[str]], kind: str
) -> None:
    alice, carol, bob = person(tx, "alice"), person(tx, "carol"), colleague(tx, "bob")
    subject = alice.uri if kind == "Follow" else post(tx, alice).uri
    made = act(bob, kind, subject, to=[], cc=[])
    assert lay(made, alice, carol) == (set() if kind == "Wave" else {"alice"})


def test_the_example_for_contributors_does_what_it_says(tx: Transaction) -> None:
    page = (Path(__file__).parent.parent.parent / "CONTRIBUTING.md").read_text()
    example = page.split("```python\n")[1].split("```")[0]
    listen: dict[str, Any] = {}
    exec(textwrap.dedent(example), listen)

    alice, bob = person(tx, "alice"), colleague(tx, "bob")
    heard = post(tx, alice)
    listen["receive"](tx, act(bob, "Listen", heard.uri))
    (told,) = notifications.recent(tx, alice.id, before=None, limit=40)
    assert (told.kind, told.actor.id, told.post) == ("listen", bob.id, heard)
    with pytest.raises(Refused):
        listen["receive"](tx, act(bob, "Listen", post(tx, alice, audience="direct").uri))


def test_nothing_is_published_by_what_only_arrives(tx: Transaction) -> None:
    alice, bob = person(tx, "alice"), colleague(tx, "bob")
    create(tx, bob, note(bob, to=[alice.uri], cc=[]))
    assert published.count_outbox(tx, Viewer(alice.id, True), alice.id) == 0
