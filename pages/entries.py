"""A post as it stands in a page, with everything that the page says about it.

Who wrote it and for whom, what stands below it, what it carries, quotes or asks, and what this
reader may do with it: asked for a whole page of posts at once.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from markupsafe import Markup

from actors.collections import LARGEST_ID
from federation import attachments, vocabulary
from federation.attachments import Attachment
from pages import words
from pages.words import Mentioned
from storage import actors, marks, memberships, objects, polls, projects
from storage.actors import Actor
from storage.audience import NOBODY, OPEN, Viewer
from storage.database import Transaction
from storage.marks import UNMARKED, Marks
from storage.objects import Post
from storage.polls import Poll

# Who a post is for, as its page says it: in a word, and in a sentence.
AUDIENCES: Mapping[str, tuple[str, str]] = {
    "public": ("Everybody", "Everybody may read this, here and elsewhere."),
    "unlisted": ("Everybody, unlisted", "Everybody may read this, but no list shows it."),
    "followers": ("Followers", "Only those who follow the author may read this."),
    "school": ("This school", "Only the staff of this school may read this."),
    "project": ("Members", "Only the members of the project may read this."),
    "direct": ("Named people", "Only the people named in it may read this."),
}
# Posts that a page names beside those that it shows, and people whom all its posts mention.
MOST_NAMED = 40
MOST_MENTIONED = 400
# Roles in a project that write.
WRITERS = ("lead", "editor")
KINDS: Mapping[str, str] = {"image": "Picture", "video": "Video", "audio": "Sound"}

# Handles that a path of ours can hold.
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_.~+-]+")
_PLAIN_HOST = re.compile(r"[a-z0-9.:-]+")


@dataclass(frozen=True)
class Enclosed:
    """A picture or file that a post carries, as a link: nothing of it is loaded here."""

    kind: str  # in a word
    alt: str
    url: str
    media_type: str
    target: str  # the server that it leads to


@dataclass(frozen=True)
class Entry:
    """`may` are the deeds that are offered: reply, like, announce, quote, vote, pin, edit, delete,
    report. `html` is clean; `path` the page of the post for this reader."""

    post: Post
    author: Actor
    html: Markup
    path: str
    author_path: str
    marks: Marks
    may: frozenset[str]
    language: str | None
    enclosed: tuple[Enclosed, ...] = ()
    poll: Poll | None = None
    poll_over: bool = False
    quoted: "Entry | None" = None
    answered: Actor | None = None  # who wrote what this answers
    announced_by: Actor | None = None
    project: Actor | None = None  # that it was written in
    project_path: str = ""

    @property
    def audience(self) -> str:
        return AUDIENCES[self.post.audience][0]

    @property
    def audience_in_full(self) -> str:
        return AUDIENCES[self.post.audience][1]


def number(request: web.Request) -> int:
    """The id of a row in the path of a request; too large a one is one that no row has."""
    return min(int(request.match_info["id"]), LARGEST_ID)


def viewer_of(reader: Actor | None) -> Viewer:
    """Who is looking: one of ours, or anybody."""
    return NOBODY if reader is None else Viewer(reader.id, local=True)


def person_path(actor: Actor, reader: Actor | None) -> str:
    """The page about somebody: ours; of others only for who is signed in, else their own page."""
    if actor.local and actor.type == "Group":
        return f"/projects/{actor.username}"
    if actor.local:
        return f"/@{actor.username}"
    if reader is None:
        return _page_at_home(actor.url, actor.uri)
    if actor.fetched_at is None:  # others named them; they have told us no handle yet
        return f"/people/{actor.id}"
    if _PLAIN_NAME.fullmatch(actor.username) and _PLAIN_HOST.fullmatch(actor.host):
        return f"/@{actor.username}@{actor.host}"
    return f"/people/{actor.id}"


def project_path(actor: Actor, reader: Actor | None) -> str:
    """The page of a project, likewise."""
    if actor.local:
        return f"/projects/{actor.username}"
    return f"/projects/{actor.id}" if reader is not None else _page_at_home(actor.url, actor.uri)


def post_path(post: Post, author: Actor, reader: Actor | None) -> str:
    """The page of a post, likewise."""
    if author.local:
        return f"/@{author.username}/{post.id}"
    return f"/posts/{post.id}" if reader is not None else _page_at_home(post.url, post.uri)


def _page_at_home(url: str, uri: str) -> str:
    """The page of somebody or something of another server, on that server: a name or a date does
    not lead elsewhere (SECURITY R25)."""
    at_home = words.target(url) == words.target(uri)
    return vocabulary.web_url(url if at_home else uri) or ""


def listed(shown: Iterable[Entry]) -> bool:
    """Whether search engines may keep a page with these posts: all who speak on it said yes."""
    entries = [one for entry in shown for one in (entry, entry.quoted) if one is not None]
    return all(json.loads(one.author.document).get("indexable") is True for one in entries)


def of(
    tx: Transaction,
    reader: Actor | None,
    posts: Sequence[Post],
    announced: Mapping[int, Actor] | None = None,
) -> list[Entry]:
    """What `reader` is shown of these posts, which they may see, in the same order.

    `announced` says who passed a post on, by the id of the post.
    """
    quoted = _seen(tx, reader, (post.quotes for post in posts))
    answered = _seen(tx, reader, (post.in_reply_to for post in posts))
    every = [*posts, *quoted.values()]
    people = (post.author_id for post in (*every, *answered.values()))
    authors = actors.by_ids(tx, people)
    noted: Mapping[int, Marks] = {}
    if reader is not None:
        noted = marks.of_posts(tx, reader.id, [post.id for post in posts])
    asked = polls.of_posts(tx, None if reader is None else reader.id, [post.id for post in every])
    places = _places(tx, reader, every)
    documents = {post.id: _document(post) for post in every}
    known = {} if reader is None else _known(tx, reader, documents.values())

    def entry(post: Post, **more: Any) -> Entry:
        author = authors[post.author_id]
        document = documents[post.id]
        poll = asked.get(post.id)
        place = places.get(post.project_id or 0)
        return Entry(
            post=post,
            author=author,
            html=words.shown(post.content, tx.school.host, _people(document, known)),
            path=post_path(post, author, reader),
            author_path=person_path(author, reader),
            marks=noted.get(post.id, UNMARKED),
            may=_may(post, author, reader, poll is not None and not poll.over(tx.now), place),
            language=vocabulary.language_of(document),
            enclosed=tuple(_enclosed(one) for one in attachments.of(document)),
            poll=poll,
            poll_over=poll is not None and poll.over(tx.now),
            project=None if place is None else place.project,
            project_path="" if place is None else project_path(place.project, reader),
            **more,
        )

    return [
        entry(
            post,
            quoted=entry(quoted[post.quotes]) if post.quotes in quoted else None,
            answered=authors[answered[post.in_reply_to].author_id]
            if post.in_reply_to in answered
            else None,
            announced_by=(announced or {}).get(post.id),
        )
        for post in posts
    ]


@dataclass(frozen=True)
class _Place:
    """A project that the reader may know of, and their role in it."""

    project: Actor
    role: str | None


def _places(tx: Transaction, reader: Actor | None, posts: Iterable[Post]) -> dict[int, _Place]:
    """The projects that these posts were written in."""
    wanted = {post.project_id for post in posts if post.project_id is not None}
    found = actors.by_ids(tx, wanted) if wanted else {}
    viewer = None if reader is None else reader.id
    return {
        actor.id: _Place(
            actor, None if reader is None else memberships.role(tx, actor.id, reader.id)
        )
        for actor in found.values()
        if not projects.hidden(tx, viewer, actor)
    }


def _seen(
    tx: Transaction, reader: Actor | None, uris: Iterable[str | None]
) -> dict[str | None, Post]:
    """Those of the posts with these ids that the reader may see, of the first so many."""
    found: dict[str | None, Post] = {}
    for uri in list(dict.fromkeys(uri for uri in uris if uri))[:MOST_NAMED]:
        post = objects.seen_by_uri(tx, viewer_of(reader), uri)
        if post is not None and post.deleted_at is None:
            found[uri] = post
    return found


def _known(
    tx: Transaction, reader: Actor, documents: Iterable[dict[str, Any]]
) -> dict[str, dict[str, Mentioned]]:
    """Those whom these posts mention and whom we have a page about, by their id; each by the
    addresses of links that lead to them."""
    uris = dict.fromkeys(uri for document in documents for uri in _mentions(document))
    found = actors.mentioned(tx, list(uris)[:MOST_MENTIONED])
    return {
        uri: dict.fromkeys(
            (actor.uri, _page_at_home(actor.url, actor.uri) or actor.uri),
            Mentioned(
                f"/people/{actor.id}" if uri in found.shared else person_path(actor, reader),
                actor.handle,
            ),
        )
        for uri, actor in found.actors.items()
    }


def _people(
    document: dict[str, Any], known: Mapping[str, dict[str, Mentioned]]
) -> dict[str, Mentioned]:
    """Of those, whom this one post mentions."""
    people: dict[str, Mentioned] = {}
    for uri in _mentions(document) if known else ():
        people |= known.get(uri, {})
    return people


def _mentions(document: dict[str, Any]) -> list[str]:
    named = (
        vocabulary.id_of(tag.get("href"))
        for tag in vocabulary.tags(document)
        if "Mention" in vocabulary.types_of(tag)
    )
    return [uri for uri in named if uri is not None][: vocabulary.MOST_MENTIONS]


def _enclosed(attachment: Attachment) -> Enclosed:
    media_type = attachment.media_type or ""
    kind = KINDS.get(media_type.partition("/")[0]) or KINDS.get(attachment.kind.lower(), "File")
    return Enclosed(
        kind=kind,
        alt=attachment.alt or "",
        url=attachment.url,
        media_type=media_type,
        target=words.target(attachment.url),
    )


def _document(post: Post) -> dict[str, Any]:
    kept = json.loads(post.document)
    return kept if isinstance(kept, dict) else {}


def _may(
    post: Post, author: Actor, reader: Actor | None, votes: bool, place: _Place | None
) -> frozenset[str]:
    """What the reader may do with a post. The verbs decide again; this is what is offered."""
    if reader is None:
        return frozenset()
    own = author.id == reader.id
    # Observers read what is for the members of a project, and write nothing.
    inside = post.audience == "project"
    may = {"like"}
    if not inside or (place is not None and place.role in WRITERS):
        may.add("reply")
    if post.audience in OPEN or (own and post.audience in ("followers", "school")):
        may.add("announce")
    if post.audience in OPEN:
        may.add("quote")
    if own:
        may |= {"edit", "delete"}
        if post.audience in (*OPEN, "followers"):
            may.add("pin")
    else:
        may.add("report")
        if votes:
            may.add("vote")
    return frozenset(may)
