"""How a page for people is made: templates, the style sheet, and the page for "not here".

Everything in a template is escaped. HTML that people wrote goes through `clean`, which cleans it
once more as the last step, whatever was kept in the database (SECURITY R23).
"""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import aiohttp_jinja2
import jinja2
from aiohttp import web
from markupsafe import Markup

from actors.server import SERVER
from federation import content, vocabulary
from pages import words
from pages.reader import Reader, begin_visit, form_token, shows_form

HERE = Path(__file__).parent
STYLE = (HERE / "static" / "style.css").read_bytes()
ICON = (HERE / "static" / "icon.svg").read_bytes()
# Pages of people are theirs to list; robots are asked to leave them out unless they said yes.
HIDDEN = "noindex, nofollow, noarchive"

DELETED = ("This post was deleted", "Its author took it back.")
REMOVED = ("This account was removed", "Whoever had it has no page here any more.")


def set_up(app: web.Application) -> None:
    """Let handlers of `app`, which knows its school, render the templates of this room."""
    aiohttp_jinja2.setup(
        app,
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        filters=FILTERS
        | {
            "day": partial(day, zone=app[SERVER].zone),
            "date": partial(date, zone=app[SERVER].zone),
        },
    )


def cleaned(html: str | None) -> Markup:
    return Markup(content.clean(html or ""))  # noqa: S704  cleaned on this very line


def link(url: str | None) -> str:
    """An address that may stand in a page: the web, never `javascript:` and its like."""
    return vocabulary.web_url(url) or ""


def day(moment: datetime, zone: ZoneInfo) -> str:
    """As people here write it, by the school's clock: 4 September 2026, 14:05.

    The zone is named only in the hour that comes twice, when the clocks go back.
    """
    try:
        here = moment.astimezone(zone)
        twice = here.replace(fold=0).utcoffset() != here.replace(fold=1).utcoffset()
    except OverflowError:  # the first and the last day that can be written
        here, twice = moment, True
    written = f"{here.day} {here:%B %Y, %H:%M}"
    return f"{written} {here:%Z}" if twice else written


def date(moment: datetime, zone: ZoneInfo) -> str:
    """The same without the hour: 4 September 2026."""
    try:
        here = moment.astimezone(zone)
    except OverflowError:
        here = moment
    return f"{here.day} {here:%B %Y}"


def instant(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


FILTERS: dict[str, Callable[..., str]] = {
    "clean": cleaned,
    "instant": instant,
    "link": link,
    "plain": content.plain,
    "target": words.target,
}


def page(
    request: web.Request,
    template: str,
    *,
    reader: Reader | None = None,
    status: int = 200,
    listed: bool = False,
    **shown: Any,
) -> web.Response:
    """A page, for `reader` or for anybody. With `listed`, search engines may keep it.

    Besides what is `shown`, templates know `school`, `reader`, `here` (the path and query that
    were asked for) and `token()`, which a form for somebody not signed in needs.
    """

    def token() -> str:
        return form_token(request, reader)

    context = {
        "school": request.app[SERVER].school,
        "listed": listed,
        "reader": reader,
        "here": request.path_qs,
        "token": token,
        **shown,
    }
    response = aiohttp_jinja2.render_template(template, request, context, status=status)
    own = reader is not None or shows_form(request) or status != 200
    # R11: what is for one reader is kept nowhere, and never shown to the next at the same machine.
    response.headers["Cache-Control"] = "private, no-store" if own else "private, max-age=60"
    response.headers["Vary"] = "Accept, Cookie"
    if not listed:
        response.headers["X-Robots-Tag"] = HIDDEN
    begin_visit(request, response)
    return response


def missing(request: web.Request, reader: Reader | None = None) -> web.Response:
    """The same page for what never was and for what is not for this reader."""
    return page(request, "missing.html", reader=reader, status=404)


def gone(
    request: web.Request, reader: Reader | None = None, *, what: tuple[str, str] = DELETED
) -> web.Response:
    """The page for what was here and will not come back: a heading, and a sentence about it."""
    heading, sentence = what
    return page(request, "gone.html", reader=reader, status=410, heading=heading, sentence=sentence)


def see_other(request: web.Request, path: str) -> web.Response:
    """Lead the browser to another page of this school, at its configured address."""
    return web.Response(
        status=303,
        headers={
            "Location": request.app[SERVER].school.url + path,
            "Cache-Control": "private, no-store",
        },
    )


async def stylesheet(request: web.Request) -> web.Response:
    return _static(STYLE, "text/css")


async def icon(request: web.Request) -> web.Response:
    """The mark of a page in the browser's tabs."""
    return _static(ICON, "image/svg+xml")


def _static(body: bytes, content_type: str) -> web.Response:
    return web.Response(
        body=body,
        content_type=content_type,
        charset="utf-8",
        headers={"Cache-Control": "public, max-age=3600"},
    )
