"""Who is signed in, and what keeps others from acting in their name.

`signed_in` and `anyone` are the two doors of every page. Looking changes nothing. Whatever changes
something is a form, sent from a page of ours by the browser it was shown to: the browser says
which site it came from, and the form carries its token (SECURITY R31). What somebody typed is
never lost by this: it is shown to them again.
"""

import asyncio
import hmac
import re
from collections.abc import Awaitable, Callable
from typing import Protocol
from urllib.parse import parse_qsl, quote, urlencode

from aiohttp import web
from multidict import MultiDict, MultiDictProxy

from actors import accounts
from actors.accounts import Session
from actors.server import SERVER
from pages import rendering
from pages.reader import Reader, cookie_name, token, visit
from storage import follows, memberships, notifications
from storage.database import Transaction

__all__ = ["CALLER", "FORM", "Form", "Reader", "anyone", "form", "own_path", "signed_in"]

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Page = Callable[[web.Request, Reader], Awaitable[web.StreamResponse]]
OpenPage = Callable[[web.Request, Reader | None], Awaitable[web.StreamResponse]]
Form = MultiDictProxy[str]


class Again(Protocol):
    """Shows a form once more, with everything typed and why it was not taken."""

    def __call__(
        self, request: web.Request, reader: Reader, fields: Form, reason: str, *, status: int = 403
    ) -> Awaitable[web.StreamResponse]: ...


LARGEST_FORM = 256 * 1024  # bytes
MOST_FIELDS = 200
FORM_SECONDS = 30
SECRET_LIMIT = 200  # characters; nothing longer is looked up
PATH_LIMIT = 2048

# The address that a request counts for, as the limits know it.
CALLER = web.RequestKey("caller", str)
FORM = web.RequestKey("form", MultiDictProxy[str])

_OWN_PATH = re.compile(r"/(?![/\\])[!-\[\]-~]*")
# What somebody wrote themselves, as they would miss it.
_TYPED = ("title", "warning", "text", "about", "reason")


class NotOurForm(Exception):
    """A form that did not come from a page of ours as it stands; the text says so to a person."""


def signed_in(page: Page, *, again: Again | None = None) -> Handler:
    """A page for our people. Whoever is not signed in is asked to, and then led back.

    `again` shows the form of this page once more, for one that came too late.
    """

    async def door(request: web.Request) -> web.StreamResponse:
        reader = await reader_of(request)
        if request.method == "POST":
            typed = await _read_form(request)
            if reader is None:
                return _signed_out(request, typed, keep=again is not None)
            try:
                _check_form(request, typed, reader.form_token)
            except NotOurForm as error:
                if again is None:
                    return _turned_away(request, reader, typed, str(error))
                return await again(request, reader, typed, str(error))
        elif reader is None:
            there = own_path(request.raw_path)
            return rendering.see_other(request, f"/sign-in?next={quote(there, safe='')}")
        return await page(request, reader)

    return door


def anyone(page: OpenPage) -> Handler:
    """A page for our people and for whoever else comes by. Its forms are checked all the same."""

    async def door(request: web.Request) -> web.StreamResponse:
        reader = await reader_of(request)
        if request.method == "POST":
            typed = await _read_form(request)
            try:
                _check_form(request, typed, _expected(request, reader))
            except NotOurForm as error:
                return _turned_away(request, reader, typed, str(error))
        return await page(request, reader)

    return door


def form(request: web.Request) -> Form:
    """What was typed into the form that came with a POST. A name may stand there several times."""
    return request[FORM]


def own_path(typed: str | None, otherwise: str = "/home") -> str:
    """A path of this school to lead somebody back to; nothing that leads to another site."""
    if typed is None or len(typed) > PATH_LIMIT or not _OWN_PATH.fullmatch(typed):
        return otherwise
    return typed


# --- who is reading ----------------------------------------------------------------------------


def session_secret(request: web.Request) -> str | None:
    """What the session cookie holds, if there is one."""
    found = request.cookies.get(cookie_name(request.app[SERVER].school, "session"), "")
    return found if 0 < len(found) <= SECRET_LIMIT else None


async def reader_of(request: web.Request) -> Reader | None:
    """Who is signed in with this browser, if anybody. Raises Busy, Unavailable."""
    secret = session_secret(request)
    return None if secret is None else await reader_with(request, secret)


