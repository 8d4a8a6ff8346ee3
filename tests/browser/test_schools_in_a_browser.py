"""A teacher reads, follows and answers in a browser, and nobody else does so in their name."""

from collections.abc import Awaitable, Callable

from axe_playwright_python.async_playwright import Axe

from tests.browser.conftest import Desk
from tests.e2e.running import RunningSchool, until

Schools = tuple[RunningSchool, RunningSchool]
SitDown = Callable[..., Awaitable[Desk]]


async def write(desk: Desk, text: str) -> None:
    """A post for everybody."""
    await desk.open("/compose")
    await desk.page.get_by_label("What would you like to say?").fill(text)
    await desk.page.get_by_label("Everybody", exact=True).check()
    await desk.page.get_by_role("button", name="Post", exact=True).click()
    await desk.page.get_by_text(text.partition("[")[0].strip()).first.wait_for()


async def shows(desk: Desk, text: str) -> None:
    """Look at the page again until it shows the text."""

    async def look() -> int:
        await desk.page.reload()
        return await desk.page.get_by_text(text).count()

    await until(look, lambda found: found > 0)


async def test_alice_follows_bob_at_another_school_and_answers_him(
    schools: Schools, sit_down: SitDown
) -> None:
    oakfield, riverside = schools
    alice, bob = await sit_down(oakfield), await sit_down(riverside, dark=True, width=420)

    await alice.sign_in("alice")
    await alice.page.get_by_role("link", name="Find people").first.click()
    await alice.page.get_by_label("Handle or address").fill(f"@bob@{riverside.host}")
    await alice.page.get_by_role("button", name="Find").click()
    await alice.page.get_by_role("heading", name="Bob").wait_for()
    await alice.page.get_by_role("button", name="Follow").click()
    await (
        alice.page.get_by_role("button", name="Unfollow")
        .or_(alice.page.get_by_role("button", name="Take back my request"))
        .wait_for()
    )
    await shows(alice, "Unfollow")

    await bob.sign_in("bob")
    await write(bob, "Our fractions box is ready to borrow")
    await bob.page.get_by_role("button", name="Sign out").click()
    await alice.open("/home")
    await shows(alice, "Our fractions box is ready to borrow")
    await alice.page.get_by_role("link", name="Answer").first.click()
    await alice.page.get_by_label("Your answer").fill("May we have it in *May*?")
    await alice.page.get_by_role("button", name="Post", exact=True).click()
    await alice.page.get_by_text("May we have it in").wait_for()

    await bob.open("/@bob")
    await bob.page.get_by_text("Our fractions box is ready to borrow").wait_for()
    assert await bob.page.get_by_text("May we have it in").count() == 0
    await bob.sign_in("bob")
    await bob.open("/notifications")
    await shows(bob, "May we have it in")
    await bob.open("/@bob")
    await bob.page.locator("article.post p.times a").first.click()
    await bob.page.get_by_text("May we have it in").wait_for()
    assert await bob.page.get_by_text(f"@alice@{oakfield.host}").count() > 0
    assert await bob.page.locator("em", has_text="May").count() == 1
    assert alice.trouble == bob.trouble == []


async def test_on_a_telephone_more_stands_beside_the_other_deeds(
    oakfield: RunningSchool, sit_down: SitDown
) -> None:
    desk = await sit_down(oakfield, width=390)
    await desk.sign_in("alice")
    await write(desk, "Choir on Tuesday")
    await desk.page.get_by_role("link", name="Answer").first.click()
    await desk.page.get_by_label("Your answer").fill("We bring eleven altos")
    await desk.page.get_by_role("button", name="Post", exact=True).click()
    await desk.page.get_by_text("eleven altos").wait_for()
    await desk.open("/@alice")
    post = desk.page.locator("article.post", has_text="Choir on Tuesday")
    for deed, done in (("Like", "Liked"), ("Pass on", "Passed on")):
        await post.get_by_role("button", name=deed).click()
        await post.get_by_role("button", name=done).wait_for()
    await more_is_not_alone(desk)
    assert await post.get_by_role("link", name="1 answer").count() == 1

    await post.locator("p.times a").first.click()
    await desk.page.get_by_role("heading", name="Answers").wait_for()
    await more_is_not_alone(desk)
    assert await desk.page.get_by_role("link", name="1 answer").count() == 0
    assert desk.trouble == []


async def more_is_not_alone(desk: Desk) -> None:
    """In every row of deeds "More" stands as high as "Answer"."""
    rows = await desk.page.locator(".deeds").evaluate_all(
        """rows => rows.map(row => ["a.deed", ".rest > summary"].map(
            name => row.querySelector(name).getBoundingClientRect().top))"""
    )
    assert rows
    assert all(abs(answer - more) < 4 for answer, more in rows), rows


async def test_nobody_comes_in_with_a_wrong_password_a_forged_form_or_an_old_cookie(
    oakfield: RunningSchool, sit_down: SitDown
) -> None:
    desk = await sit_down(oakfield)

    await desk.sign_in("alice", "not her password")
    assert await desk.page.get_by_role("alert").count() == 1
    await desk.open("/home")
    assert "/sign-in" in desk.page.url

    await desk.sign_in("alice")
    await desk.page.get_by_role("link", name="Write", exact=True).click()
    await desk.page.get_by_label("What would you like to say?").fill("A secret plan")
    await desk.page.evaluate("document.querySelector('main [name=form_token]').value = 'forged'")
    await desk.page.get_by_role("button", name="Post", exact=True).click()
    assert await desk.page.get_by_role("alert").count() == 1
    assert await desk.page.locator("textarea").input_value() == "A secret plan"
    assert await oakfield.inbox("alice") == []

    cookies = await desk.context.cookies()
    await desk.page.get_by_role("button", name="Sign out").click()
    await desk.page.get_by_text("You are signed out").wait_for()
    await desk.context.add_cookies(cookies)  # type: ignore[arg-type]  # as they came
    await desk.open("/home")
    assert "/sign-in" in desk.page.url


async def test_whoever_cannot_see_or_use_a_mouse_can_use_every_page(
    oakfield: RunningSchool, sit_down: SitDown
) -> None:
    await use_every_page(await sit_down(oakfield, width=1100))
    await use_every_page(await sit_down(oakfield, dark=True, width=420))


async def use_every_page(desk: Desk) -> None:
    """Without barriers: Alice looks, signs in, writes, and reads."""
    paths = ["/", "/sign-in", "/@alice", "/nothing-here"]
    inside = ["/home", "/notifications", "/requests", "/find", "/compose", "/settings", "/@alice"]
    for path in paths:
        await no_barriers(desk, path)
    await desk.sign_in("alice")
    await write(desk, "Fractions with paper, see [this](https://maths.example/) #fractions")
    for path in inside:
        await no_barriers(desk, path)
    await desk.page.locator("article.post p.times a").first.click()
    await no_barriers(desk, None)


async def no_barriers(desk: Desk, path: str | None) -> None:
    """Fails with what axe-core finds wrong with a page, and where it is wider than the window."""
    if path is not None:
        await desk.open(path)
    found = await Axe().run(desk.page)
    told = [
        f"{desk.page.url}: {one['help']}: {[node['html'][:120] for node in one['nodes'][:3]]}"
        for one in found.response["violations"]
    ]
    assert not told, "\n".join(told)
    wider = await desk.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert wider <= 0, f"{desk.page.url} is {wider} pixels too wide"
