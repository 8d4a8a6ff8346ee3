"""Schools that are on the list and mean no good: what they try with projects, ours and their own.

Who runs such a school has all its keys and writes all its documents. What its people once said, and
what ours did, it has kept, and says it again when that suits it.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from actors import audiences
from federation.vocabulary import PUBLIC, Addressing
from inbox import rosters
from pages import rooms
from storage import actors, objects
from storage.database import Transaction
from tests.federation.members import (
    Project,
    answer,
    found,
    invite,
    reasons,
    roster,
    standing,
    told,
    waiting,
)
from tests.federation.test_project_posts import scene
from tests.federation.test_project_posts_refused import (
    able_to_prove,
    changes,
    come,
    proven,
    within,
)
from tests.federation.test_project_posts_refused import says as writes
from tests.federation.test_project_refusals import UNASKED, bring, club, says, whole
from tests.town import Foreigner, Person, Stranger, Town, TownSchool


@pytest.fixture
async def hillcrest(town: Town, oakfield: TownSchool) -> Stranger:
    return await town.stranger("hillcrest")


async def takes_part(person: Person, group: Foreigner, role: str = "write") -> Project:
    """Their project invites one of ours, who says yes."""
    asked = group.activity(
        "Invite", group.document, target=person.uri, instrument=role, to=[person.uri], cc=[]
    )
    assert await bring(group, person.school, asked) is None
    project = Project(person.school, group.uri)
    await answer(person, "Accept", project)
    assert await bring(group, person.school, says(group, person.uri, role)) is None
    return project


# --- in it without having wanted it --------------------------------------------------------------


async def test_a_yes_to_one_invitation_is_none_to_another_that_came_under_the_same_id(
    oakfield: TownSchool, alice: Person, hillcrest: Stranger
) -> None:
    choir, sect = club(hillcrest, "choir"), club(hillcrest, "sect")
    to = {"target": alice.uri, "to": [alice.uri], "cc": []}
    asked = choir.activity("Invite", choir.document, **to)
    assert await bring(choir, oakfield, asked) is None
    same = sect.activity("Invite", sect.document, **to) | {"id": asked["id"]}
    assert (await sect.send(oakfield.shared_inbox, same)).status == 202
    await oakfield.town.settle()
    await answer(alice, "Accept", Project(oakfield, choir.uri))
    assert await bring(sect, oakfield, says(sect, alice.uri)) == UNASKED
    assert await bring(choir, oakfield, says(choir, alice.uri)) is None
    assert await told(alice) == ["invite choir", "joined choir"]


async def test_a_lead_who_lets_somebody_into_one_project_lets_nobody_into_another(
    oakfield: TownSchool, alice: Person, hillcrest: Stranger
) -> None:
    games, exams = await found(alice, "games"), await found(alice, "exams")
    good, evil = hillcrest.person("good"), hillcrest.person("evil")
    asks = good.activity("Join", games.uri, instrument="visit", to=[games.uri], cc=[])
    assert await bring(good, oakfield, asks) is None
    same = evil.activity("Join", exams.uri, to=[exams.uri], cc=[]) | {"id": asks["id"]}
    assert (await evil.send(oakfield.shared_inbox, same)).status == 202
    await oakfield.town.settle()
    await alice.post({"type": "Accept", "object": await waiting(oakfield, games, good.uri)})
    await oakfield.town.settle()
    assert await roster(oakfield, games) == {"alice": "lead", "good": "observer"}
    assert await roster(oakfield, exams) == {"alice": "lead"}


async def test_who_asked_once_and_left_is_not_brought_back_by_their_old_request(
    oakfield: TownSchool, alice: Person, hillcrest: Stranger
) -> None:
    group = club(hillcrest)
    group.document["openness"] = "moderated"
    project = await takes_part(alice, group, "admin")
    ben = await oakfield.staff("ben")
    await ben.post({"type": "Join", "object": group.uri})
    await oakfield.town.settle()
    (asked,) = hillcrest.activities("Join")
    to = {"to": [alice.uri], "cc": []}
    # While he asks, a lead here is told of it.
    assert await bring(group, oakfield, group.activity("Announce", asked, **to)) is None
    assert "join ben" in await told(alice)
    assert await bring(group, oakfield, says(group, ben.uri)) is None
    await ben.post({"type": "Leave", "object": group.uri})
    await oakfield.town.settle()
    again = await bring(group, oakfield, group.activity("Announce", asked, **to))
    assert again == UNASKED
    assert await bring(group, oakfield, says(group, ben.uri)) == UNASKED
    assert await standing(oakfield, project, ben.uri) == "nothing"


async def test_nobody_of_ours_leads_a_project_because_it_says_so_to_whom_it_invites(
    oakfield: TownSchool, alice: Person, hillcrest: Stranger
) -> None:
    head = await oakfield.staff("head")
    sect = club(hillcrest, "sect")
    sect.document["attributedTo"] = [head.uri, hillcrest.person("dora").uri]
    to = {"target": alice.uri, "to": [alice.uri], "cc": []}
    assert await bring(sect, oakfield, sect.activity("Invite", sect.document, **to)) is None

    def responsible(tx: Transaction) -> list[str]:
        group, reader = actors.by_uri(tx, sect.uri), actors.by_id(tx, alice.id)
        assert group is not None
        room = rooms.room(tx, reader, group.id)
        assert room is not None
        return [lead.uri for lead in room.leads]

    assert await oakfield.read(responsible) == [hillcrest.person("dora").uri]


# --- what a project said once, said again by others ----------------------------------------------


async def test_who_is_in_a_project_is_believed_from_itself_alone_and_not_from_who_kept_its_words(
    town: Town, oakfield: TownSchool, alice: Person, hillcrest: Stranger
) -> None:
    """Mallory was in it before anybody here was; the project's words about that carry its proof."""
    group = able_to_prove(club(hillcrest))
    lowfield = await town.stranger("lowfield")
    mallory = lowfield.person("mallory")
    other = able_to_prove(club(lowfield, "other"))
    old = proven(group, says(group, mallory.uri, "admin"))
    older = proven(group, whole(group, mallory.uri))
    project = await takes_part(alice, group)
    assert (await mallory.send(oakfield.shared_inbox, old)).status == 401
    assert (await mallory.send(oakfield.shared_inbox, older)).status == 401
    for said in (old, older):
        passed = other.activity("Announce", said, to=[alice.uri], cc=[])
        assert await bring(other, oakfield, passed) == "what is asked of a project is not passed on"
    assert await roster(oakfield, project) == {"alice": "editor"}
    assert await bring(group, oakfield, old) is None


