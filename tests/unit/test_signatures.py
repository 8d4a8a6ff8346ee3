"""A request is believed when the sending actor signed it, with the key named, and just now."""

from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation import cavage, keys, rfc9421, signatures
from federation.errors import BadSignature, Malformed
from federation.keys import Algorithm
from federation.signatures import Form, Message
from tests.unit.signed import (
    ALGORITHMS,
    BODY,
    FORMS,
    INBOX,
    JSON,
    KEY_ID,
    LINE,
    NOW,
    OUTBOX,
    PAIR,
    STAMP,
    anna,
    arrived,
    both_algorithms,
    both_forms,
    cavage_by_hand,
    door,
    fetched,
    posted,
    public,
    refused,
    rfc9421_by_hand,
    with_headers,
)

# What leaves our school, to the letter. Both signatures were made without our code.

OLDER = "p35mO9ePEyMEgGRHXH/nAu/1r28kiGWjDMufgOvlOCxliv3f4lVNRSLq6FiiEPvgZtKvLn+6V1HQEy32kmpZAQ=="
NEWER = "aj+3GpMoJNYHpOtUhoDWW6belY266mvEERJp5TcNhn4LluKkjvdixFzJrnhZVdN6/arW3JhGL6Xfi3rdbP3LDA=="


def test_a_post_in_the_older_form_is_written_as_every_server_expects_it() -> None:
    headers = dict(posted().headers)
    assert headers == {
        "Host": "riverside.example",
        "Date": "Mon, 02 Mar 2026 09:00:00 GMT",
        "Digest": "SHA-256=GYwYnH3BiO6aICFt0ThC5bUIJ4byvqdpWtR8m5fNkww=",
        "Content-Type": JSON,
        "Signature": f'keyId="{KEY_ID}",algorithm="hs2019",'
        'headers="(request-target) host date digest content-type",'
        f'signature="{OLDER}"',
    }


def test_a_post_in_the_newer_form_is_written_as_mastodon_expects_it() -> None:
    headers = dict(posted("rfc9421").headers)
    assert headers == {
        "Host": "riverside.example",
        "Date": "Mon, 02 Mar 2026 09:00:00 GMT",
        "Content-Type": JSON,
        "Content-Digest": "sha-256=:GYwYnH3BiO6aICFt0ThC5bUIJ4byvqdpWtR8m5fNkww=:",
        "Signature-Input": 'sig1=("@method" "@target-uri" "content-digest");'
        f'created={STAMP};keyid="{KEY_ID}";alg="ed25519"',
        "Signature": f"sig1=:{NEWER}:",
    }


def test_what_is_signed_in_the_older_form_is_the_draft_s_text() -> None:
    message = posted(algorithm="rsa")
    stamp = cavage.parse(message.headers["Signature"])
    assert stamp.algorithm == "rsa-sha256"
    text = (
        "(request-target): post /inbox\n"
        "host: riverside.example\n"
        "date: Mon, 02 Mar 2026 09:00:00 GMT\n"
        f"digest: {message.headers['Digest']}\n"
        "content-type: application/activity+json"
    ).encode()
    assert cavage.base(stamp, message) == text
    keys.verify(public("rsa"), stamp.signature, text)


def test_what_is_signed_in_the_newer_form_is_the_standard_s_text() -> None:
    message = fetched("rfc9421", "rsa")
    (stamp,) = rfc9421.parse(message.headers["Signature-Input"], message.headers["Signature"])
    text = (
        '"@method": GET\n'
        '"@target-uri": https://riverside.example/users/ben/outbox?page=true\n'
        f'"@signature-params": ("@method" "@target-uri");created={STAMP};keyid="{KEY_ID}";'
        'alg="rsa-v1_5-sha256"'
    ).encode()
    assert rfc9421.base(stamp, message) == text
    keys.verify(public("rsa"), stamp.signature, text)


def test_a_school_on_another_port_is_named_with_it() -> None:
    url = "https://riverside.example:8443/inbox"
    for form in FORMS:
        message = posted(form, url=url)
        assert message.headers["Host"] == "riverside.example:8443"
        door(message)
    assert posted(url="https://riverside.example:443/inbox").headers["Host"] == "riverside.example"


def test_a_fetch_states_no_digest_and_no_type() -> None:
    for form in FORMS:
        headers = fetched(form).headers
        assert not {"Digest", "Content-Digest", "Content-Type"} & set(headers)


