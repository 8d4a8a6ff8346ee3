"""What a teacher types, and what others see of it."""

from collections.abc import Iterator, Mapping
from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from federation import content, markdown
from federation.errors import Malformed
from federation.markdown import MEDIA_TYPES, MediaType, Written

MARKDOWN: MediaType = "text/markdown"
PLAIN: MediaType = "text/plain"
PEOPLE = {
    "bob@riverside.example": "https://riverside.example/@bob",
    "head": "https://oakfield.example/@head",
}


class Everybody(Mapping[str, str]):
    """A world in which every handle belongs to somebody."""

    def __getitem__(self, handle: str) -> str:
        return "https://riverside.example/somebody"

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


class Seen(HTMLParser):
    """What a reader has of a page: its words, where its links lead, and what stands inside what."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.words = ""
        self.links: list[str] = []
        self.misplaced: list[str] = []
        self._inside: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        if tag == "br":
            self.words += "\n"
            return
        if tag == "a":
            self.links.append(said.get("href") or "")
            if {"code", "pre", "a"} & set(self._inside):
                self.misplaced.append(self.links[-1])
        if tag in ("p", "li", "pre", "blockquote"):
            self.words += "\n"
        self._inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._inside.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def tag_page(name: str) -> str:
    return f"https://oakfield.example/tags/{name}"


def written(
    typed: str, media_type: MediaType = MARKDOWN, people: Mapping[str, str] = PEOPLE
) -> Written:
    return markdown.read(typed, media_type, people=people, tag_page=tag_page)


def link(url: str, words: str, kind: str = "") -> str:
    named = f' class="{kind}"' if kind else ""
    more = ' target="_blank" rel="nofollow noopener noreferrer"'
    return f'<a href="{url}"{named}{more}>{words}</a>'


# --- mentions and hashtags -----------------------------------------------------------------------


@pytest.mark.parametrize("media_type", MEDIA_TYPES)
def test_colleagues_and_people_of_other_schools_are_mentioned(media_type: MediaType) -> None:
    page = written("Dear @head and @Bob@Riverside.Example: hello", media_type)
    assert page.html == (
        "<p>Dear "
        + link(PEOPLE["head"], "@<span>head</span>", "u-url mention")
        + " and "
        + link(
            PEOPLE["bob@riverside.example"], "@<span>Bob@Riverside.Example</span>", "u-url mention"
        )
        + ": hello</p>"
    )
    assert page.mentioned == ("head", "bob@riverside.example")


@pytest.mark.parametrize("media_type", MEDIA_TYPES)
def test_a_mention_may_stand_where_a_sentence_puts_it(media_type: MediaType) -> None:
    for typed in (
        "@head", "(@head)", "Ask @head.", "@head's lesson", "'@head'", "@head, @head!", "**@head**",
        "_@head_ "[1:-2], "Thanks,\n@head", "@head:", "“@head”", "cc:@head @head",
    ):  # fmt: skip
        assert written(typed, media_type).mentioned == ("head",), typed


@pytest.mark.parametrize("media_type", MEDIA_TYPES)
def test_what_is_no_mention_stays_text(media_type: MediaType) -> None:
    for typed in (
        "@nobody", "@nobody@riverside.example", "head@oakfield.example", "x@head", "@@head",
        "@ head", "@head@", "@head@riverside.example", "@head.example", "example.org/@head",
        "@headmaster",
        "@bob@riverside.example.org", "@bob@riverside.example@head", "me+@head", "@head-teacher",
    ):  # fmt: skip
        page = written(typed, media_type)
        assert page.mentioned == (), typed
        assert page.html == f"<p>{typed}</p>", typed


def test_who_may_be_meant_is_asked_once_and_in_order() -> None:
    typed = "@bob@riverside.example @head `@code` [@link](https://a.example) @Bob@riverside.example"
    assert markdown.handles(typed, MARKDOWN) == ["bob@riverside.example", "head"]
    assert markdown.handles(typed, PLAIN) == [
        "bob@riverside.example", "head", "link",
    ]  # fmt: skip
    assert markdown.handles("@lee@localhost:8002 @a@b.example:8443.", PLAIN) == [
        "lee@localhost:8002",
        "a@b.example:8443",
    ]


@pytest.mark.parametrize("media_type", MEDIA_TYPES)
def test_hashtags_lead_to_their_page_whatever_their_letter_case(media_type: MediaType) -> None:
    page = written("#Physics and #physics, #Jahr2026!", media_type)
    assert page.html == (
        "<p>"
        + link(tag_page("physics"), "#<span>Physics</span>", "mention hashtag")
        + " and "
        + link(tag_page("physics"), "#<span>physics</span>", "mention hashtag")
        + ", "
        + link(tag_page("jahr2026"), "#<span>Jahr2026</span>", "mention hashtag")
        + "!</p>"
    )
    assert page.hashtags == ("Physics", "Jahr2026")
    for typed, name in (
        ("(#KS4)", "KS4"), ("#naïve", "naïve"), ("#हिन्दी", "हिन्दी"), ("#物理", "物理"),
        ("#a_b.", "a_b"),
        ("#col·laboració", "col·laboració"), ("#1a", "1a"), ("**#bold**", "bold"), ("#", ""),
        ("#2026", ""), ("c#", ""), ("a#b", ""), ("##x", ""), ("/#x", ""), ("&#x41;", ""),
        ("#x@school.example", ""), ("#__", ""), (f"#{'a' * 101}", ""),
    ):  # fmt: skip
        assert written(typed, media_type).hashtags == ((name,) if name else ()), typed


def test_nothing_is_made_of_what_stands_in_code_or_in_a_link() -> None:
    for typed in (
        "`@head #tag https://a.example`",
        "```\n@head #tag https://a.example\n```",
        "[@head #tag](https://a.example/@head#tag)",
        "![@head #tag](https://a.example/@head#tag)",
        "<https://a.example/@head#tag>",
        "https://a.example/@head#tag",
        r"\@head \#tag",
    ):
        page = written(typed, people=Everybody())
        assert (page.mentioned, page.hashtags) == ((), ()), typed
        assert len(Seen(page.html).links) <= 1, typed


# --- markup --------------------------------------------------------------------------------------


def test_plain_text_keeps_its_paragraphs_and_lines() -> None:
    page = written("Lab 2 is free\r\nfrom *Monday*\n\n \n1 < 2 & <b>\n\n- a", PLAIN)
    assert page.html == (
        "<p>Lab 2 is free<br>from *Monday*</p><p>1 &lt; 2 &amp; &lt;b&gt;</p><p>- a</p>"
    )


def test_markdown_becomes_what_it_means() -> None:
    for typed, page in (
        ("*a* **b** ~~c~~ `d`", "<p><em>a</em> <strong>b</strong> <s>c</s> <code>d</code></p>"),
        ("one\ntwo\n\nthree", "<p>one<br>two</p><p>three</p>"),
        ("# Agenda\n###### Any other business", "<h1>Agenda</h1><h5>Any other business</h5>"),
        ("- a\n- b\n  1. c", "<ul><li>a</li><li>b<ol><li>c</li></ol></li></ul>"),
        ("3. x\n4. y\n7. z", '<ol start="3"><li>x</li><li>y</li><li value="7">z</li></ol>'),
        ("> said\n\nme", "<blockquote><p>said</p></blockquote><p>me</p>"),
        ("```python\na < b\n```", "<pre><code>a &lt; b\n</code></pre>"),
        ("```read me\nx\n```", "<pre><code>read me\nx\n</code></pre>"),
        ("snake_case 2*3*4", "<p>snake_case 2<em>3</em>4</p>"),
    ):
        assert written(typed).html == page


def test_what_would_vanish_in_markdown_stays_as_it_was_typed() -> None:
    for typed, page in (
        ("<b>x</b> <!-- y -->", "<p>&lt;b&gt;x&lt;/b&gt; &lt;!-- y --&gt;</p>"),
        ("&copy; AT&T", "<p>&amp;copy; AT&amp;T</p>"),
        ("Title\n---\n***", "<p>Title<br>---<br>***</p>"),
        ("[note]: https://a.example", f"<p>[note]: {link('https://a.example', 'https://a.example')}</p>"),
        ("    indented @nobody", "<p>indented @nobody</p>"),
        ("[x](javascript:alert(1))", "<p>[x](javascript:alert(1))</p>"),
        ("[x](/settings)", "<p>[x](/settings)</p>"),
        ("<data:text/html,x>", "<p>&lt;data:text/html,x&gt;</p>"),
        ("<lee@school.example>", "<p>&lt;lee@school.example&gt;</p>"),
        ("http:// http://[", "<p>http:// http://[</p>"),
    ):  # fmt: skip
        assert written(typed).html == page


def test_links_show_where_they_lead_and_what_was_said_of_them() -> None:
    url = "https://a.example/p_q_(r)"
    for typed, page in (
        (f"see {url}.", f"see {link(url, url)}."),
        (f"({url})", f"({link(url, url)})"),
        (f"**{url}**", f"<strong>{link(url, url)}</strong>"),
        (f"[plan]({url} 'the title')", f"{link(url, 'plan')} (the title)"),
        (f"[]({url})", link(url, url)),
        (f"<{url}>", link(url, url)),
        (f"![A graph]({url})", link(url, "A graph")),
        (f"![]({url})", link(url, url)),
        (f"[![A graph]({url})](https://b.example)", link("https://b.example", f"A graph ({url})")),
        ("[é](https://é.example/ü)", link("https://é.example/ü", "é")),
    ):
        assert written(typed).html == f"<p>{page}</p>"


def test_nesting_beyond_reason_stays_readable() -> None:
    quotes = written("> " * 40 + "deep")
    assert quotes.html.count("<blockquote>") == 8
    assert Seen(quotes.html).words.strip() == "> " * 32 + "deep"
    for depth in range(1, 40):
        page = written("> - " + "*a " * depth + "@head" + " b*" * depth)
        assert page.mentioned == ("head",)
        assert Seen(page.html).links == [PEOPLE["head"]]
        assert page.html.count("<em>") in (depth, 0)
        assert ("<em>" in page.html) is (depth <= 27), depth
        assert content.clean(page.html) == page.html


def test_more_formatting_than_others_would_read_is_said_aloud() -> None:
    with pytest.raises(Malformed, match="so many"):
        written("a\n\n" * 2_000)
    with pytest.raises(Malformed, match="so many"):
        written("https://a.b/ " * 1_500, PLAIN)
    assert written("a " * 10_000).html == f"<p>{('a ' * 10_000).strip()}</p>"


# --- whatever is typed ---------------------------------------------------------------------------

MARKS = (
    "@", "#", "*", "**", "_", "`", "```", "~~", "[", "]", "(", ")", "](", "![", "<", ">", "&", "\\",
    "\n", "\n\n", " ", "    ", "- ", "1. ", "7) ", "> ", "# ", "---", "\t", '"', "'", ":", ".", "/",
    "http://", "https://a.example/", "(https://b.example)", "@bob@riverside.example", "@head",
    "#tag", "lee@school.example", "<b>", "</p>", "<script>", "&lt;", "javascript:", "\u202e",
    "\x00", "é",
    "[a](https://c.example)", "<https://d.example>", "= ", "|", "!", "www.e.example",
)  # fmt: skip


def _with_words(parts: list[str | None]) -> tuple[str, list[str]]:
    """Marks and words of three letters, each of which stands only once in the whole."""
    words = [f"q{chr(107 + n // 10)}{chr(107 + n % 10)}" for n in range(len(parts))]
    typed = "".join(part if part is not None else words[n] for n, part in enumerate(parts))
    return typed, [word for word, part in zip(words, parts, strict=True) if part is None]


TYPED = st.lists(st.none() | st.sampled_from(MARKS), max_size=60).map(_with_words)


@given(typed=st.text(max_size=400), media_type=st.sampled_from(MEDIA_TYPES))
@example(typed="\ud800<p>\x00", media_type=MARKDOWN)
def test_any_text_becomes_a_page_that_is_clean(typed: str, media_type: MediaType) -> None:
    page = written(typed, media_type, Everybody()).html
    assert content.clean(page) == page


@given(pieces=TYPED, media_type=st.sampled_from(MEDIA_TYPES))
def test_any_markup_becomes_a_clean_page_that_keeps_every_word(
    pieces: tuple[str, list[str]], media_type: MediaType
) -> None:
    typed, words = pieces
    page = written(typed, media_type, Everybody())
    assert content.clean(page.html) == page.html
    seen = Seen(page.html)
    everything = seen.words + " ".join(seen.links)
    assert [word for word in words if word not in everything] == []
    assert seen.misplaced == []
    assert set(page.mentioned) == set(markdown.handles(typed, media_type))
    assert bool(page.mentioned) is ('class="u-url mention"' in page.html)


@given(typed=st.text(max_size=300) | TYPED.map(lambda pieces: pieces[0]))
def test_plain_text_is_seen_character_by_character(typed: str) -> None:
    seen = Seen(written(typed, PLAIN, Everybody()).html).words
    typed = content.without_control(typed.replace("\r", "\n"))
    assert seen.split() == typed.split()


@given(
    address=st.emails(),
    before=st.sampled_from(["", "mail ", "(", "*", "cc: ", "a\n"]),
    after=st.sampled_from(["", " ", ".", ", @head", "*", "\n- x", ")"]),
    media_type=st.sampled_from(MEDIA_TYPES),
)
@example(address="#lab.2@school.example", before="", after="", media_type=PLAIN)
@example(address="x.#lab@school.example", before="", after="", media_type=PLAIN)
def test_nobody_is_mentioned_by_an_e_mail_address(
    address: str, before: str, after: str, media_type: MediaType
) -> None:
    page = written(f"{before}{address}{after}", media_type, Everybody())
    assert page.hashtags == ()
    assert set(page.mentioned) <= {"head"}
