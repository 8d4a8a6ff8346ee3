"""Whoever moves, or says that somebody moved, in bad faith: a server that lies in its lists, a
project that takes people in who never were in it, accounts that are nobody's. Lee comes to Oakfield
from Village, a server that Oakfield talks to and cannot trust."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import Engine, event

from actors import lists
from outbox import moving, seeing_off
from storage import actors, blocks, follows, memberships, moved_things, moves
from storage.database import Transaction
from storage.moved_things import Thing
from tests.federation.members import Project, found, standing, told
from tests.storage import people
from tests.town import Foreigner, Person, Stranger, Town, TownSchool


@dataclass(frozen=True)
class Road:
    """Lee of Village has an account at Oakfield too, which says so. Hamlet is somebody else's."""

    town: Town
    oakfield: TownSchool
    village: Stranger
    hamlet: Stranger
    lee: Foreigner
    here: Person
    dave: Person

    async def send(self, sender: Foreigner, activity: dict[str, Any]) -> None:
        assert (await sender.send(self.oakfield.shared_inbox, activity)).status == 202
        await self.town.settle()

    async def move(self, target: str = "") -> None:
        self.lee.document["movedTo"] = target or self.here.uri
        await self.send(
            self.lee, self.lee.activity("Move", self.lee.uri, target=target or self.here.uri)
        )

    async def later(self, **by: float) -> None:
        self.town.clock.advance(**by)
        await self.town.settle()

    def lists(self, name: str, *pages: list[str]) -> None:
        """What Village says of whom Lee follows or blocks, page by page, the last leading back."""
        whole = f"{self.lee.uri}/{name}"
        path = whole.removeprefix(self.village.url)
        self.lee.document[name] = whole
        self.village.documents[path] = {
            "id": whole,
            "type": "OrderedCollection",
            "first": f"{whole}/0",
        }
        for number, uris in enumerate(pages):
            self.village.documents[f"{path}/{number}"] = {
                "id": f"{whole}/{number}",
                "type": "OrderedCollectionPage",
                "partOf": whole,
                "orderedItems": uris,
                "next": f"{whole}/{(number + 1) % len(pages)}",
            }

    async def outcomes(self) -> dict[str, Thing]:
        (move,) = await self.oakfield.read(moves.of_actor, self.here.id)
        return {
            one.uri: one for one in await self.oakfield.read(moved_things.things, move.id, limit=80)
        }


@pytest.fixture
async def road(town: Town) -> Road:
    oakfield = await town.school("oakfield")
    village, hamlet = await town.stranger("village"), await town.stranger("hamlet")
    here, dave = await oakfield.staff("lee"), await oakfield.staff("dave")
    lee = village.person("lee")
    await oakfield.write(people.add_alias, here.id, lee.uri)
    return Road(town, oakfield, village, hamlet, lee, here, dave)


def _followed(tx: Transaction, who: Person) -> set[str]:
    return {one.uri for _, one in follows.following(tx, who.id, before=None, limit=80)}


async def test_a_server_that_lies_about_whom_somebody_followed_learns_and_breaks_nothing(
    road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    oakfield, hamlet = road.oakfield, road.hamlet
    monkeypatch.setattr(moving, "MOST_PAGES", 6)
    secret = await found(road.dave, "secret", "private")
    unlisted = await road.town.stranger("unlisted", known=False)
    robot, zoe = hamlet.person("robot"), hamlet.person("zoe")
    robot.document["type"] = "Application"
    hamlet.documents["/notes/1"] = {"id": f"{hamlet.url}/notes/1", "type": "Note"}
    nobody = [f"{hamlet.url}/people/nobody{number:02}" for number in range(12)]
    instance = f"{oakfield.url}/actor"
    road.lists(
        "following",
        [secret.uri, f"{oakfield.url}/projects/nothing", instance, road.here.uri, road.lee.uri],
        [unlisted.person("una").uri, road.dave.uri, f"{hamlet.url}/notes/1", robot.uri],
        [*nobody, zoe.uri],
    )
    road.lists("blocked", [road.dave.uri, instance, secret.uri])
    await road.move()
    for _ in range(3):
        await road.later(seconds=1)

    seen = await road.outcomes()
    # That there is such a project is told by no word.
    for uri in (secret.uri, f"{oakfield.url}/projects/nothing"):
        assert (seen[uri].outcome, seen[uri].reason) == ("refused", moving.NOBODY)
    assert instance not in seen or seen[instance].outcome == "refused"
    assert seen[unlisted.person("una").uri].reason == "unlisted.example is not on our list"
    assert unlisted.fetched == []
    assert await oakfield.read(_followed, road.here) == {road.dave.uri}
    # Whom they follow here they do not block on the word of their old server.
    assert await oakfield.read(blocks.get, road.here.id, road.dave.id) is None
    # Nobody else's server is asked for thousands who never were; who is there is found at last.
    in_vain = [path for path in hamlet.fetched if path.startswith("/people/nobody")]
    assert len(in_vain) <= 6
    assert len(road.village.fetched) < 30
    for _ in range(12):
        await road.later(hours=7)
    assert [one["object"] for one in hamlet.activities("Follow")] == [zoe.uri]
    assert (await road.outcomes())[robot.uri].outcome == "refused"


@contextmanager
def _statements() -> Iterator[list[str]]:
    """What is asked of databases meanwhile."""
    seen: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        seen.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)


