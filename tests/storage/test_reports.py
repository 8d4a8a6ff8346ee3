"""What is reported to the administrator: by others, by our people, and about whom."""

from typing import Any

import orjson
import pytest
from sqlalchemy import select

from actors import local
from federation.errors import Malformed, Refused
from federation.vocabulary import PUBLIC
from inbox import concerned
from outbox import forward
from storage import arrivals, blocks, keys, published, reports, tables
from storage.actors import Actor
from storage.audience import Viewer
from storage.objects import Post
from storage.transaction import Transaction
from tests.storage.people import arrived, arriving, colleague, follow, person, post
from tests.storage.teachers import document, does, inboxes, latest, teacher, told_here
from tests.storage.test_inbox_verbs import act, arrive, refused, told


def the_report(tx: Transaction) -> reports.Report:
    (found,) = reports.open_ones(tx)
    return found


# --- from elsewhere ------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [1, -1])
def test_a_report_from_elsewhere_is_kept_and_only_the_administrator_learns_of_it(
    tx: Transaction, alice: Actor, bob: Actor, order: int
) -> None:
    mine, other = post(tx, alice), post(tx, person(tx, "cy"))
    named = [alice.uri, mine.uri, other.uri, "https://riverside.example/notes/1"][::order]
    flag = act(bob, "Flag", named, content="<p>It is <b>spam</b></p>", to=[alice.uri])
    arrive(tx, flag)
    arrive(tx, flag)
    kept = the_report(tx)
    assert (kept.uri, kept.reporter, kept.subject) == (flag.id, bob, alice)
    assert (kept.posts, kept.reason) == ((mine.uri,), "It is spam")
    assert told(tx, alice) == []
    assert reports.close(tx, kept.id)
    assert not reports.close(tx, kept.id)
    assert reports.open_ones(tx) == []
    (closed,) = reports.closed_ones(tx)
    assert (closed.id, closed.closed_at) == (kept.id, tx.now)


@pytest.mark.parametrize("about", ["the post alone", "the person alone", "embedded"])
def test_whom_a_report_is_about_is_found_however_it_is_written(
    tx: Transaction, alice: Actor, bob: Actor, about: str
) -> None:
    mine = post(tx, alice)
    subject: Any = {
        "the post alone": mine.uri,
        "the person alone": alice.uri,
        "embedded": {"id": mine.uri, "type": "Note", "attributedTo": bob.uri},
    }[about]
    arrive(tx, act(bob, "Flag", subject, summary="s" * 5000))
    kept = the_report(tx)
    assert (kept.subject, kept.reason) == (alice, "s" * 2000)
    assert kept.posts == (() if about == "the person alone" else (mine.uri,))


def test_a_report_about_nobody_here_is_refused(tx: Transaction, bob: Actor) -> None:
    nobody: tuple[Any, ...] = (bob.uri, "https://oakfield.example/objects/7", [], None)
    for subject in nobody:
        assert refused(tx, act(bob, "Flag", subject)) == "a report that is about nobody here"
    assert reports.open_ones(tx) == []


def test_a_report_names_at_most_sixty_posts(tx: Transaction, alice: Actor, bob: Actor) -> None:
    uris = [post(tx, alice).uri for _ in range(61)]
    arrive(tx, act(bob, "Flag", [alice.uri, *uris]))
    assert the_report(tx).posts == tuple(uris[:60])


@pytest.mark.parametrize(
    "wrap", ["itself", "taken back", "passed on", "taken back by its id", "the same in an object"]
)
def test_a_report_or_block_lies_in_nobody_s_inbox_however_it_is_addressed(
    tx: Transaction, alice: Actor, bob: Actor, wrap: str
) -> None:
    from_bob = [act(bob, "Flag", alice.uri), act(bob, "Block", alice.uri)]
    for inner in from_bob:
        received_id = arrived(tx, arriving(inner.id, bob.uri, kind=inner.type))
        came = tables.received.c.id == received_id
        tx.execute(tables.received.update().where(came).values(uri=inner.id))
        outer = {
            "itself": inner,
            "taken back": act(bob, "Undo", inner.json, to=[alice.uri]),
            "passed on": act(bob, "Announce", inner.json, to=[alice.uri]),
            "taken back by its id": act(bob, "Undo", inner.id, to=[alice.uri]),
            "the same in an object": act(bob, "Undo", {"id": inner.id}, to=[alice.uri]),
        }[wrap]
        concerned.note_arrival(tx, outer, received_id)
    assert arrivals.count(tx, alice.id) == 0


def test_neither_a_report_nor_who_is_blocked_is_passed_on_to_followers(
    tx: Transaction, alice: Actor, bob: Actor
) -> None:
    follow(tx, colleague(tx, "cy", "hillside.example"), alice)
    mine = post(tx, alice)
    key = f"{bob.uri}#main-key"
    keys.replace_remote(tx, bob.id, [(key, "rsa", b"public")])
    proof = {"type": "RsaSignature2017", "creator": key, "signatureValue": "v"}

    def passed_on(kind: str, subject: Any) -> int:
        spread = act(bob, kind, subject, cc=[alice.followers], signature=proof)
        return forward.forward(tx, spread, orjson.dumps(spread.json))

    assert passed_on("Like", mine.uri) == 1
    assert passed_on("Flag", mine.uri) == 0
    assert passed_on("Undo", {"type": "Flag", "object": mine.uri}) == 0
    blocks.add(tx, uri="https://oakfield.example/b", actor_id=alice.id, target_id=bob.id)
    assert passed_on("Like", mine.uri) == 0