# --- more than anybody needs ---------------------------------------------------------------------


@contextmanager
def statements() -> Iterator[list[str]]:
    """What the database is asked meanwhile."""
    asked: list[str] = []

    def note(_c: object, _k: object, statement: str, *_: object) -> None:
        asked.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(Engine, "before_cursor_execute", note)


async def test_ten_thousand_addresses_are_not_looked_up_one_by_one(
    oakfield: TownSchool, alice: Person
) -> None:
    many = tuple(f"https://far.example/groups/{number}/members" for number in range(10_000))
    addressed = Addressing(to=many, audience=many)
    aloud = Addressing(to=(PUBLIC,), cc=many, audience=many)

    def read(tx: Transaction) -> list[str]:
        author = actors.by_id(tx, alice.id)
        assert author is not None
        return [audiences.of(tx, author, one).kind for one in (addressed, aloud)]

    with statements() as asked:
        assert await oakfield.read(read) == ["direct", "public"]
    assert len(asked) < 10


async def test_a_project_of_another_school_names_only_so_many_people(
    oakfield: TownSchool, alice: Person, hillcrest: Stranger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rosters, "MOST_KEPT", 5)
    group = club(hillcrest)
    project = await takes_part(alice, group)
    crowd = [f"https://far{number}.example/users/pupil{number}" for number in range(12)]
    await bring(group, oakfield, whole(group, alice.uri, *crowd[:8]))
    assert len(await roster(oakfield, project)) == 5
    # Whom it names in the place of others are too many as well.
    await bring(group, oakfield, whole(group, alice.uri, *crowd[8:]))
    assert await roster(oakfield, project) == {"alice": "editor"}
    assert "more people" in str(await bring(group, oakfield, says(group, crowd[8])))
    monkeypatch.undo()
    # Nor are they such as our own people, or under names that look like theirs.
    assert await bring(group, oakfield, says(group, oakfield.url)) == "nobody of ours"
    odd = f"https://far.example/@head@{oakfield.host}"
    assert await bring(group, oakfield, says(group, odd)) is None
    assert "head" in await roster(oakfield, project)


