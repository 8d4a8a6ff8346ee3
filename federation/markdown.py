"""What one of our people typed becomes HTML: plain text or Markdown, with mentions and hashtags.

`@lee` and `@lee@school.example` become links where they name somebody, `#tag` leads to its page,
bare addresses can be followed. Nothing of that happens inside code, links or e-mail addresses, and
nothing that was typed is lost: what has no meaning here (HTML, a link that leads nowhere, more
nesting than anybody reads) stays as the characters it is.
https://spec.commonmark.org/0.31.2/
"""

import html
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, Literal

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock, blockquote, list_block
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

from federation import content, vocabulary
from federation.errors import Malformed

MediaType = Literal["text/plain", "text/markdown"]
MEDIA_TYPES: Final[tuple[MediaType, ...]] = ("text/plain", "text/markdown")

# Lists and quotes inside one another: each costs up to three elements, and `content.DEEPEST` must
# hold for all of them and the emphasis inside.
_NESTED: Final = 8

# After these marks a block of code may name its language; any other words there are shown.
# fmt: off
_LANGUAGES: Final = frozenset({
    "bash", "basic", "c", "c#", "c++", "cpp", "cs", "csharp", "css", "diff", "go", "html", "http",
    "ini", "java", "javascript", "js", "json", "kotlin", "latex", "lua", "markdown", "md",
    "pascal", "php", "powershell", "pseudocode", "python", "py", "r", "ruby", "rust", "scala",
    "scratch", "sh", "shell", "sql", "swift", "tex", "text", "toml", "ts", "txt", "typescript",
    "vb", "xml", "yaml",
})
# fmt: on

_STOP = re.compile(r"[\n!#&*:<>@\[\\\]_`~]|https?://", re.IGNORECASE)
_ADDRESS = re.compile(r"https?://[^\s<>\"'`./?#:\[\]][^\s<>\"`\[\]]{0,2040}", re.IGNORECASE)
_HANDLE = re.compile(
    r"@(?P<name>\w(?:[\w.~+-]{0,98}\w)?)"
    r"@(?P<host>[^\W_](?:[\w-]{0,61}[^\W_])?(?:\.[^\W_](?:[\w-]{0,61}[^\W_])?){0,9}(?::\d{2,5})?)"
    r"(?![\w@]|[.-]\w)"
)
_COLLEAGUE = re.compile(r"@(?P<name>[A-Za-z0-9_]{1,30})(?![\w@~+]|[.-]+\w)", re.ASCII)
# What may stand in an e-mail address before its @, and what follows that.
_LOCAL_PART = "!#$%&+/=?^`{|}.-"
_MAIL_FOLLOWS = re.compile(r"[\w!#$%&'*+/=?^`{|}~.-]{0,64}@[^\W_]")
_FRAMES = "_*~"


@dataclass(frozen=True, slots=True)
class Written:
    """`mentioned` are keys of the people named, `hashtags` the words as typed, without #; both in
    the order of the text, each once."""

    html: str
    mentioned: tuple[str, ...]
    hashtags: tuple[str, ...]


def read(
    typed: str,
    media_type: MediaType,
    *,
    people: Mapping[str, str],
    tag_page: Callable[[str], str],
) -> Written:
    """HTML that `content.clean` leaves as it is.

    `people` are the pages of those who can be mentioned, by the keys that `handles` gives;
    `tag_page` makes the address of a hashtag's page. Raises Malformed for a text with more
    paragraphs, links and other formatting than others would read to its end.
    """
    written = _Page(people, tag_page)
    made = written.blocks(_parsed(typed, media_type))
    if written.deepest > content.DEEPEST:
        # Emphasis inside emphasis without end: nobody meant that as markup.
        written = _Page(people, tag_page)
        made = written.blocks(_parsed(typed, "text/plain"))
    clean = content.clean(made)
    if max(made.count("<"), clean.count("<")) > content.MOST_TAGS or (
        max(len(made), len(clean)) > content.LONGEST_HTML
    ):
        raise Malformed("a post with so many paragraphs, links and formatting cannot be sent")
    return Written(clean, tuple(written.mentioned), tuple(written.hashtags.values()))


def handles(typed: str, media_type: MediaType) -> list[str]:
    """Whom the words may mention: `name@host` or, of a colleague, `name`, in lower case; each
    once, in the order of the text."""
    found = (
        token.meta["key"]
        for block in _parsed(typed, media_type)
        for token in block.children or ()
        if token.type == "mention"
    )
    return list(dict.fromkeys(found))


def key(handle: str) -> str:
    """A handle as typed, in the spelling of `handles`."""
    return handle.removeprefix("@").casefold()


@lru_cache(maxsize=32)
def _parsed(typed: str, media_type: MediaType) -> list[Token]:
    """The tokens of a text; nobody changes them. Remembered from the search for handles, which
    comes before the transaction, to the writing of the page inside it."""
    text = content.without_control(typed.replace("\r\n", "\n").replace("\r", "\n"))
    return (_MARKDOWN if media_type == "text/markdown" else _PLAIN).parse(text)


