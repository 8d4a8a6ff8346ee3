"""A term at Oakfield: who works there and elsewhere, what they wrote for whom, and who may see it.

Every post carries words of its own in each of its parts. `Piece.readers` is the table that the
audience test goes by: it is written down here post by post, and asks no code of the school.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from sqlalchemy import select

from actors import accounts, local, standing
from federation.signatures import Signer, sign
from outbox import delete
from storage import actors, tables
from storage.database import Transaction
from tests.federation.crawl import Headers, Known, Viewer, marker
from tests.town import Clock, Foreigner, Person, Stranger, Town, TownSchool
from tests.town.stranger import PUBLIC

FILES = "https://files.example"

# The viewers of SECURITY §3.2, and a few more. Of our own people the pages and the documents.
COLLEAGUES = frozenset({"alice", "carol", "dave", "pia"})
# Who comes without a name: anybody with a browser. A suspended colleague is no more than that.
PASSERS_BY = frozenset({"anonymous", "robot", "samir"})
# Two colleagues at riverside: they read the pages there, and sign what they ask oakfield for. The
# server they work at signs for itself, for nobody in particular.
ABROAD = frozenset({"bob", "nora"})
RIVERSIDE = ABROAD | {"riverside"}
ELSEWHERE = frozenset({"fiona", "ned", "peter", "nell", "zoe", "mallory"})
# A token that may not read, and a server that is blocked.
SHUT_OUT = frozenset({"program", "rex"})
VIEWERS = (
    *sorted(COLLEAGUES),
    *sorted(PASSERS_BY),
    *sorted(ELSEWHERE),
    *sorted(SHUT_OUT),
    *sorted(RIVERSIDE),
)

ALL = COLLEAGUES | PASSERS_BY | ELSEWHERE | RIVERSIDE
# Alice blocks mallory: public or not, neither sees anything of the other.
NOT_MALLORY = ALL - {"mallory"}
FOLLOWERS = frozenset({"alice", "dave", "fiona", "bob"})  # of alice, and she

PARTS = ("text", "warning", "alt", "file", "option", "tag")


@dataclass(frozen=True)
class Piece:
    """A post, or something else with words in it. `readers` may see it, and `must` find it
    here; `once` are those who could before it was deleted, and may be told that it was. `had` are
    those who could while they were in the project that it was said in: now they find nothing."""

    number: int
    name: str
    uri: str
    readers: frozenset[str]
    must: frozenset[str]
    parts: tuple[str, ...] = PARTS
    id: int = 0
    activity: str = ""
    points_to: tuple[str, ...] = ()  # the ids of what it answers or quotes
    once: frozenset[str] = frozenset()
    had: frozenset[str] = frozenset()
    project: str = ""


@dataclass(frozen=True)
class Circle:
    """A project of the scene: who is in it now, and who may know that there is one."""

    name: str
    uri: str
    private: bool
    members: frozenset[str]
    known_to: frozenset[str]
    leads: frozenset[str]

    @property
    def slug(self) -> str:
        return self.uri.rpartition("/")[2]

    @property
    def list(self) -> str:
        """The id of the list of its members."""
        return f"{self.uri}/members"


@dataclass
class Scene:
    """The town on the day of the crawl."""

    town: Town
    oakfield: TownSchool
    riverside: TownSchool
    village: Stranger
    hillside: Stranger
    banned: Stranger
    people: dict[str, Person] = field(default_factory=dict)
    others: dict[str, Foreigner] = field(default_factory=dict)
    pieces: dict[str, Piece] = field(default_factory=dict)
    projects: dict[str, Circle] = field(default_factory=dict)
    old_access: dict[str, tuple[str, str]] = field(default_factory=dict)  # token, session
    keys: dict[str, Signer] = field(default_factory=dict)  # of riverside and its people

    def piece(self, number: int) -> Piece:
        return next(piece for piece in self.pieces.values() if piece.number == number)

    def uri_of(self, name: str) -> str:
        """The id of a person."""
        return self.people[name].uri if name in self.people else self.others[name].uri

    # --- writing -------------------------------------------------------------------------------

    def numbered(self) -> int:
        return len(self.pieces) + 1

    async def write(
        self,
        name: str,
        author: Person | Foreigner,
        readers: Iterable[str],
        *,
        must: Iterable[str] | None = None,
        plain: bool = False,
        **addressed: Any,
    ) -> Piece:
        """`author` writes a post with a marker in every part; `plain`: in its text alone."""
        number = self.numbered()
        parts = ("text",) if plain else PARTS
        made = said(number, plain=plain) | addressed
        if isinstance(author, Person):
            activity = await author.post(made)
            document = (await author.school.get(activity, as_=author)).json["object"]
        else:
            if not plain:
                made["tag"] = [{"type": "Hashtag", "name": f"#{marker(number, 'tag')}"}]
            activity, document = await self._told(author, made)
        pointed = tuple(document[one] for one in ("inReplyTo", "quote") if one in document)
        readers = frozenset(readers)
        self.pieces[name] = Piece(
            number=number,
            name=name,
            uri=document["id"],
            readers=readers,
            must=readers - RIVERSIDE if must is None else frozenset(must),
            parts=parts,
            activity=activity,
            points_to=pointed,
        )
        return self.pieces[name]

    async def _told(self, author: Foreigner, made: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        text = made.pop("content")
        del made["mediaType"]
        create = author.create(text, **{"to": [PUBLIC], "cc": [f"{author.uri}/followers"], **made})
        reply = await author.send(self.oakfield.shared_inbox, create)
        assert reply.status == 202, reply.text
        await self.town.settle()
        return create["id"], create["object"]

    def note(self, name: str, readers: Iterable[str], part: str, must: Iterable[str] = ()) -> str:
        """A word for something that is no post: a report, a request; put it where it belongs."""
        number = self.numbered()
        readers = frozenset(readers)
        self.pieces[name] = Piece(number, name, "", readers, frozenset(must), (part,))
        return marker(number, part)

    def change(self, name: str, **changes: Any) -> None:
        self.pieces[name] = replace(self.pieces[name], **changes)

    def deleted(self, name: str) -> None:
        """Its words are to be nowhere; whoever could read it is told that it was deleted."""
        self.change(name, once=self.pieces[name].readers, readers=frozenset(), must=frozenset())


def said(number: int, *, plain: bool = False) -> dict[str, Any]:
    """A post with a marker in every part, as a program of ours sends it."""

    def word(part: str) -> str:
        return marker(number, part)

    if plain:
        return {"type": "Note", "content": f"So {word('text')}", "mediaType": "text/plain"}
    options = [{"type": "Note", "name": name} for name in (f"Yes {word('option')}", "No")]
    picture = {"type": "Document", "mediaType": "image/png", "name": f"A plan {word('alt')}"}
    return {
        "type": "Question",
        "content": f"Words {word('text')} #{word('tag')}",
        "mediaType": "text/plain",
        "summary": f"About {word('warning')}",
        "sensitive": True,
        "attachment": [{**picture, "url": f"{FILES}/{word('file')}.png"}],
        "oneOf": options,
    }


def to(author: Person, kind: str, *named: str) -> dict[str, Any]:
    """The addresses of a post for one of the five audiences."""
    followers, members = f"{author.uri}/followers", f"{author.school.url}/school/members"
    return {
        "public": {"to": [PUBLIC], "cc": [followers, *named]},
        "unlisted": {"to": [followers], "cc": [PUBLIC, *named]},
        "followers": {"to": [followers], "cc": list(named)},
        "school": {"to": [members], "cc": list(named)},
        "direct": {"to": list(named)},
    }[kind]


# --- the term ------------------------------------------------------------------------------------


async def term(town: Town, *more: Callable[[Scene], Awaitable[None]]) -> Scene:
    """Everything that happened before anybody looks, with `more` before people part."""
    oakfield = await town.school("oakfield", mode="open")
    riverside = await town.school("riverside")
    village, hillside = await town.stranger("village"), await town.stranger("hillside")
    scene = Scene(town, oakfield, riverside, village, hillside, await town.stranger("banned"))
    for name in (*sorted(COLLEAGUES), "samir", "rita"):
        scene.people[name] = await oakfield.staff(name)
    for name in sorted(ABROAD):
        scene.people[name] = await riverside.staff(name)
    for name in sorted(ELSEWHERE - {"zoe"}):
        scene.others[name] = village.person(name)
    scene.others["zoe"] = hillside.person("zoe")
    scene.others["rex"] = scene.banned.person("rex")
    beginning = (meeting, strangers_write, leavers_write, alice_writes, bob_writes, talking)
    for chapter in (*beginning, *more, regretting, too_late, parting, afterwards):
        await chapter(scene)
        await town.settle()
    await oakfield.read(numbered, scene)
    return scene


async def meeting(scene: Scene) -> None:
    """Who follows whom. Alice says who may follow her; pia and peter wait for her answer."""
    alice, bob = scene.people["alice"], scene.people["bob"]
    await alice.post(
        {"type": "Update", "object": {"id": alice.uri, "manuallyApprovesFollowers": True}}
    )
    await alice.post({"type": "Update", "object": {"id": alice.uri, "indexable": True}})
    asked = [
        await scene.people[name].post({"type": "Follow", "object": alice.uri})
        for name in ("dave", "bob", "pia")
    ]
    fiona, peter = scene.others["fiona"], scene.others["peter"]
    for who in (fiona, peter):
        word = "" if who is fiona else scene.note("peter asks", {"alice"}, "request", {"alice"})
        follow = who.activity("Follow", alice.uri, to=[alice.uri], cc=[])
        follow["id"] += word
        await who.send(f"{alice.uri}/inbox", follow)
        asked.append(follow["id"])
    await scene.town.settle()
    for uri in (asked[0], asked[1], asked[3]):
        await alice.post({"type": "Accept", "object": uri})
    await scene.people["carol"].post({"type": "Follow", "object": bob.uri})
    await scene.people["dave"].post({"type": "Follow", "object": scene.people["samir"].uri})
    await scene.people["dave"].post({"type": "Follow", "object": scene.people["rita"].uri})
    for name in ("mallory", "rex"):
        other = scene.others[name]
        await scene.people["carol"].post({"type": "Follow", "object": other.uri})
        await scene.town.settle()
        (follow,) = (one for one in other.home.activities("Follow") if one["object"] == other.uri)
        await other.send(scene.oakfield.shared_inbox, other.activity("Accept", follow))
    scene.pieces["pia asks"] = Piece(
        scene.numbered(), "pia asks", "", frozenset({"pia", "alice"}), frozenset(), (),
        activity=asked[2],
    )  # fmt: skip


async def strangers_write(scene: Scene) -> None:
    """Mallory and rex, before anybody blocks them. Carol follows both."""
    mallory, rex = scene.others["mallory"], scene.others["rex"]
    near = COLLEAGUES - {"alice"}
    await scene.write("mallory to all", mallory, ALL - {"alice"}, must=near)
    await scene.write("mallory to followers", mallory, {"carol"}, to=[f"{mallory.uri}/followers"])
    await scene.write("rex to all", rex, ())
    await scene.write("rex to followers", rex, (), to=[f"{rex.uri}/followers"])
    await scene.write("rex to carol", rex, (), to=[scene.people["carol"].uri], cc=[])


async def leavers_write(scene: Scene) -> None:
    """Samir, who will be suspended, and rita, who will be removed. Nobody sees a word of theirs."""
    carol = scene.people["carol"].uri
    for name in ("samir", "rita"):
        who = scene.people[name]
        for kind in ("public", "unlisted", "followers", "school"):
            await scene.write(f"{name} {kind}", who, (), **to(who, kind))
        await scene.write(f"{name} to carol", who, (), **to(who, "direct", carol))


async def alice_writes(scene: Scene) -> None:
    alice = scene.people["alice"]
    carol, dave = scene.people["carol"].uri, scene.people["dave"].uri
    nell = scene.others["nell"].uri

    async def write(name: str, kind: str, readers: Iterable[str], *named: str, **more: Any) -> None:
        await scene.write(f"alice {name}", alice, readers, **to(alice, kind, *named), **more)

    await write("public", "public", NOT_MALLORY)
    await write("unlisted", "unlisted", NOT_MALLORY)
    await write("followers", "followers", FOLLOWERS)
    await write("followers and carol", "followers", FOLLOWERS | {"carol"}, carol)
    await write("school", "school", COLLEAGUES)
    await write("to dave", "direct", {"alice", "dave"}, dave)
    await write("to nell", "direct", {"alice", "nell"}, nell)
    await write("to dave, bcc nell", "direct", {"alice", "dave", "nell"}, dave, bcc=[nell])
    await write("to nell, bcc dave", "direct", {"alice", "dave", "nell"}, nell, bcc=[dave])
    await write("public, bcc carol", "public", NOT_MALLORY, bcc=[carol])
    # What will be changed and what will be taken back.
    await write("to be edited", "public", NOT_MALLORY)
    await write("to be edited for followers", "followers", FOLLOWERS)
    await write("to be deleted", "public", NOT_MALLORY)
    await write("to be deleted for followers", "followers", FOLLOWERS)


async def bob_writes(scene: Scene) -> None:
    """At riverside. Carol follows him; what comes to oakfield, those may read whom it was for."""
    bob = scene.people["bob"]
    carol, dave, nora = (scene.people[name].uri for name in ("carol", "dave", "nora"))

    async def write(name: str, kind: str, readers: Iterable[str], *named: str, **more: Any) -> None:
        more["must"] = more.get("must", frozenset(readers) - ABROAD)
        await scene.write(f"bob {name}", bob, {*readers, "bob"}, **to(bob, kind, *named), **more)

    # Dave follows him for a day.
    follow = await scene.people["dave"].post({"type": "Follow", "object": bob.uri})
    await scene.town.settle()
    await write("on that day", "followers", {"carol"})
    await scene.town.settle()
    await scene.people["dave"].post({"type": "Undo", "object": follow})
    await scene.town.settle()
    await write("public", "public", ALL, must=COLLEAGUES)
    await write("unlisted", "unlisted", ALL, must=COLLEAGUES)
    await write("followers", "followers", {"carol"})
    await write("school", "school", {"nora"})
    await write("to nora", "direct", {"nora"}, nora)
    await write("to carol", "direct", {"carol"}, carol)
    await write("to nora, bcc dave", "direct", {"dave", "nora"}, nora, bcc=[dave])


async def talking(scene: Scene) -> None:
    """Answers, quotes, likes, posts passed on and pinned."""
    alice, bob, carol, dave = (scene.people[name] for name in ("alice", "bob", "carol", "dave"))
    samir, rita, nora = (scene.people[name] for name in ("samir", "rita", "nora"))
    uri = {name: piece.uri for name, piece in scene.pieces.items()}

    async def answer(
        name: str, who: Person | Foreigner, readers: Iterable[str], about: str, **more: Any
    ) -> None:
        more.setdefault("inReplyTo", uri[about])
        await scene.write(name, who, readers, plain=True, **more)

    await answer("carol answers", carol, ALL, "alice public", **to(carol, "public"))
    await answer(
        "alice answers for followers",
        alice,
        FOLLOWERS,
        "alice public",
        **to(alice, "followers"),
    )
    await answer("carol at school", carol, COLLEAGUES, "alice school", **to(carol, "school"))
    await answer(
        "dave to alice", dave, {"alice", "dave"}, "alice followers", **to(dave, "direct", alice.uri)
    )
    await answer("dave aloud", dave, ALL, "alice followers", **to(dave, "public"))
    await answer("samir answers", samir, (), "alice public", **to(samir, "public"))
    await answer("rita answers", rita, (), "alice public", **to(rita, "public"))
    await answer("bob answers", bob, ALL, "alice public", **to(bob, "public"))
    await answer("bob for followers", bob, {"bob", "carol"}, "bob public", **to(bob, "followers"))
    # A passer-by reads it below alice's post; others elsewhere have their own way to it.
    at_oakfield = COLLEAGUES | PASSERS_BY
    scene.change("bob answers", must=at_oakfield)
    await scene.town.settle()
    # Mallory answers before alice blocks her.
    await answer("mallory answers", scene.others["mallory"], ALL - {"alice"}, "alice public")
    scene.change("mallory answers", must=at_oakfield - {"alice"})
    for name, who, quoted in (
        ("carol quotes alice", carol, "alice public"),
        ("dave quotes samir", dave, "samir public"),
        ("dave quotes rita", dave, "rita public"),
        ("carol quotes what is deleted", carol, "alice to be deleted"),
    ):
        await scene.write(name, who, ALL, plain=True, quote=uri[quoted], **to(who, "public"))
    for who, kind, names in (
        (dave, "Like", ("alice public", "alice followers", "alice to dave", "alice school")),
        (carol, "Like", ("bob public", "bob followers", "alice public")),
        (alice, "Like", ("carol answers",)),
        (samir, "Like", ("alice public",)),
        (rita, "Like", ("alice public",)),
        (dave, "Announce", ("alice public",)),
        (samir, "Announce", ("alice unlisted",)),
        (alice, "Announce", ("alice followers",)),
        (carol, "Announce", ("bob public", "mallory to all", "samir unlisted")),
        (nora, "Like", ("bob public", "bob to nora")),
    ):
        for name in names:
            address = {"to": [f"{who.uri}/followers"]} if kind == "Announce" else {}
            await who.post({"type": kind, "object": scene.pieces[name].uri, **address})
    for name in ("alice public", "alice followers"):
        await alice.post({"type": "Add", "object": uri[name], "target": f"{alice.uri}/featured"})
    for liking in ("mallory", "fiona"):
        other = scene.others[liking]
        like = other.activity("Like", uri["alice public"], to=[alice.uri], cc=[])
        await other.send(scene.oakfield.shared_inbox, like)


async def regretting(scene: Scene) -> None:
    """Alice edits two posts, and deletes two. Reports are made."""
    alice, dave = scene.people["alice"], scene.people["dave"]
    for name in ("alice to be edited", "alice to be edited for followers"):
        before = scene.pieces[name]
        after = name.replace("to be edited", "edited")
        number = scene.numbered()
        words = said(number)
        # Choices stay what they are: people have chosen.
        changed = {key: words[key] for key in ("content", "mediaType", "summary", "attachment")}
        await alice.post({"type": "Update", "object": {"id": before.uri, **changed}})
        parts = tuple(part for part in PARTS if part != "option")
        scene.pieces[after] = replace(before, number=number, name=after, parts=parts, activity="")
        # Of the old words only the choices are found by anybody.
        scene.change(name, parts=("option",))
    for name in ("alice to be deleted", "alice to be deleted for followers"):
        await alice.post({"type": "Delete", "object": scene.pieces[name].uri})
        scene.deleted(name)
    mallory, zoe = scene.others["mallory"], scene.others["zoe"]
    unkind = scene.pieces["mallory to all"].uri
    about = scene.note("dave reports mallory", {"dave"}, "report")
    await dave.post({"type": "Flag", "object": [mallory.uri, unkind], "content": f"Rude {about}"})
    about = scene.note("dave reports carol", {"dave"}, "report")
    carol = scene.people["carol"].uri
    await dave.post({"type": "Flag", "object": carol, "content": f"Loud {about}"})
    about = scene.note("zoe reports alice", (), "report")
    flag = zoe.activity(
        "Flag", [alice.uri, scene.pieces["alice public"].uri], content=about, to=[alice.uri], cc=[]
    )
    flag["id"] += about
    await zoe.send(scene.oakfield.shared_inbox, flag)


async def too_late(scene: Scene) -> None:
    """A letter to somebody whose server is away; by the time it is back alice took it back."""
    alice, zoe = scene.people["alice"], scene.others["zoe"]
    await scene.hillside.shut()
    letter = await scene.write(
        "alice to zoe", alice, {"alice", "zoe"}, **to(alice, "direct", zoe.uri)
    )
    await scene.town.settle()
    await alice.post({"type": "Delete", "object": letter.uri})
    scene.deleted("alice to zoe")
    await scene.hillside.open()
    scene.town.clock.advance(minutes=10)


async def parting(scene: Scene) -> None:
    """Alice blocks mallory; samir is suspended and rita removed; the server of rex is blocked."""
    alice, oakfield = scene.people["alice"], scene.oakfield
    block = await alice.post({"type": "Block", "object": scene.others["mallory"].uri})
    scene.pieces["alice blocks mallory"] = Piece(
        scene.numbered(), "alice blocks mallory", "", frozenset({"alice"}), frozenset(), (),
        activity=block,
    )  # fmt: skip

    def session(tx: Transaction, person: Person) -> str:
        actor = actors.by_id(tx, person.id)
        assert actor is not None
        return accounts.begin_session(tx, actor)

    def program(tx: Transaction, person: Person) -> str:
        actor = actors.by_id(tx, person.id)
        assert actor is not None
        return accounts.issue_token(tx, actor, ("follow",))

    def leave(tx: Transaction) -> None:
        samir, rita = (actors.by_id(tx, scene.people[name].id) for name in ("samir", "rita"))
        assert samir is not None
        assert rita is not None
        assert standing.suspend(tx, samir)
        delete.account(tx, rita)

    for name in (*sorted(COLLEAGUES), "samir", *sorted(ABROAD)):
        person = scene.people[name]
        scene.old_access[name] = (person.token, await person.school.write(session, person))
    for name in sorted(ABROAD):
        scene.keys[name] = await scene.riverside.read(key_of, scene.people[name].id)
    scene.keys["riverside"] = await scene.riverside.read(local.instance_signer)
    token = await oakfield.write(program, scene.people["dave"])
    scene.old_access["program"] = (token, "")
    await oakfield.write(leave)
    for name in ("rita public", "rita unlisted", "rita answers"):
        scene.change(name, once=ALL)
    await scene.town.settle()
    await oakfield.block("banned.example")


async def afterwards(scene: Scene) -> None:
    """What alice writes once mallory is blocked."""
    alice = scene.people["alice"]
    await scene.write("alice later", alice, NOT_MALLORY, plain=True, **to(alice, "public"))
    await scene.write(
        "alice later for followers",
        alice,
        # Whom one answers is told.
        FOLLOWERS | {"carol"},
        plain=True,
        inReplyTo=scene.pieces["carol answers"].uri,
        **to(alice, "followers"),
    )


# --- who looks, and what there is to ask for -----------------------------------------------------


def numbered(tx: Transaction, scene: Scene) -> None:
    """Give each piece the number of its row at oakfield, 0 where oakfield has none."""
    rows: dict[str, int] = {
        uri: id_
        for table in (tables.objects, tables.actors)
        for id_, uri in tx.execute(select(table.c.id, table.c.uri))
    }
    for name, piece in scene.pieces.items():
        scene.change(name, id=rows.get(piece.uri, 0))


def known(tx: Transaction, scene: Scene) -> Known:
    """Every name and number that the school has whose database is asked."""
    people = tx.execute(select(tables.actors.c.id, tables.actors.c.username, tables.actors.c.host))
    names = {id_: (username, host) for id_, username, host in people}
    posts = tx.execute(select(tables.objects.c.id, tables.objects.c.author_id))
    groups = list(tx.execute(select(tables.projects.c.actor_id)).scalars())
    ours = tx.school.host

    def ids(table: Any) -> tuple[int, ...]:
        return tuple(tx.execute(select(table.c.id).order_by(table.c.id)).scalars())

    def author(id_: int) -> str:
        username, host = names[id_]
        return username if host == ours else "nobody"

    return Known(
        host=ours,
        usernames=tuple(name for name, host in names.values() if host == ours and "." not in name),
        handles=tuple(f"{name}@{host}" for name, host in names.values() if host != ours),
        people=tuple(names),
        projects=tuple(groups),
        slugs=tuple(circle.slug for circle in scene.projects.values()),
        posts=tuple((author(author_id), id_) for id_, author_id in posts),
        activities=ids(tables.published),
        arrivals=ids(tables.received),
        tags=tuple(
            marker(piece.number, "tag") for piece in scene.pieces.values() if "tag" in piece.parts
        ),
    )


def viewers(scene: Scene) -> dict[str, Viewer]:
    """Everybody who looks."""
    found = {"anonymous": Viewer("anonymous", visiting(), lambda method, url: {})}
    found["robot"] = Viewer("robot", visiting("Searching/2.1 (+https://search.example)"))
    for name, (token, session) in scene.old_access.items():
        if name not in ABROAD:
            found[name] = Viewer(name, cookie(session) if session else None, bearer(token))
    for name, person in scene.others.items():
        found[name] = Viewer(name, None, signing(person))
    for name, signer in scene.keys.items():
        found[name] = Viewer(name, None, signing_as(signer, scene.town.clock))
    assert set(found) == set(VIEWERS)
    return found


def viewers_at_riverside(scene: Scene) -> list[Viewer]:
    """Who looks there: those who work there."""
    access = {name: scene.old_access[name] for name in sorted(ABROAD)}
    return [
        Viewer(name, cookie(session), bearer(token)) for name, (token, session) in access.items()
    ]


# With a visit of their own the forms that somebody is shown stay the same.
VISIT = f"__Host-visit={'v' * 43}"


def visiting(agent: str = "Reading/1.0") -> Headers:
    return lambda method, url: {"Cookie": VISIT, "User-Agent": agent}


def cookie(session: str) -> Headers:
    return lambda method, url: {"Cookie": f"__Host-session={session}; {VISIT}"}


def bearer(token: str) -> Headers:
    return lambda method, url: {"Authorization": f"Bearer {token}"}


def signing(person: Foreigner) -> Headers:
    # A signature is good for hours, and costs as much as the answer.
    @lru_cache(maxsize=4_000)
    def headers(method: str, url: str) -> dict[str, str]:
        return person.headers(url, None, method=method)

    return headers


def signing_as(signer: Signer, clock: Clock) -> Headers:
    @lru_cache(maxsize=4_000)
    def headers(method: str, url: str) -> dict[str, str]:
        return dict(sign(method, url, signer=signer, now=clock()))

    return headers


def key_of(tx: Transaction, actor_id: int) -> Signer:
    actor = actors.by_id(tx, actor_id)
    assert actor is not None
    return local.signer(tx, actor)
