"""Other servers: whether we talk to them, and when we last heard from them."""

from datetime import timedelta
from typing import Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, update

from storage import deliveries, peers, tables
from storage.peers import Door, Policy
from storage.transaction import Transaction
from tests.storage.people import colleague, follow, later, person, post, send

RIVERSIDE = "riverside.example"


def waiting_lane(tx: Transaction) -> None:
    """One post waits for Riverside."""
    ada, bob = person(tx, "ada"), colleague(tx, "bob")
    follow(tx, bob, ada)
    send(tx, ada, post(tx, ada), deliveries.To(followers_of=ada.id))


def test_a_host_is_one_peer_however_often_it_is_met(tx: Transaction) -> None:
    first = peers.ensure(tx, RIVERSIDE)
    assert peers.ensure(tx, RIVERSIDE) == first
    assert first.policy == "unlisted"
    assert peers.by_host(tx, "hill.example") is None


def test_a_school_is_allowed_by_its_exact_host(tx: Transaction) -> None:
    peers.set_policy(tx, "example.org", "allowed")
    assert peers.policy(tx, "example.org") == "allowed"
    for other in ("example.org:8443", "sub.example.org", "org", "badexample.org", "nobody.example"):
        assert peers.policy(tx, other) == "unlisted", other


def test_a_block_of_a_name_covers_what_is_below_it_and_every_port(tx: Transaction) -> None:
    peers.set_policy(tx, "sub.example.org", "allowed")
    peers.set_policy(tx, "example.org:8443", "allowed")
    peers.set_policy(tx, "example.org", "blocked")
    for covered in (
        "example.org",
        "example.org:8443",
        "sub.example.org",
        "a.b.example.org",
        "sub.example.org:8443",
    ):
        assert peers.policy(tx, covered) == "blocked", covered
    for free in ("org", "badexample.org", "example.org.evil.example", "example.net"):
        assert peers.policy(tx, free) == "unlisted", free


def test_a_block_of_one_port_leaves_the_others(tx: Transaction) -> None:
    peers.set_policy(tx, "example.org:8443", "blocked")
    assert peers.policy(tx, "example.org:8443") == "blocked"
    assert peers.policy(tx, "example.org") == "unlisted"
    assert peers.policy(tx, "example.org:844") == "unlisted"


def test_many_hosts_are_decided_in_one_go(tx: Transaction) -> None:
    peers.set_policy(tx, "example.org", "blocked")
    peers.set_policy(tx, RIVERSIDE, "allowed")
    assert peers.policies(tx, ["a.example.org", RIVERSIDE, "hill.example"]) == {
        "a.example.org": "blocked",
        RIVERSIDE: "allowed",
        "hill.example": "unlisted",
    }
    assert peers.policies(tx, []) == {}


LABEL = st.sampled_from(["a", "b", "example", "org"])
HOST = st.tuples(
    st.lists(LABEL, min_size=1, max_size=4), st.sampled_from(["", ":443", ":8443"])
).map(lambda parts: ".".join(parts[0]) + parts[1])


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
)
@given(
    steps=st.lists(
        st.tuples(HOST, st.sampled_from(["blocked", "blocked", "unlisted", "allowed", "met"])),
        max_size=8,
    )
)
def test_in_whatever_order_hosts_are_met_and_blocked_the_blocks_cover_the_same(
    tx: Transaction, steps: list[tuple[str, Policy | Literal["met"]]]
) -> None:
    tx.execute(delete(tables.peers))
    decided: dict[str, str] = {}
    for host, step in steps:
        if step == "met":
            peers.ensure(tx, host)
        else:
            peers.set_policy(tx, host, step)
            decided[host] = step
    blocks = [host.partition(":") for host, decision in decided.items() if decision == "blocked"]
    for host in {host for host, _ in steps}:
        name, _, port = host.partition(":")
        covered = any(
            f".{name}".endswith(f".{block_name}") and block_port in ("", port)
            for block_name, _, block_port in blocks
        )
        peer = peers.by_host(tx, host)
        assert peer is not None
        assert peer.blocked is covered, (host, blocks)
        assert (peers.policy(tx, host) == "blocked") is covered, (host, blocks)


