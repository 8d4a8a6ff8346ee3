"""The body that arrives is the body that was sent."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict

from federation import digests
from federation.errors import BadSignature, Malformed

BODY = b'{"type":"Create"}'
SHA256 = "JeE18werLvQnEoHViKDam+ZK1D8E27TBC2kIISI7pIY="
SHA512 = "2Zff58xsFuebfSQtprwv7ZmmVBQR8ep5Pjta8geJjAeRVjpp/hbJaMWfWo9jglZ5krZKPk4c3ig1De/c5z0+4w=="


def sent(*headers: tuple[str, str]) -> CIMultiDict[str]:
    return CIMultiDict(headers)


def test_our_two_digests_are_written_as_the_standards_say() -> None:
    assert digests.digest(BODY) == f"SHA-256={SHA256}"
    assert digests.content_digest(BODY) == f"sha-256=:{SHA256}:"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Digest", f"SHA-256={SHA256}"),
        ("Digest", f"sha-256={SHA256}"),
        ("Digest", f"SHA-512={SHA512}"),
        ("Digest", f"MD5=AAAA, SHA-256={SHA256}"),
        ("Digest", f"UNIXSUM=30637,SHA-256={SHA256} , SHA-512={SHA512}"),
        ("Content-Digest", f"sha-256=:{SHA256}:"),
        ("Content-Digest", f"sha-512=:{SHA512}:, sha-256=:{SHA256}:;note=1"),
        ("Content-Digest", f"md5=:AAAA:, sha-256=:{SHA256}:"),
        ("content-digest", f"new-kind, sha-256=:{SHA256}:"),
    ],
)
def test_a_body_that_fits_is_taken(name: str, value: str) -> None:
    digests.check(sent((name, value)), BODY)


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("Digest", "")],
        [("Digest", "MD5=XrY7u+Ae7tCTyyK7j1rNww==")],
        [("Digest", f"SHA-256={SHA512}")],
        [("Digest", "SHA-256=")],
        [("Digest", "SHA-256=Zm9v")],
        [("Digest", "SHA-256=not base64 !")],
        [("Digest", f"SHA-256={SHA256}é")],
        [("Digest", f"SHA-256={SHA256}, SHA-512={SHA256}")],
        [("Digest", f"SHA-256={SHA256}"), ("Digest", "SHA-256=Zm9v")],
        [("Content-Digest", "")],
        [("Content-Digest", "md5=:XrY7u+Ae7tCTyyK7j1rNww==:")],
        [("Content-Digest", f"sha-256=:{SHA256}:, sha-512=:{SHA256}:")],
        [("Content-Digest", f"sha-256=:{SHA256}:, sha-256=:{SHA256}:")],
        [("Digest", f"SHA-256={SHA256}"), ("Content-Digest", "sha-256=:Zm9v:")],
        # A weak one that is signed beside a strong one that is not proves nothing.
        [("Digest", f"SHA-256={SHA256}"), ("Content-Digest", "md5=:AAAA:")],
    ],
)
def test_a_digest_that_does_not_prove_the_body_is_refused(headers: list[tuple[str, str]]) -> None:
    with pytest.raises(BadSignature):
        digests.check(sent(*headers), BODY)


@pytest.mark.parametrize(
    "value",
    [f"SHA-256=:{SHA256}:", f"sha-256={SHA256}", "sha-256", "sha-256=(:AAAA:)", "sha-256=:AAAA:,"],
)
def test_a_content_digest_that_is_no_structured_field_is_the_sender_s_mistake(value: str) -> None:
    with pytest.raises(Malformed):
        digests.check(sent(("Content-Digest", value)), BODY)


@given(st.binary(min_size=1, max_size=200), st.data())
@settings(deadline=None)
def test_one_changed_bit_of_the_body_is_noticed(body: bytes, choice: st.DataObject) -> None:
    bit = choice.draw(st.integers(0, len(body) * 8 - 1))
    changed = bytearray(body)
    changed[bit // 8] ^= 1 << bit % 8
    for name, value in (
        ("Digest", digests.digest(body)),
        ("Content-Digest", digests.content_digest(body)),
    ):
        digests.check(sent((name, value)), body)
        with pytest.raises(BadSignature):
            digests.check(sent((name, value)), bytes(changed))


@given(st.sampled_from(["Digest", "Content-Digest"]), st.text())
@settings(deadline=None)
def test_whatever_stands_in_the_header_is_refused_in_our_own_words(name: str, value: str) -> None:
    with pytest.raises((BadSignature, Malformed)):
        digests.check(sent((name, value)), BODY)
