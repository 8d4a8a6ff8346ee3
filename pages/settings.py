"""What members of staff say about themselves, their password, and where they are signed in."""

import html
import re
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from actors import accounts, profile, staff
from actors.accounts import BadPassword, TooManyAttempts
from actors.profile import Profile
from actors.server import SERVER
from federation import content
from federation.errors import Malformed, Refused
from outbox import acting
from pages import rendering
from pages.reader import set_cookie
from pages.session import CALLER, Form, Reader, form, session_secret, signed_in
from pages.trouble import sentence, wait_words
from storage import sessions
from storage.actors import Actor
from storage.database import Transaction

# What a page says after something was done, by the word in its address.
DONE = {
    "saved": "Saved. Other schools hear of it in a moment.",
    "password": "Your password is changed. You are signed out everywhere else.",
    "ended": "You are signed out everywhere else.",
}


@dataclass(frozen=True)
class Typed:
    """What stands in the form about oneself."""

    name: str
    title: str
    subjects: str
    phases: str
    about: str
    approves_followers: bool
    discoverable: bool
    indexable: bool


@signed_in
async def settings(request: web.Request, reader: Reader) -> web.StreamResponse:
    """`GET /settings`."""
    done = next((words for word, words in DONE.items() if word in request.query), "")
    return await _page(request, reader, done=done)


async def change(request: web.Request, reader: Reader) -> web.StreamResponse:
    """`POST /settings`: whoever knows this person is told what changed."""
    server = request.app[SERVER]
    typed = _typed(form(request))
    try:
        await acting.act(server, reader.actor, _update(reader.actor, typed))
    except (Malformed, Refused) as error:
        return await _page(request, reader, typed, trouble=sentence(error), status=400)
    return rendering.see_other(request, "/settings?saved")


async def again(
    request: web.Request, reader: Reader, fields: Form, reason: str, *, status: int = 403
) -> web.StreamResponse:
    """The form once more, as it was typed, and why it was not taken."""
    return await _page(request, reader, _typed(fields), trouble=reason, status=status)


save = signed_in(change, again=again)


@signed_in
async def password(request: web.Request, reader: Reader) -> web.StreamResponse:
    """`POST /settings/password`: everybody who knew the old one is signed out."""
    server = request.app[SERVER]
    typed = form(request)
    new = typed.get("new", "")
    try:
        known = await accounts.check_password(
            server, reader.actor.username, typed.get("present", ""), request[CALLER]
        )
        if known is None or known.id != reader.actor.id:
            return await _page(
                request, reader, not_changed="That is not your present password.", status=403
            )
        if new != typed.get("repeated", ""):
            raise BadPassword("the new password was not typed the same way twice")
        kept = await accounts.hashed(server, new, username=reader.actor.username)
    except TooManyAttempts as error:
        words = f"There were too many attempts. {wait_words(error.wait)}"
        return await _page(request, reader, not_changed=words, status=429)
    except BadPassword as error:
        return await _page(request, reader, not_changed=sentence(error), status=400)
    secret = await server.database.write_anyway(_set_password, reader.actor, kept)
    answer = rendering.see_other(request, "/settings?password#password")
    set_cookie(server.school, answer, "session", secret)
    return answer


def _set_password(tx: Transaction, actor: Actor, kept: str) -> str:
    accounts.set_password(tx, actor, kept)
    return accounts.begin_session(tx, actor)


@signed_in
async def end_others(request: web.Request, reader: Reader) -> web.StreamResponse:
    """`POST /settings/sessions/end`: only this browser stays signed in."""
    secret = session_secret(request)
    if secret is not None:
        await request.app[SERVER].database.write_anyway(accounts.end_others, reader.actor, secret)
    return rendering.see_other(request, "/settings?ended#sessions")


# --- what stands in the form -------------------------------------------------------------------


async def _page(
    request: web.Request,
    reader: Reader,
    typed: Typed | None = None,
    *,
    status: int = 200,
    done: str = "",
    trouble: str = "",
    not_changed: str = "",
) -> web.Response:
    """The page, with what was done, what is wrong with the profile, and why the password stays."""
    kept = await request.app[SERVER].database.read(sessions.of_actor, reader.actor.id)
    return rendering.page(
        request,
        "settings.html",
        reader=reader,
        status=status,
        typed=typed or _as_kept(reader.actor),
        sessions=kept,
        limits=profile,
        shortest_password=accounts.PASSWORD_MIN,
        done=done,
        trouble=trouble,
        harmless=status == 200,
        not_changed=not_changed,
    )


def _as_kept(actor: Actor) -> Typed:
    said: Profile = profile.of(actor)
    return Typed(
        name=actor.name,
        title=said.title,
        subjects=", ".join(said.subjects),
        phases=", ".join(said.phases),
        about=content.plain(actor.summary),
        approves_followers=actor.approves_followers,
        discoverable=said.discoverable,
        indexable=said.indexable,
    )


def _typed(fields: Form) -> Typed:
    return Typed(
        name=fields.get("name", ""),
        title=fields.get("title", ""),
        subjects=fields.get("subjects", ""),
        phases=fields.get("phases", ""),
        about=fields.get("about", "").replace("\r\n", "\n"),
        approves_followers="approves_followers" in fields,
        discoverable="discoverable" in fields,
        indexable="indexable" in fields,
    )


def _update(actor: Actor, typed: Typed) -> dict[str, Any]:
    """The Update that says the same. https://www.w3.org/TR/activitypub/#update-activity-outbox"""
    if len(typed.about) > profile.SUMMARY_LIMIT:
        raise Malformed(f"about you: use at most {profile.SUMMARY_LIMIT:,} characters")
    return {
        "type": "Update",
        "object": {
            "id": actor.uri,
            "name": typed.name,
            "summary": staff.about(typed.about),
            "manuallyApprovesFollowers": typed.approves_followers,
            "discoverable": typed.discoverable,
            "indexable": typed.indexable,
            "attachment": [
                {"type": "PropertyValue", "name": label, "value": html.escape(value)}
                for label, value in (
                    ("Role", typed.title.strip()),
                    ("Subjects", _row(typed.subjects)),
                    ("Phases", _row(typed.phases)),
                )
            ],
        },
    }


def _row(typed: str) -> str:
    """Words with a comma between them."""
    return ", ".join(word.strip() for word in re.split(r"[,;\n]", typed) if word.strip())