# --- reading the line ----------------------------------------------------------------------------


def _text(state: StateInline, silent: bool) -> bool:
    """What means nothing in particular, up to what may mean something."""
    stop = _STOP.search(state.src, state.pos, state.posMax)
    end = stop.start() if stop else state.posMax
    if end == state.pos:
        return False
    if not silent:
        state.append_pending(state.src[state.pos : end])
    state.pos = end
    return True


def _address(state: StateInline, silent: bool) -> bool:
    """A bare address of the web."""
    if state.linkLevel or (state.pos and _is_word(state.src[state.pos - 1])):
        return False
    found = _ADDRESS.match(state.src, state.pos, state.posMax)
    if found is None:
        return False
    url = _without_end_of_sentence(found[0])
    if not _leads_somewhere(url):
        return False
    if not silent:
        state.push("address", "", 0).content = url
    state.pos += len(url)
    return True


def _mention(state: StateInline, silent: bool) -> bool:
    """A handle, of a colleague or in full, that is not a part of an e-mail address."""
    if state.src[state.pos] != "@" or state.linkLevel:
        return False
    if not _begins(state, but_after="@" + _LOCAL_PART):
        return False
    found = _HANDLE.match(state.src, state.pos, state.posMax) or _COLLEAGUE.match(
        state.src, state.pos, state.posMax
    )
    if found is None:
        return False
    if not silent:
        token = state.push("mention", "", 0)
        token.content = found[0]
        token.meta = {"key": key(found[0])}
    state.pos = found.end()
    return True


def _hashtag(state: StateInline, silent: bool) -> bool:
    """A word after #, with at least one letter in it."""
    if state.src[state.pos] != "#" or state.linkLevel or not _begins(state, but_after="#&/=@"):
        return False
    end = state.pos + 1
    while end < state.posMax and _in_hashtag(state.src[end]):
        end += 1
    name = state.src[state.pos + 1 : end].rstrip("_·")
    end = state.pos + 1 + len(name)
    if not any(char.isalpha() for char in name) or not vocabulary.hashtag(name):
        return False
    if _MAIL_FOLLOWS.match(state.src, end, state.posMax):
        return False
    if not silent:
        state.push("hashtag", "", 0).content = name
    state.pos = end
    return True


def _begins(state: StateInline, but_after: str) -> bool:
    """Whether a word may begin here. Marks of emphasis before it are looked through."""
    before = state.pos
    while before and state.src[before - 1] in _FRAMES:
        before -= 1
    if before == 0:
        return True
    char = state.src[before - 1]
    return not _is_word(char) and char not in but_after


def _is_word(char: str) -> bool:
    return char == "_" or unicodedata.category(char)[0] in "LMN"


def _in_hashtag(char: str) -> bool:
    return char == "·" or _is_word(char)


def _without_end_of_sentence(url: str) -> str:
    """The sentence's own punctuation does not belong to the link at its end, nor does emphasis."""
    while url[-1] in ".,;:!?'*_~" or (url[-1] == ")" and url.count(")") > url.count("(")):
        url = url[:-1]
    return url


def _leads_somewhere(url: str) -> bool:
    """Whether an address survives as a link: whoever cleans it decides."""
    return (
        len(url) <= 2048
        and _ADDRESS.fullmatch(url) is not None
        and ' href="' in content.clean(f'<a href="{html.escape(url)}">.</a>')
    )


# --- reading the page ----------------------------------------------------------------------------


def _nested(rule: Callable[[StateBlock, int, int, bool], bool]) -> Any:
    """The rule of a block that holds others, as far as anybody would read them."""

    def bounded(state: StateBlock, first: int, end: int, silent: bool) -> bool:
        return state.level < _NESTED and rule(state, first, end, silent)

    return bounded


def _reader(*meaning: str) -> MarkdownIt:
    """A parser that knows paragraphs, lines, addresses, mentions and hashtags, and `meaning`."""
    parser = MarkdownIt("zero", {"html": False, "breaks": True, "maxNesting": 32})
    parser.enable(["newline", *meaning])
    rules = parser.inline.ruler
    rules.at("text", _text)
    rules.after("text", "address", _address)
    rules.after("address", "mention", _mention)
    rules.after("mention", "hashtag", _hashtag)
    ends = ["paragraph", "blockquote"]
    parser.block.ruler.at("blockquote", _nested(blockquote), {"alt": [*ends, "list"]})
    parser.block.ruler.at("list", _nested(list_block), {"alt": ends})
    # What is seen is what is followed: an address is not respelled.
    parser.normalizeLink = _as_it_is  # type: ignore[method-assign]
    parser.normalizeLinkText = _as_it_is  # type: ignore[method-assign, assignment]
    parser.validateLink = _leads_somewhere  # type: ignore[method-assign]
    # The rules are put in order at the first text, and two threads must not do that together.
    parser.parse("x")
    return parser


def _as_it_is(url: str) -> str:
    return url


