"""Somebody changes school: whoever follows them, whom they follow, whom they keep apart from and
the projects they are in come along, once, whatever happens on the way."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, cast

import orjson
import pytest
from sqlalchemy import func, select

from actors import local, projects, remote
from actors.server import Server
from federation.signatures import Signer
from inbox import worker
from outbox import deliver, moving
from staffroom import move_commands, serving
from storage import actors, blocks, follows, memberships, moved_things, moves, tables
from storage.database import Database, Transaction, Unavailable
from tests.town import Foreigner, Person, Town, TownSchool

Totals = dict[str, dict[str, int]]


@dataclass(frozen=True)
class Street:
    """Bob is of Riverside, and goes to Oakfield; Carol is of Hillcrest."""

    town: Town
    oakfield: TownSchool
    riverside: TownSchool
    hillcrest: TownSchool
    bob: Person
    new: Person
    carol: Person
    dave: Person

    @property
    def schools(self) -> tuple[TownSchool, ...]:
        return (self.oakfield, self.riverside, self.hillcrest)

    async def later(self, **by: float) -> None:
        self.town.clock.advance(**by)
        await self.town.settle()

    async def move(self) -> str:
        return await self.bob.post({"type": "Move", "object": self.bob.uri, "target": self.new.uri})

    async def say_so(self) -> None:
        """The new account names the old one, as a program or a page does it."""
        said = {"id": self.new.uri, "alsoKnownAs": [self.bob.uri]}
        await self.new.post({"type": "Update", "object": said})
        await self.town.settle()


@pytest.fixture
async def street(town: Town) -> Street:
    oakfield, riverside = await town.school("oakfield"), await town.school("riverside")
    hillcrest = await town.school("hillcrest")
    bob, new = await riverside.staff("bob"), await oakfield.staff("bob")
    carol, dave = await hillcrest.staff("carol"), await oakfield.staff("dave")
    await carol.post({"type": "Follow", "object": bob.uri})
    await bob.post({"type": "Follow", "object": dave.uri})
    await town.settle()
    return Street(town, oakfield, riverside, hillcrest, bob, new, carol, dave)


def _followed(tx: Transaction, who: Person) -> set[str]:
    return {one.uri for _, one in follows.following(tx, who.id, before=None, limit=80)}


def _followers(tx: Transaction, who: Person) -> set[str]:
    return {one.uri for _, one in follows.followers(tx, who.id, before=None, limit=80)}


def _totals(tx: Transaction, who: Person, direction: str) -> Totals:
    return next(
        moved_things.totals(tx, one.id)
        for one in moves.of_actor(tx, who.id)
        if one.direction == direction
    )


def _sent(tx: Transaction) -> tuple[int, int]:
    """How much a school has ever sent, and to how many inboxes."""
    published = tx.execute(select(func.count()).select_from(tables.published)).scalar_one()
    return published, tx.execute(select(func.count()).select_from(tables.deliveries)).scalar_one()


def _published(tx: Transaction, who: Person, kind: str) -> list[str]:
    """What activities of that type of one of ours were about."""
    rows = select(tables.published.c.object_uri).where(
        tables.published.c.actor_id == who.id, tables.published.c.type == kind
    )
    return [str(uri) for uri in tx.execute(rows).scalars()]


def _documents(tx: Transaction, who: Person, kind: str) -> list[dict[str, Any]]:
    """Activities of that type as they were sent."""
    rows = select(tables.published.c.document).where(
        tables.published.c.actor_id == who.id, tables.published.c.type == kind
    )
    return [orjson.loads(document) for document in tx.execute(rows).scalars()]


def _refusals(tx: Transaction, sender: Foreigner) -> list[str]:
    """What was said to what somebody sent, the latest last."""
    rows = (
        select(tables.received.c.reason)
        .where(tables.received.c.actor_uri == sender.uri)
        .order_by(tables.received.c.id)
    )
    return [reason or "" for reason in tx.execute(rows).scalars()]


async def _id_of(school: TownSchool, uri: str) -> int:
    found = await school.read(actors.by_uri, uri)
    assert found is not None
    return found.id


async def _everything(street: Street) -> list[tuple[int, int]]:
    return [await school.read(_sent) for school in street.schools]


async def _project(street: Street) -> str:
    """A private project of Carol's, into which Bob is asked as an editor, and comes."""

    def found(tx: Transaction) -> str:
        owner = actors.by_id(tx, street.carol.id)
        assert owner is not None
        return projects.create(
            tx, slug="transition", name="Transition", owner=owner, openness="private"
        ).uri

    uri = await street.hillcrest.write(found)
    invite = {"type": "Invite", "object": uri, "target": street.bob.uri, "instrument": "write"}
    await street.carol.post(invite | {"to": [uri]})
    await street.town.settle()
    (known,) = await street.riverside.read(memberships.of_actor, street.bob.id)
    await street.bob.post({"type": "Accept", "object": known.uri, "to": [uri]})
    await street.town.settle()
    return uri


