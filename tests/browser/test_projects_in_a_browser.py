"""A teacher starts a project in a browser, and a colleague of another school takes part in it."""

import re

from tests.browser.conftest import PASSWORD
from tests.browser.test_schools_in_a_browser import Schools, SitDown, no_barriers, shows


async def test_alice_starts_a_private_project_and_bob_of_another_school_takes_part(
    schools: Schools, sit_down: SitDown
) -> None:
    oakfield, riverside = schools
    alice, bob = await sit_down(oakfield), await sit_down(riverside, dark=True, width=420)
    await alice.sign_in("alice")
    await bob.sign_in("bob")

    await alice.page.get_by_role("link", name="Projects").click()
    await no_barriers(alice, None)
    await alice.page.get_by_role("link", name="Start a project").click()
    await no_barriers(alice, None)
    await alice.page.get_by_label("Name").fill("Fractions for all")
    await alice.page.get_by_label("Aim").fill("Paper first, then numbers.")
    await alice.page.get_by_label("First day").fill("2026-09-04")
    await alice.page.get_by_role("button", name="Start the project").click()
    await alice.page.get_by_text("Your project is there").wait_for()
    await alice.page.get_by_text("4 September 2026").wait_for()
    project = alice.page.url.partition("?")[0]
    await alice.page.get_by_role("link", name="Invite and give roles").click()
    await alice.page.get_by_label("Handle").fill(f"@bob@{riverside.host}")
    await alice.page.get_by_role("button", name="Invite").click()
    await alice.page.get_by_text("They are told at once").wait_for()
    await shows(alice, "no answer yet")
    await no_barriers(alice, None)

    await bob.open("/projects")
    await shows(bob, "You are invited")
    await no_barriers(bob, None)
    await bob.page.get_by_role("link", name="Fractions for all").click()
    await no_barriers(bob, None)
    await bob.page.get_by_role("button", name="Take part").click()
    await shows(bob, "Write in this project")
    await bob.page.get_by_role("link", name="Write in this project").click()
    await no_barriers(bob, None)
    await bob.page.get_by_label("What would you like to say?").fill("I bring a box of paper")
    await bob.page.get_by_role("button", name="Post", exact=True).click()
    await bob.page.get_by_text("a box of paper").wait_for()

    await alice.page.goto(project)
    await shows(alice, "a box of paper")
    await alice.page.get_by_text(f"{riverside.host}").first.wait_for()
    await no_barriers(alice, None)
    # Nobody who is not signed in finds it.
    await alice.page.get_by_role("button", name="Sign out").click()
    await alice.page.get_by_text("You are signed out").wait_for()
    assert bob.trouble == alice.trouble == []
    answer = await alice.page.goto(project)
    assert answer is not None
    assert answer.status == 404


async def test_bob_says_in_a_browser_that_he_goes_to_another_school(
    schools: Schools, sit_down: SitDown
) -> None:
    oakfield, riverside = schools
    await oakfield.command("staff", "add", "bob", "--name", "Bob")
    await oakfield.command("staff", "alias", "bob", f"@bob@{riverside.host}")
    bob = await sit_down(riverside, width=420)
    await bob.sign_in("bob")
    await bob.page.get_by_role("link", name="Settings").click()
    await bob.page.get_by_role("link", name="I am changing school").click()
    await no_barriers(bob, None)
    await bob.page.get_by_label("My new account").fill(f"@bob@{oakfield.host}")
    await bob.page.get_by_label("My password here").fill(PASSWORD)
    await bob.page.get_by_role("button", name="Move there").click()
    await bob.page.get_by_text("You have moved. What comes along").wait_for()
    await no_barriers(bob, None)
    await bob.open("/@bob")
    moved = bob.page.get_by_role("note").filter(has_text=re.compile("has moved to"))
    await moved.wait_for()
    await no_barriers(bob, None)
    assert bob.trouble == []
