"""What is said in a project by whom it is not for, past its host or without proof counts nowhere.

Alice's project is at home at Oakfield, Carol is in it at Hillcrest; Peter is in it too, from a
server that sends what it likes.
"""

import json
from typing import Any

from federation import keys, proofs
from federation.vocabulary import PUBLIC
from outbox.publish import publish
from storage import actors, published
from storage.audience import Viewer
from storage.database import Transaction
from tests.federation.members import invite, reasons
from tests.federation.test_project_posts import Scene, scene
from tests.town import Foreigner, Person, Town, TownSchool

ED25519 = keys.generate("ed25519")

PAST_THE_HOST = "what is said in a project comes from the project itself"
WITHOUT_PROOF = "what is said in a project needs a proof of who said it"
NOT_TO_ALL = "what is said in a private project is for its members"


def able_to_prove(who: Foreigner) -> Foreigner:
    """Their document lists the key that makes their proofs."""
    who.document["assertionMethod"] = [
        {
            "id": f"{who.uri}#proofs",
            "type": "Multikey",
            "controller": who.uri,
            "publicKeyMultibase": keys.multibase(keys.public_der(ED25519)),
        }
    ]
    return who


def proven(who: Foreigner, activity: dict[str, Any]) -> dict[str, Any]:
    now = who.home.town.clock()
    return proofs.prove(activity, key=ED25519, method=f"{who.uri}#proofs", now=now)


async def bring(who: Foreigner, school: TownSchool, activity: dict[str, Any]) -> str | None:
    """Somebody sends it, honestly signed; why it had no effect, None if it had one."""
    assert (await who.send(school.shared_inbox, activity)).status == 202
    await school.town.settle()
    return (await reasons(school, activity["id"]))[-1]


async def come(here: Scene, who: Foreigner, role: str = "editor") -> Foreigner:
    """Somebody of another kind of server is invited and says yes."""
    await invite(here.alice, here.project, able_to_prove(who).uri, role)
    asked = who.home.activities("Invite")[-1]
    yes = who.activity("Accept", asked["id"], to=[here.project.uri], cc=[])
    assert await bring(who, here.home, yes) is None
    return who


def within(here: Scene) -> dict[str, Any]:
    """The addresses of what is said among the members."""
    return {"to": [here.members], "cc": [here.project.uri], "audience": here.project.uri}


def says(here: Scene, who: Foreigner, text: str, **more: Any) -> dict[str, Any]:
    said = within(here) | more
    return who.activity("Create", who.note(text, **said), **said)


def changes(here: Scene, who: Foreigner, made: dict[str, Any], text: str) -> dict[str, Any]:
    note = made["object"] | {"content": text, "updated": who.home.timestamp()}
    return who.activity("Update", note, **within(here))


async def test_at_home_only_members_write_and_only_with_proof(town: Town, alice: Person) -> None:
    here = await scene(town, alice)
    village = await town.stranger("village")
    peter, olga = await come(here, village.person("peter")), village.person("olga")
    await come(here, olga, "observer")
    stranger = able_to_prove(village.person("mallory"))
    home, uri = here.home, here.project.uri

    good = proven(peter, says(here, peter, "Good words"))
    assert await bring(peter, home, good) is None
    sent = len(village.activities("Announce"))
    assert village.activities("Announce")[-1]["object"] == good

    hers = await here.says(here.carol, "Hers")
    refused: list[tuple[Foreigner, dict[str, Any], str]] = [
        (peter, says(here, peter, "Bare"), WITHOUT_PROOF),
        (peter, proven(olga, says(here, peter, "Bare")), WITHOUT_PROOF),
        (olga, proven(olga, says(here, olga, "Me too")), "observers read"),
        (stranger, proven(stranger, says(here, stranger, "Me too")), "no such project"),
        (
            stranger,
            proven(stranger, says(here, stranger, "Spam", to=[PUBLIC], cc=[uri])),
            "no such project",
        ),
        (peter, proven(peter, says(here, peter, "Loud", to=[PUBLIC], cc=[uri])), NOT_TO_ALL),
        (
            peter,
            proven(peter, says(here, peter, "I, Carol", attributedTo=here.carol.uri)),
            "nobody writes in another's name",
        ),
        (peter, changes(here, peter, good, "Without proof"), WITHOUT_PROOF),
        (
            peter,
            proven(peter, peter.activity("Update", hers | {"content": "x"}, **within(here))),
            "only its author changes a post",
        ),
        (
            peter,
            proven(peter, peter.activity("Delete", hers["id"], **within(here))),
            "only its author deletes a post",
        ),
        (peter, peter.activity("Like", hers["id"], **within(here)), WITHOUT_PROOF),
        (
            stranger,
            proven(stranger, stranger.activity("Like", hers["id"], **within(here))),
            "no such post",
        ),
    ]
    before = len(village.activities("Announce"))
    for who, activity, reason in refused:
        assert reason in str(await bring(who, home, activity)), (activity["type"], reason)
    assert len(village.activities("Announce")) == before > sent  # nothing of it went on
    for person in (alice, here.bob, here.carol):
        assert await here.read_by(person) == ["Hers", "Good words"]
        assert await here.likes_of(person.school, hers["id"]) == 0

    # Olga may like; and when Peter is made an observer, or has left, he changes nothing more.
    await bring(olga, home, proven(olga, olga.activity("Like", hers["id"], **within(here))))
    assert await here.likes_of(here.bob.school, hers["id"]) == 1
    await alice.post(
        {"type": "Add", "object": peter.uri, "target": here.members, "instrument": "visit"}
    )
    await town.settle()
    late = proven(peter, changes(here, peter, good, "Better words"))
    assert "observers read" in str(await bring(peter, home, late))
    await bring(peter, home, peter.activity("Leave", uri, to=[uri], cc=[]))
    late = proven(peter, changes(here, peter, good, "Best words"))
    assert await bring(peter, home, late) == "no such project"
    assert "Good words" in await here.read_by(here.bob)
    gone = proven(peter, peter.activity("Delete", good["object"]["id"], **within(here)))
    assert await bring(peter, home, gone) is None
    for person in (alice, here.bob, here.carol):
        assert await here.read_by(person) == ["Hers"]
    # He had the words, and is told on to like everybody who did; once.
    assert village.activities("Announce")[-1]["object"] == gone
    told = len(village.activities("Announce"))
    town.clock.advance(minutes=1)
    again = proven(peter, peter.activity("Delete", good["object"]["id"], **within(here)))
    await bring(peter, home, again)
    assert len(village.activities("Announce")) == told