async def test_a_member_of_staff_moves_school_and_keeps_everybody(street: Street) -> None:
    """Followers at the old, the new and a third school, followed people likewise, a project, and
    those who are kept apart: all are counted before and after, and a second run does nothing."""
    oakfield, riverside, hillcrest = street.schools
    bob, new, carol, dave = street.bob, street.new, street.carol, street.dave
    erin, hugo = await riverside.staff("erin"), await hillcrest.staff("hugo")
    mallory = await hillcrest.staff("mallory")
    await erin.post({"type": "Follow", "object": bob.uri})
    await dave.post({"type": "Follow", "object": bob.uri})
    await bob.post({"type": "Follow", "object": erin.uri})
    await hugo.post({"type": "Block", "object": bob.uri})
    await bob.post({"type": "Block", "object": mallory.uri})
    await street.town.settle()
    project = await _project(street)
    followers = await riverside.read(_followers, bob)
    followed = await riverside.read(_followed, bob)
    assert followers == {carol.uri, erin.uri, dave.uri}
    assert followed == {dave.uri, erin.uri}

    await street.say_so()
    sent = await street.move()
    await street.town.settle()
    assert await oakfield.read(_followers, new) == followers
    assert await oakfield.read(_followed, new) == followed
    (told,) = await riverside.read(_documents, bob, "Move")
    assert (told["to"], told["cc"]) == ([f"{bob.uri}/followers"], [new.uri])
    assert "projects" not in str(told)  # what he is in is nobody else's business
    for person in (carol, dave, erin):
        assert await person.school.read(_followed, person) == {new.uri}
    await street.later(seconds=6)
    assert await riverside.read(_followers, bob) == await riverside.read(_followed, bob) == set()
    assert await oakfield.read(_followers, dave) == {new.uri}

    group = await _id_of(hillcrest, project)
    there, gone = await _id_of(hillcrest, new.uri), await _id_of(hillcrest, bob.uri)
    assert await hillcrest.read(memberships.role, group, there) == "editor"
    assert await hillcrest.read(memberships.role, group, gone) is None
    # Who wanted nothing to do with him does so still, and so does he.
    assert await hillcrest.read(blocks.get, hugo.id, there) is not None
    assert await hillcrest.read(blocks.get, hugo.id, gone) is not None
    apart = await _id_of(oakfield, mallory.uri)
    assert await oakfield.read(blocks.get, new.id, apart) is not None

    left, come = await riverside.read(_totals, bob, "out"), await oakfield.read(_totals, new, "in")
    assert left == {
        "follower": {"moved": 3},
        "following": {"moved": 2},
        "project": {"moved": 1},
    }
    assert come == {"following": {"moved": 2}, "block": {"moved": 1}}
    for person in (bob, new):
        (one,) = await person.school.read(moves.of_actor, person.id)
        assert one.ended_at is not None

    before = await _everything(street)
    assert await street.move() == sent
    await street.later(days=1)
    assert await _everything(street) == before
    note = {"type": "Note", "content": "Still here?", "to": [f"{bob.uri}/followers"]}
    await bob.post(note, expect=403)


