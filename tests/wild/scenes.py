"""What each kind of activity must come to: the day before it came, and what is there afterwards.

`SCENES` has a line for every type that has an effect here. `before` makes the world in which the
document means something and answers it as it was sent to us; `after` looks whether it had its
effect, in the tables and not in what we answered.
"""

import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

from sqlalchemy import func, select

from actors import projects
from storage import (
    actors,
    announces,
    blocks,
    featured,
    follows,
    likes,
    memberships,
    objects,
    tables,
)
from storage.actors import Actor
from storage.database import Transaction
from storage.objects import Post
from tests.town.stranger import PUBLIC
from tests.wild import documents
from tests.wild.documents import (
    Document,
    author_of,
    first_type,
    host_of,
    id_of,
    many,
    one,
    with_ids,
)
from tests.wild.stage import Stage, ask

PUBLICS = frozenset({PUBLIC, "as:Public", "Public"})
EARLIER = "<p>Earlier</p>"


@dataclass(frozen=True)
class Scene:
    before: Callable[[Stage, Document], Awaitable[Document]]
    after: Callable[[Stage, Document], Awaitable[bool]]


# --- what somebody wrote --------------------------------------------------------------------------


class _Words(HTMLParser):
    """The words of an HTML text that a reader sees."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.text = ""
        self.script = False

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.script = tag in ("script", "style")
        self.text += "" if tag in ("a", "b", "em", "i", "span", "strong") else " "

    def handle_endtag(self, tag: str) -> None:
        self.script = False

    def handle_data(self, data: str) -> None:
        self.text += "" if self.script else data


def words(html: Any) -> set[str]:
    """The longer words of a text."""
    reader = _Words()
    reader.feed(html if isinstance(html, str) else "")
    return set(re.findall(r"[^\W\d_]{4,}", reader.text))


# Written below a post for those who cannot show what it quotes; we can.
QUOTED = re.compile(
    r"(RE|QT|Quote):?\s*(</?\w+[^>]*>\s*)*\[?\s*(<a\b.*?</a>|https?://[^\s<]+)", re.S
)


def said(post: Document) -> set[str]:
    """The words that a reader must find: those of the text, else of the title."""
    for plain, mapped in (("content", "contentMap"), ("name", "nameMap")):
        texts = [post.get(plain), *(post.get(mapped) or {}).values()]
        for text in texts:
            if isinstance(text, str) and text.strip():
                return words(QUOTED.sub("", text))
    return set()


def shown(post: Post) -> set[str]:
    """The words that a reader does find."""
    return words(f"<p>{post.name or ''}<p>{post.summary or ''}<p>{post.content}")


def addressed(document: Document) -> set[str]:
    found: set[str] = set()
    for part in (document, one(document.get("object"))):
        if isinstance(part, dict):
            for name in ("to", "cc", "audience"):
                found |= {id_of(who) for who in many(part.get(name)) if who}
    return found


def meant_for(document: Document, author: Actor) -> str:
    """The audience that its sender meant, read anew from the addresses."""
    to = {
        id_of(who)
        for part in (document, one(document.get("object")))
        if isinstance(part, dict)
        for who in many(part.get("to"))
        if who
    }
    if to & PUBLICS:
        return "public"
    everyone = addressed(document)
    if everyone & PUBLICS:
        return "unlisted"
    return "followers" if author.followers in everyone else "direct"


def followers_of(document: Document, author: str) -> str | None:
    """The collection of the author's followers, as far as the document names one."""
    for uri in sorted(addressed(document)):
        if (
            uri not in PUBLICS
            and host_of(uri) == host_of(author)
            and uri.rstrip("/").endswith("followers")
        ):
            return uri
    return None


