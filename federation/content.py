"""What people wrote, made safe to show.

Text from elsewhere is read by a real HTML5 parser and only what is on our list comes out; the same
happens again as the last step before it is shown. What is not rich text (names, titles, what a
picture shows) is text, and is escaped where it is put into a page.
"""

import html
import re
from typing import Final

import nh3

LONGEST_TEXT: Final = 20_000
"""Characters that a reader sees of one post."""
LONGEST_HTML: Final = 100_000
"""Characters that the parser is given; markup counts."""
MOST_TAGS: Final = 2_000
"""Of which the parser is given the beginning: it takes the square of their number in time."""
DEEPEST: Final = 32
"""Elements inside elements."""

# fmt: off
_TAGS: Final = frozenset({
    "p", "br", "span", "a", "abbr", "del", "s", "pre", "blockquote", "code", "b", "strong", "u",
    "sub", "sup", "i", "em", "h1", "h2", "h3", "h4", "h5", "ul", "ol", "li", "ruby", "rt", "rp",
})
_ATTRIBUTES: Final = {
    "a": {"href", "translate"},
    "span": {"translate"},
    "abbr": {"title"},
    "ol": {"start", "reversed"},
    "li": {"value"},
    "*": {"lang"},
}
_CLASSES: Final = {
    "a": {"mention", "hashtag", "u-url"},
    "span": {"h-card", "mention", "hashtag", "ellipsis", "invisible", "quote-inline"},
    "p": {"quote-inline"},
}
# What would otherwise be left behind as text in the middle of a sentence.
_NOT_TEXT: Final = {
    "script", "style", "noscript", "template", "iframe", "object", "svg", "title", "textarea",
    "select", "audio", "video",
}
# fmt: on

_CLEANER: Final = nh3.Cleaner(
    tags=set(_TAGS),
    clean_content_tags=_NOT_TEXT,
    attributes=_ATTRIBUTES,
    allowed_classes=_CLASSES,
    url_schemes={"http", "https"},
    url_relative="deny",
    link_rel="nofollow noopener noreferrer",
    set_tag_attribute_values={"a": {"target": "_blank"}},
)
# Only puts pictures and formulas into a form in which they can be replaced; never shown.
_PARSER: Final = nh3.Cleaner(
    tags=set(_TAGS) | {"img", "math", "semantics", "annotation"},
    clean_content_tags=_NOT_TEXT,
    attributes=_ATTRIBUTES | {"img": {"src", "alt"}, "annotation": {"encoding"}},
    allowed_classes=_CLASSES,
    url_schemes={"http", "https"},
    url_relative="deny",
    link_rel=None,
)
_BARE: Final = nh3.Cleaner(tags=set(), link_rel=None)

_FOREIGN = re.compile(r"<(?:img|math)\b", re.IGNORECASE)
_PICTURE = re.compile(r'<img((?: [a-z]+="[^"]*")*)>')
_ATTRIBUTE = re.compile(r' ([a-z]+)="([^"]*)"')
_FORMULA = re.compile(r"<math>(.*?)</math>", re.DOTALL)
_TEX = re.compile(r'<annotation encoding="application/x-tex">(.*?)</annotation>', re.DOTALL)
_TAG = re.compile(r"<(/?)([a-z][a-z0-9]*)")
_BLOCK_END = re.compile(r"</(?:p|li|h[1-5]|blockquote|pre|ul|ol)>")
_BLANK_LINES = re.compile(r"\n[ \t]*(?:\n[ \t]*)+")
_LINK = re.compile(r"https?://[^\s<>\"'`./?#:][^\s<>\"'`]{0,2040}", re.IGNORECASE)
# Spans stand in spans at most one deep here: how the visible and invisible parts of a link are cut.
_MARKED_LINE = re.compile(
    r'<p class="quote-inline">(?:(?!</?p\b).){0,9000}</p>'
    r'|<span class="quote-inline">(?:(?!</?span\b).|<span\b[^>]*>[^<]*</span>){0,9000}</span>',
    re.DOTALL,
)
_LAST_LINE = re.compile(
    r"(?:RE|QT):\s*(?:</(?:span|b|strong)>)?\s*"
    r"(?:<a\b[^>]*>(?:[^<]|</?span\b[^>]*>){0,4500}</a>|https?://[^\s<]+)(?:\s|<br>|</[a-z]+>)*"
)
LONGEST_CLASS = 100
_OPENED = re.compile(r"(?:\s+|<br>|<(?:p|span|b|strong)(?: class=\"[a-z -]*\")?>)$")
# The two in the middle turn the letters of a whole paragraph round, the address behind a link with
# them.
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202d\u202e\ud800-\udfff]")
_UNSEEN = re.compile(
    "[\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]"
)


