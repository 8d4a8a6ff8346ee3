"""Somebody writes: a new post, an answer, a quote, or better words for what they posted before.

The form says in words who will read it. What is wrong with it comes back with everything typed,
and so does a form that came too late: a draft is never lost.
"""

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from aiohttp import web

from actors.collections import LARGEST_ID
from actors.server import SERVER, Server
from federation import content, markdown
from federation.errors import Malformed, Refused, Unreachable
from federation.vocabulary import PUBLIC, hashtag, rfc3339
from outbox import acting, typed, wording
from pages import entries, naming, rendering, rooms, words
from pages.session import Form, Reader, form, signed_in
from pages.trouble import sentence
from storage import actors, memberships, objects, published
from storage.actors import Actor
from storage.audience import OPEN, Viewer
from storage.database import School, Transaction
from storage.objects import Post

# Who can be written for: what the form calls it, and what it explains.
AUDIENCES: Mapping[str, tuple[str, str]] = {
    "school": ("This school only", "Everybody who works here. It never leaves the school."),
    "followers": ("My followers", "Those who follow you, here and at other schools."),
    "direct": ("Named people only", "Only whom you name, here or at other schools."),
    "public": ("Everybody", "Anybody may read it, also without signing in."),
    "unlisted": (
        "Everybody, unlisted",
        "The same, but no #topic lists it. It stands on your page.",
    ),
    "project": ("Members of the project", "Nobody else, here or at other schools."),
}
ANYWHERE: tuple[str, ...] = tuple(kind for kind in AUDIENCES if kind != "project")
# What is said in a project stays there. In an open one it may be for everybody as well.
IN_PROJECT: Mapping[bool, tuple[str, ...]] = {True: ("project",), False: ("project", "public")}
# Who an answer may be for: never more people than could read what it answers.
AS_ANSWER: Mapping[str, tuple[str, ...]] = {
    "public": ANYWHERE,
    "unlisted": ("unlisted", "school", "followers", "direct"),
    "followers": ("followers", "direct"),
    "school": ("school", "direct"),
    "direct": ("direct",),
    "project": ("project",),
}
MARKDOWN: Final = "text/markdown"
OPTIONS = 4
MOST_NAMED = 30
DAYS: Mapping[str, str] = {
    "1": "1 day",
    "3": "3 days",
    "7": "1 week",
    "14": "2 weeks",
    "30": "1 month",
}
USUAL_DAYS = "7"
_NUMBER = re.compile(r"[0-9]{1,19}")
_GONE = "The post that this is about is not there any more."


@dataclass(frozen=True)
class Draft:
    """What stands in the form. `reply`, `quote` and `edit` are posts by the number of their row,
    `project` is the one that it is written in, likewise."""

    text: str = ""
    warning: str = ""
    audience: str = "school"
    to: str = ""
    options: tuple[str, ...] = ()
    several: bool = False
    days: str = USUAL_DAYS
    reply: int | None = None
    quote: int | None = None
    edit: int | None = None
    project: int | None = None


@dataclass(frozen=True)
class Written:
    """A post that the form is about, with its author and whom it openly names."""

    post: Post
    author: Actor
    named: tuple[Actor, ...]


@dataclass(frozen=True)
class About:
    """What the post answers, quotes or changes, and the project that it is written in."""

    answered: Written | None = None
    quoted: Written | None = None
    edited: Written | None = None
    project: Actor | None = None
    private: bool = True  # the project

    @property
    def choices(self) -> tuple[str, ...]:
        """Who the post may be for."""
        if self.edited is not None:
            return (self.edited.post.audience,)
        if self.project is not None:
            answers_members = self.answered and self.answered.post.audience == "project"
            return IN_PROJECT[self.private or bool(answers_members)]
        return AS_ANSWER["public" if self.answered is None else self.answered.post.audience]


@signed_in
async def compose(request: web.Request, reader: Reader) -> web.StreamResponse:
    """`GET /compose`: `reply`, `quote` and `edit` are numbers of posts, `project` that of a
    project, `to` is a handle."""
    asked = request.query
    draft = Draft(
        reply=_number(asked.get("reply")),
        quote=_number(asked.get("quote")),
        edit=_number(asked.get("edit")),
        project=_number(asked.get("project")),
        to=asked.get("to", "")[:1000],
    )
    about = await request.app[SERVER].database.read(_about, reader.viewer, draft)
    if about is None:
        return rendering.missing(request, reader)
    return _form(request, reader, _begun(draft, about, reader.actor), about)


async def post(request: web.Request, reader: Reader) -> web.StreamResponse:
    """`POST /compose`: the post goes out, and its page is shown."""
    server = request.app[SERVER]
    draft = _drafted(form(request))
    about = await server.database.read(_about, reader.viewer, draft)
    if about is None:
        return _form(request, reader, draft, About(), trouble=_GONE, status=400)
    if "look" in form(request):
        return await _look(request, reader, draft, about)
    try:
        activity = await _activity(server, reader.actor, draft, about)
        uri = await acting.act(server, reader.actor, activity)
    except (Malformed, Refused, Unreachable) as error:
        return _form(request, reader, draft, about, trouble=sentence(error), status=400)
    path = await server.database.read(_path, reader.viewer, uri)
    return rendering.see_other(request, path)


