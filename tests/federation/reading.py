"""Our people at their browsers, for the tests of the pages."""

from itertools import pairwise

from tests.federation.test_pages import Reading
from tests.town import Person
from tests.town.browser import Browser

TYPED = ("input", "textarea", "select")


async def at_a_browser(person: Person) -> Browser:
    """That person, signed in, at home; their token stays good."""
    browser = Browser(person.school)
    await browser.enter(person)
    await browser.open("/home")
    return browser


def number(browser: Browser, words: str) -> str:
    """The id of the post on the page that says `words`."""
    before = browser.page.text.partition(words)[0]
    assert before != browser.page.text, f"{words} is not on {browser.path}"
    return before.rpartition('id="post-')[2].partition('"')[0]


def well_formed(text: str) -> str:
    """The page, once it is sure that it is one: closed elements, headings in order, ids once,
    fields with labels, nothing that runs."""
    page = Reading(text)
    levels = page.levels
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(deeper - level <= 1 for level, deeper in pairwise(levels)), levels
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids)), ids
    labelled = {value for tag, name, value in page.attributes if (tag, name) == ("label", "for")}
    typed = [value for tag, name, value in page.attributes if name == "id" and tag in TYPED]
    assert set(typed) <= labelled
    assert not [name for _, name, _ in page.attributes if name.startswith("on") or name == "style"]
    assert "<script" not in text
    return text
