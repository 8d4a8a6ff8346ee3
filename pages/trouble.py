"""What went wrong, told to people: the page that stands for the short JSON other programs get.

It has the same status and headers, and says no more than the JSON does.
"""

from http import HTTPStatus
from typing import Any

import orjson
from aiohttp import web

from pages import rendering
from pages.reader import Reader
from pages.session import reader_of
from storage.database import Busy, Unavailable

# The heading for each status, and what somebody can do about it.
WORDS: dict[int, tuple[str, str]] = {
    400: ("That could not be read", "Perhaps the address has a slip in it."),
    401: ("This is for other servers", "What stands here is read by servers, with a signature."),
    403: ("That is not allowed", "It is not for you to see or do, or not from here."),
    405: ("That cannot be done here", "Please go back, and try another way."),
    408: ("That took too long", "Your connection may be slow just now. Please try once more."),
    410: ("This was deleted", "Whoever wrote it took it back."),
    413: ("That was too much at once", "Please make it shorter, and try once more."),
    415: ("That could not be read", "It was not sent by a form of ours."),
    421: ("There is no such school here", "This address belongs to another name."),
    429: ("A little slower, please", "Too many requests came at once from where you are."),
    500: ("Something went wrong here", "It was written down for whoever looks after Staffroom."),
    503: ("Staffroom is busy", "Nothing was lost, but this could not be done now."),
}
# Where it is worth asking who is reading, so that the way home is shown.
_AT_HOME = frozenset({403, 404, 405, 413})
_OF_THE_BODY = frozenset({"content-type", "content-length"})


async def in_words(request: web.Request, problem: web.Response) -> web.Response:
    """The page for `problem`."""
    reader = await _reader(request) if problem.status in _AT_HOME else None
    if problem.status == 404:
        return rendering.missing(request, reader)
    told = _told(problem)
    heading, advice = WORDS.get(problem.status, (HTTPStatus(problem.status).phrase, ""))
    seconds = problem.headers.get("Retry-After", "")
    wait = wait_words(int(seconds)) if seconds.isdecimal() else ""
    answer = rendering.page(
        request,
        "trouble.html",
        reader=reader,
        status=problem.status,
        heading=heading,
        sentences=[words for words in (advice, wait) if words],
        detail=told.get("detail", ""),
        typed="",
        back="/home" if reader else "/",
    )
    for name, value in problem.headers.items():
        if name.lower() not in _OF_THE_BODY:
            answer.headers.setdefault(name, value)
    return answer


async def _reader(request: web.Request) -> Reader | None:
    try:
        return await reader_of(request)
    except (Busy, Unavailable):
        return None


def _told(problem: web.Response) -> dict[str, Any]:
    body = problem.body
    found = orjson.loads(body) if isinstance(body, bytes) else {}
    return found if isinstance(found, dict) else {}


def wait_words(seconds: float) -> str:
    """When to come back, as one says it."""
    if seconds <= 90:
        return f"Please try again in {max(round(seconds), 1)} seconds."
    return f"Please try again in {-int(-seconds // 60)} minutes."


def sentence(error: Exception) -> str:
    """What an error says, as a sentence."""
    words = " ".join(str(error).split()) or "that did not work"
    first = words.partition(" ")[0]
    if first.isalpha():  # a name, a handle or a host stays as it is spelled
        words = first.capitalize() + words[len(first) :]
    return words if words.endswith((".", "!", "?")) else f"{words}."
