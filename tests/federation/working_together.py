"""The term at Oakfield and Riverside, continued: three projects, and what was said in them.

The orchard is a private project of Oakfield and the lantern one of Riverside. In each somebody of
the other school takes part, and a colleague of theirs does not; some are invited, and some were in
it once. The meadow is open to everybody, but for what its members say among themselves.
"""

from dataclasses import replace
from typing import Any, Literal

from actors import projects
from storage import actors, memberships
from storage.actors import Actor
from storage.database import Transaction
from tests.federation.audiences import ALL, NOT_MALLORY, Circle, Piece, Scene, said
from tests.federation.crawl import marker
from tests.town import Foreigner, Person
from tests.town.stranger import PUBLIC

ORCHARD = frozenset({"dave", "bob", "fiona"})
LANTERN = frozenset({"bob", "alice"})
MEADOW = frozenset({"alice", "pia", "nora"})
# Who was in it while the first words fell.
WERE_IN_ORCHARD = frozenset({"carol", "zoe"})
WERE_IN_LANTERN = frozenset({"carol"})
INVITED_TO_ORCHARD = frozenset({"pia", "peter"})
INVITED_TO_LANTERN = frozenset({"dave"})


async def work(scene: Scene) -> None:
    """Everything that happens in the three of them."""
    dave, bob, alice = (scene.people[name] for name in ("dave", "bob", "alice"))
    orchard = await begin(
        scene, dave, "orchard", "private", ORCHARD, ORCHARD | INVITED_TO_ORCHARD, WERE_IN_ORCHARD
    )
    lantern = await begin(
        scene, bob, "lantern", "private", LANTERN, LANTERN | INVITED_TO_LANTERN, WERE_IN_LANTERN
    )
    meadow = await begin(scene, alice, "meadow", "open", MEADOW, ALL)
    for lead, circle, guests in (
        (dave, orchard, WERE_IN_ORCHARD | INVITED_TO_ORCHARD | {"bob", "fiona"}),
        (bob, lantern, WERE_IN_LANTERN | INVITED_TO_LANTERN | {"alice"}),
        (alice, meadow, {"pia", "nora"}),
    ):
        for guest in sorted(guests):
            who = {"target": scene.uri_of(guest), "instrument": "write"}
            await lead.post({"type": "Invite", "object": circle.uri, **who})
    await scene.town.settle()
    for circle, guests in (
        (orchard, {"bob", "fiona", *WERE_IN_ORCHARD}),
        (lantern, {"alice", *WERE_IN_LANTERN}),
        (meadow, {"pia", "nora"}),
    ):
        for guest in sorted(guests):
            await come(scene, guest, circle)
    await ask(scene, meadow)
    await scene.town.settle()
    await first_words(scene, orchard, lantern)
    await scene.town.settle()
    await some_go(scene, orchard, lantern)
    await scene.town.settle()
    await in_the_orchard(scene, orchard)
    await in_the_others(scene, lantern, meadow)
    await scene.town.settle()


# --- who is in them ------------------------------------------------------------------------------


async def begin(
    scene: Scene,
    lead: Person,
    name: str,
    openness: Literal["open", "private"],
    members: frozenset[str],
    known_to: frozenset[str],
    had: frozenset[str] = frozenset(),
) -> Circle:
    """`lead` begins a project. Its name and aim have words of their own, and so has its address:
    that is in whatever was said in it, and more people keep such words."""
    number, private = scene.numbered(), openness == "private"

    def make(tx: Transaction) -> Actor:
        owner = actors.by_id(tx, lead.id)
        assert owner is not None
        return projects.create(
            tx,
            slug=marker(number + 1, "slug"),
            name=f"The {name} {marker(number, 'name')}",
            owner=owner,
            aim=f"Apples {marker(number, 'aim')}",
            openness=openness,
        )

    made = await lead.school.write(make)
    circle = Circle(name, made.uri, private, members, known_to, frozenset({lead.username}))
    scene.projects[name] = circle
    at_oakfield = known_to - {"bob"}
    scene.pieces[name] = Piece(
        number, name, made.uri, known_to, at_oakfield, ("name", "aim"), project=name, had=had
    )  # fmt: skip
    address = known_to
    if name == "orchard":
        # Carol wrote in it, and keeps what she wrote. The server of a member gets to know whose
        # keys are to be checked.
        address |= {"carol", "riverside"}
    scene.pieces[f"where {name} is"] = Piece(
        number + 1, f"where {name} is", "", address, frozenset(), ("slug",), project=name,
        had=had,
    )  # fmt: skip
    return circle


async def come(scene: Scene, guest: str, circle: Circle) -> None:
    """Somebody who was invited says yes."""
    if guest in scene.others:
        person = scene.others[guest]
        (invite,) = (
            one
            for one in person.home.activities("Invite")
            if one["target"] == person.uri and one["actor"] == circle.uri
        )
        accept = person.activity("Accept", invite["id"], to=[circle.uri], cc=[])
        await told(person, circle, accept)
        return
    at_home = scene.people[guest]
    invite_id = await at_home.school.read(between, circle.uri, at_home.uri)
    await at_home.post({"type": "Accept", "object": invite_id})


def between(tx: Transaction, project: str, person: str) -> str:
    """The id of what somebody was asked."""
    found = actors.by_uris(tx, [project, person])
    known = memberships.now(tx, found[project].id, found[person].id)
    assert known is not None
    return known.uri