async def test_however_many_a_new_server_lists_the_old_school_looks_once(road: Road) -> None:
    def leave(tx: Transaction) -> list[str]:
        old, new = actors.by_id(tx, road.here.id), actors.by_id(tx, road.dave.id)
        assert old is not None
        assert new is not None
        begun, _ = moves.begin(tx, old.id, "out", new.id, due_at=tx.now)
        friend = f"{road.hamlet.url}/people/zoe"
        moved_things.expect(tx, begun.id, "following", [friend])
        listed = [f"{road.hamlet.url}/people/{number}" for number in range(lists.MOST - 1)]
        with _statements() as seen:
            seeing_off._leave(tx, begun.id, (old, new), [*listed, friend], None)
        assert moved_things.totals(tx, begun.id) == {"following": {"moved": 1}}
        return seen

    assert len(await road.oakfield.write(leave)) < 10


# --- projects that take people in -----------------------------------------------------------------


def _club(road: Road) -> Foreigner:
    """A private project of Village."""
    club = road.village.person("club")
    club.document |= {
        "type": "Group",
        "members": f"{club.uri}/members",
        "openness": "invite_only",
    }
    return club


def _relationship(club: Foreigner, person: str, origin: str = "") -> dict[str, Any]:
    said = {
        "type": "Relationship",
        "subject": club.uri,
        "relationship": "hasMember",
        "object": person,
        "instrument": "admin",
    }
    return said | ({"origin": origin} if origin else {})


def _add(road: Road, club: Foreigner, origin: str) -> dict[str, Any]:
    members = club.document["members"]
    return club.activity(
        "Add",
        _relationship(club, road.here.uri, origin),
        target=members,
        to=[members, road.here.uri],
        cc=[],
    )


def _roster(road: Road, club: Foreigner) -> dict[str, Any]:
    people = [road.here.uri, f"{road.hamlet.url}/people/zoe"]
    members = {
        "type": "Collection",
        "id": club.document["members"],
        "totalItems": len(people),
        "items": [_relationship(club, person) for person in people],
    }
    return club.activity("Update", club.document | {"members": members}, to=[road.here.uri], cc=[])


async def test_no_project_takes_somebody_in_because_they_say_who_they_were(road: Road) -> None:
    """Everybody can read whose account somebody had; that they came from there says the Move."""
    oakfield, club = road.oakfield, _club(road)
    project = Project(oakfield, club.uri)
    for origin in (road.lee.uri, f"{road.hamlet.url}/people/zoe", road.dave.uri):
        await road.send(club, _add(road, club, origin))
    await road.send(club, _roster(road, club))
    assert await standing(oakfield, project, road.here.uri) == "nothing"
    assert await told(road.here) == []

    # Then the old account says so as well, and what came too soon has its effect.
    await road.move()
    await road.later(minutes=1)
    assert await standing(oakfield, project, road.here.uri) == "member lead"
    assert await standing(oakfield, project, f"{road.hamlet.url}/people/zoe") == "member lead"

    # Who left is in it no more, whatever the project says of a move.
    await road.here.post({"type": "Leave", "object": club.uri})
    await road.later(minutes=1)
    await road.send(club, _add(road, club, road.lee.uri))
    assert await standing(oakfield, project, road.here.uri) == "nothing"


