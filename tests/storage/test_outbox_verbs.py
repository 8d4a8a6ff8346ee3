"""What one of our people can do, and what they cannot, verb by verb."""

from datetime import timedelta
from typing import Any

import orjson
import pytest

from actors import profile
from federation.errors import Malformed, Refused
from outbox import dispatch
from outbox.dispatch import VERBS, Verb
from storage import actors, announces, audience, follows, likes, objects
from storage.actors import Actor
from storage.audience import Viewer
from storage.database import Transaction
from storage.objects import Post
from tests.storage.people import colleague, follow, post
from tests.storage.teachers import (
    PUBLIC,
    document,
    does,
    inboxes,
    latest,
    says,
    told_here,
)

MEMBERS = "https://oakfield.example/school/members"


def kept(tx: Transaction, uri: str) -> Post:
    found = objects.by_uri(tx, uri)
    assert found is not None
    return found


# --- who may act at all ------------------------------------------------------------------------


def test_every_verb_stands_in_the_table_once() -> None:
    assert list(VERBS) == [
        "Create", "Update", "Delete", "Follow", "Accept", "Reject", "Undo", "Like", "Announce",
        "Block", "Join", "Leave", "Invite", "Flag", "Add", "Remove", "Move",
    ]  # fmt: skip
    verb = Verb(lambda tx, actor, activity: "")
    with pytest.raises(ValueError, match="Like is registered twice"):
        dispatch.table(("Like", verb), ("Like", verb))


def test_what_nobody_can_do_is_named(tx: Transaction, alice: Actor) -> None:
    with pytest.raises(Malformed, match="Travel"):
        does(tx, alice, type="Travel", object="https://riverside.example/users/bob")


def test_a_suspended_member_of_staff_cannot_act(tx: Transaction, alice: Actor) -> None:
    actors.update_local(tx, alice.id, state="suspended")
    for verb in VERBS:
        with pytest.raises(Refused, match="not active"):
            does(tx, alice, type=verb, object={"type": "Note", "content": "Still here"})


def test_somebody_who_moved_away_can_only_tidy_up(tx: Transaction, alice: Actor) -> None:
    note = says(tx, alice)
    actors.update_local(tx, alice.id, moved_to="https://riverside.example/users/alice")
    with pytest.raises(Refused, match="moved to https://riverside"):
        says(tx, alice)
    assert does(tx, alice, type="Delete", object=note["id"])


def test_nobody_acts_in_the_name_of_another_school(tx: Transaction, bob: Actor) -> None:
    with pytest.raises(Refused):
        says(tx, bob)


# --- Create ------------------------------------------------------------------------------------


def test_a_post_gets_its_id_author_date_and_page_here(tx: Transaction, alice: Actor) -> None:
    note = says(tx, alice, id="https://evil.example/1", published="1999-01-01T00:00:00Z", url="x:y")
    post = kept(tx, note["id"])

    assert note["id"] == f"https://oakfield.example/objects/{post.id}"
    assert note["attributedTo"] == alice.uri
    assert note["url"] == post.url == f"https://oakfield.example/@alice/{post.id}"
    assert note["published"] == "2026-09-01T08:30:00Z"
    assert note["replies"] == f"{note['id']}/replies"
    assert post.audience == "public"
    assert orjson.loads(post.document)["@context"]


def test_addresses_of_activity_and_object_become_the_same(
    tx: Transaction, alice: Actor, head: Actor, bob: Actor
) -> None:
    uri = does(
        tx,
        alice,
        type="Create",
        to=[head.uri],
        object={"type": "Note", "content": "Lab 2", "cc": [bob.uri], "audience": [bob.uri]},
    )
    sent = document(tx, alice, uri)
    assert sent["to"] == sent["object"]["to"] == [head.uri]
    assert sent["cc"] == sent["object"]["cc"] == [bob.uri]