# What arrives, and holds.


@both_forms
@both_algorithms
def test_an_honest_request_is_taken(form: Form, algorithm: Algorithm) -> None:
    door(posted(form, algorithm), public(algorithm))
    door(fetched(form, algorithm), public(algorithm))


PATHS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="#"))


@given(
    form=st.sampled_from(FORMS),
    algorithm=st.sampled_from(ALGORITHMS),
    path=PATHS,
    body=st.none() | st.binary(max_size=100),
    shift=st.integers(-3600, 12 * 3600 - 1),
)
@settings(deadline=None)
def test_whatever_we_sign_is_taken(
    form: Form, algorithm: Algorithm, path: str, body: bytes | None, shift: int
) -> None:
    method, url = "GET" if body is None else "POST", f"https://riverside.example/{path}"
    headers = signatures.sign(
        method,
        url,
        signer=anna(algorithm),
        now=NOW,
        form=form,
        body=body,
        content_type=None if body is None else JSON,
    )
    message = arrived(method, url, headers, body)
    door(message, public(algorithm), NOW + timedelta(seconds=shift))


COVERED = ["method", "path", "query", "host", "body", "signature"]
IN_HEADERS: dict[Form, list[str]] = {
    "cavage": ["Date", "Digest", "Content-Type"],
    "rfc9421": ["Content-Digest", "Signature-Input"],
}


