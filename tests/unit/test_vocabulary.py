"""The common language: however a school writes it, we read the same."""

import copy
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation import vocabulary
from federation.vocabulary import PUBLIC, Addressing

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LEE = "https://oakfield.example/users/lee"
FOLLOWERS = f"{LEE}/followers"
MEMBERS = "https://oakfield.example/school/members"
BO = "https://riverside.example/users/bo"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("", None),
        ([], None),
        ({}, None),
        (7, None),
        ({"id": 7}, None),
        (LEE, LEE),
        ({"id": LEE, "type": "Person"}, LEE),
        ([LEE, BO], LEE),
        ([{"id": BO}, LEE], BO),
        ([None, LEE], LEE),
    ],
)
def test_a_reference_an_object_and_a_list_name_the_same(value: object, expected: object) -> None:
    assert vocabulary.id_of(value) == expected


def test_all_ids_of_a_property_in_order() -> None:
    assert vocabulary.ids_of([LEE, {"id": BO}, None, {}, 3]) == [LEE, BO]
    assert vocabulary.ids_of(LEE) == [LEE]
    assert vocabulary.ids_of(None) == []


def test_one_and_many() -> None:
    assert vocabulary.many(None) == []
    assert vocabulary.many(0) == [0]
    assert vocabulary.many([1, None, 2]) == [1, 2]
    assert vocabulary.one([1, 2]) == 1
    assert vocabulary.one([]) is None


def test_types() -> None:
    assert vocabulary.type_of({"type": ["Note", "Extension"]}) == "Note"
    assert vocabulary.types_of({"type": ["Note", None, 3, "Extension"]}) == ["Note", "Extension"]
    assert vocabulary.type_of({}) == ""
    assert vocabulary.type_of("Note") == ""


@pytest.mark.parametrize(
    ("value", "languages", "expected"),
    [
        ("Hello", {"en": "Other"}, "Hello"),
        (None, {"cy": "Shwmae", "en": "Hello"}, "Hello"),
        (None, {"cy": "Shwmae", "EN-gb": "Hello"}, "Hello"),
        (None, {"cy": "Shwmae"}, "Shwmae"),
        (None, {"en": "", "cy": "Shwmae"}, "Shwmae"),
        ({"en": "Hello"}, None, "Hello"),
        (["Hello", "Again"], None, "Hello"),
        (None, None, ""),
        (7, [], ""),
        (None, {"en": 7}, ""),
    ],
)
def test_a_text_is_found_in_whichever_language_it_is(
    value: object, languages: object, expected: str
) -> None:
    assert vocabulary.text_of(value, languages) == expected


def create(**recipients: Any) -> dict[str, Any]:
    return {"type": "Create", "actor": LEE, "object": {"type": "Note"}, **recipients}


def test_activity_and_post_are_addressed_together_and_each_recipient_counts_once() -> None:
    activity = create(to=BO, cc=[FOLLOWERS, BO], bto=[{"id": "https://riverside.example/users/di"}])
    activity["object"] |= {"to": ["as:Public"], "audience": MEMBERS, "bcc": FOLLOWERS}
    assert vocabulary.addressing(activity) == Addressing(
        to=(BO, PUBLIC),
        cc=(FOLLOWERS, MEMBERS),
        hidden=("https://riverside.example/users/di",),
        audience=(MEMBERS,),
    )


def test_passing_a_post_on_does_not_change_whom_it_is_passed_to() -> None:
    announce = {"type": "Announce", "to": FOLLOWERS, "object": {"type": "Note", "to": PUBLIC}}
    assert vocabulary.addressing(announce).everyone == (FOLLOWERS,)


@pytest.mark.parametrize("spelling", [PUBLIC, "as:Public", "Public"])
@pytest.mark.parametrize(("field", "audience"), [("to", "public"), ("cc", "unlisted")])
def test_the_public_has_three_spellings(spelling: str, field: str, audience: str) -> None:
    found = vocabulary.addressing(create(**{field: [spelling]}))
    assert found.everyone == (PUBLIC,)
    assert vocabulary.audience(found, FOLLOWERS, MEMBERS) == audience


@pytest.mark.parametrize(
    ("addressing", "audience"),
    [
        (Addressing(to=(FOLLOWERS,)), "followers"),
        (Addressing(cc=(FOLLOWERS, BO)), "followers"),
        (Addressing(to=(MEMBERS,)), "school"),
        (Addressing(to=(FOLLOWERS,), cc=(MEMBERS,)), "school"),
        (Addressing(to=(BO,)), "direct"),
        (Addressing(), "direct"),
        (Addressing(to=(f"{BO}/followers",)), "direct"),
        (Addressing(hidden=(PUBLIC,)), "direct"),
    ],
)
def test_who_may_see_it(addressing: Addressing, audience: str) -> None:
    assert vocabulary.audience(addressing, FOLLOWERS, MEMBERS) == audience