async def test_what_cannot_come_along_now_is_asked_again_and_each_has_its_outcome(
    street: Street,
) -> None:
    oakfield, riverside, _ = street.schools
    bob, new = street.bob, street.new
    village, hamlet = await street.town.stranger("village"), await street.town.stranger("hamlet")
    zoe, gone, nosy = village.person("zoe"), village.person("gone"), hamlet.person("nosy")
    gina = await oakfield.staff("gina")
    for friend in (zoe, gone, nosy):
        asked = await bob.post({"type": "Follow", "object": friend.uri})
        await street.town.settle()
        follow = {"id": asked, "type": "Follow", "actor": bob.uri, "object": friend.uri}
        await friend.send(f"{bob.uri}/inbox", friend.activity("Accept", follow))
    await bob.post({"type": "Follow", "object": gina.uri})
    await street.town.settle()
    assert len(await riverside.read(_followed, bob)) == 5
    await gina.post(
        {"type": "Update", "object": {"id": gina.uri, "manuallyApprovesFollowers": True}}
    )
    fan = hamlet.person("fan")
    await fan.send(f"{bob.uri}/inbox", fan.activity("Follow", bob.uri))
    await street.town.settle()

    village.documents[gone.uri.removeprefix(village.url)] = 410
    await hamlet.shut()
    await street.say_so()
    await street.move()
    await street.town.settle()
    come = await oakfield.read(_totals, new, "in")
    # Zoe and Gina have to say yes; of the one who is gone nobody hears; Nosy's server is away.
    assert come == {"following": {"moved": 1, "asked": 2, "refused": 1, "unreachable": 1}}
    await street.later(seconds=5)
    left = await riverside.read(_totals, bob, "out")
    assert left["follower"] == {"moved": 1, "unreachable": 1}
    (move,) = await oakfield.read(moves.of_actor, new.id)
    told = await oakfield.read(move_commands._told, move, False)
    reasons = {thing["id"]: (thing["outcome"], thing["reason"]) for thing in told["things"]}
    assert reasons[gone.uri] == ("refused", "there is no such account any more")
    assert reasons[nosy.uri][0] == "unreachable"
    assert reasons[nosy.uri][1].startswith("hamlet.example: ")
    assert reasons[gina.uri] == ("asked", None)
    lines = "\n".join(move_commands._lines(told))
    assert "followed              0            2            1            1            1" in lines
    assert f"refused\tfollowing\t{gone.uri}\tthere is no such account any more" in lines

    # The pauses grow: a server that is away for a day is not asked more than a few times.
    tried = await _tries(oakfield, move.id, nosy.uri)
    for _ in range(24):
        await street.later(hours=1)
    assert 8 < await _tries(oakfield, move.id, nosy.uri) - tried < 20
    await hamlet.open()
    for _ in range(2):
        await street.later(hours=8)
    assert [one["object"] for one in hamlet.activities("Follow") if one["actor"] == new.uri] == [
        nosy.uri
    ]
    assert (await oakfield.read(_totals, new, "in"))["following"]["asked"] == 3
    assert (await riverside.read(_totals, bob, "out"))["follower"] == {"moved": 1, "asked": 1}

    # Zoe says no, Gina yes; the fan's server has it follow the new account.
    (asked_zoe,) = [one for one in village.activities("Follow") if one["actor"] == new.uri]
    await zoe.send(f"{new.uri}/inbox", zoe.activity("Reject", asked_zoe))
    request = (await oakfield.read(follows.requests, gina.id))[0][0]
    await gina.post({"type": "Accept", "object": request.uri})
    undo = fan.activity("Undo", {"type": "Follow", "actor": fan.uri, "object": bob.uri})
    await fan.send(riverside.shared_inbox, undo)
    await street.later(hours=6)
    come = await oakfield.read(_totals, new, "in")
    assert come == {"following": {"moved": 2, "refused": 2, "asked": 1}}
    left = await riverside.read(_totals, bob, "out")
    assert left == {"follower": {"moved": 2}, "following": {"moved": 2, "waiting": 3}}
    # Whoever did not come along is still followed by the old account, for sixty days more.
    assert await riverside.read(_followed, bob) == {zoe.uri, nosy.uri, gone.uri}
    await street.later(days=61)
    assert (await riverside.read(moves.of_actor, bob.id))[0].ended_at is not None


async def _tries(school: TownSchool, move_id: int, uri: str) -> int:
    found = await school.read(moved_things.things, move_id, limit=80)
    return next(thing.tries for thing in found if thing.uri == uri)


# --- whatever happens on the way ------------------------------------------------------------------


class PowerCut:
    """A database of which the power goes after some commits, just before or just after one."""

    def __init__(self, kept: Database, commits: int, *, before: bool) -> None:
        self._kept, self._left, self._before = kept, commits, before

    async def read(self, fn: Callable[..., Any], *args: Any, **more: Any) -> Any:
        return await self._kept.read(fn, *args, **more)

    async def write(self, fn: Callable[..., Any], *args: Any, **more: Any) -> Any:
        self._left -= 1
        if self._left < 0 or (self._left == 0 and self._before):
            raise Unavailable("no power")
        done = await self._kept.write(fn, *args, **more)
        if self._left == 0:
            raise Unavailable("no power")
        return done


