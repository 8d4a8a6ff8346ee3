"""What belongs to a post beside its words: pictures and links, hashtags, its language, a quote."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation import attachments, vocabulary
from federation.attachments import Attachment

PICTURE = "https://riverside.example/media/1.jpg"
LINK = {"type": "Link", "href": PICTURE, "mediaType": "image/jpeg"}


def attachment(**more: Any) -> Attachment:
    made = {"kind": "Document", "url": PICTURE, "media_type": None, "alt": ""}
    return Attachment(**(made | {"width": None, "height": None} | more))


# --- pictures and links --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"type": "Image", "url": PICTURE}, attachment(kind="Image")),
        ({"type": "Document", "url": PICTURE}, attachment()),
        (
            {"type": "Document", "url": PICTURE, "mediaType": "image/jpeg", "name": "The tank"},
            attachment(kind="Image", media_type="image/jpeg", alt="The tank"),
        ),
        (
            {"type": "Document", "url": [LINK], "width": 640, "height": 480},
            attachment(kind="Image", media_type="image/jpeg", width=640, height=480),
        ),
        (
            {"type": "Document", "url": {"href": PICTURE, "mimeType": "video/mp4; codecs=x"}},
            attachment(kind="Video", media_type="video/mp4"),
        ),
        # GoToSocial writes the description as the summary.
        ({"type": "Image", "url": PICTURE, "name": None, "summary": "A tank"},
         attachment(kind="Image", alt="A tank")),
        ({"type": "Image", "url": PICTURE, "nameMap": {"cy": "Tanc"}},
         attachment(kind="Image", alt="Tanc")),
        ({"type": "Image", "url": PICTURE, "name": "two\nlines \u202e"},
         attachment(kind="Image", alt="two lines")),
        ({"type": "Link", "href": PICTURE}, attachment(kind="Link")),
        (PICTURE, attachment(kind="Link")),
        ({"type": "Audio", "url": ["ftp://x.example/1", PICTURE]}, attachment(kind="Audio")),
        ({"type": "Image", "url": PICTURE, "width": True, "height": "9"}, attachment(kind="Image")),
        ({"type": "Image", "url": PICTURE, "mediaType": "<b>"}, attachment(kind="Image")),
    ],
)  # fmt: skip
def test_a_picture_is_found_however_it_is_written(given: Any, expected: Attachment) -> None:
    assert attachments.of({"attachment": given}) == [expected]
    assert attachments.of({"attachment": [None, given, given]}) == [expected]


@pytest.mark.parametrize(
    "given",
    [
        None,
        7,
        {},
        {"type": "PropertyValue", "name": "Role", "value": "Head"},
        {"type": "Image", "url": "javascript:alert(1)"},
        {"type": "Image", "url": "https://lee@evil.example/"},
        {"type": "Image", "url": "/media/1.jpg"},
        {"type": "Image", "url": f"{PICTURE}?{'a' * 2048}"},
        {"type": "Link", "href": {"href": PICTURE}},
    ],
)
def test_what_leads_nowhere_on_the_web_is_no_attachment(given: Any) -> None:
    assert attachments.of({"attachment": given}) == []


def test_sixteen_attachments_are_read_and_long_descriptions_are_cut() -> None:
    given = [{"type": "Image", "url": f"{PICTURE}?{n}", "name": "a" * 9_000} for n in range(40)]
    found = attachments.of({"attachment": given})
    assert len(found) == vocabulary.MOST_ATTACHMENTS
    assert {len(one.alt) for one in found} == {attachments.LONGEST_ALT_TEXT}


def test_the_picture_of_an_article_stands_behind_its_attachments_once() -> None:
    cover = {"type": "Image", "url": PICTURE}
    page = {"type": "Link", "href": "https://riverside.example/plan"}
    kinds = [one.kind for one in attachments.of({"attachment": page, "image": cover})]
    assert kinds == ["Link", "Image"]
    assert len(attachments.of({"attachment": cover, "image": cover})) == 1
    assert attachments.of({"image": PICTURE})[0].kind == "Image"


def test_what_a_forum_links_to_is_an_attachment_and_the_forum_itself_is_none() -> None:
    page = {"type": "Page", "id": "https://forum.example/p/1", "url": "https://news.example/story"}
    assert [one.url for one in attachments.of(page)] == ["https://news.example/story"]
    assert attachments.of(page | {"url": "https://forum.example/page/1"}) == []
    assert attachments.of(page | {"type": "Article"}) == []


# --- hashtags ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("#Maths", "maths"),
        ("maths", "maths"),
        ("##maths ", "maths"),
        ("＃Ｍａｔｈｓ", "maths"),
        ("#STRASSE", "strasse"),
        ("#Straße", "strasse"),
        ("#mug.org", "mug.org"),
        ("#año", "año"),
        ("#an\u0303o", "año"),
        ("#", ""),
        ("", ""),
        ("#two words", ""),
        ("#a/b", ""),
        ("#<b>", ""),
        ("#a\u202eb", ""),
        ("#" + "a" * 200, ""),
    ],
)
def test_a_hashtag_is_the_same_in_every_spelling(written: str, name: str) -> None:
    assert vocabulary.hashtag(written) == name


def test_hashtags_of_a_post_each_once() -> None:
    tags = [
        {"type": "Hashtag", "name": "#Maths", "href": "https://riverside.example/tags/maths"},
        {"type": ["Hashtag"], "name": "maths"},
        {"type": "Hashtag", "name": None},
        {"type": "Mention", "name": "@lee"},
        "#loose",
        {"type": "Hashtag", "name": "#PE"},
    ]
    assert vocabulary.hashtags({"tag": tags}) == ["maths", "pe"]
    assert vocabulary.hashtags({"tag": {"type": "Hashtag", "name": "art"}}) == ["art"]
    assert vocabulary.hashtags({}) == []
    many = [{"type": "Hashtag", "name": f"#t{n}"} for n in range(100)]
    assert len(vocabulary.hashtags({"tag": many})) == vocabulary.MOST_TAGS


@given(st.text())
def test_filed_names_are_filed_alike_again(written: str) -> None:
    name = vocabulary.hashtag(written)
    assert vocabulary.hashtag(name) == name


# --- language ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "language"),
    [
        ({"content": "Bore da", "contentMap": {"cy": "Bore da"}}, "cy"),
        ({"contentMap": {"en-GB": "Good morning"}}, "en-GB"),
        ({"content": "Bore da", "contentMap": {"en": "Hello", "cy": "Bore da"}}, "cy"),
        ({"content": "x", "contentMap": {"en": "Hello", "cy": "Bore da"}}, None),
        ({"contentMap": {"en": "Hello", "cy": "Bore da"}}, "en"),
        ({"contentMap": {"und": "?"}}, None),
        ({"contentMap": {"en_US": "Hi"}}, "en-US"),
        ({"contentMap": {"no such language": "Hi"}}, None),
        ({"contentMap": []}, None),
        ({"language": {"identifier": "fr", "name": "Français"}}, "fr"),
        ({"language": "de"}, "de"),
        ({"@context": ["https://www.w3.org/ns/activitystreams", {"@language": "ga"}]}, "ga"),
        ({"@context": {"@language": "und"}}, None),
        ({"@context": {"@language": 7}}, None),
        ({}, None),
    ],
)
def test_the_language_is_the_one_that_the_text_is_said_to_be_in(
    document: dict[str, Any], language: str | None
) -> None:
    assert vocabulary.language_of(document) == language


# --- quotes --------------------------------------------------------------------------------------

QUOTED = "https://riverside.example/notes/1"
OTHER = "https://riverside.example/notes/2"
PROFILE = 'application/ld+json; profile="https://www.w3.org/ns/activitystreams"'


@pytest.mark.parametrize(
    "document",
    [
        {"quote": QUOTED},
        {"quote": {"id": QUOTED, "type": "Note"}},
        {"quoteUrl": QUOTED},
        {"quoteUri": QUOTED},
        {"quoteURL": QUOTED},
        {"_misskey_quote": QUOTED},
        {"quote": None, "quoteUrl": [QUOTED]},
        {"quote": QUOTED, "quoteUrl": OTHER},
        {"tag": {"type": "Link", "mediaType": PROFILE, "href": QUOTED}},
        {"tag": [{"type": "Mention", "href": OTHER},
                 {"type": "Link", "mediaType": "application/activity+json", "href": QUOTED}]},
    ],
)  # fmt: skip
def test_a_quote_is_known_in_each_of_its_spellings(document: dict[str, Any]) -> None:
    assert vocabulary.quoted(document) == QUOTED


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"quote": None},
        {"quoteUrl": 7},
        {"id": QUOTED, "quoteUrl": QUOTED},
        {"tag": {"type": "Link", "mediaType": "text/html", "href": QUOTED}},
        {"tag": {"type": "Link", "href": QUOTED}},
        {"tag": {"type": "Mention", "mediaType": PROFILE, "href": QUOTED}},
    ],
)
def test_what_is_no_quote(document: dict[str, Any]) -> None:
    assert vocabulary.quoted(document) is None


# --- times ---------------------------------------------------------------------------------------


def test_a_moment_may_lie_ahead_and_keeps_its_time_zone() -> None:
    found = vocabulary.moment("2030-06-01T18:00:00+01:00")
    assert found == datetime(2030, 6, 1, 17, tzinfo=UTC)
    assert found is not None
    assert found.utcoffset() == timedelta(hours=1)
    assert vocabulary.moment("2030-06-01T18:00:00") == datetime(2030, 6, 1, 18, tzinfo=UTC)


@pytest.mark.parametrize("value", [None, "", "tomorrow", 7, "9999-12-31T23:59:59-14:00"])
def test_what_is_no_moment(value: object) -> None:
    assert vocabulary.moment(value) is None


@given(st.one_of(st.text(max_size=80), st.datetimes(timezones=st.just(UTC)).map(str)))
def test_every_moment_can_be_given_in_utc(text: str) -> None:
    found = vocabulary.moment(text)
    if found is not None:
        assert found.astimezone(UTC) == found