# --- in a project of ours ------------------------------------------------------------------------


async def test_a_project_passes_on_the_words_that_it_keeps_and_no_others_under_their_id(
    town: Town, alice: Person
) -> None:
    here = await scene(town, alice)
    village = await town.stranger("village")
    peter = await come(here, village.person("peter"))
    first = proven(peter, writes(here, peter, "We meet at nine"))
    assert await bring(peter, here.home, first) is None
    change = proven(peter, changes(here, peter, first, "We meet at ten"))
    await bring(peter, here.home, change)
    passed = len(village.activities("Announce"))
    note = first["object"]
    other = note | {"content": "We meet nowhere"}
    stale = note | {"content": "We never met", "updated": "2020-01-01T00:00:00Z"}
    for kind, words in (("Create", other), ("Update", stale)):
        said = proven(peter, peter.activity(kind, words, **within(here)))
        await bring(peter, here.home, said)
    assert len(village.activities("Announce")) == passed
    for person in (alice, here.bob, here.carol):
        assert await here.read_by(person) == ["We meet at ten"]


async def test_what_waits_for_the_school_of_an_ex_member_is_not_brought_there_any_more(
    town: Town, oakfield: TownSchool, alice: Person, hillcrest: Stranger
) -> None:
    project = await found(alice, "phonics", "private")
    carol, dora = hillcrest.person("carol"), hillcrest.person("dora")
    for person in (carol, dora):
        await invite(alice, project, person.uri)
        asked = hillcrest.activities("Invite")[-1]
        yes = person.activity("Accept", asked["id"], to=[project.uri], cc=[])
        assert await bring(person, oakfield, yes) is None
    wrong = await alice.say("Wrong", to=project.members)
    await town.settle()
    had = len(hillcrest.activities("Announce"))
    assert had == 1
    await hillcrest.shut()
    await alice.say("For those who are in it", to=project.members)
    await alice.post({"type": "Delete", "object": wrong["id"]})
    await alice.post({"type": "Remove", "object": carol.uri, "target": project.members})
    await town.settle()
    await alice.post({"type": "Remove", "object": dora.uri, "target": project.members})
    await town.settle()
    await hillcrest.open()
    town.clock.advance(days=1)
    await town.settle()
    told = [one["object"] for one in hillcrest.activities("Announce")[had:]]
    assert [one["type"] for one in told] == ["Delete"]  # that, they had
    assert {one["object"] for one in hillcrest.activities("Remove")} >= {carol.uri, dora.uri}


# --- in an open project of another school --------------------------------------------------------


async def test_no_project_keeps_an_author_from_correcting_what_they_said_to_everybody(
    town: Town, oakfield: TownSchool, alice: Person, hillcrest: Stranger
) -> None:
    group = able_to_prove(club(hillcrest))
    group.document["openness"] = "moderated"
    await takes_part(alice, group)
    mallory = able_to_prove((await town.stranger("lowfield")).person("mallory"))
    aloud = {"to": [PUBLIC], "cc": [group.uri], "audience": group.uri}
    note = mallory.note("Come at nine", **aloud)
    made = proven(mallory, mallory.activity("Create", note, **aloud))
    passed = group.activity("Announce", made, to=[PUBLIC], cc=[f"{group.uri}/members"])
    assert await bring(group, oakfield, passed) is None
    town.clock.advance(minutes=5)
    better = note | {"content": "<p>Come at ten</p>", "updated": mallory.home.timestamp()}
    change = mallory.activity("Update", better, **aloud)
    assert await bring(mallory, oakfield, change) is None

    def words(tx: Transaction) -> str:
        post = objects.by_uri(tx, note["id"])
        assert post is not None
        assert post.project_id is not None
        return post.content

    assert await oakfield.read(words) == "<p>Come at ten</p>"
    assert await reasons(oakfield, passed["id"]) == [None]