def test_a_sign_of_life_starts_the_lane_at_once(tx: Transaction) -> None:
    waiting_lane(tx)
    lane = deliveries.claim(tx, limit=1, lease=timedelta(minutes=1))[0]
    deliveries.release(
        tx, lane.peer_id, outcome="failure", due_at=tx.now + timedelta(hours=6), error="refused"
    )
    later(tx, hours=1)
    assert deliveries.claim(tx, limit=1, lease=timedelta(minutes=1)) == []
    peers.heard(tx, RIVERSIDE)
    assert "deliveries" in tx.topics
    (lane,) = deliveries.claim(tx, limit=1, lease=timedelta(minutes=1))
    assert lane.failures == 0


def test_a_chatty_school_that_fails_is_tried_three_times_a_minute(tx: Transaction) -> None:
    waiting_lane(tx)
    start = tx.now
    for second in range(60):
        tx.now = start + timedelta(seconds=second)
        peers.heard(tx, RIVERSIDE)
        for lane in deliveries.claim(tx, limit=1, lease=timedelta(minutes=1)):
            assert second in (0, 20, 40)
            deliveries.release(
                tx, lane.peer_id, outcome="failure", due_at=tx.now + timedelta(hours=6), error="503"
            )


def test_hearing_twice_in_a_moment_writes_once(tx: Transaction) -> None:
    peers.heard(tx, RIVERSIDE)
    first = peers.by_host(tx, RIVERSIDE)
    later(tx, seconds=19)
    peers.heard(tx, RIVERSIDE)
    assert peers.by_host(tx, RIVERSIDE) == first
    later(tx, seconds=1)
    peers.heard(tx, RIVERSIDE)
    again = peers.by_host(tx, RIVERSIDE)
    assert again is not None
    assert again.heard_at == tx.now
    assert again.due_at is None  # nothing waits


def test_a_sign_of_life_does_not_end_a_pause_but_an_administrator_does(tx: Transaction) -> None:
    waiting_lane(tx)
    lane = deliveries.claim(tx, limit=1, lease=timedelta(minutes=1))[0]
    deliveries.release(tx, lane.peer_id, outcome="paused", error="403 to both forms")
    later(tx, hours=1)
    peers.heard(tx, RIVERSIDE)
    assert deliveries.claim(tx, limit=1, lease=timedelta(minutes=1)) == []
    assert deliveries.waiting(tx) == 1
    paused = peers.by_host(tx, RIVERSIDE)
    assert paused is not None
    assert paused.paused == "403 to both forms"
    peers.set_policy(tx, RIVERSIDE, "allowed")
    assert len(deliveries.claim(tx, limit=1, lease=timedelta(minutes=1))) == 1


def test_the_list_shows_what_waits_and_since_when(tx: Transaction) -> None:
    since = tx.now
    waiting_lane(tx)
    peers.ensure(tx, "hill.example")
    later(tx, hours=1)
    lines = {line.peer.host: (line.waiting, line.oldest) for line in peers.listing(tx)}
    assert lines == {"hill.example": (0, None), RIVERSIDE: (1, since)}


def test_a_starting_school_knocks_at_an_actor_of_each_living_peer(tx: Transaction) -> None:
    colleague(tx, "bob")
    colleague(tx, "relay", type="Application", uri=f"https://{RIVERSIDE}/actor")
    colleague(tx, "cy", host="hill.example")
    colleague(tx, "dee", host="blocked.example")
    peers.ensure(tx, "nobody-known.example")
    for host in (RIVERSIDE, "hill.example", "blocked.example", "nobody-known.example"):
        peers.heard(tx, host)
    peers.set_policy(tx, "blocked.example", "blocked")
    colleague(tx, "eve", host="silent.example")
    since = tx.now - timedelta(days=60)
    assert peers.knockable(tx, since) == [
        Door(RIVERSIDE, f"https://{RIVERSIDE}/actor"),
        Door("hill.example", "https://hill.example/users/cy"),
    ]
    assert peers.knockable(tx, tx.now + timedelta(seconds=1)) == []


@pytest.mark.parametrize("field", ["heard_at", "succeeded_at"])
def test_a_peer_lives_by_what_it_sent_or_took(tx: Transaction, field: str) -> None:
    colleague(tx, "bob")
    tx.execute(update(tables.peers).values({field: tx.now}))
    assert [door.host for door in peers.knockable(tx, tx.now)] == [RIVERSIDE]