async def reader_with(request: web.Request, secret: str) -> Reader | None:
    """Whose session has this secret, if anybody's. Raises Busy, Unavailable."""
    server = request.app[SERVER]
    session = await accounts.session_of(server, secret)
    if session is None:
        return None
    return await server.database.read(_reader, session, secret)


def _reader(tx: Transaction, session: Session, secret: str) -> Reader:
    return Reader(
        actor=session.actor,
        role=session.role,
        form_token=token(tx.school, secret),
        unread=notifications.unread(tx, session.actor.id),
        requests=follows.count_requests(tx, session.actor.id),
        answers=memberships.waiting(tx, session.actor.id),
    )


# --- forms -------------------------------------------------------------------------------------


async def _read_form(request: web.Request) -> Form:
    """The fields of a form. Raises web.HTTPClientError for what is none, or is too large."""
    if request.content_type != "application/x-www-form-urlencoded":
        raise web.HTTPUnsupportedMediaType(text="only forms are read here")
    if (request.content_length or 0) > LARGEST_FORM:
        raise web.HTTPRequestEntityTooLarge(LARGEST_FORM, request.content_length or 0)
    body = bytearray()
    try:
        async with asyncio.timeout(FORM_SECONDS):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > LARGEST_FORM:
                    raise web.HTTPRequestEntityTooLarge(LARGEST_FORM, len(body))
    except TimeoutError:
        raise web.HTTPRequestTimeout(text="the form did not come in time") from None
    try:
        fields = parse_qsl(
            bytes(body).decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MOST_FIELDS,
        )
    except ValueError:  # also for what is no UTF-8
        raise web.HTTPBadRequest(text="this is no form") from None
    typed = MultiDictProxy(MultiDict(fields))
    request[FORM] = typed
    return typed


def _expected(request: web.Request, reader: Reader | None) -> str | None:
    if reader is not None:
        return reader.form_token
    secret = visit(request)
    return None if secret is None else token(request.app[SERVER].school, secret)


def _check_form(request: web.Request, typed: Form, expected: str | None) -> None:
    """Raise NotOurForm unless this browser sent a form that a page of ours showed it."""
    _check_origin(request)
    if expected is None:
        raise NotOurForm(
            "Your browser did not send the cookie that goes with this form. Please allow cookies "
            "for this site, and try once more."
        )
    given = typed.get("form_token", "").encode("utf-8", "surrogateescape")
    if not hmac.compare_digest(given, expected.encode()):
        raise NotOurForm(
            "This page was open for so long that the form no longer counts. Nothing was done. "
            "Please try once more."
        )


def _check_origin(request: web.Request) -> None:
    """Browsers say which site sent a form; one of the two headers must name this one."""
    origins = request.headers.getall("Origin", [])
    sites = request.headers.getall("Sec-Fetch-Site", [])
    ours = (
        origins in ([], [request.app[SERVER].school.url])
        and sites in ([], ["same-origin"])
        and (origins or sites)
    )
    if not ours:
        raise NotOurForm(
            "This form was sent from another website, so it was not taken. Nothing was done."
        )


def _signed_out(request: web.Request, typed: Form, *, keep: bool) -> web.Response:
    """Nobody is signed in any more: ask, and keep what was typed until they are."""
    there = own_path(request.raw_path) if keep else own_path(typed.get("back"))
    fields = [(name, value) for name, value in typed.items() if name != "form_token"]
    return rendering.page(
        request,
        "sign_in.html",
        status=403,
        username="",
        following=there,
        trouble="You are no longer signed in, so nothing was done. Please sign in once more.",
        typed=typed_words(typed),
        kept=urlencode(fields) if keep else "",
    )


def _turned_away(
    request: web.Request, reader: Reader | None, typed: Form, reason: str
) -> web.Response:
    return rendering.page(
        request,
        "trouble.html",
        reader=reader,
        status=403,
        heading="That did not work",
        sentences=[reason],
        detail="",
        typed=typed_words(typed),
        back=own_path(typed.get("back")),
    )


def typed_words(typed: Form) -> str:
    """What somebody wrote into a form, to be shown to them again."""
    return "\n\n".join(typed[name] for name in _TYPED if typed.get(name, "").strip())