def to_lee(stage: Stage, document: Document) -> Document:
    """Whoever a document mentions, or is for alone, is Lee."""
    inner = one(document.get("object"))
    mentioned = [
        id_of(tag.get("href"))
        for tag in many(inner.get("tag") if isinstance(inner, dict) else None)
        if first_type(tag) == "Mention"
    ]
    everyone = addressed(document)
    if mentioned:
        return with_ids(document, {mentioned[0]: stage.lee.uri})
    others = everyone - PUBLICS - {id_of(document.get("actor"))}
    people = sorted(uri for uri in others if not uri.rstrip("/").endswith("followers"))
    if people and not everyone & PUBLICS and len(people) == len(others):
        return with_ids(document, {people[0]: stage.lee.uri})
    return document


async def before_create(stage: Stage, document: Document) -> Document:
    inner = one(document.get("object"))
    actor = id_of(document.get("actor"))
    if isinstance(inner, dict) and is_vote(inner):
        await stage.school.write(
            ask, stage.poll, [vote["name"] for vote in many(document["object"])]
        )
        answered = id_of(inner["inReplyTo"])
        return with_ids(document, {answered: stage.poll.uri, one(inner.get("to")): stage.lee.uri})
    await stage.person(actor, followers=followers_of(document, actor))
    if not isinstance(inner, dict):
        known = documents.by_id().get(id_of(inner))
        if known is not None:
            await stage.serve(documents.mended(known))
    return to_lee(stage, document)


def is_vote(inner: Document) -> bool:
    return bool(inner.get("inReplyTo") and inner.get("name") and not inner.get("content"))


async def after_create(stage: Stage, document: Document) -> bool:
    inner = one(document.get("object"))
    if isinstance(inner, dict) and is_vote(inner):
        votes = tables.votes.select().where(tables.votes.c.object_id == stage.poll.id)
        cast = await stage.school.read(lambda tx: len(tx.execute(votes).all()))
        return cast == len(many(document["object"])) and await kept(stage, id_of(inner)) is None
    post = await kept(stage, id_of(inner))
    if post is None:
        return False
    author = await stage.school.read(actors.by_id, post.author_id)
    assert author is not None
    if not isinstance(inner, dict):
        return True
    missing = said(inner) - shown(post)
    assert not missing, f"words that nobody would see: {sorted(missing)[:8]}"
    assert post.audience == meant_for(document, author), (post.audience, addressed(document))
    warning = inner.get("summary")
    if warning and first_type(inner) == "Note":
        assert words(warning) <= words(post.summary), "a content warning that is not shown"
    stored = json.loads(post.document)
    assert len(many(stored.get("attachment"))) == len(many(inner.get("attachment")))
    return True


async def kept(stage: Stage, uri: str) -> Post | None:
    return await stage.school.read(objects.by_uri, uri)


async def before_update(stage: Stage, document: Document) -> Document:
    inner = one(document.get("object"))
    actor = id_of(document.get("actor"))
    await stage.person(actor, followers=followers_of(document, actor))
    if not isinstance(inner, dict) or id_of(inner) == actor:
        await stage.known(actor, name="Earlier name")
        return document
    await earlier(stage, id_of(inner), author_of(inner) or actor)
    return document


async def earlier(stage: Stage, uri: str, author: str) -> None:
    """That post was here before, written by that author."""
    writer = await stage.known(author)

    def write(tx: Transaction) -> None:
        objects.add(
            tx,
            uri=uri,
            author_id=writer.id,
            type="Note",
            audience="public",
            name=None,
            summary=None,
            content=EARLIER,
            url=uri,
            in_reply_to=None,
            document={"id": uri, "type": "Note", "attributedTo": author},
            published_at=documents_before_all(tx),
            recipients=(),
        )

    await stage.school.write(write)


def documents_before_all(tx: Transaction) -> Any:
    return tx.now.replace(year=2000)


async def after_update(stage: Stage, document: Document) -> bool:
    inner = one(document.get("object"))
    actor = id_of(document.get("actor"))
    if id_of(inner) == actor:
        changed = await stage.school.read(actors.by_uri, actor)
        assert changed is not None
        return changed.name != "Earlier name"
    post = await kept(stage, id_of(inner))
    return post is not None and post.content != EARLIER and said(inner) <= shown(post)


