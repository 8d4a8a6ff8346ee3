"""Who is reading a page, and the token by which we know our own forms again.

Every form carries a token that only this school could make for this browser: it is made of the
school's secret and of what the browser's cookie holds (SECURITY R31). A browser that nobody is
signed in with gets a cookie of its own for that, once it is shown a form.
"""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass

from aiohttp import web

from actors.server import SERVER
from storage.actors import Actor
from storage.audience import Viewer
from storage.database import School

SECRET_BYTES = 32
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")
# The secret of a visit that has no cookie yet, and whether a page showed a form.
_NEW_VISIT = web.RequestKey("new visit", str)
_SHOWS_FORM = web.RequestKey("shows a form", bool)


@dataclass(frozen=True)
class Reader:
    """One of our people who is signed in, and what the frame of each page tells them.

    `unread` notifications, up to 99; `requests` to follow them that wait for an answer; `answers`
    that projects await from them, up to 99: to invitations, and to who asks to take part.
    """

    actor: Actor
    role: str
    form_token: str
    unread: int
    requests: int
    answers: int

    @property
    def viewer(self) -> Viewer:
        """Who is looking, for every query that returns posts."""
        return Viewer(self.actor.id, local=True)


def secure(school: School) -> bool:
    """Whether browsers reach this school by https: always, except where danger was allowed."""
    return school.url.startswith("https://")


def cookie_name(school: School, what: str) -> str:
    """`__Host-` keeps a cookie to this host, to https and to the whole site.

    Over plain http the port stands in the name: several schools on one machine share their host,
    and browsers keep cookies by host alone.
    """
    if secure(school):
        return f"__Host-{what}"
    port = school.url.partition("://")[2].partition(":")[2] or "80"
    return f"{what}-{port}"


def set_cookie(
    school: School, answer: web.StreamResponse, what: str, value: str, *, seconds: int | None = None
) -> None:
    """Give the browser a secret; without `seconds` until it is closed."""
    answer.set_cookie(
        cookie_name(school, what),
        value,
        max_age=seconds,
        path="/",
        secure=secure(school),
        httponly=True,
        samesite="Lax",
    )


def end_cookie(school: School, answer: web.StreamResponse, what: str) -> None:
    """Take a secret away again."""
    answer.del_cookie(
        cookie_name(school, what),
        path="/",
        secure=secure(school),
        httponly=True,
        samesite="Lax",
    )


def token(school: School, secret: str) -> str:
    """The token of forms that are shown to a browser whose cookie holds `secret`."""
    words = b"form " + secret.encode("utf-8", "surrogateescape")
    return hmac.new(school.secret, words, hashlib.sha256).hexdigest()


def form_token(request: web.Request, reader: Reader | None) -> str:
    """The token for a form on the page that answers `request`."""
    request[_SHOWS_FORM] = True
    if reader is not None:
        return reader.form_token
    secret = visit(request)
    if secret is None:
        secret = request.get(_NEW_VISIT) or secrets.token_urlsafe(SECRET_BYTES)
        request[_NEW_VISIT] = secret
    return token(request.app[SERVER].school, secret)


def visit(request: web.Request) -> str | None:
    """The secret of a browser that nobody is signed in with, if it brought one."""
    found = request.cookies.get(cookie_name(request.app[SERVER].school, "visit"), "")
    return found if _SECRET.fullmatch(found) else None


def shows_form(request: web.Request) -> bool:
    """Whether the page holds a token, so that it is for this browser and this moment only."""
    return bool(request.get(_SHOWS_FORM, False))


def begin_visit(request: web.Request, answer: web.StreamResponse) -> None:
    """Set the cookie that the forms just shown need, if the browser has none."""
    secret = request.get(_NEW_VISIT)
    if secret is not None:
        set_cookie(request.app[SERVER].school, answer, "visit", secret)