async def again(
    request: web.Request, reader: Reader, fields: Form, reason: str, *, status: int = 403
) -> web.StreamResponse:
    """The form once more, as it was typed, and why it was not taken."""
    draft = _drafted(fields)
    about = await request.app[SERVER].database.read(_about, reader.viewer, draft)
    return _form(request, reader, draft, about or About(), trouble=reason, status=status)


send = signed_in(post, again=again)


# --- what stands in the form -------------------------------------------------------------------


def _drafted(fields: Form) -> Draft:
    audience = fields.get("audience", "")
    days = fields.get("days", "")
    return Draft(
        text=fields.get("text", "").replace("\r\n", "\n"),
        warning=fields.get("warning", ""),
        audience=audience if audience in AUDIENCES else "school",
        to=fields.get("to", ""),
        options=tuple(fields.getall("option", []))[:OPTIONS],
        several="several" in fields,
        days=days if days in DAYS else USUAL_DAYS,
        reply=_number(fields.get("reply")),
        quote=_number(fields.get("quote")),
        edit=_number(fields.get("edit")),
        project=_number(fields.get("project")),
    )


def _number(typed: str | None) -> int | None:
    if not typed:
        return None
    # What is no number, or a larger one than any row has, is a post that is not there.
    return min(int(typed), LARGEST_ID) if _NUMBER.fullmatch(typed) else 0


def _about(tx: Transaction, viewer: Viewer, draft: Draft) -> About | None:
    """The posts and the project that the form names; None if one is not there, or not for this
    reader."""
    found: dict[str, Written | None] = {}
    for role, number in (
        ("answered", draft.reply),
        ("quoted", draft.quote),
        ("edited", draft.edit),
    ):
        found[role] = None if number is None else _written(tx, viewer, number)
        if number is not None and found[role] is None:
            return None
    about = About(found["answered"], found["quoted"], found["edited"])
    if about.edited is not None and about.edited.author.id != viewer.actor_id:
        return None
    return _in_project(tx, viewer, draft, about)


def _in_project(tx: Transaction, viewer: Viewer, draft: Draft, about: About) -> About | None:
    """The same with the project that it is written in: the one that is named, or that of what it
    answers. None for a project that is not for this reader, or that they may not write in."""
    number = draft.project
    if about.answered is not None:
        number = about.answered.post.project_id
    if number is None or about.edited is not None:
        return about
    found = rooms.known(tx, actors.by_id(tx, viewer.actor_id or 0), number)
    writes = memberships.role(tx, number, viewer.actor_id or 0) in entries.WRITERS
    if found is None or not writes:
        # What an open project shows everybody, everybody may answer, for themselves.
        answers = about.answered is not None and about.answered.post.audience in OPEN
        return about if answers else None
    actor, project = found
    return replace(about, project=actor, private=project.private)


def _written(tx: Transaction, viewer: Viewer, number: int) -> Written | None:
    seen = objects.seen_by_id(tx, viewer, number)
    author = None if seen is None else actors.by_id(tx, seen.author_id)
    if seen is None or author is None or seen.deleted_at is not None:
        return None
    document = json.loads(seen.document)
    openly = {*_list(document.get("to")), *_list(document.get("cc"))}
    named = [one for one in objects.recipients_of(tx, seen.id) if one.uri in openly]
    return Written(seen, author, tuple(named))


def _list(value: object) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [one for one in values if isinstance(one, str)]


def _begun(draft: Draft, about: About, author: Actor) -> Draft:
    """What stands in the form before anything is typed."""
    if about.edited is not None:
        post = about.edited.post
        return replace(
            draft, text=_source(post), warning=post.warning or "", audience=post.audience
        )
    if draft.to:
        return replace(draft, audience="direct")
    if about.project is not None and about.answered is None:
        return replace(draft, audience="project")
    if about.answered is None:
        return draft
    answered = about.answered
    others = [one for one in answered.named if one.id not in (author.id, answered.author.id)]
    people = [one for one in (answered.author, *others) if one.id != author.id]
    direct = answered.post.audience == "direct"
    return replace(
        draft,
        audience=answered.post.audience,
        to=" ".join(one.handle for one in (people if direct else people[:1])),
    )


def _source(post: Post) -> str:
    """The words as they were typed, or as near to it as can be had."""
    source = json.loads(post.document).get("source")
    if isinstance(source, dict) and isinstance(source.get("content"), str):
        return str(source["content"])
    return content.plain(post.content)