@pytest.mark.parametrize(
    ("to", "cc", "kind"),
    [
        ([PUBLIC], ["FOLLOWERS"], "public"),
        (["FOLLOWERS"], [PUBLIC], "unlisted"),
        (["FOLLOWERS"], [], "followers"),
        ([MEMBERS], [], "school"),
        (["https://oakfield.example/users/head"], [], "direct"),
        ([], [], "direct"),
    ],
)
def test_the_addresses_make_one_of_five_audiences(
    tx: Transaction, alice: Actor, head: Actor, to: list[str], cc: list[str], kind: str
) -> None:
    spelled = [
        [str(alice.followers) if uri == "FOLLOWERS" else uri for uri in uris] for uris in (to, cc)
    ]
    note = says(tx, alice, to=spelled[0], cc=spelled[1])
    assert kept(tx, note["id"]).audience == kind


def test_words_are_cleaned_before_anyone_sees_them(tx: Transaction, alice: Actor) -> None:
    note = says(
        tx,
        alice,
        '<p onclick="x()">Lab 2<script>alert(1)</script></p><img src="https://e.example/i.png">',
        name="Rooms\u202e\n today",
    )
    assert "script" not in note["content"]
    assert "onclick" not in note["content"]
    assert "<img" not in note["content"]
    assert note["name"] == "Rooms today"
    assert kept(tx, note["id"]).content == note["content"]


def test_plain_words_become_paragraphs(tx: Transaction, alice: Actor) -> None:
    source = {"content": "Lab 2 < Lab 3\n\nSee you", "mediaType": "text/plain"}
    uri = does(tx, alice, type="Create", object={"type": "Note", "source": source, "to": [PUBLIC]})
    note = document(tx, alice, uri)["object"]
    assert note["content"] == "<p>Lab 2 &lt; Lab 3</p><p>See you</p>"
    assert note["source"] == source


