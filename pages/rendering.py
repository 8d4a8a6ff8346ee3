"""How a page for people is made: templates, the style sheet, and the page for "not here".

Everything in a template is escaped. HTML that people wrote goes through `clean`, which cleans it
once more as the last step, whatever was kept in the database (SECURITY R23).
"""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp_jinja2
import jinja2
from aiohttp import web
from markupsafe import Markup

from actors.server import SERVER
from federation import content, vocabulary

HERE = Path(__file__).parent
STYLE = (HERE / "static" / "style.css").read_bytes()
# Pages of people are theirs to list; robots are asked to leave them out unless they said yes.
HIDDEN = "noindex, nofollow, noarchive"


def set_up(app: web.Application) -> None:
    """Let handlers of `app` render the templates of this room."""
    aiohttp_jinja2.setup(
        app,
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        filters=FILTERS,
    )


def cleaned(html: str | None) -> Markup:
    return Markup(content.clean(html or ""))  # noqa: S704  cleaned on this very line


def link(url: str | None) -> str:
    """An address that may stand in a page: the web, never `javascript:` and its like."""
    return vocabulary.web_url(url) or ""


def day(moment: datetime) -> str:
    """As people here write it: 4 September 2026, 14:05."""
    return f"{moment.day} {moment:%B %Y, %H:%M} UTC"


def instant(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


FILTERS: dict[str, Callable[..., str]] = {
    "clean": cleaned,
    "day": day,
    "instant": instant,
    "link": link,
    "plain": content.plain,
}


def page(
    request: web.Request,
    template: str,
    *,
    status: int = 200,
    listed: bool = False,
    **shown: Any,
) -> web.Response:
    """A page. With `listed`, search engines may keep it."""
    context = {"school": request.app[SERVER].school, "listed": listed, **shown}
    response = aiohttp_jinja2.render_template(template, request, context, status=status)
    response.headers["Cache-Control"] = "private, max-age=60" if status == 200 else "no-store"
    response.headers["Vary"] = "Accept"
    if not listed:
        response.headers["X-Robots-Tag"] = HIDDEN
    return response


def missing(request: web.Request) -> web.Response:
    """The same page for what never was and for what is not for everybody."""
    return page(request, "missing.html", status=404)


async def stylesheet(request: web.Request) -> web.Response:
    return web.Response(
        body=STYLE,
        content_type="text/css",
        charset="utf-8",
        headers={"Cache-Control": "public, max-age=3600"},
    )