async def test_what_comes_past_the_host_counts_for_nobody(town: Town, alice: Person) -> None:
    here = await scene(town, alice)
    village = await town.stranger("village")
    peter = await come(here, village.person("peter"))
    club = village.person("club")
    club.document["type"] = "Group"
    hers = await here.says(here.carol, "Hers")
    good = proven(peter, says(here, peter, "Good words"))
    riverside = here.bob.school
    assert await bring(peter, riverside, good) == PAST_THE_HOST
    around = club.activity("Announce", good, to=[here.members], cc=[])
    assert await bring(club, riverside, around) == PAST_THE_HOST
    assert await bring(club, here.home, {**around, "id": f"{around['id']}0"}) == PAST_THE_HOST
    assert await here.read_by(here.bob) == ["Hers"]

    # What was refused by itself counts when the project passes it on.
    assert await bring(peter, here.home, good) is None
    assert await here.read_by(here.bob) == ["Good words", "Hers"]

    change = proven(peter, changes(here, peter, good, "Other words"))
    like = proven(peter, peter.activity("Like", hers["id"], **within(here)))
    for activity in (change, like):
        assert await bring(peter, riverside, activity) == PAST_THE_HOST
    assert await here.read_by(here.bob) == ["Good words", "Hers"]
    assert await here.likes_of(riverside, hers["id"]) == 0
    for activity in (change, like):
        assert await bring(peter, here.home, activity) is None
    assert await here.read_by(here.bob) == ["Other words", "Hers"]
    assert await here.likes_of(riverside, hers["id"]) == 1


async def announces(school: TownSchool, project: str, inner: dict[str, Any]) -> str:
    """The project passes something on, whatever it is."""

    def send(tx: Transaction) -> str:
        actor = actors.by_uri(tx, project)
        assert actor is not None
        return publish(tx, actor, {"type": "Announce", "object": inner, "to": [actor.members]})

    uri = await school.write(send)
    await school.town.settle()
    return uri


async def test_a_project_puts_words_in_nobodys_mouth(town: Town, alice: Person) -> None:
    """Riverside believes what Oakfield's project passes on only as far as it is proven."""
    here = await scene(town, alice)
    riverside, uri = here.bob.school, here.project.uri
    his, hers = await here.says(here.bob, "His"), await here.says(here.carol, "Hers")

    def sent(tx: Transaction) -> dict[str, Any]:
        row = published.unsent(tx, hers["id"])
        assert not row
        person = actors.by_uri(tx, here.carol.uri)
        assert person is not None
        page = published.outbox(tx, Viewer(person.id, local=True), person.id, before=None, limit=1)
        return dict(json.loads(page[0].document))

    original = await here.carol.school.read(sent)
    carol, bob = here.carol, here.bob
    forged = original | {"id": f"{carol.school.url}/activities/7"}
    made_up = {"id": f"{bob.school.url}/activities/7", "type": "Create", "actor": bob.uri}
    for inner, reason in (
        (original | {"object": hers | {"content": "I resign"}}, None),
        (forged, None),
        (forged | {"type": "Delete", "object": hers["id"]}, "without their proof"),
        (forged | {"type": "Like", "object": his["id"]}, "without their proof"),
        (made_up | {"object": his | {"content": "I resign"}}, "nobody here did that"),
        (made_up | {"type": "Delete", "object": his["id"]}, "nobody here did that"),
    ):
        announce = await announces(here.home, uri, inner)
        told = (await reasons(riverside, announce))[-1]
        assert reason is None or reason in str(told), inner
    assert await here.read_by(here.bob) == ["Hers", "His"]
    assert await here.likes_of(riverside, his["id"]) == 0