@pytest.mark.parametrize(
    ("note", "complaint"),
    [
        ({"content": "x" * 20_001}, "content has more than 20,000"),
        ({"source": {"content": "x" * 20_001}}, "source.content has more than 20,000"),
        ({"content": 7}, "content must be text"),
        ({"content": "<script>x</script>"}, "needs content"),
        ({}, "needs content"),
        ({"content": "x", "name": "x" * 201}, "name has more than 200"),
        ({"content": "x", "summary": ["x"]}, "summary must be text"),
        ({"content": "x", "sensitive": "yes"}, "sensitive must be"),
        ({"content": "x", "mediaType": "text/x-troff"}, "mediaType"),
        ({"content": "x", "tag": [{"type": "Hashtag", "name": "#x"}] * 61}, "60 tags"),
        ({"content": "x", "tag": [{"type": "Emoji", "name": ":x:"}]}, "Mention or a Hashtag"),
        ({"content": "x", "attachment": [{"type": "Image", "url": "javascript:x"}]}, "url"),
        ({"content": "x", "attachment": [{"type": "Note", "url": "https://a.example"}]}, "one of"),
        ({"content": "x", "attachment": [{}] * 17}, "16 attachments"),
        (
            {
                "attachment": {
                    "type": "Image",
                    "url": "https://oakfield.example/i.png",
                    "name": "x" * 2001,
                }
            },
            "2,000",
        ),
    ],
)
def test_a_post_beyond_the_limits_is_refused_aloud(
    tx: Transaction, alice: Actor, note: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(Malformed, match=complaint):
        does(tx, alice, type="Create", object={"type": "Note", **note})


@pytest.mark.parametrize(
    ("activity", "complaint"),
    [
        ({"object": "https://oakfield.example/objects/1"}, "whole object"),
        ({"object": {"type": "Person", "content": "x"}}, "Person cannot be posted"),
        ({"object": {"type": "Tombstone", "content": "x"}}, "Tombstone cannot be posted"),
        ({"object": {"content": "x"}}, "without type"),
    ],
)
def test_only_posts_can_be_posted(
    tx: Transaction, alice: Actor, activity: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(Malformed, match=complaint):
        does(tx, alice, type="Create", **activity)


def test_nobody_puts_words_into_anothers_mouth(tx: Transaction, alice: Actor, head: Actor) -> None:
    with pytest.raises(Malformed, match="attributedTo"):
        says(tx, alice, attributedTo=head.uri)


def test_whoever_is_addressed_is_mentioned_and_whoever_is_not_is_not(
    tx: Transaction, alice: Actor, head: Actor, bob: Actor
) -> None:
    note = says(
        tx,
        alice,
        to=[PUBLIC],
        cc=[bob.uri],
        tag=[
            {"type": "Mention", "href": head.uri, "name": "@head"},
            {"type": "Hashtag", "name": "#labs"},
        ],
    )
    assert note["tag"] == [
        {"type": "Hashtag", "name": "#labs"},
        {"type": "Mention", "href": bob.uri, "name": "@bob@riverside.example"},
    ]


def test_what_a_picture_shows_is_written_where_every_server_looks(
    tx: Transaction, alice: Actor
) -> None:
    url = "https://oakfield.example/media/1.png"
    note = says(
        tx, alice, attachment=[{"type": "Image", "url": url, "name": "A circuit", "width": 640}]
    )
    assert note["attachment"] == [
        {"type": "Image", "url": url, "name": "A circuit", "summary": "A circuit", "width": 640}
    ]


# --- replies -----------------------------------------------------------------------------------


def test_a_reply_is_delivered_to_the_author_without_a_mention(
    tx: Transaction, alice: Actor, bob: Actor
) -> None:
    asked = post(tx, bob)
    note = says(tx, alice, inReplyTo=asked.uri)
    assert note["inReplyTo"] == asked.uri
    assert bob.uri in note["cc"]
    assert inboxes(tx, latest(tx, alice, "Create")) == [bob.shared_inbox]


def test_a_direct_reply_to_nobody_in_particular_goes_to_the_author(
    tx: Transaction, alice: Actor, bob: Actor
) -> None:
    asked = post(tx, bob)
    note = says(tx, alice, inReplyTo=asked.uri, to=[])
    assert note["to"] == [bob.uri]
    assert inboxes(tx, latest(tx, alice, "Create")) == [bob.inbox]


@pytest.mark.parametrize("to", [["https://oakfield.example/users/head"], [MEMBERS]])
def test_what_colleagues_say_among_themselves_about_a_post_does_not_reach_its_author(
    tx: Transaction, alice: Actor, head: Actor, bob: Actor, to: list[str]
) -> None:
    asked = post(tx, bob)
    says(tx, alice, inReplyTo=asked.uri, to=to)
    assert inboxes(tx, latest(tx, alice, "Create")) == []


@pytest.mark.parametrize("kind", ["followers", "direct"])
def test_a_post_that_one_may_not_see_cannot_be_answered_and_looks_like_none(
    tx: Transaction, alice: Actor, bob: Actor, kind: str
) -> None:
    hidden = post(tx, bob, audience=kind)
    complaints = []
    for uri in (hidden.uri, "https://riverside.example/objects/nothing"):
        with pytest.raises(Malformed) as refused:
            says(tx, alice, inReplyTo=uri)
        complaints.append(str(refused.value).replace(uri, "URI"))
    assert complaints[0] == complaints[1]


# --- Update ------------------------------------------------------------------------------------


def test_an_edit_replaces_what_is_given_removes_what_is_null_and_keeps_the_rest(
    tx: Transaction, alice: Actor
) -> None:
    note = says(tx, alice, "Lab 2", name="Rooms", summary="Timetable", sensitive=True)
    tx.now += timedelta(minutes=5)
    uri = does(
        tx,
        alice,
        type="Update",
        object={"id": note["id"], "content": "<p>Lab 3</p>", "summary": None},
    )
    edited = document(tx, alice, uri)["object"]

    assert edited["content"] == "<p>Lab 3</p>"
    assert edited["name"] == "Rooms"
    assert edited["sensitive"] is True
    assert "summary" not in edited
    assert edited["updated"] == "2026-09-01T08:35:00Z"
    for field in ("id", "published", "url", "to", "cc", "attributedTo"):
        assert edited[field] == note[field]
    post = kept(tx, note["id"])
    assert post.content == "<p>Lab 3</p>"
    assert post.summary is None
    assert post.edited_at == tx.now
    assert orjson.loads(post.document)["content"] == "<p>Lab 3</p>"


def test_two_edits_within_a_second_both_count(tx: Transaction, alice: Actor) -> None:
    note = says(tx, alice)
    for room in ("Lab 3", "Lab 4"):
        does(tx, alice, type="Update", object={"id": note["id"], "content": room})
    assert kept(tx, note["id"]).content == "Lab 4"


def test_new_words_do_not_keep_an_old_source(tx: Transaction, alice: Actor) -> None:
    note = says(tx, alice, "Lab 2", source={"content": "Lab 2", "mediaType": "text/plain"})
    does(tx, alice, type="Update", object={"id": note["id"], "content": "Lab 3"})
    assert "source" not in orjson.loads(kept(tx, note["id"]).document)


def test_nobody_edits_anothers_post(tx: Transaction, alice: Actor, head: Actor, bob: Actor) -> None:
    theirs = [says(tx, head)["id"], post(tx, bob).uri, "https://oakfield.example/objects/1"]
    complaints = set()
    for uri in theirs:
        for verb in ("Update", "Delete"):
            with pytest.raises(Refused, match="not a post of yours") as refused:
                does(tx, alice, type=verb, object={"id": uri, "content": "Mine"})
            complaints.add(str(refused.value).replace(uri, "URI"))
    assert len(complaints) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"to": [PUBLIC]},
        {"cc": ["https://riverside.example/users/bob"]},
        {"bcc": ["https://riverside.example/users/bob"]},
        {"attributedTo": "https://oakfield.example/users/head"},
        {"published": "2020-01-01T00:00:00Z"},
        {"inReplyTo": "https://riverside.example/objects/1"},
        {"type": "Article"},
    ],
)
def test_an_edit_cannot_change_who_wrote_a_post_when_or_for_whom(
    tx: Transaction, alice: Actor, head: Actor, bob: Actor, change: dict[str, Any]
) -> None:
    note = says(tx, alice, to=[head.uri])
    with pytest.raises(Malformed, match="an edit cannot change"):
        does(tx, alice, type="Update", object={"id": note["id"], "content": "x", **change})


