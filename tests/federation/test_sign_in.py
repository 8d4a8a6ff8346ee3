"""A member of staff signs in and out; whoever is not allowed to is kept out, and told kindly."""

import re
from urllib.parse import quote

import pytest

from actors import accounts
from pages.session import own_path
from storage import actors
from storage.database import Transaction
from tests.town import HTML, Person, TownSchool
from tests.town.browser import FORM, Browser

PASSWORD = "correct lantern biscuit"


@pytest.fixture
async def lee(oakfield: TownSchool) -> Person:
    """Somebody with a password."""
    person = await oakfield.staff("lee", "Lee Okafor")
    kept = await accounts.hashed(oakfield.server, PASSWORD, username="lee")

    def give(tx: Transaction) -> None:
        actor = actors.by_id(tx, person.id)
        assert actor is not None
        accounts.set_password(tx, actor, kept)

    await oakfield.write(give)
    return person


async def test_somebody_signs_in_is_led_back_reads_and_signs_out_for_good(
    oakfield: TownSchool, lee: Person
) -> None:
    browser = Browser(oakfield)
    await browser.open("/settings?x=1")
    assert browser.path == "/sign-in?next=%2Fsettings%3Fx%3D1"
    await browser.submit("/sign-in", username=" @Lee ", password=PASSWORD)
    assert browser.path == "/settings?x=1"
    assert "Lee Okafor" in browser.page.text
    assert browser.page.headers["Cache-Control"] == "private, no-store"
    assert {"Accept", "Cookie"} <= set(browser.page.headers["Vary"].split(", "))
    assert set(browser.cookies) == {"__Host-session"}
    # Whoever is signed in needs no sign-in page, and is shown the way about.
    await browser.open("/sign-in?next=/compose")
    assert browser.path == "/compose"
    assert re.search(r'<a class="button" href="/compose" aria-current="page">', browser.page.text)

    saved = dict(browser.cookies)
    await browser.submit("/sign-out")
    assert "You are signed out" in browser.page.text
    assert "__Host-session" not in browser.cookies
    thief = Browser(oakfield)
    thief.cookies = saved
    await thief.open("/settings")
    assert thief.path.startswith("/sign-in?next=")


async def test_the_cookie_is_for_this_host_alone_and_out_of_reach_of_scripts(
    oakfield: TownSchool, lee: Person
) -> None:
    browser = Browser(oakfield)
    await browser.open("/sign-in")
    (visit,) = browser.page.headers.getall("Set-Cookie")
    await browser.submit("/sign-in", follow=False, username="lee", password=PASSWORD)
    session, ended = browser.page.headers.getall("Set-Cookie")
    for cookie in (visit, session):
        assert re.match(r"__Host-(visit|session)=[\w-]{43};", cookie)
        assert {"HttpOnly", "Secure", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))
        assert "Domain" not in cookie
        assert "Max-Age" not in cookie  # gone when the browser is closed
    assert "Max-Age=0" in ended
    # Only who asks for it stays signed in.
    browser = Browser(oakfield)
    await browser.open("/sign-in")
    await browser.submit("/sign-in", follow=False, username="lee", password=PASSWORD, stay="on")
    assert "Max-Age=7776000" in browser.page.headers.getall("Set-Cookie")[0]


async def test_each_sign_in_begins_a_new_session_and_ends_the_one_before(
    oakfield: TownSchool, lee: Person
) -> None:
    browser = Browser(oakfield)
    await browser.sign_in("lee", PASSWORD)
    first = dict(browser.cookies)
    await browser.open("/settings")
    token = dict(browser.filled("/settings"))["form_token"]
    fields = [("username", "lee"), ("password", PASSWORD), ("form_token", token)]
    await browser.send("/sign-in", fields)
    assert browser.cookies["__Host-session"] != first["__Host-session"]
    old = Browser(oakfield)
    old.cookies = first
    await old.open("/home")
    assert old.path.startswith("/sign-in")


async def test_whatever_is_wrong_the_answer_is_the_same(oakfield: TownSchool, lee: Person) -> None:
    await oakfield.staff("newcomer")
    gone = await oakfield.staff("gone")
    await oakfield.write(actors.update_local, gone.id, state="suspended")
    said = set()
    for username, password in (
        ("lee", "wrong lantern biscuit"),
        ("lee", ""),
        ("nobody", PASSWORD),
        ("newcomer", PASSWORD),
        ("gone", PASSWORD),
        ("school", PASSWORD),
    ):
        browser = Browser(oakfield)
        text = await browser.sign_in(username, password, status=403)
        assert "__Host-session" not in browser.cookies
        assert password not in text or not password
        text = re.sub(r'name="form_token" value="\w+"', "", text)
        said.add((text.replace(f'value="{username}"', ""), tuple(browser.page.headers)))
    assert len(said) == 1
    assert "do not go together" in next(iter(said))[0]