async def test_whom_somebody_blocks_takes_them_in_no_more_than_one_who_comes_late(
    road: Road,
) -> None:
    oakfield, club = road.oakfield, _club(road)
    project = Project(oakfield, club.uri)
    await road.move()
    await road.here.post({"type": "Block", "object": club.uri})
    await road.send(club, _add(road, club, road.lee.uri))
    assert await standing(oakfield, project, road.here.uri) == "nothing"
    await oakfield.write(blocks.remove, road.here.id, await _id_of(oakfield, club.uri))
    await road.later(days=61)
    await road.send(club, _add(road, club, road.lee.uri))
    assert await standing(oakfield, project, road.here.uri) == "nothing"


async def _id_of(school: TownSchool, uri: str) -> int:
    known = await school.read(actors.by_uri, uri)
    assert known is not None
    return known.id


# --- accounts that are nobody's -------------------------------------------------------------------


async def test_a_role_in_our_project_goes_to_a_person_and_to_nobody_else(road: Road) -> None:
    """Lee edits a private project of Oakfield, and moves to a group, a server, and then a person;
    whoever of Oakfield follows Lee is led to the person alone."""
    oakfield, hamlet = road.oakfield, road.hamlet
    project = await found(road.dave, "trip", "private")
    sent = await road.dave.post({"type": "Follow", "object": road.lee.uri})
    await road.town.settle()
    follow = {"id": sent, "type": "Follow", "actor": road.dave.uri, "object": road.lee.uri}
    await road.send(road.lee, road.lee.activity("Accept", follow))
    old, group = await _id_of(oakfield, road.lee.uri), await _id_of(oakfield, project.uri)
    await oakfield.write(memberships.begin, group, old, "editor", "urn:join")
    for kind in ("Group", "Application", "Organization"):
        target = hamlet.person(kind.lower())
        target.document |= {"type": kind, "alsoKnownAs": [road.lee.uri]}
        await road.move(target.uri)
        assert await standing(oakfield, project, road.lee.uri) == "member editor"
        assert await standing(oakfield, project, target.uri) == "nothing"
        assert await oakfield.read(_followed, road.dave) == {road.lee.uri}

    # What it says and has it deleted at once: the move counts, and the leaver takes nothing along.
    zoe = hamlet.person("zoe")
    zoe.document["alsoKnownAs"] = road.lee.uri
    await road.move(zoe.uri)
    assert await standing(oakfield, project, zoe.uri) == "member editor"
    await road.send(road.lee, road.lee.activity("Delete", road.lee.uri))
    assert await standing(oakfield, project, zoe.uri) == "member editor"
    assert await standing(oakfield, project, road.lee.uri) == "nothing"
    # Round in a circle leads nobody.
    before = await standing(oakfield, project, zoe.uri)
    await road.send(zoe, zoe.activity("Move", zoe.uri, target=road.lee.uri))
    assert await standing(oakfield, project, zoe.uri) == before


async def test_what_the_old_account_asked_or_was_asked_is_asked_of_the_new_one(road: Road) -> None:
    oakfield = road.oakfield
    club, trip = await found(road.dave, "club"), await found(road.dave, "trip", "private")
    join = road.lee.activity("Join", club.uri, to=[club.uri], cc=[])
    await road.send(road.lee, join)
    invite = {"type": "Invite", "object": trip.uri, "target": road.lee.uri, "instrument": "visit"}
    await road.dave.post(invite | {"to": [trip.uri]})
    await road.town.settle()
    await road.move()
    assert await standing(oakfield, club, road.here.uri) == "asked editor"
    assert await standing(oakfield, trip, road.here.uri) == "invited observer"
    for project in (club, trip):
        assert await standing(oakfield, project, road.lee.uri) == "nothing"


async def test_nobody_follows_who_has_gone_and_whoever_tries_hears_it(road: Road) -> None:
    zoe, new = road.hamlet.person("zoe"), road.hamlet.person("dave")
    new.document["alsoKnownAs"] = [road.dave.uri]
    await road.dave.post({"type": "Move", "object": road.dave.uri, "target": new.uri})
    await road.town.settle()
    await zoe.send(f"{road.dave.uri}/inbox", zoe.activity("Follow", road.dave.uri))
    await road.town.settle()
    assert [one["type"] for one in road.hamlet.activities() if "Follow" in str(one["object"])] == [
        "Reject"
    ]
    assert await road.oakfield.read(follows.count_followers, road.dave.id) == 0