def test_a_client_may_send_the_whole_post_back(tx: Transaction, alice: Actor) -> None:
    note = says(tx, alice, "Lab 2", name="Rooms")
    does(tx, alice, type="Update", object={**note, "content": "Lab 3"})
    assert kept(tx, note["id"]).content == "Lab 3"


def test_a_profile_is_edited_and_followers_are_told(
    tx: Transaction, alice: Actor, bob: Actor
) -> None:
    follow(tx, bob, alice)
    uri = does(
        tx,
        alice,
        type="Update",
        object={
            "id": alice.uri,
            "name": "Alice Okafor",
            "summary": "<p>Optics<script>x</script></p>",
            "manuallyApprovesFollowers": True,
            "attachment": [
                {"type": "PropertyValue", "name": "Role", "value": "Head of Arts &amp; Science"},
                {"type": "PropertyValue", "name": "Subjects", "value": "Physics, Chemistry"},
            ],
        },
    )
    changed = actors.by_id(tx, alice.id)
    assert changed is not None
    assert (changed.name, changed.summary) == ("Alice Okafor", "<p>Optics</p>")
    assert changed.approves_followers
    said = profile.of(changed)
    assert (said.title, said.subjects) == ("Head of Arts & Science", ("Physics", "Chemistry"))
    sent = document(tx, alice, uri)
    assert sent["object"]["name"] == "Alice Okafor"
    assert sent["object"]["publicKey"]["id"] == f"{alice.uri}#main-key"
    assert inboxes(tx, uri) == [bob.shared_inbox]


@pytest.mark.parametrize(
    "change",
    [
        {"preferredUsername": "head"},
        {"inbox": "https://evil.example/inbox"},
        {"publicKey": {}},
        {"movedTo": "https://evil.example/users/x"},
        {"type": "Application"},
        {"manuallyApprovesFollowers": "no"},
        {"name": "x" * 201},
        {"attachment": [{"type": "PropertyValue", "name": "Boss", "value": "yes"}]},
    ],
)
def test_a_profile_is_not_edited_beyond_what_is_ones_own_to_say(
    tx: Transaction, alice: Actor, change: dict[str, Any]
) -> None:
    with pytest.raises(Malformed):
        does(tx, alice, type="Update", object={"id": alice.uri, **change})