_PLAIN: Final = _reader()
# Left out, since with them something typed would vanish or change without being asked for: HTML,
# entities, references, rules and headings made of a line of dashes, code by indentation.
_MARKDOWN: Final = _reader(
    "fence", "blockquote", "list", "heading", "escape", "backticks", "strikethrough", "emphasis",
    "link", "image", "autolink", "balance_pairs", "fragments_join",
)  # fmt: skip


# --- writing it ----------------------------------------------------------------------------------


@dataclass(slots=True)
class _Page:
    """Tokens as HTML, and who and what was met on the way."""

    people: Mapping[str, str]
    tag_page: Callable[[str], str]
    mentioned: dict[str, None] = field(default_factory=dict)
    hashtags: dict[str, str] = field(default_factory=dict)
    open: int = 0
    deepest: int = 0
    _links: list[Token] = field(default_factory=list)
    _counts: list[int] = field(default_factory=list)

    def blocks(self, tokens: list[Token]) -> str:
        return "".join(self._block(token) for token in tokens)

    def _block(self, token: Token) -> str:
        if token.type == "inline":
            return self._line(token.children or []).strip()
        if token.type == "fence":
            language = token.info.strip()
            first = "" if language.casefold() in _LANGUAGES or not language else f"{language}\n"
            return f"<pre><code>{_escaped(first + token.content)}</code></pre>"
        return self._tag(token)

    def _line(self, tokens: list[Token]) -> str:
        """What stands in one paragraph. The words of a link are put into it when it ends."""
        outside: list[list[str]] = []
        made: list[str] = []
        for token in tokens:
            if token.type == "link_open":
                self._links.append(token)
                outside.append(made)
                made = []
            elif token.type == "link_close":
                words = "".join(made)
                made = outside.pop()
                made.append(_followed(self._links.pop(), words))
            else:
                made.append(self._inline(token))
        return "".join(made)

    def _inline(self, token: Token) -> str:
        match token.type:
            case "text":
                return _escaped(token.content)
            case "softbreak" | "hardbreak":
                return "<br>"
            case "code_inline":
                return f"<code>{_escaped(token.content)}</code>"
            case "address":
                return _link(token.content, _escaped(token.content))
            case "image":
                return self._picture(token)
            case "mention":
                return self._person(token)
            case "hashtag":
                return self._hashtag(token.content)
            case _:
                return self._tag(token)

    def _tag(self, token: Token) -> str:
        """The beginning or end of an element."""
        if token.hidden:
            # The paragraphs of a short list.
            return ""
        self.open += token.nesting
        # Inside may stand a link with a name in it, or code in a link.
        self.deepest = max(self.deepest, self.open + 2)
        match token.type:
            case "ordered_list_open":
                first = int(token.attrs.get("start", 1))
                self._counts.append(first)
                return f'<ol start="{first}">' if first != 1 else "<ol>"
            case "bullet_list_open":
                self._counts.append(-1)
            case "ordered_list_close" | "bullet_list_close":
                self._counts.pop()
            case "list_item_open":
                return self._list_entry(token.info)
        name = "h5" if token.tag == "h6" else token.tag
        return f"</{name}>" if token.nesting < 0 else f"<{name}>"

    def _list_entry(self, number: str) -> str:
        """The number that was typed is the one that is shown."""
        expected = self._counts[-1]
        if not number or expected < 0:
            return "<li>"
        self._counts[-1] = int(number) + 1
        return "<li>" if int(number) == expected else f'<li value="{int(number)}">'

    def _picture(self, token: Token) -> str:
        """A link with its description: pictures are attached, not fetched from somewhere."""
        source, title = str(token.attrs.get("src", "")), str(token.attrs.get("title", ""))
        words = _escaped(token.content.strip() or source)
        more = f" ({_escaped(title)})" if title else ""
        if self._links or not source:
            shown = f" ({_escaped(source)})" if source and token.content.strip() else ""
            return words + shown + more
        return _link(source, words) + more

    def _person(self, token: Token) -> str:
        page = self.people.get(token.meta["key"])
        if page is None:
            return _escaped(token.content)
        self.mentioned[token.meta["key"]] = None
        return _link(page, f"@<span>{_escaped(token.content[1:])}</span>", "u-url mention")

    def _hashtag(self, name: str) -> str:
        folded = vocabulary.hashtag(name)
        self.hashtags.setdefault(folded, name)
        return _link(self.tag_page(folded), f"#<span>{_escaped(name)}</span>", "mention hashtag")


def _followed(token: Token, words: str) -> str:
    """A link as typed, its title behind it: nobody sees what stands in an attribute."""
    url, title = str(token.attrs["href"]), str(token.attrs.get("title", ""))
    shown = words if words.strip() else _escaped(url)
    return (_link(url, shown) if url else words) + (f" ({_escaped(title)})" if title else "")


def _link(url: str, words: str, kind: str = "") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<a href="{html.escape(url)}"{named}>{words}</a>'


def _escaped(text: str) -> str:
    return html.escape(text, quote=False)
