"""What others wrote, in the shapes that their programs give it, becomes text that we may show."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors import reading
from actors.reading import Reading
from federation import content
from federation.addresses import Rules
from federation.errors import Malformed

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
HERE = "https://riverside.example/notes/7"
QUOTED = "https://northgate.example/notes/1"


def read(**fields: Any) -> Reading:
    document = {"id": HERE, "type": "Note", "attributedTo": "https://riverside.example/users/bo"}
    return reading.read(document | fields, Rules(), NOW)


# --- words ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({"content": "<p>Trip</p>"}, "<p>Trip</p>"),
        ({"content": {"en": "<p>Trip</p>"}}, "<p>Trip</p>"),
        ({"content": None, "contentMap": {"cy": "<p>Taith</p>"}}, "<p>Taith</p>"),
        ({"contentMap": {"cy": "<p>Taith</p>", "en": "<p>Trip</p>"}}, "<p>Trip</p>"),
        ({"name": "Trip & lunch"}, "<p>Trip &amp; lunch</p>"),
        ({"content": "Lunch\n\nBring Q&amp;A"}, "<p>Lunch</p><p>Bring Q&amp;A</p>"),
        ({"content": "1 < 2 is *so*", "mediaType": "text/markdown"}, "<p>1 &lt; 2 is *so*</p>"),
        ({"content": "<b>x", "mediaType": "text/plain; charset=utf-8"}, "<p>&lt;b&gt;x</p>"),
        ({"content": "<b>x</b>", "mediaType": "text/html"}, "<b>x</b>"),
        ({"content": "&lt;script&gt;alert(1)"}, "<p>&lt;script&gt;alert(1)</p>"),
        ({"type": "ChatMessage", "content": "<p>hi</p>"}, "<p>hi</p>"),
        ({}, ""),
    ],
)
def test_the_words_of_a_note(fields: dict[str, Any], shown: str) -> None:
    found = read(**fields)
    assert found.content == shown
    assert found.name is None


def test_a_warning_is_plain_text_in_whichever_language_there_is() -> None:
    assert read(summary="<b>Exam</b>\nresults", content="x").summary == "Exam results"
    assert read(summaryMap={"cy": "Canlyniadau"}, content="x").summary == "Canlyniadau"
    assert read(summary="", content="x").summary is None
    # A warning that says the beginning is a warning all the same.
    assert read(summary="Results", content="<p>Results: 7</p>").summary == "Results"


@pytest.mark.parametrize("kind", ["Article", "Page"])
def test_an_article_has_a_title_an_abstract_and_its_words(kind: str) -> None:
    found = read(type=kind, name="Ripple <tanks>", summary="<p>Why waves</p>", content="<p>W</p>")
    assert (found.name, found.summary, found.content) == ("Ripple <tanks>", "Why waves", "<p>W</p>")
    alone = read(type=kind, name="Ripple tanks")
    assert (alone.name, alone.content) == ("Ripple tanks", "")


@pytest.mark.parametrize("summary", ["Ripple tanks", "Waves are", "waves are all…", " "])
def test_an_abstract_that_only_repeats_is_left_out(summary: str) -> None:
    text = "<p>Waves are</p><p>all around us</p>"
    assert read(type="Article", name="Ripple tanks", summary=summary, content=text).summary is None


def test_a_text_beyond_the_limit_ends_with_dots() -> None:
    found = read(content=f"<p>{'word ' * 30_000}</p>")
    assert content.plain(found.content).endswith("…")
    assert len(content.plain(found.content)) <= reading.CONTENT_LIMIT


# --- cards ---------------------------------------------------------------------------------------


def card(**fields: Any) -> list[str]:
    """The lines of a card, without the link at its end."""
    found = read(**fields)
    assert f'<p><a href="{found.url}"' in found.content
    return content.plain(found.content).split("\n\n")[:-1]


@pytest.mark.parametrize(
    ("start", "end", "said"),
    [
        ("2026-12-03T18:00:00Z", None, "3 December 2026, 18:00 (UTC)"),
        ("2026-12-03T18:00:00+01:00", "2026-12-03T19:30:00+01:00",
         "3 December 2026, 18:00 to 19:30 (UTC+01:00)"),
        ("2026-12-03T18:00:00+01:00", "2026-12-03T18:30:00Z",
         "3 December 2026, 18:00 to 19:30 (UTC+01:00)"),
        ("2026-12-31T23:00:00Z", "2027-01-01T04:00:00Z",
         "31 December 2026, 23:00 to 1 January 2027, 04:00 (UTC)"),
        ("2026-12-03T18:00:00Z", "2026-12-02T18:00:00Z", "3 December 2026, 18:00 (UTC)"),
    ],
)  # fmt: skip
def test_an_event_says_when_it_is(start: str, end: str | None, said: str) -> None:
    assert card(type="Event", name="Parents' evening", startTime=start, endTime=end) == [said]


def test_an_event_whose_end_no_clock_can_show_says_when_it_begins() -> None:
    first, last = "0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59+00:00"
    assert card(type="Event", startTime=first)[0].startswith("1 January")
    lines = card(type="Event", startTime="2026-12-03T18:00:00+14:00", endTime=last)
    assert lines[0].startswith("3 December 2026, 18:00")


@pytest.mark.parametrize(
    ("location", "lines"),
    [
        ("The hall", ["The hall"]),
        ({"type": "Place", "name": "The hall"}, ["The hall"]),
        ({"name": "The hall", "address": "1 Mill Lane, Otley"}, ["The hall, 1 Mill Lane, Otley"]),
        ({"name": "Hall", "address": {"streetAddress": "1 Mill Lane", "addressLocality": "Otley"}},
         ["Hall, 1 Mill Lane, Otley"]),
        ([{"name": "The hall"}, {"type": "VirtualLocation", "url": "https://meet.example/1"}],
         ["The hall", "https://meet.example/1"]),
        ({"name": "<script>x</script>", "url": "javascript:alert(1)"}, ["<script>x</script>"]),
        ({"id": "https://riverside.example/places/1"}, []),
        (7, []),
        ([{"name": f"Room {n}"} for n in range(9)], ["Room 0", "Room 1", "Room 2", "Room 3"]),
    ],
)  # fmt: skip
def test_an_event_says_where_it_is(location: Any, lines: list[str]) -> None:
    assert card(type="Event", name="Parents' evening", location=location) == lines


@pytest.mark.parametrize("kind", ["Video", "Audio", "Image", "Document", "Homework", "Review"])
def test_whatever_it_is_its_words_are_shown_and_the_way_to_it(kind: str) -> None:
    found = read(
        type=kind,
        name="Our film",
        content="About *waves*\n\nYear 9",
        mediaType="text/markdown",
        url=[
            {"type": "Link", "mimeType": "video/mp4", "href": "https://riverside.example/1.mp4"},
            {"type": "Link", "mimeType": "text/html", "href": "https://riverside.example/w/1"},
        ],
    )
    assert (found.type, found.name, found.url) == (
        kind,
        "Our film",
        "https://riverside.example/w/1",
    )
    assert found.content.startswith("<p>About *waves*</p><p>Year 9</p>")
    assert 'href="https://riverside.example/w/1"' in found.content


def test_a_page_about_something_elsewhere_keeps_its_own_address() -> None:
    found = read(type="Page", name="Good news", url="https://news.example/story")
    assert found.url == HERE


@pytest.mark.parametrize(
    "fields",
    [
        {"type": []},
        {"type": None},
        {"type": "Tombstone"},
        {"type": "Person"},
        {"type": ["Note", "Like"]},
        {"type": "CryptographicKey"},
        {"type": "Grant", "actor": "https://riverside.example/users/bo", "attributedTo": None},
        {"id": None},
        {"id": "http://riverside.example/notes/7"},
    ],
)
def test_what_is_no_post(fields: dict[str, Any]) -> None:
    document = {"id": HERE, "type": "Note"} | fields
    document = {name: value for name, value in document.items() if value is not None}
    with pytest.raises(Malformed):
        reading.read(document, Rules(), NOW)


# --- quotes, hashtags, times ---------------------------------------------------------------------


def test_a_quote_is_kept_as_an_id_and_its_line_is_dropped() -> None:
    text = f'<p>Look</p><p class="quote-inline">RE: <a href="{QUOTED}">{QUOTED}</a></p>'
    found = read(content=text, quoteUrl=QUOTED.replace("north", "NORTH").replace("NORTH", "north"))
    assert (found.quotes, found.content) == (QUOTED, "<p>Look</p>")
    assert "RE:" in read(content=text).content
    assert read(content="x", quoteUrl="http://northgate.example/1").quotes is None
    assert read(content="x", quoteUrl="https://NORTHGATE.example/notes/1").quotes == QUOTED


def test_hashtags_and_the_time_of_the_last_edit() -> None:
    found = read(
        content="x", tag={"type": "Hashtag", "name": "#PE"}, updated="2026-02-01T00:00:00Z"
    )
    assert found.hashtags == ("pe",)
    assert found.edited_at == datetime(2026, 2, 1, tzinfo=UTC)
    assert read(content="x", updated="2031-01-01T00:00:00Z").edited_at == NOW


# --- polls ---------------------------------------------------------------------------------------


def option(name: Any, votes: Any = 0) -> dict[str, Any]:
    return {"type": "Note", "name": name, "replies": {"type": "Collection", "totalItems": votes}}


def test_a_poll_with_its_figures() -> None:
    found = read(
        type="Question",
        content="<p>Which day?</p>",
        oneOf=[option("Monday", 4), option("Friday & Sunday", 2)],
        endTime="2026-03-02T09:00:00+01:00",
        votersCount=6,
    )
    assert found.content == "<p>Which day?</p>"
    assert found.poll is not None
    assert found.poll.options == (("Monday", 4), ("Friday & Sunday", 2))
    assert (found.poll.several, found.poll.voters, found.poll.ended_at) == (False, 6, None)
    assert found.poll.ends_at == datetime(2026, 3, 2, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("fields", "voters"),
    [
        ({"oneOf": [option("a", 3), option("b", 4)]}, 7),
        ({"anyOf": [option("a", 3), option("b", 4)], "oneOf": []}, 4),
        ({"anyOf": [option("a", 3)], "votersCount": 5}, 5),
        ({"oneOf": [option("a", -3), option("b", "4"), option("c", True)]}, 0),
        ({"oneOf": option("a", 10**18)}, reading.MOST_VOTES),
        ({"oneOf": [{"name": "a", "replies": "https://riverside.example/r"}]}, 0),
    ],
)
def test_figures_are_believed_within_reason(fields: dict[str, Any], voters: int) -> None:
    found = read(type="Question", content="?", **fields).poll
    assert found is not None
    assert found.voters == voters
    assert found.several == ("anyOf" in fields)


@pytest.mark.parametrize(
    ("fields", "ended_at"),
    [
        ({"endTime": "2026-02-28T09:00:00Z"}, datetime(2026, 2, 28, 9, tzinfo=UTC)),
        ({"closed": "2026-02-28T09:00:00.123"}, datetime(2026, 2, 28, 9, 0, 0, 123000, tzinfo=UTC)),
        ({"closed": True}, NOW),
        ({"closed": True, "endTime": "2026-03-28T09:00:00Z"}, NOW),
        ({"closed": "2026-04-01T09:00:00Z"}, None),
        ({"closed": False}, None),
        ({"endTime": None}, None),
    ],
)
def test_whether_a_poll_is_over(fields: dict[str, Any], ended_at: datetime | None) -> None:
    found = read(type="Question", content="?", oneOf=[option("a")], **fields).poll
    assert found is not None
    assert found.ended_at == ended_at


@pytest.mark.parametrize("options", [None, [], "a", [{}], ["a"], [option("")], [option(7)]])
def test_a_question_without_choices_is_a_note_to_us(options: Any) -> None:
    assert read(type="Question", content="?", oneOf=options).poll is None


def test_twenty_choices_are_read_each_in_one_line() -> None:
    found = read(type="Question", oneOf=[option(f"a\n{n} {'b' * 500}") for n in range(40)]).poll
    assert found is not None
    assert len(found.options) == reading.OPTIONS
    assert {len(name) for name, _ in found.options} == {reading.OPTION_LIMIT}
    assert read(type="Note", content="?", oneOf=[option("a")]).poll is None


VOTE: dict[str, Any] = {"type": "Note", "name": "Monday", "inReplyTo": HERE}


@pytest.mark.parametrize("more", [{}, {"content": ""}, {"content": None, "attachment": []}])
def test_a_vote_is_a_name_in_answer_to_something(more: dict[str, Any]) -> None:
    assert reading.is_vote(VOTE | more)


@pytest.mark.parametrize(
    "more",
    [
        {"content": "<p>Monday</p>"},
        {"contentMap": {"en": "Monday"}},
        {"name": None},
        {"name": " "},
        {"inReplyTo": None},
        {"type": "Article"},
        {"attachment": [{"type": "Image", "url": "https://riverside.example/1.png"}]},
    ],
)
def test_what_is_no_vote(more: dict[str, Any]) -> None:
    assert not reading.is_vote(VOTE | more)


# --- anything ------------------------------------------------------------------------------------

_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just(HERE),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "name", "href", "url", "type", "en"]), inner)
    ),
    max_leaves=6,
)
_FIELDS = (
    "name nameMap summary summaryMap content contentMap url inReplyTo attachment image tag quote "
    "published updated startTime endTime location oneOf anyOf closed votersCount mediaType"
)


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=150, deadline=None)
@given(
    st.sampled_from(["Note", "Question", "Article", "Event", "Video", "Thing"]),
    st.dictionaries(st.sampled_from(_FIELDS.split()), _ANYTHING, max_size=8),
)
def test_no_shape_of_anything_breaks_the_reading(kind: str, fields: dict[str, Any]) -> None:
    found = read(type=kind, **fields)
    assert content.clean(found.content) == found.content
    reading.is_vote({"type": kind, **fields})