# --- Delete ------------------------------------------------------------------------------------


def test_a_deleted_post_leaves_a_tombstone(tx: Transaction, alice: Actor) -> None:
    note = says(tx, alice, "The key of lab 2 is under the mat")
    uri = does(tx, alice, type="Delete", object=note["id"])
    sent = document(tx, alice, uri)

    assert sent["object"] == {
        "id": note["id"],
        "type": "Tombstone",
        "formerType": "Note",
        "deleted": "2026-09-01T08:30:00Z",
    }
    post = kept(tx, note["id"])
    assert post.deleted_at == tx.now
    assert "mat" not in post.document + post.content
    with pytest.raises(Refused):
        does(tx, alice, type="Delete", object=note["id"])


def test_an_account_is_not_deleted_by_a_program(tx: Transaction, alice: Actor) -> None:
    with pytest.raises(Refused, match="administrator"):
        does(tx, alice, type="Delete", object=alice.uri)


# --- Follow, Accept, Reject --------------------------------------------------------------------


def test_asking_to_follow_is_kept_and_told_to_that_person_alone(
    tx: Transaction, alice: Actor, bob: Actor
) -> None:
    uri = does(tx, alice, type="Follow", object=bob.uri)
    asked = follows.get(tx, alice.id, bob.id)
    assert asked is not None
    assert (asked.state, asked.uri) == ("requested", uri)
    assert inboxes(tx, uri) == [bob.inbox]
    assert document(tx, alice, uri)["object"] == bob.uri


def test_following_a_colleague_is_worked_on_here(
    tx: Transaction, alice: Actor, head: Actor
) -> None:
    uri = does(tx, alice, type="Follow", object={"id": head.uri, "type": "Person"})
    assert told_here(tx, uri) == [0]
    assert inboxes(tx, uri) == []


def test_nobody_follows_themselves_strangers_or_the_gone(
    tx: Transaction, alice: Actor, bob: Actor
) -> None:
    with pytest.raises(Refused, match="yourself"):
        does(tx, alice, type="Follow", object=alice.uri)
    with pytest.raises(Malformed, match="not a person or group that we know"):
        does(tx, alice, type="Follow", object="https://riverside.example/users/unknown")
    moved = colleague(tx, "moved", moved_to="https://hillside.example/users/moved")
    with pytest.raises(Refused, match="moved to https://hillside"):
        does(tx, alice, type="Follow", object=moved.uri)
    actors.bury(tx, bob.id)
    with pytest.raises(Refused, match="deleted"):
        does(tx, alice, type="Follow", object=bob.uri)


def test_a_request_is_accepted_once_by_the_one_who_was_asked(
    tx: Transaction, alice: Actor, head: Actor, bob: Actor
) -> None:
    follow(tx, bob, alice, accepted=False)
    follow(tx, bob, head, accepted=False)
    asked = f"{bob.uri}/follows/{alice.id}"
    for verb in ("Accept", "Reject"):
        with pytest.raises(Refused):
            does(tx, head, type=verb, object=asked)
    with pytest.raises(Refused):
        does(tx, alice, type="Accept", object="https://riverside.example/follows/invented")

    uri = does(tx, alice, type="Accept", object={"id": asked, "type": "Follow"})
    made = follows.get(tx, bob.id, alice.id)
    assert made is not None
    assert made.state == "accepted"
    assert document(tx, alice, uri)["object"] == {
        "id": asked, "type": "Follow", "actor": bob.uri, "object": alice.uri,
    }  # fmt: skip
    assert inboxes(tx, uri) == [bob.inbox]
    with pytest.raises(Refused, match="waits"):
        does(tx, alice, type="Accept", object=asked)