# --- what is about something of ours --------------------------------------------------------------


async def about_our_post(stage: Stage, document: Document) -> Document:
    return with_ids(document, {id_of(document["object"]): stage.ours.uri})


async def about_lee(stage: Stage, document: Document) -> Document:
    return with_ids(document, {id_of(document["object"]): stage.lee.uri})


async def liked(stage: Stage, document: Document) -> bool:
    return await stage.school.read(likes.count, stage.ours.id) == 1


async def before_announce(stage: Stage, document: Document) -> Document:
    inner = one(document.get("object"))
    if not isinstance(inner, dict):
        return await about_our_post(stage, document)
    post = inner if "actor" not in inner else one(inner.get("object"))
    if isinstance(post, dict) and id_of(post):
        author = author_of(post) or id_of(inner.get("actor"))
        if author:
            await stage.person(author)
            await stage.serve(post)
    return document


async def after_announce(stage: Stage, document: Document) -> bool:
    inner = one(document.get("object"))
    post: Post | None = stage.ours
    if isinstance(inner, dict):
        post = await kept(stage, id_of(inner if "actor" not in inner else inner.get("object")))
    actor = await stage.school.read(actors.by_uri, id_of(document["actor"]))
    if post is None or actor is None:
        return False
    return await stage.school.read(announces.get, actor.id, post.id) is not None


async def followed(stage: Stage, document: Document) -> bool:
    home = await stage.stranger(id_of(document["actor"]))
    answers = home.activities("Accept")
    return (
        await stage.school.read(follows.count_followers, stage.lee.id) == 1
        and len(answers) == 1
        and id_of(answers[0]["object"]) == document["id"]
    )


async def before_answer(stage: Stage, document: Document) -> Document:
    """Lee asked to follow whoever answers."""
    inner = one(document.get("object"))
    actor = await stage.known(id_of(document["actor"]))

    def asked(tx: Transaction) -> None:
        follows.request(tx, stage.lee.id, actor.id, id_of(inner))

    if isinstance(inner, dict) and first_type(inner) != "Follow":
        return document
    await stage.school.write(asked)
    asker = id_of(inner.get("actor")) if isinstance(inner, dict) else ""
    return with_ids(document, {asker: stage.lee.uri}) if asker else document


async def state_of_follow(stage: Stage, document: Document) -> str:
    actor = await stage.school.read(actors.by_uri, id_of(document["actor"]))
    assert actor is not None
    follow = await stage.school.read(follows.get, stage.lee.id, actor.id)
    return "" if follow is None else follow.state


async def accepted(stage: Stage, document: Document) -> bool:
    return await state_of_follow(stage, document) == "accepted"


async def rejected(stage: Stage, document: Document) -> bool:
    return await state_of_follow(stage, document) in ("rejected", "")


# --- what ends something --------------------------------------------------------------------------


async def before_delete(stage: Stage, document: Document) -> Document:
    uri, actor = id_of(document["object"]), id_of(document["actor"])
    await stage.known(actor)
    if uri != actor:
        await earlier(stage, uri, actor)
    return document


async def deleted(stage: Stage, document: Document) -> bool:
    uri, actor = id_of(document["object"]), id_of(document["actor"])
    if uri == actor:
        gone = await stage.school.read(actors.by_uri, actor)
        return gone is not None and gone.state == "deleted"
    post = await kept(stage, uri)
    return post is not None and post.deleted_at is not None


