"""Rich text that people wrote, as it stands in a page: cleaned once more, and honest about where
its links lead.

Whoever writes a link chooses its words too, so behind each link whose words do not begin with the
server it leads to, that server is named, in plain ASCII (SECURITY R23, R25). A word with # leads
to what this school has under it, somebody's name to the page about them here.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import unescape
from urllib.parse import quote, urlsplit

from markupsafe import Markup, escape

from federation import addresses, content
from federation.addresses import Rules
from federation.errors import Malformed

# Only for reading where a link leads; nothing is fetched by these.
_ANY = Rules(allow_http=True, allow_private=True)

# The cleaner writes every element in one way: names in lower case, values in double quotes.
_LINK = re.compile(r'<a((?: [a-z]+="[^"]*")*)>(.*?)</a>', re.DOTALL)
_ATTRIBUTE = re.compile(r' ([a-z]+)="([^"]*)"')
_UNSEEN = re.compile(
    r'<span(?: [a-z]+="[^"]*")* class="[^"]*\binvisible\b[^"]*"[^<>]*>[^<]*</span>'
)
_TAG = re.compile(r"<[^<>]*>")
_HANDLE = re.compile(r"@[\w.~+-]{1,100}@[^@]+")
_HASHTAG = re.compile(r"#(\w{1,200})")


@dataclass(frozen=True)
class Mentioned:
    """Somebody whom words link to: our page about them, and their handle."""

    path: str
    handle: str


def shown(html: str | None, own_host: str, people: Mapping[str, Mentioned] | None = None) -> Markup:
    """Clean HTML for a page of the school at `own_host`, its links marked.

    `people` are those whom the words mention, by where links to them lead: their own server.
    """
    cleaned = content.clean(html or "")
    known = people or {}
    return Markup(_LINK.sub(lambda link: _marked(link, own_host, known), cleaned))  # noqa: S704  cleaned two lines above


def target(url: str) -> str:
    """The server that a link leads to, as `name[:port]` in ASCII; "" where that is not clear."""
    try:
        return addresses.authority(url, _ANY)
    except Malformed:
        return ""


def tag_path(name: str) -> str:
    """The page of what is filed under a word."""
    return f"/tags/{quote(name, safe='')}"


def _marked(link: re.Match[str], own_host: str, people: Mapping[str, Mentioned]) -> str:
    attributes = {name: unescape(value) for name, value in _ATTRIBUTE.findall(link[1])}
    href = attributes.get("href", "")
    words = _visible(link[2])
    hashtag = _HASHTAG.fullmatch(words or "")
    if hashtag and "hashtag" in attributes.get("class", "").split():
        return f'<a class="hashtag" href="{tag_path(hashtag[1])}">{escape(words)}</a>'
    host, person, whole = target(href), people.get(href), link[0]
    if person is not None:
        if words == person.handle:
            host = own_host
        whole = f'<a class="mention" href="{escape(person.path)}">{link[2]}</a>'
    if host == own_host or (host and words is not None and _names(words, host)):
        return whole
    said = escape(host) if host else "an unclear address"
    return f'{whole} <span class="target">({said})</span>'


def _visible(html: str) -> str | None:
    """The words of a link that a reader sees; None where that is hard to say."""
    seen = _UNSEEN.sub("", html)
    if "invisible" in seen:
        return None
    return unescape(_TAG.sub("", seen)).strip()


def _names(words: str, host: str) -> bool:
    """Whether words that look like an address begin with this server, or a handle ends with it."""
    if _HANDLE.fullmatch(words):
        return words.rpartition("@")[2] == host
    said = words if "://" in words else f"https://{words}"
    try:
        return (urlsplit(said).netloc.lower() or "") == host and said.isascii()
    except ValueError:
        return False
