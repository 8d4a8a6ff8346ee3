"""A link says where it leads, whatever its writer made it say."""

import pytest

from pages import words

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


def test_what_is_marked_is_clean() -> None:
    evil = '<a href="javascript:alert(1)" onclick="x">a</a><script>b</script><img src=x onerror=c>'
    text = shown(evil + '<a href="https://x.example/" title="&quot;><script>">&lt;script></a>')
    assert "<script" not in text
    assert "javascript" not in text
    assert "onclick" not in text
    assert "<img" not in text
