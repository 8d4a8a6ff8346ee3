"""What people wrote: the words arrive, the tricks do not."""

import time
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation import content

SAFE_LINK = 'target="_blank" rel="nofollow noopener noreferrer"'


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("<p>Trip on <b>Friday</b><br>Bring lunch</p>", None),
        ('<ul><li>one</li></ul><ol start="3"><li value="4">x</li></ol>', None),
        ('<p lang="cy">Bore da</p>', None),
        ("<ruby>漢<rp>(</rp><rt>kan</rt><rp>)</rp></ruby>", None),
        ("<script>alert(1)</script>hello", "hello"),
        ("<style>p{}</style>hello", "hello"),
        ('<p onclick="x()" style="color:red" id="top">a</p>', "<p>a</p>"),
        ('<div><form action="/"><input><button>b</button></form></div>', "b"),
        ('<iframe src="https://evil.example"></iframe>x', "x"),
        ("<svg><a href='https://evil.example'>x</a></svg>y", "y"),
        ("<!-- hidden -->x", "x"),
        ("<p>never closed", "<p>never closed</p>"),
        ("2 < 3 & 4", "2 &lt; 3 &amp; 4"),
        ("a\x00b\x08c", "abc"),
        ("", ""),
    ],
)
def test_the_words_stay_and_the_rest_goes(sent: str, shown: str | None) -> None:
    assert content.clean(sent) == (sent if shown is None else shown)


def test_a_link_leads_out_and_tells_nobody_where_from() -> None:
    cleaned = content.clean('<a href="https://oakfield.example/" rel="me" target="_top">x</a>')
    assert cleaned == f'<a href="https://oakfield.example/" {SAFE_LINK}>x</a>'


@pytest.mark.parametrize(
    "href",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        " javascript:alert(1)",
        "java\tscript:alert(1)",
        "&#106;avascript:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "magnet:?x",
        "//evil.example/",
        "/users/lee",
        "../x",
        "",
    ],
)
def test_a_link_to_anything_but_the_web_is_no_link(href: str) -> None:
    assert "href" not in content.clean(f'<a href="{href}">x</a>')


def test_mentions_keep_the_few_classes_that_we_know() -> None:
    mention = '<span class="h-card evil"><a class="u-url mention admin" href="https://a.example/">x'
    cleaned = content.clean(mention)
    assert 'class="h-card"' in cleaned
    assert "mention" in cleaned
    assert "evil" not in cleaned
    assert "admin" not in cleaned


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        (
            '<img src="https://a.example/1.png" alt="Year 7 &lt;b&gt; &quot;x&quot;">',
            f'<a href="https://a.example/1.png" {SAFE_LINK}>Year 7 &lt;b&gt; "x"</a>',
        ),
        (
            "<IMG SRC=https://a.example/1.png onerror=alert(1)>",
            f'<a href="https://a.example/1.png" {SAFE_LINK}>https://a.example/1.png</a>',
        ),
        ('<img src="javascript:x" alt="a picture">', "a picture"),
        ("<img alt='&lt;img src=x onerror=alert(1)&gt;'>", "&lt;img src=x onerror=alert(1)&gt;"),
        ("<img>", ""),
        (
            '<math><semantics><mi>x</mi><annotation encoding="application/x-tex">x &lt; 3'
            "</annotation></semantics></math>",
            "<code>x &lt; 3</code>",
        ),
        ("<math><mi>x</mi></math>", "x"),
    ],
)
def test_a_picture_becomes_a_link_and_a_formula_its_source(sent: str, shown: str) -> None:
    assert content.clean(sent) == shown


def test_what_is_nested_beyond_reason_keeps_its_words() -> None:
    cleaned = content.clean("<blockquote>" * 300 + "deep" + "</blockquote>" * 300)
    assert cleaned == "<p>deep</p>"
    assert content.clean("<blockquote>" * 20 + "x").count("<blockquote>") == 20


@pytest.mark.parametrize(
    "sent",
    [
        "<p>" + "word " * 30_000 + "</p>",
        "<p><b>" * 16_000,
        "<b>x</b>" * 12_000,
        "<a href='https://a.example/'>" * 4_000,
        "&" * 100_000,
    ],
)
def test_what_is_long_beyond_reason_is_cut(sent: str) -> None:
    cleaned = content.clean(sent)
    assert len(cleaned) <= 5 * content.LONGEST_HTML
    assert len(content.plain(cleaned)) <= content.LONGEST_TEXT


def test_the_words_of_a_post() -> None:
    words = content.plain(
        "<p>Trip &amp; lunch<br>at 12</p><p>See <a href='https://x.example'>x</a>"
    )
    assert words == "Trip & lunch\nat 12\n\nSee x"
    assert content.plain("&amp;lt;b&gt;") == "&lt;b>"
    assert content.plain("") == ""


