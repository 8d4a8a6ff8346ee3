"""A member of staff signs in with username and password, and out again.

Whatever is wrong, the answer is the same: nobody learns here who works at the school. Each signing
in begins a new session; signing out ends it for good, also for a copy of the cookie. (SECURITY R30)
"""

from collections.abc import Mapping
from urllib.parse import parse_qsl

from aiohttp import web
from multidict import MultiDict, MultiDictProxy

from actors import accounts
from actors.accounts import LONGEST_SESSION, TooManyAttempts
from actors.server import SERVER
from pages import compose, project_details, rendering, settings
from pages.reader import end_cookie, set_cookie
from pages.session import (
    CALLER,
    MOST_FIELDS,
    Again,
    Form,
    Reader,
    anyone,
    form,
    own_path,
    reader_with,
    session_secret,
    signed_in,
    typed_words,
)
from pages.trouble import wait_words

WRONG = (
    "That username and password do not go together. Please check both, or ask whoever looks after "
    "Staffroom at your school to set a new password."
)
WELCOME_BACK = "You are signed in again. Nothing was sent yet: please look, and send it once more."
# The forms that wait for somebody who has to sign in first, by the path they are sent to.
AGAIN: Mapping[str, Again] = {
    "/compose": compose.again,
    "/projects/new": project_details.start_again,
    "/settings": settings.again,
}


@anyone
async def sign_in_page(request: web.Request, reader: Reader | None) -> web.StreamResponse:
    """`GET /sign-in`."""
    following = own_path(request.query.get("next"))
    if reader is not None:
        return rendering.see_other(request, following)
    return _form(request, following=following)


@anyone
async def sign_in(request: web.Request, reader: Reader | None) -> web.StreamResponse:
    """`POST /sign-in`. A session that this browser has already ends."""
    server = request.app[SERVER]
    typed = form(request)
    username = typed.get("username", "")[:200]
    try:
        secret = await accounts.sign_in(
            server, username, typed.get("password", ""), request.get(CALLER, "unknown")
        )
    except TooManyAttempts as error:
        words = f"There were too many attempts to sign in. {wait_words(error.wait)}"
        return _form(request, status=429, username=username, trouble=words, wait=error.wait)
    if secret is None:
        return _form(request, status=403, username=username, trouble=WRONG)
    before = session_secret(request)
    if before is not None:
        await server.database.write_anyway(accounts.end_session, before)
    answer = await _welcome(request, secret)
    stays = LONGEST_SESSION.total_seconds() if "stay" in typed else None
    set_cookie(
        server.school, answer, "session", secret, seconds=None if stays is None else int(stays)
    )
    end_cookie(server.school, answer, "visit")
    return answer


async def _welcome(request: web.Request, secret: str) -> web.StreamResponse:
    """Back to where they came from; what was being written lies open again."""
    typed = form(request)
    following = own_path(typed.get("next"))
    again = AGAIN.get(following)
    kept = _kept(typed)
    reader = await reader_with(request, secret) if kept and again is not None else None
    if reader is None or again is None:
        return rendering.see_other(request, following)
    return await again(request, reader, kept, WELCOME_BACK, status=200)


def _kept(typed: Form) -> Form:
    """The fields of a form that waited until somebody was signed in again."""
    try:
        fields = parse_qsl(
            typed.get("kept", ""), keep_blank_values=True, max_num_fields=MOST_FIELDS
        )
    except ValueError:
        fields = []
    return MultiDictProxy(MultiDict(fields))


@signed_in
async def sign_out(request: web.Request, reader: Reader) -> web.StreamResponse:
    """`POST /sign-out`."""
    server = request.app[SERVER]
    secret = session_secret(request)
    if secret is not None:
        await server.database.write_anyway(accounts.end_session, secret)
    answer = rendering.see_other(request, "/sign-in?out")
    end_cookie(server.school, answer, "session")
    return answer


def _form(
    request: web.Request,
    *,
    status: int = 200,
    username: str = "",
    trouble: str = "",
    following: str | None = None,
    wait: float = 0,
) -> web.Response:
    """The form, again with everything typed but the password."""
    typed = form(request) if request.method == "POST" else MultiDictProxy(MultiDict())
    answer = rendering.page(
        request,
        "sign_in.html",
        status=status,
        username=username,
        following=own_path(typed.get("next")) if following is None else following,
        trouble=trouble,
        left="out" in request.query,
        kept=typed.get("kept", ""),
        typed=typed_words(_kept(typed)),
    )
    if wait:
        answer.headers["Retry-After"] = str(int(wait) + 1)
    return answer