async def _step_until_the_power_goes(school: TownSchool, commits: int, *, before: bool) -> bool:
    """One step of the moves; whether the power lasted."""
    database = cast(Database, PowerCut(school.server.database, commits, before=before))
    server: Server = replace(school.server, database=database)
    try:
        await moving.step(server)
    except Unavailable:
        return False
    return True


@pytest.mark.parametrize("before", [True, False], ids=["before a commit", "after a commit"])
async def test_wherever_the_power_goes_nothing_is_lost_or_done_twice(
    street: Street, before: bool
) -> None:
    oakfield, riverside, hillcrest = street.schools
    bob, new = street.bob, street.new
    friends = [await hillcrest.staff(f"friend{number}") for number in range(3)]
    for friend in friends:
        await bob.post({"type": "Follow", "object": friend.uri})
    await bob.post({"type": "Block", "object": (await hillcrest.staff("mallory")).uri})
    await street.town.settle()
    followed = await riverside.read(_followed, bob)
    await street.say_so()
    await street.move()
    # What arrives and leaves goes on; each step of the moves is cut short, one commit later.
    whole: set[TownSchool] = set()
    for commits in range(1, 40):
        for school in (oakfield, riverside):
            if await _step_until_the_power_goes(school, commits, before=before):
                whole.add(school)
            for other in street.schools:
                await _work_without_moves(other)
        if before:
            street.town.clock.advance(minutes=5)  # what was in hand is free again
        else:
            street.town.clock.advance(seconds=5)
            for school in (oakfield, riverside):
                await school.write(serving.take_up)  # a school that opens again, and is alone
        if len(whole) == 2 and commits > 12:
            break
    await street.later(hours=1)
    await street.later(hours=6)

    assert await oakfield.read(_followed, new) == followed
    assert sorted(await oakfield.read(_published, new, "Follow")) == sorted(followed)
    assert len(await oakfield.read(_published, new, "Block")) == 1
    assert await riverside.read(_followed, bob) == set()
    undone = await riverside.read(_published, bob, "Undo")
    assert len(undone) == len(set(undone)) == len(followed)
    assert await oakfield.read(_followers, new) == {street.carol.uri}
    assert (await oakfield.read(_totals, new, "in"))["following"] == {"moved": 4}
    assert (await riverside.read(_totals, bob, "out"))["following"] == {"moved": 4}


async def _work_without_moves(school: TownSchool) -> None:
    while await worker.step(school.server) + await deliver.step(school.server):
        pass


# --- who may say so -------------------------------------------------------------------------------


async def test_our_own_move_is_checked_before_anybody_hears_of_it(street: Street) -> None:
    oakfield, riverside, _ = street.schools
    bob, new = street.bob, street.new
    other = await riverside.staff("bobby")
    village = await street.town.stranger("village")
    went, group = village.person("went"), village.person("group")
    went.document |= {"alsoKnownAs": bob.uri, "movedTo": f"{village.url}/people/else"}
    group.document |= {"alsoKnownAs": [bob.uri], "type": "Group"}
    blocked = village.person("blocked")
    blocked.document["alsoKnownAs"] = [bob.uri]
    before = await riverside.read(_sent)

    async def refused(words: str, *, status: int = 403, **changes: Any) -> None:
        move = {"type": "Move", "object": bob.uri, "target": new.uri, **changes}
        reply = await riverside.post(bob, move)
        assert reply.status == status, reply.text
        assert words in reply.json["detail"]

    await refused("does not say that it was the old one")
    await street.say_so()
    await refused("nobody moves anybody else", object=other.uri)
    await refused("you are there already", target=bob.uri)
    await refused("there is no such actor", status=400, target=f"{village.url}/people/nobody")
    await refused("moved on itself", target=went.uri)
    await refused("only people move", target=group.uri)
    assert await riverside.read(_sent) == before
    await bob.post({"type": "Block", "object": blocked.uri})
    await refused("one of the two accounts blocks the other", target=blocked.uri)
    await riverside.write(_suspend, await _id_of(riverside, went.uri))

    await street.move()
    await street.town.settle()
    there = village.person("there")
    there.document["alsoKnownAs"] = [bob.uri, new.uri]
    street.town.clock.advance(days=6, hours=23)
    await refused("you moved less than a week ago: you may move again from", target=there.uri)
    # Nor may the new account be left again at once: nobody is led along a row of accounts.
    on = {"type": "Move", "object": new.uri, "target": there.uri}
    assert "less than a week" in (await oakfield.post(new, on)).json["detail"]
    street.town.clock.advance(hours=2)
    await new.post(on)
    await street.town.settle()
    assert there.uri in [one["target"] for one in village.activities("Move")]


