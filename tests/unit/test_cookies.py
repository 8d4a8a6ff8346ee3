"""What a browser is given to be known by."""

from aiohttp import web

from pages import reader
from storage.database import School

SECRET = b"x" * 32


def school(url: str) -> School:
    return School(url.partition("://")[2], url, "Oakfield School", SECRET)


def test_over_https_a_cookie_is_for_this_host_alone() -> None:
    oakfield = school("https://oakfield.example")
    assert reader.cookie_name(oakfield, "session") == "__Host-session"
    answer = web.Response()
    reader.set_cookie(oakfield, answer, "session", "secret")
    morsel = answer.cookies["__Host-session"]
    assert morsel["secure"]
    assert morsel["httponly"]
    assert (morsel["samesite"], morsel["path"], morsel["domain"]) == ("Lax", "/", "")


def test_schools_on_one_machine_do_not_sign_each_other_out() -> None:
    """Browsers keep cookies by host, whatever the port."""
    names = {
        reader.cookie_name(school(url), "session")
        for url in ("http://127.0.0.1:8101", "http://127.0.0.1:8102", "http://127.0.0.1")
    }
    assert names == {"session-8101", "session-8102", "session-80"}


def test_a_form_token_is_of_one_school_and_one_browser() -> None:
    oakfield = school("https://oakfield.example")
    other = School("b.example", "https://b.example", "B", b"y" * 32)
    tokens = {
        reader.token(oakfield, "a"),
        reader.token(oakfield, "b"),
        reader.token(other, "a"),
    }
    assert len(tokens) == 3
    assert reader.token(oakfield, "a") in tokens