async def before_undo(stage: Stage, document: Document) -> Document:
    """What is taken back was done: a like of Lee's post, a follow of Lee …"""
    inner = one(document.get("object"))
    actor = await stage.known(id_of(document["actor"]))
    kind = first_type(inner) or "Like"
    whom = {"Follow": stage.lee.uri, "Block": stage.lee.uri}.get(kind, stage.ours.uri)
    if isinstance(inner, dict) and id_of(inner.get("object")):
        document = with_ids(document, {id_of(inner["object"]): whom})
    uri = id_of(inner)

    def do(tx: Transaction) -> None:
        if kind == "Follow":
            follows.request(tx, actor.id, stage.lee.id, uri)
            follows.accept(tx, actor.id, stage.lee.id)
        elif kind == "Block":
            blocks.add(tx, uri=uri, actor_id=actor.id, target_id=stage.lee.id)
        elif kind == "Announce":
            announces.add(
                tx, uri=uri, actor_id=actor.id, object_id=stage.ours.id, audience="public"
            )
        elif kind in ("Like", "EmojiReact"):
            likes.add(tx, uri=uri, actor_id=actor.id, object_id=stage.ours.id)

    await stage.school.write(do)
    return document


async def undone(stage: Stage, document: Document) -> bool:
    kind = first_type(one(document.get("object"))) or "Like"
    table = {"Follow": tables.follows, "Block": tables.blocks, "Announce": tables.announces}.get(
        kind, tables.likes
    )
    count = select(func.count()).select_from(table)
    return await stage.school.read(lambda tx: tx.execute(count).scalar_one()) == 0


async def before_block(stage: Stage, document: Document) -> Document:
    actor = await stage.known(id_of(document["actor"]))

    def befriend(tx: Transaction) -> None:
        for one_way, other in ((actor.id, stage.lee.id), (stage.lee.id, actor.id)):
            follows.request(tx, one_way, other, f"https://follows.example/{one_way}")
            follows.accept(tx, one_way, other)

    await stage.school.write(befriend)
    return await about_lee(stage, document)


async def parted(stage: Stage, document: Document) -> bool:
    actor = await stage.school.read(actors.by_uri, id_of(document["actor"]))
    assert actor is not None
    cut = await stage.school.read(follows.count_followers, stage.lee.id) == 0
    cut = cut and await stage.school.read(follows.count_following, stage.lee.id) == 0
    return cut and await stage.school.read(blocks.between, actor.id, stage.lee.id)


# --- the rest -------------------------------------------------------------------------------------


async def before_flag(stage: Stage, document: Document) -> Document:
    reported = [id_of(about) for about in many(document["object"])]
    if len(reported) == 1:
        return with_ids(document, {reported[0]: stage.ours.uri})
    return with_ids(document, {reported[0]: stage.lee.uri, reported[1]: stage.ours.uri})


async def reported(stage: Stage, document: Document) -> bool:
    rows = await stage.school.read(lambda tx: tx.execute(tables.reports.select()).all())
    return (
        len(rows) == 1
        and rows[0].subject_id == stage.lee.id
        and stage.ours.uri in rows[0].post_uris
    )


async def before_pin(stage: Stage, document: Document) -> Document:
    actor, target = id_of(document["actor"]), id_of(document["target"])
    own = target.startswith(actor.rstrip("/")) and first_type(one(document["object"])) == ""
    await stage.known(actor, **({"featured": target} if own else {}))
    uri = id_of(document["object"])
    if own:
        await earlier(stage, uri, actor)
        post = await kept(stage, uri)
        assert post is not None
        writer = await stage.school.read(actors.by_uri, actor)
        assert writer is not None
        if first_type(document) == "Remove":
            await stage.school.write(featured.add, writer.id, post.id)
    return document


async def pins(stage: Stage) -> int:
    count = select(func.count()).select_from(tables.featured)
    return int(await stage.school.read(lambda tx: tx.execute(count).scalar_one()))


async def pinned(stage: Stage, document: Document) -> bool:
    return await pins(stage) == 1


async def unpinned(stage: Stage, document: Document) -> bool:
    return await pins(stage) == 0