@pytest.mark.parametrize("accepted", [False, True])
def test_a_follower_is_turned_away_before_and_after(
    tx: Transaction, alice: Actor, bob: Actor, accepted: bool
) -> None:
    follow(tx, bob, alice, accepted=accepted)
    uri = does(tx, alice, type="Reject", object=f"{bob.uri}/follows/{alice.id}")
    made = follows.get(tx, bob.id, alice.id)
    assert made is not None
    assert made.state == "rejected"
    assert inboxes(tx, uri) == [bob.inbox]
    with pytest.raises(Refused):
        does(tx, alice, type="Reject", object=f"{bob.uri}/follows/{alice.id}")


# --- Like --------------------------------------------------------------------------------------


def test_a_like_is_kept_once_and_told_to_the_author_alone(
    tx: Transaction, alice: Actor, bob: Actor
) -> None:
    seen = post(tx, bob)
    uri = does(tx, alice, type="Like", object=seen.uri)
    assert likes.count(tx, seen.id) == 1
    assert inboxes(tx, uri) == [bob.inbox]
    with pytest.raises(Refused, match="already"):
        does(tx, alice, type="Like", object=seen.uri)


@pytest.mark.parametrize("verb", ["Like", "Announce"])
@pytest.mark.parametrize("kind", ["followers", "direct"])
def test_what_one_may_not_see_is_neither_liked_nor_passed_on(
    tx: Transaction, alice: Actor, bob: Actor, verb: str, kind: str
) -> None:
    hidden = post(tx, bob, audience=kind)
    complaints = []
    for uri in (hidden.uri, "https://riverside.example/objects/nothing"):
        with pytest.raises(Malformed) as refused:
            does(tx, alice, type=verb, object=uri)
        complaints.append(str(refused.value).replace(uri, "URI"))
    assert complaints[0] == complaints[1]


# --- Announce ----------------------------------------------------------------------------------


def test_a_public_post_is_passed_on_to_followers_and_its_author_is_told(
    tx: Transaction, alice: Actor, bob: Actor
) -> None:
    follow(tx, colleague(tx, "carol", "hillside.example"), alice)
    seen = post(tx, bob)
    uri = does(tx, alice, type="Announce", object=seen.uri)
    sent = document(tx, alice, uri)

    assert sent["object"] == seen.uri
    assert sent["to"] == [PUBLIC]
    assert sent["cc"] == [alice.followers, bob.uri]
    assert inboxes(tx, uri) == ["https://hillside.example/inbox", bob.shared_inbox]
    made = announces.get(tx, alice.id, seen.id)
    assert made is not None
    assert made.audience == "public"
    with pytest.raises(Refused, match="already"):
        does(tx, alice, type="Announce", object=seen.uri)


@pytest.mark.parametrize("kind", ["followers", "direct", "school"])
def test_what_was_for_a_few_is_not_passed_on_by_one_of_them(
    tx: Transaction, alice: Actor, head: Actor, kind: str
) -> None:
    follow(tx, alice, head)
    seen = post(tx, head, audience=kind, to=[alice])
    assert audience.can_see(tx, Viewer(alice.id, local=True), seen.id)
    with pytest.raises(Refused, match="not to be passed on"):
        does(tx, alice, type="Announce", object=seen.uri)


def test_ones_own_post_is_passed_on_to_whom_it_was_for_and_no_further(
    tx: Transaction, alice: Actor
) -> None:
    mine = post(tx, alice, audience="followers")
    with pytest.raises(Refused, match="nobody else"):
        does(tx, alice, type="Announce", object=mine.uri, to=[PUBLIC])
    uri = does(tx, alice, type="Announce", object=mine.uri)
    assert document(tx, alice, uri)["to"] == [alice.followers]


# --- Undo --------------------------------------------------------------------------------------


