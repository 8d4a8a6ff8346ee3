"""Who follows whom, and how far the asking has come."""

from storage import actors, follows
from storage.transaction import Transaction
from tests.storage.people import colleague, follow, person


def test_a_request_waits_until_it_is_granted(tx: Transaction) -> None:
    ada, bob = person(tx, "ada"), colleague(tx, "bob")
    asked = follows.request(tx, bob.id, ada.id, "urn:follow:1")
    assert asked.state == "requested"
    assert [someone for _, someone in follows.requests(tx, ada.id)] == [bob]
    assert follows.count_followers(tx, ada.id) == 0
    assert follows.accept(tx, bob.id, ada.id)
    assert not follows.accept(tx, bob.id, ada.id)
    assert follows.requests(tx, ada.id) == []
    (cursor, someone), *others = follows.followers(tx, ada.id, before=None, limit=20)
    assert (cursor, someone, others) == (asked.id, bob, [])
    assert follows.following(tx, bob.id, before=None, limit=20) == [(asked.id, ada)]
    assert (follows.count_followers(tx, ada.id), follows.count_following(tx, bob.id)) == (1, 1)


def test_asking_again_keeps_what_was_granted_and_takes_the_new_id(tx: Transaction) -> None:
    ada, bob = person(tx, "ada"), colleague(tx, "bob")
    follow(tx, bob, ada)
    again = follows.request(tx, bob.id, ada.id, "urn:follow:2")
    assert (again.state, again.uri) == ("accepted", "urn:follow:2")
    assert follows.by_uri(tx, "urn:follow:2") == again
    assert follows.by_uri(tx, "urn:follow:1") is None


def test_who_was_refused_may_ask_again(tx: Transaction) -> None:
    ada, bob = person(tx, "ada"), colleague(tx, "bob")
    follow(tx, bob, ada, accepted=False)
    assert follows.reject(tx, bob.id, ada.id)
    assert not follows.reject(tx, bob.id, ada.id)
    assert not follows.accept(tx, bob.id, ada.id)
    assert follows.request(tx, bob.id, ada.id, "urn:follow:2").state == "requested"


def test_a_follower_can_be_sent_away(tx: Transaction) -> None:
    ada, bob = person(tx, "ada"), colleague(tx, "bob")
    follow(tx, bob, ada)
    assert follows.reject(tx, bob.id, ada.id)
    assert follows.followers(tx, ada.id, before=None, limit=20) == []


def test_nobody_is_accepted_who_never_asked(tx: Transaction) -> None:
    """A forged Accept moves nothing: there is no request of ours."""
    ada, bob = person(tx, "ada"), colleague(tx, "bob")
    assert not follows.accept(tx, ada.id, bob.id)
    assert follows.get(tx, ada.id, bob.id) is None
    follow(tx, bob, ada, accepted=False)
    assert not follows.accept(tx, ada.id, bob.id)


def test_an_unfollow_ends_it(tx: Transaction) -> None:
    ada, bob = person(tx, "ada"), colleague(tx, "bob")
    follow(tx, ada, bob)
    assert follows.remove(tx, ada.id, bob.id)
    assert not follows.remove(tx, ada.id, bob.id)


def test_followers_come_in_pages_newest_first_each_once(tx: Transaction) -> None:
    ada = person(tx, "ada")
    for number in range(7):
        follow(tx, colleague(tx, f"bob{number}"), ada)
    seen: list[str] = []
    before: int | None = None
    while page := follows.followers(tx, ada.id, before=before, limit=3):
        seen += [someone.username for _, someone in page]
        before = page[-1][0]
    assert seen == [f"bob{number}" for number in reversed(range(7))]


def test_a_page_is_never_longer_than_eighty(tx: Transaction) -> None:
    ada = person(tx, "ada")
    for number in range(82):
        follow(tx, colleague(tx, f"bob{number}"), ada)
    assert len(follows.followers(tx, ada.id, before=None, limit=1000)) == 80
    assert follows.followers(tx, ada.id, before=None, limit=-1) == []


def test_who_is_suspended_is_not_listed(tx: Transaction) -> None:
    ada, ben = person(tx, "ada"), person(tx, "ben")
    follow(tx, ben, ada)
    actors.update_local(tx, ben.id, state="suspended")
    assert follows.followers(tx, ada.id, before=None, limit=20) == []
    assert follows.count_followers(tx, ada.id) == 0
