"""A link says where it leads, whatever its writer made it say."""

import pytest

from pages import words
from pages.words import Mentioned

HERE = "oakfield.example"


def shown(html: str) -> str:
    return str(words.shown(html, HERE))


@pytest.mark.parametrize(
    "html",
    [
        '<a href="https://riverside.example/plan">riverside.example/plan</a>',
        '<a href="https://riverside.example/plan">https://riverside.example/plan</a>',
        '<a href="https://riverside.example/a"><span class="invisible">https://</span>'
        '<span class="ellipsis">riverside.example</span><span class="invisible">/a</span></a>',
        '<a class="mention" href="https://riverside.example/@bob">@bob@riverside.example</a>',
        '<a href="https://oakfield.example/@lee">our own Lee</a>',
    ],
)
def test_a_link_that_says_where_it_leads_stays_as_it_is(html: str) -> None:
    assert "target" not in shown(html).replace("target=", "")


@pytest.mark.parametrize(
    ("html", "said"),
    [
        ('<a href="https://evil.example/">the rota</a>', "evil.example"),
        ('<a href="https://evil.example/">bank.example/login</a>', "evil.example"),
        ('<a href="https://evil.example/">https://bank.example</a>', "evil.example"),
        ('<a href="https://evil.example/">https://bank.example@evil.example/</a>', "evil.example"),
        ('<a href="https://evil.example/">evil.example.bank.example</a>', "evil.example"),
        # Words that only a machine sees name nothing.
        (
            '<a href="https://evil.example/"><span class="invisible">evil.example/</span>'
            "bank.example</a>",
            "evil.example",
        ),
        (
            '<a href="https://evil.example/"><span class="invisible"><span></span>evil.example/'
            "</span>bank.example</a>",
            "evil.example",
        ),
        ('<a href="http://evil.example:8080/">look</a>', "evil.example:8080"),
        # Look-alike letters show as what they are.
        (
            '<a href="https://r\u0456verside.example/">r\u0456verside.example</a>',
            "xn--rverside-thh.example",
        ),
        ('<a href="https://bank.example@evil.example/">bank</a>', "an unclear address"),
        ('<a class="mention" href="https://evil.example/@lee">@lee</a>', "evil.example"),
        (
            '<a class="mention" href="https://evil.example/@lee">@lee@riverside.example</a>',
            "evil.example",
        ),
    ],
)
def test_a_link_that_says_something_else_is_named(html: str, said: str) -> None:
    assert shown(html).endswith(f' <span class="target">({said})</span>')


def test_a_word_with_a_hash_leads_to_what_we_have_under_it() -> None:
    tag = '<a href="https://evil.example/x" class="mention hashtag">#<span>Café</span></a>'
    assert shown(tag) == '<a class="hashtag" href="/tags/Caf%C3%A9">#Café</a>'
    # Only a whole word counts as one; the rest is a link like any other.
    long = '<a href="https://evil.example/" class="hashtag">#maths and more</a>'
    assert shown(long).endswith("(evil.example)</span>")


BOB = "https://riverside.example/users/bob"
PEOPLE = {BOB: Mentioned("/@bob@riverside.example", "@bob@riverside.example")}


@pytest.mark.parametrize(
    ("inside", "marked"),
    [
        ("@bob@riverside.example", False),
        ("@<span>bob</span>", True),
        ("@lee", True),
        ("@bob@bank.example", True),
        ("bank.example/login", True),
    ],
)
def test_a_name_leads_to_our_page_about_them_and_says_their_server(
    inside: str, marked: bool
) -> None:
    html = str(words.shown(f'<a class="u-url mention" href="{BOB}">{inside}</a>', HERE, PEOPLE))
    led = f'<a class="mention" href="/@bob@riverside.example">{inside}</a>'
    assert html == led + (' <span class="target">(riverside.example)</span>' if marked else "")


def test_a_handle_elsewhere_than_its_server_names_the_person() -> None:
    here = {BOB: Mentioned("/@bob@school.example", "@bob@school.example")}
    named = words.shown(f'<a href="{BOB}">@bob@school.example</a>', HERE, here)
    assert named == '<a class="mention" href="/@bob@school.example">@bob@school.example</a>'
    other = words.shown(f'<a href="{BOB}">@eve@school.example</a>', HERE, here)
    assert other.endswith("(riverside.example)</span>")


def test_a_link_to_anybody_else_stays_as_it_is() -> None:
    eve = f'<a href="{BOB}x">@eve@riverside.example</a>'
    assert str(words.shown(eve, HERE, PEOPLE)) == shown(eve)


def test_what_is_marked_is_clean() -> None:
    evil = '<a href="javascript:alert(1)" onclick="x">a</a><script>b</script><img src=x onerror=c>'
    text = shown(evil + '<a href="https://x.example/" title="&quot;><script>">&lt;script></a>')
    assert "<script" not in text
    assert "javascript" not in text
    assert "onclick" not in text
    assert "<img" not in text
