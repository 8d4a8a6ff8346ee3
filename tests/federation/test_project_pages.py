"""Teachers of several schools share a project at their browsers; nobody else finds it there."""

import re
from typing import Any

import pytest

from actors import accounts
from pages import projects as project_pages
from storage import accounts as kept_accounts
from storage import actors
from storage.database import Transaction
from tests.federation.reading import at_a_browser, well_formed
from tests.town import Person, Town, TownSchool
from tests.town.browser import Browser

PASSWORD = "correct lantern biscuit"


@pytest.fixture
async def riverside(town: Town, oakfield: TownSchool) -> TownSchool:
    return await town.school("riverside")


@pytest.fixture
async def lee(oakfield: TownSchool) -> Person:
    return await oakfield.staff("lee", "Lee Okafor")


@pytest.fixture
async def bob(riverside: TownSchool) -> Person:
    return await riverside.staff("bob", "Bob Byrne")


async def start(browser: Browser, name: str, **typed: Any) -> str:
    """Fill in the form for a new project; the path of its page."""
    await browser.open("/projects/new")
    well_formed(await browser.submit("/projects/new", name=name, **typed))
    return browser.path.partition("?")[0]


async def press(browser: Browser, deed: str, **typed: Any) -> str:
    """Press the button of the page whose form ends in `deed`."""
    (action,) = {form.action for form in browser.forms if form.action.endswith(f"/{deed}")}
    return await browser.submit(action, **typed)


async def write(browser: Browser, project: str, text: str, **typed: Any) -> str:
    """Write in a project from its page; the path of the post."""
    page = await browser.open(project)
    (compose,) = re.findall(r'"(/compose\?project=\d+)"', page)
    well_formed(await browser.open(compose))
    await browser.submit("/compose", text=text, **typed)
    return str(browser.path)


async def row(school: TownSchool, path: str) -> int:
    """The number of a project of that school."""

    def look(tx: Transaction) -> int:
        found = actors.local_by_username(tx, path.rpartition("/")[2])
        assert found is not None
        return found.id

    return await school.read(look)


async def its_path(browser: Browser, name: str) -> str:
    """Where the list of projects leads to under that name."""
    page = well_formed(await browser.open("/projects"))
    (path,) = re.findall(rf'href="(/projects/[^"]+)">{re.escape(name)}<', page)
    return str(path)


async def test_teachers_of_two_schools_share_a_private_project_until_one_is_removed(
    town: Town, oakfield: TownSchool, riverside: TownSchool, lee: Person, bob: Person
) -> None:
    at_lee, at_bob = await at_a_browser(lee), await at_a_browser(bob)
    path = await start(at_lee, "Fractions for all", aim="Paper <first>, *then* numbers.")
    assert re.fullmatch(r"/projects/fractions-for-all-[0-9a-z]{6,}", path)
    page = await at_lee.open(path)
    for words in ("A private project", "Oakfield School", "Paper &lt;first&gt;", "Lee Okafor"):
        assert words in page
    assert "noindex" in at_lee.page.headers["X-Robots-Tag"]

    number = await row(oakfield, path)
    for handle, words in (("@nobody@riverside.example", "nobody called"), ("lee", "already")):
        well_formed(await at_lee.open(f"/projects/{number}/people"))
        text = await at_lee.submit(
            f"/projects/{number}/invite", status=400, who=handle, role="editor"
        )
        assert words in text
    await at_lee.open(f"/projects/{number}/people")
    await press(at_lee, "invite", who="@bob@riverside.example", role="editor")
    assert "Invited" in at_lee.page.text
    await town.settle()
    assert "no answer yet" in well_formed(await at_lee.open(f"/projects/{number}/people"))

    assert "invites you to take part" in well_formed(await at_bob.open("/notifications"))
    assert '<span class="count">1' in at_bob.page.text.partition("Projects")[2][:200]
    there = await its_path(at_bob, "Fractions for all")
    assert "You are invited as <b>editor</b>" in well_formed(await at_bob.open(there))
    assert "Paper &lt;first&gt;" in at_bob.page.text
    assert "Lee Okafor</a>, oakfield.example" in at_bob.page.text
    await press(at_bob, "accept")
    await town.settle()
    assert "Write in this project" in well_formed(await at_bob.open(there))
    assert "Lee Okafor" in at_bob.page.text
    assert "Bob Byrne" in await at_lee.open(path)

    post = await write(at_lee, path, "Who brings **paper**?")
    assert "<strong>paper</strong>" in await at_lee.open(path)
    assert "Members" in at_lee.page.text
    await town.settle()
    assert "<strong>paper</strong>" in well_formed(await at_bob.open(there))
    assert "Fractions for all</a></p>" in await at_bob.open("/home")
    (answer,) = set(re.findall(r'"(/compose\?reply=\d+)"', at_bob.page.text))
    assert "in <a" in well_formed(await at_bob.open(answer))
    assert 'value="public"' not in at_bob.page.text
    await at_bob.submit("/compose", text="I do, a whole box")
    await town.settle()
    assert "a whole box" in well_formed(await at_lee.open(post))

    # An observer reads and is offered nothing to write; who is removed finds nothing any more.
    await at_lee.open(f"/projects/{number}/people")
    await press(at_lee, "role", role="observer")
    await town.settle()
    page = well_formed(await at_bob.open(there))
    assert "<strong>paper</strong>" in page
    assert "Write in this project" not in page
    assert "/compose?reply" not in page
    await at_lee.open(f"/projects/{number}/people")
    await press(at_lee, "remove")
    await town.settle()
    for gone in (there, "/projects", "/home", "/notifications"):
        page = await at_bob.open(gone, status=404 if gone == there else 200)
        assert "Fractions" not in page, gone
        assert "paper</strong>" not in page, gone
    assert "Bob Byrne" not in await at_lee.open(f"/projects/{number}/people")