@pytest.mark.parametrize("by_id", [True, False])
def test_a_follow_a_like_and_an_announce_are_taken_back(
    tx: Transaction, alice: Actor, bob: Actor, by_id: bool
) -> None:
    seen = post(tx, bob)
    for verb, target in (("Follow", bob.uri), ("Like", seen.uri), ("Announce", seen.uri)):
        done = does(tx, alice, type=verb, object=target)
        told = inboxes(tx, done)
        named: Any = done if by_id else {"type": verb, "object": target}
        undo = does(tx, alice, type="Undo", object=named)

        assert document(tx, alice, undo)["object"] == {
            "id": done, "type": verb, "actor": alice.uri, "object": target,
        }  # fmt: skip
        assert inboxes(tx, undo) == told
        with pytest.raises(Refused):
            does(tx, alice, type="Undo", object=named)
    assert follows.get(tx, alice.id, bob.id) is None
    assert likes.get(tx, alice.id, seen.id) is None
    assert announces.get(tx, alice.id, seen.id) is None


@pytest.mark.parametrize("by_id", [True, False])
def test_a_like_is_taken_back_though_its_post_is_not_shown_any_more(
    tx: Transaction, alice: Actor, bob: Actor, by_id: bool
) -> None:
    follow = does(tx, alice, type="Follow", object=bob.uri)
    follows.accept(tx, alice.id, bob.id)
    seen = post(tx, bob, audience="followers")
    like = does(tx, alice, type="Like", object=seen.uri)
    does(tx, alice, type="Undo", object=follow)
    assert not audience.can_see(tx, Viewer(alice.id, local=True), seen.id)

    named: Any = like if by_id else {"type": "Like", "object": seen.uri}
    undo = does(tx, alice, type="Undo", object=named)
    assert inboxes(tx, undo) == [bob.inbox]
    assert likes.get(tx, alice.id, seen.id) is None


@pytest.mark.parametrize("by_id", [True, False])
def test_an_announce_is_taken_back_where_it_went_though_its_author_was_suspended(
    tx: Transaction, alice: Actor, head: Actor, by_id: bool
) -> None:
    carol = colleague(tx, "carol", "hillside.example")
    follow(tx, carol, alice)
    seen = post(tx, head)
    announce = does(tx, alice, type="Announce", object=seen.uri)
    actors.update_local(tx, head.id, state="suspended")
    assert not audience.can_see(tx, Viewer(alice.id, local=True), seen.id)

    named: Any = announce if by_id else {"type": "Announce", "object": seen.uri}
    undo = does(tx, alice, type="Undo", object=named)
    assert inboxes(tx, undo) == [carol.shared_inbox]
    assert announces.get(tx, alice.id, seen.id) is None


def test_nobody_takes_back_what_another_did(
    tx: Transaction, alice: Actor, head: Actor, bob: Actor
) -> None:
    seen = post(tx, bob)
    done = does(tx, head, type="Like", object=seen.uri)
    for named in (done, {"id": done, "type": "Like"}, {"type": "Like", "object": seen.uri}):
        with pytest.raises(Refused):
            does(tx, alice, type="Undo", object=named)
    assert likes.get(tx, head.id, seen.id) is not None

    theirs = does(tx, head, type="Announce", object=seen.uri)
    does(tx, alice, type="Announce", object=seen.uri)
    with pytest.raises(Refused, match="not an activity of yours"):
        does(tx, alice, type="Undo", object=theirs)
    assert announces.get(tx, alice.id, seen.id) is not None


@pytest.mark.parametrize(
    "named", [{"type": "Read", "object": "https://riverside.example/users/bob"}, {}, None, 7]
)
def test_only_what_can_be_undone_is_undone(tx: Transaction, alice: Actor, named: Any) -> None:
    with pytest.raises(Malformed):
        does(tx, alice, type="Undo", object=named)


def test_a_post_is_not_undone(tx: Transaction, alice: Actor) -> None:
    says(tx, alice)
    with pytest.raises(Malformed, match="Create cannot be undone"):
        does(tx, alice, type="Undo", object=latest(tx, alice, "Create"))


@pytest.mark.parametrize("named", [[{}], [7], ["bob"], [["https://riverside.example/users/bob"]]])
def test_who_somebody_was_before_is_named_by_ids(tx: Transaction, alice: Actor, named: Any) -> None:
    with pytest.raises(Malformed, match="alsoKnownAs must hold the ids of accounts"):
        does(tx, alice, type="Update", object={"id": alice.uri, "alsoKnownAs": named})
