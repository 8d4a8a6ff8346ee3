"""What a machine next door may learn of a school, and nobody else."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import text

from storage import received
from storage.database import Transaction
from storage.received import Incoming
from tests.town.place import Town
from tests.town.school import TownSchool

NEXT_DOOR = {"Host": "127.0.0.1:8000"}
FIGURE = re.compile(r"^([a-z_]+)(\{[^}]*\})? (\S+)$", re.MULTILINE)


async def figures(school: TownSchool) -> dict[str, float]:
    """Every figure of the page, by its name and labels."""
    reply = await school.request("GET", f"{school.url}/metrics", headers=NEXT_DOOR)
    assert reply.status == 200
    assert reply.headers["Content-Type"].startswith("text/plain; version=")
    return {name + labels: float(value) for name, labels, value in FIGURE.findall(reply.text)}


@pytest.mark.parametrize(
    "headers",
    [
        {},  # by the name that the world knows
        NEXT_DOOR | {"X-Forwarded-For": "127.0.0.1"},
        NEXT_DOOR | {"Forwarded": "for=127.0.0.1"},
        NEXT_DOOR | {"X-Real-IP": "127.0.0.1"},
        NEXT_DOOR | {"Via": "1.1 proxy"},
        NEXT_DOOR | {"X-Forwarded-For": ""},
        NEXT_DOOR | {"X-Forwarded-Proto": "https"},
        {"Host": "oakfield.example:443"},  # a proxy hands on what it was asked for
        {"Host": "OAKFIELD.example.:8443"},
    ],
)
async def test_whoever_comes_by_a_proxy_finds_no_figures(
    town: Town, headers: dict[str, str]
) -> None:
    oakfield = await town.school("oakfield")
    reply = await oakfield.request("GET", f"{oakfield.url}/metrics", headers=headers)
    nowhere = await oakfield.request("GET", f"{oakfield.url}/nowhere", headers=headers)
    assert reply.status == 404
    assert "Host" in headers or reply.text == nowhere.text


async def test_what_came_and_went_and_waits_is_counted(town: Town) -> None:
    oakfield, riverside = await town.school("oakfield"), await town.school("riverside")
    alice, bob = await oakfield.staff("alice"), await riverside.staff("bob")
    await bob.post({"type": "Follow", "object": alice.uri})
    await town.settle()
    await riverside.go_silent()
    await alice.say("The minutes are up.")
    await town.settle()
    found = await figures(oakfield)
    assert found['staffroom_intake_total{verdict="taken"}'] == 1
    assert found['staffroom_deliveries_total{outcome="done"}'] == 1
    assert found['staffroom_deliveries_total{outcome="failed"}'] == 1
    assert found['staffroom_effects_total{outcome="done"}'] >= 1
    assert found['staffroom_queue_rows{queue="outbox",state="waiting"}'] == 1
    assert found['staffroom_queue_rows{queue="inbox",state="new"}'] == 0
    assert found['staffroom_peers{state="failing"}'] == 1
    assert found[f'staffroom_peer_up{{peer="{riverside.host}"}}'] == 0
    assert found[f'staffroom_peer_waiting_rows{{peer="{riverside.host}"}}'] == 1
    town.clock.advance(hours=2)
    found = await figures(oakfield)
    assert found['staffroom_queue_oldest_seconds{queue="outbox",state="waiting"}'] >= 7200


async def test_what_is_refused_at_the_door_is_counted_by_the_reason(town: Town) -> None:
    oakfield = await town.school("oakfield")
    activity = {"Content-Type": "application/activity+json"}
    await oakfield.request("POST", oakfield.shared_inbox, headers=activity, body=b"{")
    await oakfield.request("POST", oakfield.shared_inbox, headers={}, body=b"{}")
    found = await figures(oakfield)
    assert found['staffroom_intake_total{verdict="malformed"}'] == 1
    assert found['staffroom_intake_total{verdict="415"}'] == 1
    assert found['staffroom_responses_total{status="400"}'] == 1


async def test_what_waits_for_a_person_is_seen_until_somebody_looked(town: Town) -> None:
    oakfield = await town.school("oakfield")
    row = Incoming("https://x.example/1", "https://x.example/bob", 0, "Note", b"{}")
    await oakfield.write(received.add_all, [row])
    (taken,) = await oakfield.write(received.claim, limit=1, lease=timedelta(minutes=1))
    await oakfield.write(received.aside, taken.id, "it broke us")
    found = await figures(oakfield)
    assert found['staffroom_queue_rows{queue="inbox",state="aside"}'] == 1


async def test_no_figure_names_a_person_or_says_what_they_wrote(town: Town) -> None:
    oakfield, riverside = await town.school("oakfield"), await town.school("riverside")
    alice, bob = await oakfield.staff("alice"), await riverside.staff("bob")
    await bob.post({"type": "Follow", "object": alice.uri})
    await town.settle()
    await alice.say("Nobody outside is to read this.")
    await town.settle()
    page = (await oakfield.request("GET", f"{oakfield.url}/metrics", headers=NEXT_DOOR)).text
    for private in ("alice", "bob", "Nobody", "/users/", "objects"):
        assert private not in page


async def test_a_school_is_well_while_it_can_write_and_not_when_it_cannot(town: Town) -> None:
    oakfield = await town.school("oakfield")
    assert (await oakfield.get("/healthz")).status == 200
    await oakfield.write(_from_now_on_only_reads)
    assert (await oakfield.get("/healthz")).status == 200  # it was a moment ago
    town.clock.advance(seconds=6)
    reply = await oakfield.get("/healthz")
    assert (reply.status, "Retry-After" in reply.headers) == (503, True)


def _from_now_on_only_reads(tx: Transaction) -> None:
    tx.execute(text("PRAGMA query_only = ON"))