def test_without_a_followers_collection_nothing_is_for_followers() -> None:
    assert vocabulary.audience(Addressing(to=(FOLLOWERS,)), None, None) == "direct"


def test_hidden_recipients_are_taken_out_everywhere_and_the_original_stays() -> None:
    activity = create(bto=BO, bcc=[BO])
    activity["object"] |= {"bto": BO, "content": "x", "tag": [{"bcc": BO, "type": "Mention"}]}
    before = copy.deepcopy(activity)
    shown = vocabulary.without_hidden(activity)
    assert BO not in str(shown)
    assert shown["object"]["content"] == "x"
    assert activity == before


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-02-01T10:00:00Z", datetime(2026, 2, 1, 10, tzinfo=UTC)),
        ("2026-02-01t10:00:00.123456789z", datetime(2026, 2, 1, 10, 0, 0, 123456, tzinfo=UTC)),
        ("2026-02-01T10:00:00+02:00", datetime(2026, 2, 1, 8, tzinfo=UTC)),
        ("2026-02-01T10:00:00", datetime(2026, 2, 1, 10, tzinfo=UTC)),
        ("2027-01-01T00:00:00Z", NOW),
        ("0001-01-01T00:00:00+14:00", NOW),
        ("2026-02-30T10:00:00Z", NOW),
        ("2026-02-01", NOW),
        ("2026-W05-1T10:00:00Z", NOW),
        ("yesterday", NOW),
        ("２０２６-02-01T10:00:00Z", NOW),
        (1760000000, NOW),
        (None, NOW),
        (["2026-02-01T10:00:00Z"], NOW),
    ],
)
def test_a_bad_or_future_date_is_the_moment_of_receipt(value: object, expected: datetime) -> None:
    assert vocabulary.timestamp(value, NOW) == expected


@given(st.one_of(st.text(max_size=80), st.from_regex(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[Z+-]?.*")))
def test_no_date_can_do_harm(text: str) -> None:
    moment = vocabulary.timestamp(text, NOW)
    assert moment <= NOW
    assert moment.tzinfo is not None


def test_a_date_is_written_in_utc_with_whole_seconds() -> None:
    moment = datetime(2026, 7, 1, 9, 30, 15, 999999, tzinfo=timezone(timedelta(hours=1)))
    assert vocabulary.rfc3339(moment) == "2026-07-01T08:30:15Z"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("https://oakfield.example/@lee", "https://oakfield.example/@lee"),
        (
            [
                {"type": "Link", "mediaType": "video/mp4", "href": "https://v.example/1.mp4"},
                {"type": "Link", "mediaType": "text/html", "href": "https://v.example/1"},
            ],
            "https://v.example/1",
        ),
        (
            [{"mediaType": "video/mp4", "href": "https://v.example/1.mp4"}, "https://v.example/1"],
            "https://v.example/1",
        ),
        (
            [{"mediaType": "video/mp4", "href": "https://v.example/1.mp4"}],
            "https://v.example/1.mp4",
        ),
        ("javascript:alert(1)", None),
        ("https://lee@evil.example/", None),
        ("https://oakfield.example\\@evil.example/", None),
        ("https://oakfield.example/ onclick=x", None),
        ({"type": "Link"}, None),
        (None, None),
        (["ftp://x.example/"], None),
    ],
)
def test_the_page_for_people_is_chosen(value: object, expected: str | None) -> None:
    assert vocabulary.web_url(value) == expected


def test_what_is_over_the_limit_stays_unread() -> None:
    post = {"tag": [None, "x"] + [{"n": n} for n in range(100)]}
    assert len(vocabulary.tags(post)) == vocabulary.MOST_TAGS
    assert vocabulary.tags({"tag": {"type": "Mention"}}) == [{"type": "Mention"}]


def test_the_context_explains_every_term_that_is_not_of_the_standard() -> None:
    assert vocabulary.CONTEXT[0] == "https://www.w3.org/ns/activitystreams"
    terms = vocabulary.CONTEXT[-1]
    sent = {
        "manuallyApprovesFollowers", "movedTo", "sensitive", "Hashtag", "featured",
        "discoverable", "indexable", "suspended", "PropertyValue", "value", "webfinger",
    }  # fmt: skip
    assert sent <= terms.keys()
    prefixes = {"as", *terms}
    for meaning in terms.values():
        iri = meaning["@id"] if isinstance(meaning, dict) else meaning
        assert iri.startswith(("http://", "https://")) or iri.partition(":")[0] in prefixes