@pytest.mark.parametrize(
    ("typed", "html"),
    [
        ("Hello", "<p>Hello</p>"),
        ("One\r\nTwo\n\n\n \nThree", "<p>One<br>Two</p><p>Three</p>"),
        ("<b>not bold</b> & so on", "<p>&lt;b&gt;not bold&lt;/b&gt; &amp; so on</p>"),
        ("  \n ", ""),
        (
            "See https://a.example/b_(c)?d=1&e=2.",
            f'<p>See <a href="https://a.example/b_(c)?d=1&amp;e=2" {SAFE_LINK}>'
            "https://a.example/b_(c)?d=1&amp;e=2</a>.</p>",
        ),
        (
            "(https://a.example)",
            f'<p>(<a href="https://a.example" {SAFE_LINK}>https://a.example</a>)</p>',
        ),
        ("javascript:alert(1) https://", "<p>javascript:alert(1) https://</p>"),
    ],
)
def test_what_our_people_type_becomes_paragraphs(typed: str, html: str) -> None:
    assert content.paragraphs(typed) == html


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("  Ms\n Lee\t", "Ms Lee"),
        ("Ms Lee \u202eelpmaxe\u202c", "Ms Lee elpmaxe"),
        ("Le\u200be\ufeff\u00ad\u2066", "Lee"),
        ("a\x00\x1b[31mb", "a[31mb"),
        ("👩🏽\u200d🏫", "👩🏽\u200d🏫"),
        ("x" * 300, "x" * 200),
    ],
)
def test_a_name_is_one_honest_line(sent: str, shown: str) -> None:
    assert content.one_line(sent, 200) == shown


class Seen(HTMLParser):
    """Notes what a browser would find."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if name == "href"]


# fmt: off
TRICKS = [
    "<p>", "</p>", "<a href='", "https://a.example/", "javascript:x", "'>", '"', "<img ", "src=",
    " onerror=x ", "alt='", "<math>", "<svg>", "<style>", "<!--", "-->", "<mglyph>", "<table>",
    "<annotation encoding='application/x-tex'>", "</annotation>", "<noscript>", "<blockquote>",
    "<template>", "<form>", "&lt;", "&#x3c;script&#x3e;", "<script>", "]]>", "<title>", "<a>",
    "</a>", "<br>", "</blockquote>", "<select>", "<xmp>", "<plaintext>",
]
# fmt: on
pieces = st.lists(st.one_of(st.sampled_from(TRICKS), st.text(max_size=10)), max_size=25)

ELEMENTS = """
p br span a abbr del s pre blockquote code b strong u sub sup i em h1 h2 h3 h4 h5 ul ol li
ruby rt rp
"""
ATTRIBUTES = "href rel target class title translate lang start reversed value"


@given(pieces)
def test_whatever_is_sent_only_what_is_on_our_list_comes_out(parts: list[str]) -> None:
    cleaned = content.clean("".join(parts))
    seen = Seen()
    seen.feed(cleaned)
    assert seen.tags <= set(ELEMENTS.split())
    assert seen.attributes <= set(ATTRIBUTES.split())
    assert all(link.startswith(("http://", "https://")) for link in seen.links)
    assert content.clean(cleaned) == cleaned


@given(st.text(max_size=200))
def test_whatever_is_typed_is_shown_as_it_was_typed(typed: str) -> None:
    seen = Seen()
    seen.feed(content.paragraphs(typed))
    assert seen.tags <= {"p", "br", "a"}


def test_a_heap_of_markup_does_not_keep_the_school_busy() -> None:
    heap = "".join(f"<i lang=a{number}>" for number in range(10_000)) + "deep"
    began = time.process_time()
    assert "deep" not in content.clean(heap)
    assert time.process_time() - began < 1
    assert content.plain("<b>x</b>" * 500) == "x" * 500


# --- the line that stands for a quoted post ------------------------------------------------------

QUOTED = '<a href="https://riverside.example/notes/1">riverside.example/notes/1</a>'
CUT = (
    '<a href="https://riverside.example/notes/1"><span class="invisible">https://</span>'
    '<span class="ellipsis">riverside</span><span class="invisible">.example</span></a>'
)


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        (f'<p>Yes<span class="quote-inline"><br>RE: {QUOTED}</span></p>', "<p>Yes</p>"),
        (f'<p>Yes<span class="quote-inline"><br>QT: {CUT}</span></p>', "<p>Yes</p>"),
        (f'<p>Yes</p><p class="quote-inline">RE: {CUT}</p>', "<p>Yes</p>"),
        (f'<p class="quote-inline">RE: {CUT}</p><p>Yes</p>', "<p>Yes</p>"),
        (f"<p>Yes<br><br>RE: {QUOTED}</p>", "<p>Yes</p>"),
        (f"<p><span>Yes<br><br>RE: </span>{QUOTED}</p>", "<p><span>Yes</span></p>"),
        (f"<p>Yes</p><p>RE: {QUOTED}</p>", "<p>Yes</p>"),
        ("Yes:<br>RE: https://riverside.example/notes/1", "Yes:"),
        (f"<p>RE: {QUOTED}</p>", ""),
        (f"<p>RE: {QUOTED}</p><p>and more</p>", None),
        (f"<p>RE: the RE department {QUOTED}</p>", None),
        ("<p>We teach RE: join us</p>", None),
        ("<p>Yes</p>", None),
    ],
)
def test_the_line_that_stands_for_a_quote_goes_and_nothing_else(
    sent: str, shown: str | None
) -> None:
    cleaned = content.clean(sent)
    expected = cleaned if shown is None else shown
    assert content.without_quote_line(cleaned) == expected


@pytest.mark.parametrize(
    "piece", ["<br>", "RE: ", '<a href="https://a.example">', '<span class="quote-inline">x']
)
def test_looking_for_that_line_takes_no_time(piece: str) -> None:
    cleaned = content.clean(piece * 20_000) + "x"
    start = time.perf_counter()
    content.without_quote_line(cleaned)
    assert time.perf_counter() - start < 1