def clean(text: str) -> str:
    """HTML from anywhere, as HTML that may stand in a page of ours.

    A picture becomes a link with its description, a formula its TeX. What is nested or long beyond
    reason loses its markup and keeps its words.
    """
    cleaned = _sanitised(text)
    if _too_deep(cleaned) or _too_long(cleaned):
        return paragraphs(_words(cleaned))
    return cleaned


def without_quote_line(cleaned: str) -> str:
    """Clean HTML without the line that stands for a quoted post ("RE: …") where we show the post.

    It is marked by the class quote-inline, or is simply the last line.
    """
    shown = _MARKED_LINE.sub("", cleaned)
    start = max(shown.rfind("RE:"), shown.rfind("QT:"))
    if start >= 0 and _LAST_LINE.fullmatch(shown, start):
        shown = shown[:start]
        while opened := _OPENED.search(shown[-LONGEST_CLASS:]):
            shown = shown[: -len(opened[0])]
    # Closes what was opened and left.
    return cleaned if shown == cleaned else _CLEANER.clean(shown).strip()


def plain(text: str) -> str:
    """The words of an HTML text, paragraphs kept apart by an empty line."""
    # Mostly there is no summary, and each look at nothing would cost as much as one at a post.
    return _words(_sanitised(text))[:LONGEST_TEXT] if text else ""


def paragraphs(text: str) -> str:
    """What one of our people typed, as HTML: paragraphs, line ends, and links one can follow."""
    text = _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))[:LONGEST_TEXT].strip()
    blocks = [block.strip("\n") for block in _BLANK_LINES.split(text) if block.strip()]
    return _CLEANER.clean("".join(f"<p>{_with_links(block)}</p>" for block in blocks))


def without_control(text: str) -> str:
    """The text without characters that nobody types and nothing shows; line ends stay."""
    return _CONTROL.sub("", text)


def one_line(text: str, limit: int) -> str:
    """A name or title: one line of at most `limit` characters, without invisible characters.

    Marks that turn the direction of writing are among those: with them a name can pretend to be
    another.
    """
    seen = _UNSEEN.sub("", " ".join(text[: limit * 8].split()))
    return " ".join(_CONTROL.sub("", seen).split())[:limit].rstrip()


def _sanitised(text: str) -> str:
    text = "<".join(_CONTROL.sub("", text[:LONGEST_HTML]).split("<")[: MOST_TAGS + 1])
    if _FOREIGN.search(text):
        text = _PARSER.clean(text)
        text = _FORMULA.sub(_formula_as_tex, text)
        text = _PICTURE.sub(_picture_as_link, text)
    # Once more after the parser: until then they may be written as entities.
    return _CONTROL.sub("", _CLEANER.clean(text))


def _picture_as_link(picture: re.Match[str]) -> str:
    attributes: dict[str, str] = dict(_ATTRIBUTE.findall(picture[1]))
    source = attributes.get("src", "")
    if not source:
        return attributes.get("alt", "")
    return f'<a href="{source}">{attributes.get("alt") or source}</a>'


def _formula_as_tex(formula: re.Match[str]) -> str:
    tex = _TEX.search(formula[1])
    return f"<code>{tex[1]}</code>" if tex else str(formula[1])


def _too_deep(cleaned: str) -> bool:
    if cleaned.count("<") <= DEEPEST:
        return False
    depth = 0
    for closing, name in _TAG.findall(cleaned):
        if name != "br":
            depth += -1 if closing else 1
            if depth > DEEPEST:
                return True
    return False


def _too_long(cleaned: str) -> bool:
    if len(cleaned) <= LONGEST_TEXT:
        return False
    return len(cleaned) > LONGEST_HTML or len(_words(cleaned)) > LONGEST_TEXT


def _words(cleaned: str) -> str:
    text = _BLOCK_END.sub("\n\n", cleaned.replace("<br>", "\n"))
    text = html.unescape(_BARE.clean(text))
    return _BLANK_LINES.sub("\n\n", text).strip()


def _with_links(block: str) -> str:
    made: list[str] = []
    end = 0
    for found in _LINK.finditer(block):
        url = _without_full_stop(found[0])
        made.append(_escaped(block[end : found.start()]))
        made.append(f'<a href="{html.escape(url)}">{html.escape(url)}</a>')
        end = found.start() + len(url)
    made.append(_escaped(block[end:]))
    return "".join(made)


def _without_full_stop(url: str) -> str:
    """The sentence's own punctuation does not belong to the link at its end."""
    while url[-1] in ".,;:!?" or (url[-1] == ")" and url.count(")") > url.count("(")):
        url = url[:-1]
    return url


def _escaped(text: str) -> str:
    return html.escape(text, quote=False).replace("\n", "<br>")