@pytest.mark.parametrize("whose", ["bob", "eve"])
def test_a_report_is_withdrawn_by_who_made_it(
    tx: Transaction, alice: Actor, bob: Actor, whose: str
) -> None:
    flag = act(bob, "Flag", alice.uri)
    arrive(tx, flag)
    if whose == "bob":
        arrive(tx, act(bob, "Undo", flag.json))
        assert reports.open_ones(tx) == []
    else:
        assert "another" in refused(tx, act(colleague(tx, "eve"), "Undo", flag.id))
        assert the_report(tx).reporter == bob


# --- by our people -------------------------------------------------------------------------------


def school_actor(tx: Transaction) -> Actor:
    """The actor that signs for the school, with keys."""
    uri = local.instance_uri(tx.school)
    made = teacher(tx, "oakfield.example")
    tx.execute(
        tables.actors.update()
        .where(tables.actors.c.id == made.id)
        .values(uri=uri, type="Application", followers=None, inbox=f"{uri}/inbox")
    )
    return local.ours(tx, uri)


def test_a_report_about_somebody_elsewhere_goes_there_in_the_name_of_the_school(
    tx: Transaction, alice: Actor, bob: Actor
) -> None:
    school = school_actor(tx)
    theirs = post(tx, bob)
    done = does(tx, alice, type="Flag", object=[bob.uri, theirs.uri], content="Unkind words")
    kept = the_report(tx)
    assert (kept.uri, kept.reporter, kept.subject) == (done, alice, bob)
    assert (kept.posts, kept.reason) == ((theirs.uri,), "Unkind words")
    assert not inboxes(tx, done)
    assert not told_here(tx, done)
    sent = latest(tx, school, "Flag")
    assert inboxes(tx, sent) == [bob.inbox]
    said = document(tx, school, sent)
    assert said["actor"] == school.uri
    assert (said["object"], said["content"]) == ([bob.uri, theirs.uri], "Unkind words")
    assert not {"to", "cc", "bto", "bcc"} & said.keys()
    assert alice.uri not in orjson.dumps(said).decode()
    # Nobody but the reporter sees the report that names them.
    assert published.seen_by_uri(tx, Viewer(alice.id, local=True), done) is not None
    assert published.seen_by_uri(tx, Viewer(bob.id, local=False), done) is None


def test_a_report_about_a_colleague_or_not_to_be_forwarded_stays_here(
    tx: Transaction, alice: Actor, bob: Actor
) -> None:
    school, head = school_actor(tx), teacher(tx, "head")
    does(tx, alice, type="Flag", object=post(tx, head, audience="school").uri)
    does(tx, alice, type="Flag", object=bob.uri, forward=False)
    assert [one.subject for one in reports.open_ones(tx)] == [bob, head]
    assert told(tx, head) == []
    assert tx.execute(select(tables.deliveries.c.id)).first() is None
    assert published.outbox(tx, Viewer(school.id, True), school.id, before=None, limit=9) == []


def test_one_often_blocks_first_and_reports_then(tx: Transaction, alice: Actor, bob: Actor) -> None:
    school_actor(tx)
    letter = post(tx, bob, audience="direct", to=[alice])
    blocks.add(tx, uri="https://oakfield.example/b", actor_id=alice.id, target_id=bob.id)
    does(tx, alice, type="Flag", object=[letter.uri])
    assert the_report(tx).posts == (letter.uri,)


def test_nobody_reports_what_they_could_not_see_or_several_people_at_once(
    tx: Transaction, alice: Actor, bob: Actor
) -> None:
    cy = colleague(tx, "cy")
    secret: Post = post(tx, bob, audience="direct", to=[cy])
    missing = "https://riverside.example/notes/none"
    words = set()
    for uri in (secret.uri, missing):
        with pytest.raises(Malformed) as error:
            does(tx, alice, type="Flag", object=[bob.uri, uri])
        words.add(str(error.value).replace(uri, "…"))
    assert len(words) == 1
    for subject, wrong in (
        ([bob.uri, cy.uri], Malformed),
        ([], Malformed),
        (alice.uri, Refused),
        ([bob.uri, post(tx, alice).uri], Malformed),
    ):
        with pytest.raises(wrong):
            does(tx, alice, type="Flag", object=subject, to=[PUBLIC])
    with pytest.raises(Malformed, match="2,000"):
        does(tx, alice, type="Flag", object=bob.uri, content="w" * 2001)
    assert reports.open_ones(tx) == []


def test_our_own_report_is_withdrawn(tx: Transaction, alice: Actor, bob: Actor) -> None:
    done = does(tx, alice, type="Flag", object=bob.uri, forward=False)
    back = does(tx, alice, type="Undo", object=done)
    assert not inboxes(tx, back)
    assert not told_here(tx, back)
    assert reports.open_ones(tx) == []
    with pytest.raises(Refused):
        does(tx, alice, type="Undo", object=done)