async def before_move(stage: Stage, document: Document) -> Document:
    """Lee follows whoever moves, and the new place says that it is theirs."""
    old, new = id_of(document["object"]), id_of(document["target"])
    actor = await stage.known(old, movedTo=new)
    await stage.person(new, alsoKnownAs=[old])

    def follow(tx: Transaction) -> None:
        follows.request(tx, stage.lee.id, actor.id, "https://follows.example/1")
        follows.accept(tx, stage.lee.id, actor.id)

    await stage.school.write(follow)
    return document


async def moved(stage: Stage, document: Document) -> bool:
    old = await stage.school.read(actors.by_uri, id_of(document["object"]))
    new = await stage.school.read(actors.by_uri, id_of(document["target"]))
    assert old is not None
    if new is None or old.moved_to != new.uri:
        return False
    return await stage.school.read(follows.get, stage.lee.id, new.id) is not None


# --- projects -------------------------------------------------------------------------------------


async def the_project(stage: Stage, role: memberships.Role | None, actor: str) -> Actor:
    """A project that Lee leads, and whoever it is in that role there, if in one."""
    who = await stage.known(actor)

    def begin(tx: Transaction) -> Actor:
        lee = actors.by_id(tx, stage.lee.id)
        assert lee is not None
        project = projects.create(tx, slug="treesim", name="Trees", owner=lee)
        if role is not None:
            memberships.begin(tx, project.id, who.id, role, f"{project.uri}#begun")
        return project

    return await stage.school.write(begin)


async def before_join(stage: Stage, document: Document) -> Document:
    """What they want to be in is a project of ours."""
    project = await the_project(stage, None, id_of(document["actor"]))
    return with_ids(document, {id_of(document["object"]): project.uri})


async def before_leave(stage: Stage, document: Document) -> Document:
    project = await the_project(stage, "editor", id_of(document["actor"]))
    return with_ids(document, {id_of(document["object"]): project.uri})


async def before_invite(stage: Stage, document: Document) -> Document:
    """Whoever invites leads it, and whom they invite can be found."""
    project = await the_project(stage, "lead", id_of(document["actor"]))
    await stage.person(id_of(document["object"]))
    return with_ids(document, {id_of(document.get("target")): project.uri})


async def standing(stage: Stage, project: str, person: str) -> str:
    def look(tx: Transaction) -> str:
        group, who = actors.by_uri(tx, project), actors.by_uri(tx, person)
        if group is None or who is None:
            return ""
        row = memberships.now(tx, group.id, who.id)
        return "" if row is None else row.state

    return await stage.school.read(look)


async def asks(stage: Stage, document: Document) -> bool:
    state = await standing(stage, id_of(document["object"]), id_of(document["actor"]))
    return state == "asked"


async def left(stage: Stage, document: Document) -> bool:
    return await standing(stage, id_of(document["object"]), id_of(document["actor"])) == ""


async def invited(stage: Stage, document: Document) -> bool:
    state = await standing(stage, id_of(document["target"]), id_of(document["object"]))
    return state == "invited"


SCENES: dict[str, Scene] = {
    "Accept": Scene(before_answer, accepted),
    "Add": Scene(before_pin, pinned),
    "Announce": Scene(before_announce, after_announce),
    "Block": Scene(before_block, parted),
    "Create": Scene(before_create, after_create),
    "Delete": Scene(before_delete, deleted),
    "EmojiReact": Scene(about_our_post, liked),
    "Flag": Scene(before_flag, reported),
    "Follow": Scene(about_lee, followed),
    "Invite": Scene(before_invite, invited),
    "Join": Scene(before_join, asks),
    "Leave": Scene(before_leave, left),
    "Like": Scene(about_our_post, liked),
    "Move": Scene(before_move, moved),
    "Reject": Scene(before_answer, rejected),
    "Remove": Scene(before_pin, unpinned),
    "Undo": Scene(before_undo, undone),
    "Update": Scene(before_update, after_update),
}