async def test_a_private_project_is_on_no_page_for_anybody_else(
    town: Town, oakfield: TownSchool, riverside: TownSchool, lee: Person, bob: Person
) -> None:
    sam, ana = await oakfield.staff("sam"), await riverside.staff("ana")
    at_lee, at_bob = await at_a_browser(lee), await at_a_browser(bob)
    path = await start(at_lee, "QUOKKA plans")
    number = await row(oakfield, path)
    await at_lee.open(f"/projects/{number}/people")
    await press(at_lee, "invite", who="@bob@riverside.example", role="lead")
    await town.settle()
    there = await its_path(at_bob, "QUOKKA plans")
    await at_bob.open(there)
    await press(at_bob, "accept")
    await town.settle()
    post = await write(at_lee, path, "QUOKKA words")
    await town.settle()

    guest, at_sam, at_ana = Browser(oakfield), await at_a_browser(sam), await at_a_browser(ana)
    numbered = f"/projects/{number}"
    slug, bobs = path.rpartition("/")[2], there.rpartition("/")[2]
    pages = {
        at_sam: (
            *(path, post, f"/@{slug}", f"/people/{number}", f"/compose?project={number}"),
            *(numbered, f"{numbered}/people", f"{numbered}/edit"),
        ),
        at_ana: (
            *(f"/@{slug}@oakfield.example", f"/people/{bobs}", f"/compose?project={bobs}"),
            *(there, f"{there}/people", f"{there}/edit"),
        ),
    }
    for browser, hidden in pages.items():
        for page in hidden:
            await browser.open("/compose?project=1" if "?" in page else "/projects/1", status=404)
            missing = browser.page
            await browser.open(page, status=404)
            assert browser.page.body == missing.body, page
        for page in ("/projects", "/home", "/find", "/notifications"):
            assert "QUOKKA" not in await browser.open(page)
        found = []
        for typed in (
            f"!{slug}@oakfield.example",
            f"{oakfield.url}{path}",
            f"{oakfield.url}/@{slug}",
        ):
            await browser.open("/find")
            found.append(await browser.submit("/find", status=404, who=typed))
            await browser.open("/find")
            nothing = typed.replace(slug, "nothing-there")
            absent = await browser.submit("/find", status=404, who=nothing)
            assert found[-1].replace(slug, "nothing-there") == absent
        token = [("form_token", dict(browser.forms[0].fields)["form_token"]), ("role", "lead")]
        for deed in ("ask", "accept", "invite", "leave", "remove"):
            base = numbered if browser is at_sam else there
            await browser.send(f"{base}/{deed}", token, status=404)
        for deed in ("follow", "block", "report"):
            row_id = number if browser is at_sam else bobs
            await browser.send(f"/people/{row_id}/{deed}", token, status=404)
    for page in (path, f"/@{slug}"):
        await guest.open(page, status=404)
    # A member is led to the page, from wherever their own pages name it.
    await at_lee.open(f"/people/{number}")
    assert at_lee.path == path
    await at_bob.open(f"/people/{bobs}")
    assert at_bob.path == there
    await at_lee.open(f"/projects/{number}/people")
    # No lead of another school changes what its own school keeps of it.
    await at_bob.open(f"{there}/edit", status=404)


