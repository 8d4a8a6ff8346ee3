"""Our people change what others see of them, their password, and where they are signed in."""

import pytest

from actors import accounts, profile
from storage import accounts as kept_accounts
from storage import actors, sessions
from storage.actors import Actor
from storage.database import Transaction
from tests.town import Person, Town, TownSchool
from tests.town.browser import Browser

PASSWORD = "correct lantern biscuit"


@pytest.fixture
async def lee(oakfield: TownSchool) -> Person:
    return await oakfield.staff("lee", "Lee Okafor", title="Head of Science", subjects=["Physics"])


@pytest.fixture
async def browser(oakfield: TownSchool, lee: Person) -> Browser:
    """Lee is signed in with it."""
    browser = Browser(oakfield)
    await browser.enter(lee)
    return browser


async def known(school: TownSchool, who: Person) -> Actor:
    found = await school.read(actors.by_id, who.id)
    assert found is not None
    return found


async def test_what_somebody_changes_about_themselves_reaches_other_schools(
    town: Town, oakfield: TownSchool, lee: Person, browser: Browser
) -> None:
    riverside = await town.school("riverside")
    bob = await riverside.staff("bob")
    await bob.post({"type": "Follow", "object": lee.uri})
    await town.settle()
    await browser.open("/settings")
    (form,) = [form for form in browser.forms if form.action == "/settings"]
    assert dict(form.fields)["title"] == "Head of Science"
    assert "approves_followers" not in dict(form.fields)
    await browser.submit(
        "/settings",
        name="Lee O’Kafor <b>",
        title="Head of R&D <3",
        subjects="Physics, Optics;Physics",
        phases="KS4\nKS5",
        about="I love prisms.\r\n\r\nAnd <i>tea</i>.",
        approves_followers="on",
        discoverable="on",
    )
    assert browser.path == "/settings?saved"
    assert "Saved" in browser.page.text
    changed = await known(oakfield, lee)
    told = profile.of(changed)
    assert changed.name == "Lee O’Kafor <b>"
    assert changed.approves_followers
    assert told.title == "Head of R&D <3"
    assert (told.subjects, told.phases) == (("Physics", "Optics"), ("KS4", "KS5"))
    assert (told.discoverable, told.indexable) == (True, False)
    assert "&lt;i&gt;tea" in changed.summary
    # The form shows it again as it was typed, and saved again it stays the same.
    await browser.submit("/settings")
    again = await known(oakfield, lee)
    assert (again.name, again.summary) == (changed.name, changed.summary)
    assert profile.of(again) == told
    await town.settle()
    copy = await riverside.read(actors.by_uri, lee.uri)
    assert copy is not None
    assert copy.name == "Lee O’Kafor <b>"
    # What is unticked is no longer allowed.
    await browser.open("/settings")
    await browser.submit("/settings", approves_followers=None, discoverable=None)
    changed = await known(oakfield, lee)
    assert not changed.approves_followers
    assert not profile.of(changed).discoverable


async def test_what_was_typed_waits_until_its_author_is_signed_in_again(
    oakfield: TownSchool, lee: Person, browser: Browser
) -> None:
    kept = await accounts.hashed(oakfield.server, PASSWORD, username="lee")
    await oakfield.write(kept_accounts.set_password, lee.id, kept)
    await browser.open("/settings")
    fields = browser.filled("/settings", about="I love prisms.")
    await oakfield.write(sessions.end_all, lee.id)
    assert "I love prisms." in await browser.send("/settings", fields, status=403)
    await browser.submit("/sign-in", username="lee", password=PASSWORD)
    assert "signed in again" in browser.page.text
    assert (await known(oakfield, lee)).summary == ""
    await browser.submit("/settings")
    assert "prisms" in (await known(oakfield, lee)).summary


async def test_what_is_too_long_comes_back_as_it_was_typed(
    oakfield: TownSchool, lee: Person, browser: Browser
) -> None:
    for name, value in (("name", "n" * 201), ("title", "t" * 256), ("about", "a" * 5_001)):
        await browser.open("/settings")
        fields = [(one, kept) for one, kept in browser.filled("/settings") if one != name]
        text = await browser.send("/settings", [*fields, (name, value)], status=400)
        assert 'role="alert"' in text
        (form,) = [form for form in browser.forms if form.action == "/settings"]
        assert dict(form.fields)[name] == value
    assert (await known(oakfield, lee)).name == "Lee Okafor"


async def test_a_new_password_ends_every_other_session_and_token(
    oakfield: TownSchool, lee: Person, browser: Browser
) -> None:
    kept = await accounts.hashed(oakfield.server, PASSWORD, username="lee")

    def give(tx: Transaction) -> None:
        actor = actors.by_id(tx, lee.id)
        assert actor is not None
        accounts.set_password(tx, actor, kept)

    await oakfield.write(give)
    other = Browser(oakfield)
    await other.enter(lee)
    await browser.enter(lee)
    before = dict(browser.cookies)
    new = "seven quiet otters"
    await browser.open("/settings")
    for present, typed, repeated, status in (
        ("wrong lantern biscuit", new, new, 403),
        (PASSWORD, new, "seven quiet otter", 400),
        (PASSWORD, "too short", "too short", 400),
        (PASSWORD, "passwordpassword", "passwordpassword", 400),
    ):
        text = await browser.submit(
            "/settings/password", status=status, present=present, new=typed, repeated=repeated
        )
        assert 'role="alert"' in text
        assert typed not in text
    await browser.submit("/settings/password", present=PASSWORD, new=new, repeated=new)
    assert "Your password is changed" in browser.page.text
    assert browser.cookies["__Host-session"] != before["__Host-session"]
    old = Browser(oakfield)
    old.cookies = before
    for ended in (other, old):
        await ended.open("/settings")
        assert ended.path.startswith("/sign-in")
    assert (await oakfield.get(f"{lee.uri}/inbox", as_=lee)).status == 401
    await Browser(oakfield).sign_in("lee", new)


async def test_somebody_signs_out_everywhere_else(
    oakfield: TownSchool, lee: Person, browser: Browser
) -> None:
    other = Browser(oakfield)
    await other.enter(lee)
    sam = Browser(oakfield)
    await sam.enter(await oakfield.staff("sam"))
    assert "in 1 other" in await browser.open("/settings")
    await browser.submit("/settings/sessions/end")
    assert "Only in this browser" in browser.page.text
    await other.open("/settings")
    assert other.path.startswith("/sign-in")
    await sam.open("/settings")
    assert sam.path == "/settings"