def _suspend(tx: Transaction, actor_id: int) -> None:
    tx.execute(
        tables.actors.update().where(tables.actors.c.id == actor_id).values(state="suspended")
    )


async def test_nobody_is_led_to_an_account_that_is_not_the_same_person(street: Street) -> None:
    """Carol follows somebody of another server; each of these moves is refused, then the true one
    is believed, and then no other for a week."""
    hillcrest, carol = street.hillcrest, street.carol
    village, hamlet = await street.town.stranger("village"), await street.town.stranger("hamlet")
    old, mate = village.person("old"), village.person("mate")
    new, other, went = hamlet.person("new"), hamlet.person("other"), hamlet.person("went")
    sent = await carol.post({"type": "Follow", "object": old.uri})
    await street.town.settle()
    follow = {"id": sent, "type": "Follow", "actor": carol.uri, "object": old.uri}
    await old.send(f"{carol.uri}/inbox", old.activity("Accept", follow))
    await street.town.settle()
    went.document |= {"alsoKnownAs": [old.uri], "movedTo": new.uri}
    before = await hillcrest.read(_followed, carol)
    assert old.uri in before

    async def refused(sender: Foreigner, words: str, **changes: Any) -> None:
        move = sender.activity("Move", old.uri, target=new.uri) | changes
        assert (await sender.send(hillcrest.shared_inbox, move)).status == 202
        await street.town.settle()
        assert words in (await hillcrest.read(_refusals, sender))[-1]
        assert await hillcrest.read(_followed, carol) == before

    await refused(old, "does not say that it was the old one")
    new.document["alsoKnownAs"] = [f"{old.uri}r", f"{old.uri}/"]
    await refused(old, "does not say that it was the old one")
    new.document["alsoKnownAs"] = [old.uri]
    await refused(mate, "nobody moves anybody else")
    await refused(old, "moved on itself", target=went.uri)
    await refused(old, "moved to where they were", target=old.uri)
    forged = old.activity("Move", old.uri, target=new.uri)
    assert (await mate.send(hillcrest.shared_inbox, forged)).status == 401
    assert hamlet.activities("Follow") == []

    move = old.activity("Move", old.uri, target=new.uri)
    assert (await old.send(hillcrest.shared_inbox, move)).status == 202
    await street.town.settle()
    assert [one["object"] for one in hamlet.activities("Follow")] == [new.uri]
    before = await hillcrest.read(_followed, carol)
    other.document["alsoKnownAs"] = [old.uri, new.uri]
    await refused(old, "less than a week", target=other.uri)
    await refused(new, "less than a week", object=new.uri, target=other.uri)
    assert len(hamlet.activities("Follow")) == 1


async def test_whom_somebody_blocked_is_told_to_their_new_account_alone(street: Street) -> None:
    oakfield, riverside, _ = street.schools
    bob, new = street.bob, street.new
    mallory = await street.hillcrest.staff("mallory")
    await bob.post({"type": "Block", "object": mallory.uri})
    await street.say_so()
    signers = {
        person.username: await person.school.read(_signer, person)
        for person in (street.carol, street.dave, new)
    }
    path = "/users/bob/blocked"
    missing = await riverside.get("/users/nobody/blocked", signed_by=signers["bob"])
    assert (await riverside.get(path, signed_by=signers["bob"])).status == 404
    await street.move()
    await street.town.settle()
    for signer in (signers["carol"], signers["dave"], oakfield):
        reply = await riverside.get(path, signed_by=signer)
        assert (reply.status, reply.body) == (404, missing.body)
    assert (await riverside.get(path, as_=bob)).status == 404
    listed: list[object] = list(await riverside.collection(path, signed_by=signers["bob"]))
    assert listed == [mallory.uri]
    document = (await riverside.get(bob.uri, signed_by=oakfield)).json
    assert (document["movedTo"], document["blocked"]) == (new.uri, f"{bob.uri}/blocked")
    # Once the new account does not say any more that it was the old one, it is nobody here.
    await new.post({"type": "Update", "object": {"id": new.uri, "alsoKnownAs": None}})
    await remote.actor(riverside.server, new.uri, max_age=timedelta(0))
    assert (await riverside.get(path, signed_by=signers["bob"])).status == 404


def _signer(tx: Transaction, who: Person) -> Signer:
    actor = actors.by_id(tx, who.id)
    assert actor is not None
    return local.signer(tx, actor)