async def test_an_open_project_is_for_everybody_and_its_leads_let_people_in(
    town: Town, oakfield: TownSchool, riverside: TownSchool, lee: Person, bob: Person
) -> None:
    at_lee, at_bob, guest = await at_a_browser(lee), await at_a_browser(bob), Browser(oakfield)
    path = await start(
        at_lee, "Choir of schools", openness="open", starts="2026-09-04", ends="2027-07-20"
    )
    assert path == "/projects/choir-of-schools"
    await write(at_lee, path, "For members: the key is under the mat")
    await write(at_lee, path, "For everybody: we sing in May", audience="public")
    page = await guest.open(path)
    for words in ("An open project", "4 September 2026", "20 July 2027", "we sing in May"):
        assert words in page
    for words in ("under the mat", "Led by", "<form"):
        assert words not in page
    await guest.open("/@choir-of-schools")
    assert guest.path == path

    await at_bob.open("/find")
    await at_bob.submit("/find", who=f"{oakfield.url}{path}")
    there = at_bob.path
    assert re.fullmatch(r"/projects/\d+", there)
    assert "Ask to take part" in well_formed(at_bob.page.text)
    await press(at_bob, "ask", role="editor")
    await town.settle()
    assert "Take back my request" in well_formed(await at_bob.open("/projects"))
    await press(at_bob, "withdraw")
    await town.settle()
    assert "Bob Byrne" not in await at_lee.open(path)
    await at_bob.open(there)
    await press(at_bob, "ask", role="observer")
    await town.settle()
    assert "asks to take part" in well_formed(await at_lee.open("/notifications"))
    assert "1 person asks" in well_formed(await at_lee.open("/projects"))
    assert "Who asks to take part" in well_formed(await at_lee.open(path))
    await press(at_lee, "admit")
    await town.settle()
    page = well_formed(await at_bob.open(there))
    assert "Observer. Reads, and does not write." in page
    assert "has let you in" in well_formed(await at_bob.open("/notifications"))

    # The only lead is not offered to leave, and told why if they try all the same.
    page = await at_lee.open(path)
    assert "make somebody else lead" in page
    number = await row(oakfield, path)
    token = [("form_token", dict(at_lee.forms[0].fields)["form_token"])]
    assert "lead" in await at_lee.send(f"/projects/{number}/leave", token, status=403)
    await at_bob.open(there)
    await press(at_bob, "leave")
    await town.settle()
    assert "Ask to take part" in await at_bob.open(there)
    assert "Bob Byrne" not in await at_lee.open(path)


