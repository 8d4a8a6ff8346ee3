"""The outermost door: what every request meets first, and what every answer wears last.

A request that was not written for this school by an honest client (another host, a full URL
instead of a path, a path spelled in a roundabout way) is turned away before anything reads it.
Whatever goes wrong further in becomes a status code here, in one table; what a stranger is told
is one short line, what we log is the rest.
"""

import logging
import re
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Middleware

from actors.server import SERVER
from federation.errors import BadSignature, Gone, Malformed, Refused, Unreachable
from storage.database import Busy, Unavailable

log = logging.getLogger("staffroom.edge")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}

# The one table: what went wrong, the status, and how long to wait before another try (seconds).
# The first line that fits counts. `Gone` at the edge means that a key's owner is gone: nobody is
# left to vouch for the request.
STATUSES: tuple[tuple[type[Exception], int, int | None], ...] = (
    (Malformed, 400, None),
    (BadSignature, 401, None),
    (Gone, 401, None),
    (Refused, 403, None),
    (Unreachable, 503, 60),
    (Busy, 503, 5),
    (Unavailable, 503, 30),
)
EXPLAINED = (Malformed, BadSignature, Refused)  # their words are for the stranger too

# Every URL of ours is made of these; so a percent sign, an empty or a dotted segment is a detour.
# Only a hashtag may have letters that no URL has: they come as the percent-escapes of UTF-8.
_PLAIN = r"(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._~@:!$&'()*+,;=-]+)*/?\Z"
_TAG = r"/tags/(?:[A-Za-z0-9_]|%[C-F][0-9A-F](?:%[89AB][0-9A-F]){1,3})+\Z"
PLAIN_PATH = re.compile(f"{_PLAIN}|{_TAG}")
PROBLEM = "application/problem+json"
# Asked by machines next door, which call us by another name.
MONITORED = frozenset({"/healthz", "/metrics"})


def problem(
    status: int, detail: str | None = None, *, headers: dict[str, str] | None = None
) -> web.Response:
    """The short answer to a request that failed, as RFC 9457 has it."""
    body: dict[str, str | int] = {"status": status, "title": HTTPStatus(status).phrase}
    if detail:
        body["detail"] = " ".join(detail.split())[:200]
    return web.json_response(body, status=status, content_type=PROBLEM, headers=headers)


def answer(error: Exception) -> web.Response | None:
    """The answer that the table gives to an error; None if it is none of those it knows."""
    for kind, status, wait in STATUSES:
        if isinstance(error, kind):
            asked = getattr(error, "retry_after", None)
            headers = {} if wait is None else {"Retry-After": str(round(asked or wait))}
            headers["Cache-Control"] = "no-store"
            return problem(
                status, str(error) if isinstance(error, EXPLAINED) else None, headers=headers
            )
    return None


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn what was raised further in into an answer. Nothing escapes but cancellation."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400 or error.content_type != "text/plain":
            raise
        kept = {
            name: value
            for name, value in error.headers.items()
            if name not in {"Content-Type", "Content-Length"}
        }
        detail = error.text if error.text != f"{error.status}: {error.reason}" else None
        return problem(error.status, detail, headers=kept)
    except Exception as error:
        known = answer(error)
        if known is not None:
            log.debug("%s: %s", type(error).__name__, error)
            return known
        log.exception("a request ended in an error", extra={"route": _route(request)})
        return problem(500, headers={"Cache-Control": "no-store"})


def in_words(
    wants_page: Callable[[web.Request], bool],
    page: Callable[[web.Request, web.Response], Awaitable[web.Response]],
) -> Middleware:
    """A middleware that tells people in a page what other servers are told in JSON."""

    @web.middleware
    async def told(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        if response.status < HTTPStatus.BAD_REQUEST:
            return response
        if not isinstance(response, web.Response) or response.content_type != PROBLEM:
            return response
        if wants_page(request):
            return await page(request, response)
        response.headers.setdefault("Vary", "Accept")
        return response

    return told


def addressed_to(*hosts: str) -> Middleware:
    """A middleware that admits only plain requests for one of these hosts (name[:port])."""
    named = {host.lower() for host in hosts}
    # Some clients write the port that https has anyway.
    ours = named | {f"{host}:443" for host in named if ":" not in host}

    @web.middleware
    async def addressed(request: web.Request, handler: Handler) -> web.StreamResponse:
        path = request.raw_path.partition("?")[0]
        if not path.startswith("/") or not PLAIN_PATH.match(path):
            return problem(400, "the path of this request is not in its plain form")
        if request.headers.get("Host", "").lower() not in ours and path not in MONITORED:
            return problem(421, "no such host here")
        return await handler(request)

    return addressed


async def dress(request: web.BaseRequest, response: web.StreamResponse) -> None:
    """Put the security headers on an answer; a page may have set a stricter policy itself."""
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers["Server"] = "Staffroom"  # without versions


async def counted(request: web.BaseRequest, response: web.StreamResponse) -> None:
    """Count an answer by its status."""
    if isinstance(request, web.Request):
        request.app[SERVER].counters.response(response.status)


class QuietServerLog(logging.Filter):
    """aiohttp logs each broken request with a traceback that quotes it: keep only its kind."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Strip the sender's bytes from a record."""
        if record.exc_info and record.exc_info[0] is not None:
            record.msg, record.args = "a request was refused: %s", (record.exc_info[0].__name__,)
            record.exc_info = None
            record.exc_text = None
        return True


def _route(request: web.Request) -> str:
    """The pattern that matched, never the words of the request."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "none"