def _form(
    request: web.Request,
    reader: Reader,
    draft: Draft,
    about: About,
    *,
    trouble: str = "",
    status: int = 200,
    preview: str | None = None,
) -> web.Response:
    """The form; with a `preview`, HTML, that stands above it."""
    options = [*draft.options, *[""] * OPTIONS][:OPTIONS]
    choices = about.choices
    if draft.audience not in choices:
        draft = replace(draft, audience=choices[0])
    return rendering.page(
        request,
        "compose.html",
        reader=reader,
        status=status,
        draft=draft,
        about=about,
        audiences=[(kind, *AUDIENCES[kind]) for kind in choices],
        options=options,
        days=DAYS,
        trouble=trouble,
        harmless=status == 200,
        shown=partial(words.shown, own_host=request.app[SERVER].school.host),
        preview=preview,
        longest=wording.POST,
        longest_warning=wording.SUMMARY,
    )


async def _look(request: web.Request, reader: Reader, draft: Draft, about: About) -> web.Response:
    """The form with the post as it will look."""
    try:
        # A long text takes a while to read: not on the loop that everybody shares.
        preview = await asyncio.to_thread(_preview, request.app[SERVER].school, draft)
    except Malformed as error:
        return _form(request, reader, draft, about, trouble=sentence(error), status=400)
    return _form(request, reader, draft, about, preview=preview)


def _preview(school: School, draft: Draft) -> str:
    """The words as others will see them; whom they name is looked up only when they go out.

    Raises Malformed for what could not be posted: nothing longer is read.
    """
    if len(draft.text) > wording.POST:
        raise Malformed(f"the text has more than {wording.POST:,} characters")

    def tag_page(name: str) -> str:
        return typed.tag_page(school, hashtag(name))

    return markdown.read(draft.text, MARKDOWN, people={}, tag_page=tag_page).html


# --- what goes out -----------------------------------------------------------------------------


async def _activity(server: Server, author: Actor, draft: Draft, about: About) -> dict[str, Any]:
    """The activity that this form asks for. Raises Malformed, Refused, Unreachable."""
    if not draft.text.strip():
        raise Malformed("write something first")
    if about.edited is not None:
        return {"type": "Update", "object": {"id": about.edited.post.uri, **_words(draft)}}
    if draft.audience not in about.choices:
        raise Malformed("an answer cannot be for more people than what it answers")
    written = {name: value for name, value in _words(draft).items() if value is not None}
    made = {"type": "Note", **written, **_poll(draft, server.now())}
    if about.answered is not None:
        made["inReplyTo"] = about.answered.post.uri
    if about.quoted is not None:
        made["quote"] = about.quoted.post.uri
    made |= await _addressed(server, author, draft, about)
    return {"type": "Create", "object": made}


def _words(draft: Draft) -> dict[str, Any]:
    """The words, null for a warning that there is none (any more)."""
    warning = draft.warning.strip()
    return {
        "source": {"content": draft.text.strip(), "mediaType": MARKDOWN},
        "summary": warning or None,
        "sensitive": True if warning else None,
    }


def _poll(draft: Draft, now: datetime) -> dict[str, Any]:
    options = [option for option in draft.options if option.strip()]
    if not options:
        return {}
    if len(options) == 1:
        raise Malformed("a poll needs at least two choices")
    return {
        "type": "Question",
        "anyOf" if draft.several else "oneOf": [
            {"type": "Note", "name": option} for option in options
        ],
        "endTime": rfc3339(now + timedelta(days=int(draft.days))),
    }


def _to_project(author: Actor, project: Actor, audience: str) -> dict[str, Any]:
    """The addresses of what is said in a project: to its members, or to everybody."""
    addresses = {"to": [project.members], "cc": [project.uri], "audience": project.uri}
    if audience == "public":
        addresses |= {"to": [PUBLIC], "cc": [project.uri, str(author.followers)]}
    return addresses


async def _addressed(server: Server, author: Actor, draft: Draft, about: About) -> dict[str, Any]:
    """Who it is for. People named in the form must be found; those named in the words are told
    as well (`outbox/acting.py`)."""
    people: list[Actor] = []
    if about.project is not None:
        return _to_project(author, about.project, draft.audience)
    if draft.audience == "direct":
        named = list(dict.fromkeys(filter(None, re.split(r"[\s,;]+", draft.to))))
        if len(named) > MOST_NAMED:
            raise Malformed(f"name at most {MOST_NAMED} people")
        people = await asyncio.gather(*(naming.person(server, handle) for handle in named))
    return wording.addressed(server.school, author, draft.audience, [one.uri for one in people])


def _path(tx: Transaction, viewer: Viewer, activity_uri: str) -> str:
    """The page of the post that was written or changed just now."""
    sent = published.seen_by_uri(tx, viewer, activity_uri)
    made = None if sent is None or sent.object_uri is None else objects.by_uri(tx, sent.object_uri)
    author = None if made is None else actors.by_id(tx, made.author_id)
    return "/home" if made is None or author is None else f"/@{author.username}/{made.id}"