async def told(person: Foreigner, circle: Circle, activity: dict[str, Any]) -> None:
    reply = await person.send(f"{circle.uri}/inbox", activity)
    assert reply.status == 202, reply.text


async def ask(scene: Scene, meadow: Circle) -> None:
    """Ned asks to be in the open one; nobody answers him yet."""
    ned = scene.others["ned"]
    word = scene.note("ned asks", {"alice"}, "request")
    join = ned.activity("Join", meadow.uri, to=[meadow.uri], cc=[])
    join["id"] += word
    await told(ned, meadow, join)


async def some_go(scene: Scene, orchard: Circle, lantern: Circle) -> None:
    """Carol is removed from the one and leaves the other; zoe leaves."""
    carol, zoe = scene.people["carol"], scene.others["zoe"]
    gone = {"object": carol.uri, "target": orchard.list}
    await scene.people["dave"].post({"type": "Remove", **gone})
    await carol.post({"type": "Leave", "object": lantern.uri})
    await told(zoe, orchard, zoe.activity("Leave", orchard.uri, to=[orchard.uri], cc=[]))


# --- what is said in them ------------------------------------------------------------------------


def among(circle: Circle) -> dict[str, Any]:
    """The addresses of a post for the members of a project."""
    return {"to": [circle.list], "cc": [circle.uri], "audience": circle.uri}


async def write(scene: Scene, name: str, circle: Circle, **more: Any) -> Piece:
    """Somebody, whose name stands first, writes for its members."""
    author = scene.people[name.partition(" ")[0]]
    had = more.pop("had", frozenset())
    readers = circle.members | {author.username}
    more = {"must": readers - {"bob", "nora"}, **among(circle), **more}
    await scene.write(name, author, readers, **more)
    scene.change(name, project=circle.name, had=had - {author.username})
    await scene.town.settle()
    return scene.pieces[name]


async def first_words(scene: Scene, orchard: Circle, lantern: Circle) -> None:
    """Those who are in it now and not later have these, and find them no more."""
    first = await write(scene, "dave in orchard, early", orchard, plain=True, had=WERE_IN_ORCHARD)
    carols = await write(
        scene, "carol in orchard", orchard, plain=True, had=WERE_IN_ORCHARD, inReplyTo=first.uri
    )
    await write(
        scene, "dave to carol in orchard", orchard, plain=True, had=WERE_IN_ORCHARD,
        inReplyTo=carols.uri,
    )  # fmt: skip
    await write(scene, "bob in lantern, early", lantern, plain=True, had=WERE_IN_LANTERN)


async def in_the_orchard(scene: Scene, orchard: Circle) -> None:
    """Posts, answers, likes, an edit and a deletion, by people of both schools."""
    dave, bob = scene.people["dave"], scene.people["bob"]
    post = await write(scene, "dave in orchard", orchard)
    await write(scene, "bob answers in orchard", orchard, plain=True, inReplyTo=post.uri)
    there = await write(scene, "bob in orchard", orchard)
    await bob.post({"type": "Like", "object": post.uri})
    await dave.post({"type": "Like", "object": there.uri})
    vote = {"type": "Note", "name": f"Yes {marker(post.number, 'option')}", "to": [dave.uri]}
    await bob.post({**vote, "inReplyTo": post.uri})

    before = await write(scene, "bob in orchard, to be edited", orchard, plain=True)
    number = scene.numbered()
    words = said(number, plain=True)
    await bob.post({"type": "Update", "object": {**words, "id": before.uri}})
    scene.pieces["bob in orchard, edited"] = replace(
        before, number=number, name="bob in orchard, edited", activity=""
    )
    scene.change(before.name, readers=frozenset(), must=frozenset(), once=before.readers)
    wrong = await write(scene, "dave in orchard, to be deleted", orchard, plain=True)
    await scene.town.settle()
    await dave.post({"type": "Delete", "object": wrong.uri})
    scene.deleted(wrong.name)


async def in_the_others(scene: Scene, lantern: Circle, meadow: Circle) -> None:
    alice = scene.people["alice"]
    there = await write(scene, "bob in lantern", lantern)
    await write(scene, "alice in lantern", lantern, inReplyTo=there.uri)
    await alice.post({"type": "Like", "object": there.uri})
    await write(scene, "alice in meadow", meadow)
    aloud = {"to": [PUBLIC], "cc": [meadow.uri, f"{alice.uri}/followers"]}
    await scene.write(
        "alice aloud in meadow", alice, NOT_MALLORY, plain=True, audience=meadow.uri, **aloud
    )
    scene.change("alice aloud in meadow", project="meadow")


# --- afterwards ----------------------------------------------------------------------------------


def parted(scene: Scene, name: str, who: str) -> None:
    """Somebody is in a project no more, nor invited: of what others said there they find
    nothing, nor that there is such a project."""
    circle = scene.projects[name]
    scene.projects[name] = replace(
        circle, members=circle.members - {who}, known_to=circle.known_to - {who}
    )
    own = [one for one in scene.pieces.values() if one.name.startswith(f"{who} ")]
    wrote = any(one.project == name for one in own)
    for piece in list(scene.pieces.values()):
        if piece.parts == ("slug",) and wrote:
            continue  # it stands in what they wrote
        if piece.project == name and piece not in own:
            scene.change(
                piece.name, readers=piece.readers - {who}, must=piece.must - {who},
                once=piece.once - {who}, had=piece.had | {who},
            )  # fmt: skip
