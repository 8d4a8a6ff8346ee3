"""All that counts in a request is signed: whom it is for, what it asks, when, and its body."""

from dataclasses import replace

import pytest

from federation import cavage, digests, keys, rfc9421, signatures
from federation.errors import BadSignature
from federation.signatures import Form
from tests.unit.signed import (
    BODY,
    DATE,
    INBOX,
    LINE,
    NOW,
    OUTBOX,
    STAMP,
    anna,
    arrived,
    both_forms,
    cavage_by_hand,
    door,
    posted,
    public,
    refused,
    rfc9421_by_hand,
    with_headers,
)


@pytest.mark.parametrize(
    ("covered", "reason"),
    [
        ("(request-target) host date digest", ""),
        ("digest date host (request-target)", ""),
        ("(request-target) host (created) digest", ""),
        ("host date digest", r"\(request-target\) is not signed"),
        ("(request-target) date digest", "host is not signed"),
        ("(request-target) host digest", r"neither date nor \(created\)"),
        ("(request-target) host date", "digest is not signed"),
        ("date", r"\(request-target\) is not signed"),
    ],
)
def test_an_older_signature_covers_target_host_time_and_digest(covered: str, reason: str) -> None:
    lines = "\n".join(f"{name}: {LINE[name]}" for name in covered.split(" "))
    message = cavage_by_hand(posted(), covered, lines, created=str(STAMP))
    if reason:
        refused(message, reason)
    else:
        door(message)


def test_without_a_list_of_headers_the_date_alone_is_signed_and_that_is_not_enough() -> None:
    message = cavage_by_hand(posted(), "", f"date: {DATE}", headers="")
    refused(message, r"\(request-target\) is not signed")
    stamp = cavage.parse(message.headers["Signature"])
    keys.verify(public(), stamp.signature, cavage.base(stamp, message))
    newer = 'keyId="k",algorithm="hs2019",created=1,signature="AAAA"'
    assert cavage.parse(newer).covered == ("(created)",)


def test_a_covered_header_must_be_there() -> None:
    for name in ("Digest", "Content-Type", "Date"):
        with pytest.raises(BadSignature):
            door(with_headers(posted(), **{name: None}))
    with pytest.raises(BadSignature, match="no digest"):
        door(with_headers(posted("rfc9421"), Content_Digest=None))


def test_a_header_that_is_not_there_is_not_the_same_as_an_empty_one() -> None:
    covered = "(request-target) host date digest user-agent"
    lines = "\n".join(f"{name}: {LINE.get(name, '')}" for name in covered.split(" "))
    message = cavage_by_hand(posted(), covered, lines)
    door(with_headers(message, User_Agent=""))
    refused(message, "user-agent is said to be signed but is not in the request")


@pytest.mark.parametrize("algorithm", ["rsa-sha256", "hmac-sha256", "ecdsa-sha256"])
@pytest.mark.parametrize("name", ["created", "expires"])
def test_created_and_expires_go_only_with_hs2019(algorithm: str, name: str) -> None:
    covered = f"(request-target) host date digest ({name})"
    value = str(STAMP + 60)
    said = LINE | {f"({name})": value}
    lines = "\n".join(f"{part}: {said[part]}" for part in covered.split(" "))
    door(cavage_by_hand(posted(), covered, lines, **{name: value, "algorithm": '"hs2019"'}))
    door(cavage_by_hand(posted(), covered, lines, **{name: f'"{value}"'}))
    stated = {name: value, "algorithm": f'"{algorithm}"'}
    message = cavage_by_hand(posted(), covered, lines, **stated)
    refused(message, f"{name}. does not go with {algorithm}")


def test_created_that_is_signed_must_be_stated() -> None:
    message = cavage_by_hand(posted(), "(request-target) host (created) digest date", "x")
    refused(message, "is not stated")


@pytest.mark.parametrize(
    ("covered", "reason"),
    [
        ('"@method" "@target-uri" "content-digest"', ""),
        ('"@method" "@authority" "@path" "@query" "content-digest"', ""),
        ('"content-digest" "@target-uri" "@method" "host" "date" "@query-param";name="x"', ""),
        ('"@target-uri" "content-digest"', '"@method" is not signed'),
        ('"@method" "content-digest"', '"@authority" is not signed'),
        ('"@method" "@path" "@query" "content-digest"', '"@authority" is not signed'),
        ('"@method" "@authority" "@query" "content-digest"', '"@path" is not signed'),
        ('"@method" "@authority" "@path" "content-digest"', '"@query" is not signed'),
        ('"@method" "@target-uri"', '"content-digest" is not signed'),
        ('"@method" "@target-uri" "digest"', '"content-digest" is not signed'),
        ("", '"@method" is not signed'),
    ],
)
def test_a_newer_signature_covers_method_target_and_digest(covered: str, reason: str) -> None:
    message = with_headers(posted("rfc9421", url=INBOX + "?x=1"), Digest=digests.digest(BODY))
    message = rfc9421_by_hand(message, covered)
    if reason:
        refused(message, reason)
    else:
        door(message)


def test_where_there_is_no_query_none_needs_to_be_signed() -> None:
    covered = '"@method" "@authority" "@path" "content-digest"'
    message = rfc9421_by_hand(posted("rfc9421"), covered)
    door(message)
    refused(replace(message, url=INBOX + "?x=1"), '"@query" is not signed')


@pytest.mark.parametrize(
    ("query", "line"),
    [
        ("?a=b%2Dman", "b-man"),
        ("?c=1&a=", ""),
        ("?a", ""),
        ("?a=x+y%20z", "x%20y%20z"),
        ("?a=~*%7e", "%7E*%7E"),
        ("?a=%e2%82%ac", "%E2%82%AC"),
        ("?%61=1", "1"),
    ],
)
def test_a_parameter_of_the_query_is_decoded_and_written_anew(query: str, line: str) -> None:
    message = arrived("GET", f"https://riverside.example/{query}", {}, None)
    (stamp,) = rfc9421.parse('s=("@query-param";name="a");keyid="k"', "s=:AAAA:")
    first = rfc9421.base(stamp, message).decode().partition("\n")[0]
    assert first == f'"@query-param";name="a": {line}'


@pytest.mark.parametrize("query", ["", "?", "?b=1", "?a=1&a=2", "?a=1&%61=2"])
def test_a_parameter_that_is_not_there_once_cannot_be_signed(query: str) -> None:
    message = arrived("GET", f"https://riverside.example/{query}", {}, None)
    (stamp,) = rfc9421.parse('s=("@query-param";name="a");keyid="k"', "s=:AAAA:")
    with pytest.raises(BadSignature, match="exactly one a"):
        rfc9421.base(stamp, message)


@both_forms
def test_the_body_must_be_what_the_digest_says(form: Form) -> None:
    refused(replace(posted(form), body=b'{"type":"Block"}'), "digest is not that of the body")


@both_forms
def test_an_empty_post_needs_a_digest_too(form: Form) -> None:
    headers = signatures.sign("POST", INBOX, signer=anna(), now=NOW, form=form)
    refused(arrived("POST", INBOX, headers, None), "digest.* is not signed")
    headers = signatures.sign("POST", INBOX, signer=anna(), now=NOW, form=form, body=b"")
    door(arrived("POST", INBOX, headers, None))


@both_forms
def test_a_fetch_with_a_body_is_refused(form: Form) -> None:
    headers = signatures.sign("GET", OUTBOX, signer=anna(), now=NOW, form=form, body=BODY)
    refused(arrived("GET", OUTBOX, headers, BODY), "a GET with a body")
