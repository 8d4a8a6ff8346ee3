"""A process dies with work in its hands: whoever starts takes up that, and nothing else."""

from collections.abc import Callable
from datetime import timedelta

from staffroom.serving import take_up
from storage import deliveries, received
from storage.database import Database, Transaction
from storage.deliveries import To
from tests.conftest import OAKFIELD
from tests.storage.people import activity, arriving, colleague, follow, person, post

LEASE = timedelta(minutes=10)
SENDERS = ("https://riverside.example/users/bob", "https://hill.example/users/cy")


def busy_school(tx: Transaction) -> None:
    """Something waits for two schools, and something came from each."""
    ada = person(tx, "ada")
    follow(tx, colleague(tx, "bob"), ada)
    follow(tx, colleague(tx, "cy", host="hill.example"), ada)
    deliveries.enqueue(tx, activity(tx, ada, post(tx, ada)), To(followers_of=ada.id))
    received.add_all(tx, [arriving(number, sender) for number, sender in enumerate(SENDERS)])


def take(tx: Transaction, limit: int = 1) -> set[str]:
    """What a worker gets now."""
    lanes = deliveries.claim(tx, limit=limit, lease=LEASE)
    rows = received.claim(tx, limit=limit, lease=LEASE)
    return {lane.host for lane in lanes} | {row.actor_uri for row in rows}


async def test_what_a_dead_process_had_in_hand_is_free_at_once_and_the_rest_is_not(
    fresh_postgresql: Callable[[], str],
) -> None:
    url = fresh_postgresql()
    lives, dies = await Database.open(url, OAKFIELD), await Database.open(url, OAKFIELD)
    await lives.write(busy_school)
    kept, lost = await lives.write(take), await dies.write(take)
    assert (len(kept), len(lost), kept & lost) == (2, 2, set())
    await dies.close()
    assert await lives.write(take) == set()  # nobody knows yet
    starts = await Database.open(url, OAKFIELD)
    await starts.write(take_up)
    assert await starts.write(take, 10) == lost
    await starts.close()
    # Who is alone after that takes up everything.
    await lives.close()
    opens = await Database.open(url, OAKFIELD)
    await opens.write(take_up)
    assert await opens.write(take, 10) == kept | lost
    await opens.close()


async def test_with_sqlite_whoever_opens_is_alone(fresh_sqlite: Callable[[], str]) -> None:
    url = fresh_sqlite()
    before = await Database.open(url, OAKFIELD)
    await before.write(busy_school)
    lost = await before.write(take, 10)
    await before.close()
    after = await Database.open(url, OAKFIELD)
    assert await after.write(take, 10) == set()
    await after.write(take_up)
    assert await after.write(take, 10) == lost
    await after.close()