async def test_whoever_tries_too_often_waits_and_is_told_how_long(
    oakfield: TownSchool, lee: Person
) -> None:
    browser = Browser(oakfield)
    for _ in range(5):
        await browser.sign_in("lee", "wrong lantern biscuit", status=403)
    text = await browser.sign_in("lee", PASSWORD, status=429)
    assert "too many attempts" in text
    assert re.search(r"try again in \d+ minutes", text)
    assert int(browser.page.headers["Retry-After"]) > 60
    oakfield.town.clock.advance(minutes=16)
    await browser.sign_in("lee", PASSWORD)


async def test_a_session_that_is_not_used_ends(oakfield: TownSchool, lee: Person) -> None:
    browser = Browser(oakfield)
    await browser.enter(lee)
    for _ in range(3):
        oakfield.town.clock.advance(days=13)
        await browser.open("/settings")
        assert browser.path == "/settings"
    oakfield.town.clock.advance(days=15)
    await browser.open("/settings")
    assert browser.path.startswith("/sign-in")


async def test_signing_in_never_leads_to_another_site(oakfield: TownSchool, lee: Person) -> None:
    # Both ways in: the address of the sign-in page, and the field of its form.
    there = "//evil.example/"
    browser = Browser(oakfield)
    await browser.enter(lee)
    await browser.open(f"/sign-in?next={quote(there)}")
    assert browser.path == "/home"
    stranger = Browser(oakfield)
    await stranger.open("/sign-in")
    await stranger.submit("/sign-in", username="lee", password=PASSWORD, next=there)
    assert stranger.path == "/home"


@pytest.mark.parametrize(
    "there",
    [
        "//evil.example/",
        "/\\evil.example",
        "https://evil.example/",
        "/home\r\nX: y",
        "/home\n",
        "/a\\b",
        "/a b",
        "javascript:alert(1)",
        "home",
        "/ü",
        "",
        "/" + "a" * 3000,
        None,
    ],
)
def test_only_a_path_of_ours_is_led_back_to(there: str | None) -> None:
    assert own_path(there) == "/home"
    assert own_path("/@lee/12?before=3&x=%20") == "/@lee/12?before=3&x=%20"
    assert own_path("/") == "/"


# --- forms -------------------------------------------------------------------------------------


async def test_a_form_counts_only_with_its_token_and_from_our_own_pages(
    oakfield: TownSchool, lee: Person
) -> None:
    browser = Browser(oakfield)
    await browser.enter(lee)
    await browser.open("/settings")
    good = browser.filled("/settings", name="Changed by a stranger")
    token = dict(good)["form_token"]
    other = Browser(oakfield)
    await other.enter(await oakfield.staff("mallory"))
    await other.open("/settings")
    others_token = dict(other.filled("/settings"))["form_token"]
    own = {"Origin": oakfield.url}
    for headers, given in (
        (own, None),
        (own, ""),
        (own, others_token),
        (own, token[:-1] + ("0" if token[-1] != "0" else "1")),
        (own, token.upper() + "é"),
        ({}, token),
        ({"Origin": "https://evil.example"}, token),
        ({"Origin": "null"}, token),
        ({"Origin": oakfield.url.replace("https", "http")}, token),
        ({"Origin": f"{oakfield.url}.evil.example"}, token),
        ({"Sec-Fetch-Site": "cross-site"}, token),
        ({"Sec-Fetch-Site": "same-site", **own}, token),
        ({"Sec-Fetch-Site": "none"}, token),
    ):
        fields = [(name, value) for name, value in good if name != "form_token"]
        if given is not None:
            fields.append(("form_token", given))
        await browser.send("/settings", fields, status=403, headers=headers)
        # What was typed is there again, and nothing happened.
        assert "Changed by a stranger" in browser.page.text
        kept = await oakfield.read(actors.by_id, lee.id)
        assert kept is not None
        assert kept.name == "Lee Okafor"
    await browser.send("/settings", good, headers={"Sec-Fetch-Site": "same-origin"})
    kept = await oakfield.read(actors.by_id, lee.id)
    assert kept is not None
    assert kept.name == "Changed by a stranger"