@given(form=st.sampled_from(FORMS), algorithm=st.sampled_from(ALGORITHMS), choice=st.data())
@settings(deadline=None, max_examples=300)
def test_one_changed_bit_of_what_is_signed_is_noticed(
    form: Form, algorithm: Algorithm, choice: st.DataObject
) -> None:
    def flip(raw: bytes) -> bytes:
        bit = choice.draw(st.integers(0, len(raw) * 8 - 1))
        changed = bytearray(raw)
        changed[bit // 8] ^= 1 << bit % 8
        return bytes(changed)

    message = posted(form, algorithm, url="https://riverside.example/inbox?x=1")
    part = choice.draw(st.sampled_from(COVERED + IN_HEADERS[form]))
    if part == "method":
        changed = replace(message, method=flip(b"POST").decode("latin-1"))
        if form == "cavage" and changed.method.lower() == "post":
            return  # the draft lowers the method
    elif part in ("path", "query", "host"):
        old = {"path": "inbox", "query": "x=1", "host": "riverside"}[part]
        new = flip(old.encode()).decode("latin-1")
        changed = replace(message, url=message.url.replace(old, new))
        if part == "host" and (new.lower() == old or form == "cavage"):
            changed = with_headers(changed, Host=f"{new}.example")
        if "#" in new or (part == "host" and new.lower() == old and form == "cavage"):
            return  # a fragment never comes over the wire; our own name is written in one way
    elif part == "body":
        changed = replace(message, body=flip(BODY))
    elif part == "signature":
        header = message.headers["Signature"]
        quote = '"' if form == "cavage" else ":"
        start, end = header.rindex(quote, 0, -1) + 1, len(header) - 1
        new = b64encode(flip(b64decode(header[start:end]))).decode()
        changed = with_headers(message, Signature=header[:start] + new + header[end:])
    else:
        new = flip(message.headers[part].encode()).decode("latin-1")
        changed = with_headers(message, **{part: new})
    with pytest.raises((BadSignature, Malformed)):
        door(changed, public(algorithm))


@both_forms
@both_algorithms
def test_a_request_signed_by_somebody_else_is_refused(form: Form, algorithm: Algorithm) -> None:
    other = keys.load(keys.public_der(keys.generate(algorithm)))
    with pytest.raises(BadSignature, match="does not fit the key"):
        door(posted(form, algorithm), other)


@both_forms
def test_a_request_that_was_meant_for_another_school_is_refused(form: Form) -> None:
    message = posted(form, url="https://hillside.example/inbox")
    refused(replace(message, url=INBOX), "does not fit the key")


def test_a_proxy_may_put_its_own_name_in_the_host_header() -> None:
    door(with_headers(posted(), Host="127.0.0.1:8080"))
    door(with_headers(posted(), Host=None))


def test_a_peer_may_write_our_name_in_its_own_way() -> None:
    covered = ("(request-target)", "host", "date", "digest")
    said = LINE | {"host": "Riverside.Example:443"}
    lines = "\n".join(f"{name}: {said[name]}" for name in covered)
    message = with_headers(posted(), Host="Riverside.Example:443")
    door(cavage_by_hand(message, " ".join(covered), lines))


# When.


@both_forms
@pytest.mark.parametrize(
    ("seconds", "taken"),
    [
        (-12 * 3600, True),
        (-12 * 3600 - 1, False),
        (-4 * 60, True),
        (3600, True),
        (3601, False),
        (25 * 3600, False),
    ],
)
def test_a_request_may_be_twelve_hours_old_and_one_hour_early(
    form: Form, seconds: int, taken: bool
) -> None:
    message = posted(form, now=NOW + timedelta(seconds=seconds))
    if taken:
        door(message)
    else:
        refused(message, "too old, or from the future")


def test_every_time_that_is_signed_must_be_recent() -> None:
    covered = "(request-target) host date digest (created)"
    lines = "\n".join(f"{name}: {LINE[name]}" for name in covered.split(" "))
    door(cavage_by_hand(posted(), covered, lines, created=str(STAMP)))
    old = str(STAMP - 13 * 3600)
    message = cavage_by_hand(posted(), covered, lines.replace(str(STAMP), old), created=old)
    refused(message, "too old")


def test_a_time_that_is_not_signed_helps_nobody() -> None:
    old = posted(now=NOW - timedelta(hours=13))
    header = old.headers["Signature"] + f",created={STAMP}"
    refused(with_headers(old, Signature=header), "too old")


@pytest.mark.parametrize(
    "date",
    [
        "wrong date",
        "",
        "2026-03-02T09:00:00Z",
        "Mon, 02 Mar 2026 09:00:00",
        "Mon, 02 Mar 2026 09:00:00 +0000",
        "Mon, 2 Mar 2026 09:00:00 GMT",
        "Mon, 31 Feb 2026 09:00:00 GMT",
        "Mon, 02 Mrz 2026 09:00:00 GMT",
        "Mon, 02 Mar 2026 25:00:00 GMT",
        "Mon, 02 Mar 0000 09:00:00 GMT",
        "Mon, ٠٢ Mar 2026 09:00:00 GMT",
    ],
)
def test_a_date_that_is_not_one_is_refused(date: str) -> None:
    refused(with_headers(posted(), Date=date), "the date cannot be read")


def test_a_newer_signature_says_when_it_was_made() -> None:
    covered = '"@method" "@target-uri" "content-digest" "date"'
    message = rfc9421_by_hand(posted("rfc9421"), covered, f';keyid="{KEY_ID}"')
    refused(message, "does not say when")


def test_a_signature_that_has_expired_is_refused() -> None:
    covered = '"@method" "@target-uri" "content-digest"'
    parameters = f';created={STAMP};keyid="{KEY_ID}";expires={STAMP + 300}'
    message = rfc9421_by_hand(posted("rfc9421"), covered, parameters)
    door(message, now=NOW + timedelta(seconds=300))
    refused(message, "expired", NOW + timedelta(seconds=301))
    older = with_headers(posted(), Signature=posted().headers["Signature"] + f",expires={STAMP}")
    door(older)
    refused(older, "expired", NOW + timedelta(seconds=1))


# With which key.


def renamed(message: Message, algorithm: str) -> Message:
    header = message.headers["Signature"].replace('algorithm="hs2019"', f'algorithm="{algorithm}"')
    header = header.replace('algorithm="rsa-sha256"', f'algorithm="{algorithm}"')
    return with_headers(message, Signature=header)


@pytest.mark.parametrize(
    ("algorithm", "name", "taken"),
    [
        ("rsa", "rsa-sha256", True),
        ("rsa", "hs2019", True),
        ("rsa", "rsa-sha512", False),
        ("rsa", "rsa-sha1", False),
        ("rsa", "hmac-sha256", False),
        ("rsa", "ed25519", False),
        ("rsa", "none", False),
        ("ed25519", "hs2019", True),
        ("ed25519", "ed25519", True),
        ("ed25519", "rsa-sha256", False),
        ("ed25519", "", False),
    ],
)
def test_the_algorithm_follows_the_key_and_a_header_may_only_agree(
    algorithm: Algorithm, name: str, taken: bool
) -> None:
    message = renamed(posted(algorithm=algorithm), name)
    if taken:
        door(message, public(algorithm))
        return
    with pytest.raises(BadSignature, match="does not go with the key"):
        door(message, public(algorithm))


@both_algorithms
def test_a_signature_that_names_no_algorithm_is_checked_by_its_key(algorithm: Algorithm) -> None:
    message = posted(algorithm=algorithm)
    header = message.headers["Signature"].replace('algorithm="hs2019",', "")
    header = header.replace('algorithm="rsa-sha256",', "")
    assert "algorithm" not in header
    door(with_headers(message, Signature=header), public(algorithm))


@pytest.mark.parametrize("name", ["rsa-v1_5-sha256", "rsa-pss-sha512", "hmac-sha256", "hs2019", ""])
def test_a_newer_signature_may_not_name_another_algorithm_either(name: str) -> None:
    parameters = f';created={STAMP};keyid="{KEY_ID}";alg="{name}"'
    covered = '"@method" "@target-uri" "content-digest"'
    refused(rfc9421_by_hand(posted("rfc9421"), covered, parameters), "does not go with the key")


# Several.


def together(*messages: Message) -> Message:
    headers = {
        name: ", ".join(message.headers[name] for message in messages)
        for name in ("Signature-Input", "Signature")
    }
    return with_headers(
        messages[0], Signature_Input=headers["Signature-Input"], Signature=headers["Signature"]
    )


def labelled(label: str) -> Message:
    covered = '"@method" "@target-uri" "content-digest"'
    return rfc9421_by_hand(posted("rfc9421"), covered, label=label)


def test_two_good_signatures_are_as_good_as_one() -> None:
    door(together(labelled("a"), labelled("b")))


def breakers() -> dict[str, Callable[[Message], Message]]:
    def spoil(message: Message) -> Message:
        return with_headers(
            message, Signature=message.headers["Signature"].replace("=:", "=:AAAA", 1)
        )

    def uncover(message: Message) -> Message:
        return rfc9421_by_hand(message, '"@method" "@target-uri"', label="b")

    def age(message: Message) -> Message:
        parameters = f';created={STAMP - 13 * 3600};keyid="{KEY_ID}"'
        return rfc9421_by_hand(
            message, '"@method" "@target-uri" "content-digest"', parameters, label="b"
        )

    return {"bad": spoil, "uncovered": uncover, "old": age}


@pytest.mark.parametrize("name", ["bad", "uncovered", "old"])
def test_a_bad_signature_beside_a_good_one_is_refused(name: str) -> None:
    bad = breakers()[name](labelled("b"))
    for messages in ((labelled("a"), bad), (bad, labelled("a"))):
        with pytest.raises(BadSignature):
            door(together(*messages))


def test_signatures_by_two_people_are_refused() -> None:
    covered = '"@method" "@target-uri" "content-digest"'
    parameters = f';created={STAMP};keyid="https://oakfield.example/users/ben#main-key"'
    ben = rfc9421_by_hand(posted("rfc9421"), covered, parameters, label="b")
    refused(together(labelled("a"), ben), "several keys")


def test_the_newer_form_counts_where_both_are_hinted_at() -> None:
    message = with_headers(posted(), Signature_Input=PAIR[0])
    with pytest.raises(Malformed):
        door(message)


# The query string that old Mastodons forget to sign.


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_old_mastodon_leaves_the_query_out(method: str) -> None:
    body = BODY if method == "POST" else None
    headers = signatures.sign(method, OUTBOX, signer=anna(), now=NOW, body=body, with_query=False)
    message = arrived(method, OUTBOX, headers, body)
    stamp = cavage.parse(headers["Signature"])
    assert b"page" not in cavage.base(stamp, message, with_query=False)
    door(message)


def test_a_query_that_was_signed_cannot_be_changed() -> None:
    refused(replace(fetched(), url=OUTBOX.replace("true", "false")), "does not fit the key")
    refused(replace(fetched(), url=OUTBOX.partition("?")[0]), "does not fit the key")
    refused(replace(fetched("rfc9421"), url=OUTBOX.partition("?")[0]), "does not fit the key")


# Before the key is known.


@both_forms
def test_what_can_be_seen_without_the_key_is_seen_before_it_is_fetched(form: Form) -> None:
    message = posted(form)
    signatures.screen(signatures.read(message), message, NOW)
    for changed, now in (
        (replace(message, body=b"{}"), NOW),
        (message, NOW + timedelta(hours=13)),
        (with_headers(message, Digest=None, Content_Digest=None), NOW),
    ):
        with pytest.raises(BadSignature):
            signatures.screen(signatures.read(changed), changed, now)
