"""Activities as we send them, and who may read them here."""

from storage import actors, deliveries, objects, published
from storage.audience import NOBODY, Viewer
from storage.transaction import Transaction
from tests.storage.people import activity, activity_uri, colleague, follow, person, post


def sees(tx: Transaction, viewer: Viewer, id_: int) -> bool:
    return published.seen_by_uri(tx, viewer, activity_uri(tx, id_)) is not None


def test_an_activity_goes_out_once(tx: Transaction) -> None:
    ada = person(tx, "ada")
    id_ = activity(tx, ada, "urn:post")
    found = published.seen_by_uri(tx, NOBODY, activity_uri(tx, id_))
    assert found is not None
    assert (found.id, found.type, found.object_uri, found.published_at) == (
        id_,
        "Create",
        "urn:post",
        tx.now,
    )
    assert not published.add(
        tx,
        id=tx.new_id(),
        uri=found.uri,
        actor_id=ada.id,
        type="Create",
        object_uri=None,
        audience="public",
        document=b"{}",
    )


def test_an_activity_is_seen_by_who_may_see_its_post(tx: Transaction) -> None:
    ada, ben, bob, cy = (
        person(tx, "ada"),
        person(tx, "ben"),
        colleague(tx, "bob"),
        colleague(tx, "cy"),
    )
    follow(tx, bob, ada)
    viewers = {
        "author": Viewer(ada.id, True),
        "ben": Viewer(ben.id, True),
        "bob": Viewer(bob.id, False),
        "cy": Viewer(cy.id, False),
        "nobody": NOBODY,
    }
    expected = {
        "public": {"author", "ben", "bob", "cy", "nobody"},
        "unlisted": {"author", "ben", "bob", "cy", "nobody"},
        "followers": {"author", "bob", "cy"},
        "school": {"author", "ben"},
        "direct": {"author", "cy"},
    }
    for audience, names in expected.items():
        id_ = activity(tx, ada, post(tx, ada, audience=audience, to=[cy]))
        seen = {name for name, viewer in viewers.items() if sees(tx, viewer, id_)}
        assert seen == names, audience


def test_an_answer_to_a_follow_is_seen_by_whose_inbox_it_came_to(tx: Transaction) -> None:
    ada, bob, cy = person(tx, "ada"), colleague(tx, "bob"), colleague(tx, "cy")
    id_ = activity(tx, ada, "urn:follow", kind="Accept", audience="direct")
    deliveries.enqueue(tx, id_, deliveries.To(named=(bob.id,)))
    assert sees(tx, Viewer(bob.id, False), id_)
    assert sees(tx, Viewer(ada.id, True), id_)
    assert not sees(tx, Viewer(cy.id, False), id_)
    assert not sees(tx, NOBODY, id_)


def test_after_a_post_is_deleted_only_the_delete_is_left(tx: Transaction) -> None:
    ada, bob = person(tx, "ada"), colleague(tx, "bob")
    gone = post(tx, ada, audience="direct", to=[bob])
    create = activity(tx, ada, gone)
    objects.bury(tx, gone.id, {"type": "Tombstone"})
    delete = activity(tx, ada, gone, kind="Delete")
    assert not sees(tx, Viewer(bob.id, False), create)
    assert not sees(tx, Viewer(ada.id, True), create)
    assert sees(tx, Viewer(bob.id, False), delete)
    assert not sees(tx, NOBODY, delete)


def test_an_activity_about_a_hidden_post_does_not_show_it(tx: Transaction) -> None:
    ada, ben = person(tx, "ada"), person(tx, "ben")
    private = post(tx, ada, audience="followers")
    announce = activity(tx, ada, private, kind="Announce", audience="public")
    assert not sees(tx, Viewer(ben.id, True), announce)
    assert sees(tx, Viewer(ada.id, True), announce)


def test_ones_own_activity_is_found_though_its_post_is_hidden_by_now(tx: Transaction) -> None:
    ada, ben, bob = person(tx, "ada"), person(tx, "ben"), colleague(tx, "bob")
    like = activity(tx, ada, post(tx, bob, audience="direct"), kind="Like", audience="direct")
    uri = activity_uri(tx, like)
    assert not sees(tx, Viewer(ada.id, True), like)
    found = published.own(tx, ada.id, uri)
    assert found is not None
    assert (found.id, found.type) == (like, "Like")
    assert published.own(tx, ben.id, uri) is None
    passed_on = activity(tx, ada, post(tx, bob), forwarded=True)
    assert published.own(tx, ada.id, activity_uri(tx, passed_on)) is None


def test_an_outbox_shows_what_was_said_and_passed_on_to_its_viewer(tx: Transaction) -> None:
    ada, bob = person(tx, "ada"), colleague(tx, "bob")
    follow(tx, bob, ada)
    public, private, gone = post(tx, ada), post(tx, ada, audience="followers"), post(tx, ada)
    theirs = post(tx, bob)
    said = activity(tx, ada, public)
    whispered = activity(tx, ada, private)
    activity(tx, ada, gone)
    passed_on = activity(tx, ada, theirs, kind="Announce", audience="public")
    passed_on_to_few = activity(tx, ada, theirs, kind="Announce", audience="followers")
    activity(tx, ada, public, kind="Update")
    activity(tx, ada, public, kind="Like")
    activity(tx, ada, theirs, forwarded=True)
    objects.bury(tx, gone.id, {"type": "Tombstone"})
    outbox = published.outbox(tx, NOBODY, ada.id, before=None, limit=20)
    assert [found.id for found in outbox] == [passed_on, said]
    assert published.count_outbox(tx, NOBODY, ada.id) == 2
    follower = Viewer(bob.id, False)
    outbox = published.outbox(tx, follower, ada.id, before=None, limit=20)
    assert [found.id for found in outbox] == [passed_on_to_few, passed_on, whispered, said]
    assert published.count_outbox(tx, follower, ada.id) == 4
    assert published.outbox(tx, follower, ada.id, before=whispered, limit=20) == outbox[3:]


def test_what_we_pass_on_unchanged_is_not_ours_to_show(tx: Transaction) -> None:
    ada, bob = person(tx, "ada"), colleague(tx, "bob")
    assert published.add(
        tx,
        id=tx.new_id(),
        uri="https://riverside.example/activities/1",
        actor_id=ada.id,
        type="Create",
        object_uri=post(tx, bob).uri,
        audience="public",
        document=b"{}",
        forwarded=True,
    )
    assert published.seen_by_uri(tx, NOBODY, "https://riverside.example/activities/1") is None


def test_nothing_is_seen_of_who_was_suspended(tx: Transaction) -> None:
    ada = person(tx, "ada")
    id_ = activity(tx, ada, post(tx, ada))
    actors.update_local(tx, ada.id, state="suspended")
    assert not sees(tx, NOBODY, id_)
    assert published.outbox(tx, NOBODY, ada.id, before=None, limit=20) == []
    assert published.count_outbox(tx, NOBODY, ada.id) == 0