async def test_nobody_is_signed_in_to_a_stranger_s_account_by_another_site(
    oakfield: TownSchool, lee: Person
) -> None:
    browser = Browser(oakfield)
    fields = [("username", "lee"), ("password", PASSWORD)]
    await browser.send("/sign-in", fields, status=403)
    assert "did not send the cookie" in browser.page.text
    await browser.open("/sign-in")
    await browser.send("/sign-in", [*fields, ("form_token", "x")], status=403)
    await browser.open("/sign-in")
    filled = browser.filled("/sign-in", username="lee", password=PASSWORD)
    await browser.send("/sign-in", filled, status=403, headers={"Origin": "https://evil.example"})
    assert "from another website" in browser.page.text
    assert "__Host-session" not in browser.cookies
    # Signing out is a form as well: a link or picture elsewhere does nothing.
    await browser.enter(lee)
    assert (await oakfield.get("/sign-out", accept=HTML)).status == 405
    await browser.send("/sign-out", [], status=403)
    await browser.open("/settings")
    assert browser.path == "/settings"


async def test_what_is_no_form_or_too_large_is_refused_in_words(
    oakfield: TownSchool, lee: Person
) -> None:
    browser = Browser(oakfield)
    await browser.enter(lee)
    cookie = f"__Host-session={browser.cookies['__Host-session']}"
    sent = {"Accept": HTML, "Cookie": cookie, "Origin": oakfield.url}
    for kind, body, status in (
        ("application/json", b"{}", 415),
        ("multipart/form-data; boundary=x", b"--x--", 415),
        (FORM, b"text=" + b"a" * 300_000, 413),
        (FORM, b"text=%ff%fe", 400),
        (FORM, b"&".join(b"a=1" for _ in range(300)), 400),
        (FORM, "text=ü".encode(), 400),
    ):
        reply = await oakfield.request(
            "POST", f"{oakfield.url}/compose", headers=sent | {"Content-Type": kind}, body=body
        )
        assert (reply.status, reply.headers["Content-Type"]) == (status, "text/html; charset=utf-8")
        assert "<h1" in reply.text


# --- what is told when something is wrong ------------------------------------------------------


async def test_people_are_told_in_a_page_what_servers_are_told_in_json(
    oakfield: TownSchool, lee: Person
) -> None:
    for path, status in (
        ("/nothing/here", 404),
        ("/sign-out", 405),
        ("/@lee/../x", 400),
        (f"{lee.uri}/outbox", 401),
    ):
        page = await oakfield.get(path, accept=HTML)
        told = await oakfield.get(path)
        assert page.status == told.status == status, path
        assert page.headers["Content-Type"] == "text/html; charset=utf-8"
        assert "<script" not in page.text
        assert "default-src 'none'" in page.headers["Content-Security-Policy"]
        assert page.headers["Cache-Control"].endswith("no-store")
        assert "Accept" in page.headers["Vary"]
        assert told.headers["Content-Type"].startswith("application/problem+json")
    assert (await oakfield.get("/sign-out", accept=HTML)).headers["Allow"] == "POST"
    reply = await oakfield.request(
        "GET", f"{oakfield.url}/", headers={"Accept": HTML, "Host": "evil.example"}
    )
    assert reply.status == 421
    assert "no such school" in reply.text


async def test_somebody_signed_in_finds_the_way_home_from_a_page_that_is_not_there(
    oakfield: TownSchool, lee: Person
) -> None:
    browser = Browser(oakfield)
    await browser.enter(lee)
    await browser.open("/nothing/here", status=404)
    mistyped = browser.page.text
    await browser.open("/@nobody", status=404)
    assert "Lee Okafor" in mistyped
    assert re.sub(r'href="[^"]*"', "", mistyped) == re.sub(r'href="[^"]*"', "", browser.page.text)


async def test_a_full_house_is_told_in_words_with_the_time_to_wait(oakfield: TownSchool) -> None:
    sent = {"Accept": HTML, "Content-Type": "x/y"}
    for _ in range(120):
        reply = await oakfield.request("POST", f"{oakfield.url}/sign-in", headers=sent)
    assert reply.status == 415
    reply = await oakfield.request("POST", f"{oakfield.url}/sign-in", headers=sent)
    assert reply.status == 429
    assert reply.headers["Retry-After"] == "2"
    assert "A little slower" in reply.text