async def test_a_lead_changes_what_a_project_says_and_what_is_wrong_comes_back_as_typed(
    oakfield: TownSchool, lee: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    sam = await oakfield.staff("sam")
    at_lee, at_sam = await at_a_browser(lee), await at_a_browser(sam)
    wrongs: tuple[dict[str, Any], ...] = (
        {"name": " "},
        {"name": "n" * 201},
        {"name": "Choir", "aim": "a" * 5_001},
        {"name": "Choir", "starts": "tomorrow"},
        {"name": "Choir", "starts": "2026-09-04", "ends": "2026-09-03"},
    )
    for wrong in wrongs:
        await at_lee.open("/projects/new")
        (form,) = [form for form in at_lee.forms if form.action == "/projects/new"]
        assert dict(form.fields)["openness"] == "private"
        text = await at_lee.submit("/projects/new", status=400, **wrong)
        assert 'role="alert"' in text
        (form,) = [form for form in at_lee.forms if form.action == "/projects/new"]
        assert wrong.items() <= dict(form.fields).items()
    path = await start(at_lee, "Choir", openness="open", aim="Sing.\r\n\r\nAnd dance.")
    # Two of one name have two addresses.
    other = await start(at_lee, "Choir", openness="open")
    assert other.startswith("/projects/choir-")
    number = await row(oakfield, path)
    text = well_formed(await at_lee.open(f"/projects/{number}/edit"))
    assert "Sing.\n\nAnd dance." in text
    assert 'name="openness"' not in text
    await at_lee.submit(
        f"/projects/{number}/edit", name="Big choir", aim="", ends="2027-07-20", moves="ask"
    )
    assert at_lee.path == f"{path}?done=saved"
    assert "Big choir" in at_lee.page.text
    assert "Sing." not in at_lee.page.text
    await at_lee.open(f"/projects/{number}/edit")
    (form,) = [form for form in at_lee.forms if form.action.endswith("/edit")]
    assert dict(form.fields)["ends"] == "2027-07-20"
    assert dict(form.fields)["moves"] == "ask"

    await at_sam.open(path)
    await at_sam.open(f"/projects/{number}/edit", status=404)
    token = [("form_token", dict(at_sam.forms[0].fields)["form_token"]), ("name", "Sam's")]
    await at_sam.send(f"/projects/{number}/edit", token, status=404)
    refused = await at_sam.send(
        f"/projects/{number}/invite", [*token, ("who", "sam"), ("role", "lead")], status=403
    )
    assert "nly a lead of the project" in refused

    # Long lists go page by page.
    monkeypatch.setattr(project_pages, "MOST_OPEN", 1)
    page = well_formed(await at_sam.open("/projects"))
    (older,) = re.findall(r'"(/projects\?before=\d+)"', page)
    assert ("Big choir" in page) != ("Big choir" in await at_sam.open(older))


async def test_somebody_changes_school_at_their_browser_and_sees_what_comes_along(
    town: Town, oakfield: TownSchool, riverside: TownSchool, lee: Person, bob: Person
) -> None:
    kept = await accounts.hashed(riverside.server, PASSWORD, username="bob")
    await riverside.write(kept_accounts.set_password, bob.id, kept)
    new = await oakfield.staff("bob", "Bob Byrne")
    for one, other in ((lee, bob), (bob, lee)):
        await one.post({"type": "Follow", "object": other.uri})
    await town.settle()
    at_old, at_new, at_lee = [await at_a_browser(one) for one in (bob, new, lee)]

    well_formed(await at_old.open("/settings/moving"))
    new_handle, old_handle = "@bob@oakfield.example", "@bob@riverside.example"
    for typed, present, status, words in (
        (new_handle, "not the password", 403, "not your password"),
        ("@nobody@oakfield.example", PASSWORD, 400, "nobody called"),
        (new_handle, PASSWORD, 400, "does not say"),  # nobody there says that it is theirs
    ):
        text = await at_old.submit("/settings/move", status=status, target=typed, present=present)
        assert words in text
        assert typed in text
        assert present not in text
    await at_new.open("/settings/moving")
    assert "nobody called" in await at_new.submit(
        "/settings/aliases", status=400, account="@nobody@riverside.example"
    )
    await at_new.submit("/settings/aliases", account=old_handle)
    assert old_handle in well_formed(at_new.page.text)
    (action,) = {form.action for form in at_new.forms if dict(form.fields).get("remove")}
    await at_new.submit(action)  # the first form of the two takes it away again
    assert old_handle not in at_new.page.text
    await at_new.submit("/settings/aliases", account=bob.uri)
    await town.settle()

    await at_old.open("/settings/moving")
    page = await at_old.submit("/settings/move", target=new_handle, present=PASSWORD)
    assert "You have moved" in well_formed(page)
    await town.settle()
    page = well_formed(await at_old.open("/settings/moving"))
    assert "You moved to" in page
    assert "Who follows you" in page
    assert 'href="/compose"' not in page
    page = well_formed(await at_new.open("/settings/moving"))
    assert "You came from" in page
    assert "Whom you follow" in page
    assert "they changed school" in await at_lee.open("/notifications")
    page = await at_lee.open("/@bob@riverside.example")
    assert (
        f'has moved to <a href="/@bob" rel="nofollow noopener noreferrer">{new_handle}</a>' in page
    )
    assert ">Follow<" not in page
    assert "Write to them" not in page
    guest = Browser(riverside)
    assert f'href="{oakfield.url}' in (await guest.open("/@bob")).partition("has moved to")[2][:80]
