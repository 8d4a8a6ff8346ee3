"""The headers of a signature are plain, or the request is refused before anything else."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict

from federation import cavage
from federation.errors import BadSignature, Malformed
from federation.signatures import Form
from tests.unit.signed import (
    KEY_ID,
    LINE,
    PAIR,
    STAMP,
    both_forms,
    cavage_by_hand,
    door,
    posted,
    refused,
    rfc9421_by_hand,
    with_headers,
)


@both_forms
def test_an_unsigned_request_is_refused(form: Form) -> None:
    refused(with_headers(posted(form), Signature=None), "unsigned")


@both_forms
def test_a_second_signature_header_is_refused(form: Form) -> None:
    message = posted(form)
    headers = CIMultiDict(message.headers)
    headers.add("Signature", headers["Signature"])
    refused(replace(message, headers=headers), "more than one Signature header")


def test_a_second_signature_input_is_refused() -> None:
    message = posted("rfc9421")
    headers = CIMultiDict(message.headers)
    headers.add("Signature-Input", headers["Signature-Input"])
    refused(replace(message, headers=headers), "more than one Signature-Input header")


def test_a_second_host_or_date_is_refused() -> None:
    for name in ("Host", "Date"):
        message = posted()
        headers = CIMultiDict(message.headers)
        headers.add(name, headers[name])
        with pytest.raises(BadSignature):
            door(replace(message, headers=headers))


GOOD = f'keyId="{KEY_ID}",headers="(request-target) host date digest",signature="AAAA"'


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("", "cannot be read"),
        ("asdf", "cannot be read"),
        (GOOD + ",", "cannot be read"),
        (GOOD + ',x="a\\"b"', "cannot be read"),
        (GOOD + " x=1", "cannot be read"),
        (GOOD.replace('"', ""), "cannot be read"),
        (GOOD + ',keyId="https://evil.example/key"', "states keyid twice"),
        (GOOD + f',keyid="{KEY_ID}"', "states keyid twice"),
        (GOOD + ',headers="date"', "states headers twice"),
        (GOOD + ',created=1,created="2"', "states created twice"),
        (GOOD.replace(KEY_ID, ""), "no keyid"),
        (GOOD.removeprefix(f'keyId="{KEY_ID}",'), "no keyid"),
        (GOOD.replace("AAAA", ""), "no signature"),
        (GOOD.replace("AAAA", "AAA"), "not base64"),
        (GOOD.replace("AAAA", "AA_-"), "not base64"),
        (GOOD.replace("AAAA", "é"), "not base64"),
        (GOOD.replace("(request-target) host date digest", ""), "list of signed headers"),
        (GOOD.replace("host date", "host  date"), "list of signed headers"),
        (GOOD.replace("host date", "Host date"), "list of signed headers"),
        (GOOD.replace("host date", "host (made-up)"), "list of signed headers"),
        (GOOD.replace("host date", "host host"), "signed twice"),
        (GOOD + ',created="soon"', "created is not a number"),
        (GOOD + ',expires="1.5"', "expires is not a number"),
        (GOOD.replace(KEY_ID, "Test"), "id of the key"),
        (GOOD.replace(KEY_ID, "acct:anna@oakfield.example"), "id of the key"),
        (GOOD.replace(KEY_ID, "https://oakfield.example/a b"), "id of the key"),
        (GOOD.replace(KEY_ID, "https://x@oakfield.example/"), "id of the key"),
    ],
)
def test_an_older_signature_that_is_not_plain_is_refused(value: str, reason: str) -> None:
    refused(with_headers(posted(), Signature=value), reason)


@pytest.mark.parametrize(
    ("inputs", "signature", "reason"),
    [
        ("", "", "do not pair"),
        (PAIR[0], "sig2=:AAAA:", "do not pair"),
        (PAIR[0], PAIR[1] + ", sig2=:AAAA:", "do not pair"),
        (PAIR[0] + ", sig2=()", PAIR[1], "do not pair"),
        (f"{PAIR[0]}, {PAIR[0]}", PAIR[1], "sig1 stands twice"),
        (PAIR[0], f"{PAIR[1]}, {PAIR[1]}", "sig1 stands twice"),
        (PAIR[0] + ';keyid="https://evil.example/key"', PAIR[1], "keyid stands twice"),
        (
            ", ".join(PAIR[0].replace("sig1", f"s{n}") for n in range(4)),
            ", ".join(PAIR[1].replace("sig1", f"s{n}") for n in range(4)),
            "more than 3 signatures",
        ),
        ('sig1="@method"', PAIR[1], "does not list"),
        (PAIR[0], 'sig1="AAAA"', "not a byte sequence"),
        (PAIR[0], "sig1=(:AAAA:)", "not a byte sequence"),
        (PAIR[0].replace(f';keyid="{KEY_ID}"', ""), PAIR[1], "no keyid"),
        (PAIR[0].replace(f'"{KEY_ID}"', '""'), PAIR[1], "no keyid"),
        (PAIR[0].replace(f'"{KEY_ID}"', "key"), PAIR[1], "keyid is not a text"),
        (PAIR[0].replace(f"={STAMP}", "=abc"), PAIR[1], "created is not a number"),
        (PAIR[0].replace(f"={STAMP}", f"={STAMP}.5"), PAIR[1], "created is not a number"),
        (PAIR[0].replace(f"={STAMP}", ""), PAIR[1], "created is not a number"),
        (PAIR[0] + ';expires="x"', PAIR[1], "expires is not a number"),
        (PAIR[0] + ";alg=ed25519", PAIR[1], "alg is not a text"),
        (PAIR[0].replace('"@method"', '"@method" "@method"'), PAIR[1], "covered twice"),
        (PAIR[0].replace('"@method"', "method"), PAIR[1], "name of a component is not a text"),
        (PAIR[0].replace("@method", "@signature-params"), PAIR[1], "not a component"),
        (PAIR[0].replace("@method", "@status"), PAIR[1], "not a component"),
        (PAIR[0].replace("@method", "@made-up"), PAIR[1], "not a component"),
        (PAIR[0].replace("@method", "Content-Type"), PAIR[1], "in lower case"),
        (PAIR[0].replace("@method", "two words"), PAIR[1], "in lower case"),
        (PAIR[0].replace('"@method"', '"@method";req'), PAIR[1], "req of @method is not supported"),
        (PAIR[0].replace('-digest"', '-digest";sf'), PAIR[1], "sf of content-digest"),
        (PAIR[0].replace('-digest"', '-digest";bs'), PAIR[1], "bs of content-digest"),
        (PAIR[0].replace('-digest"', '-digest";key="sha-256"'), PAIR[1], "key of content-digest"),
        (PAIR[0].replace('"@method"', '"@query-param"'), PAIR[1], "needs a name"),
        (PAIR[0].replace('"@method"', '"@query-param";name=a'), PAIR[1], "needs a name"),
        (PAIR[0].replace('"@method"', '"@query-param";name="a";sf'), PAIR[1], "needs a name"),
        (PAIR[0].replace(KEY_ID, "test-key-rsa"), PAIR[1], "id of the key"),
    ],
)
def test_a_newer_signature_that_is_not_plain_is_refused(
    inputs: str, signature: str, reason: str
) -> None:
    message = with_headers(posted("rfc9421"), Signature_Input=inputs, Signature=signature)
    refused(message, reason)


@pytest.mark.parametrize(
    "changes",
    [
        {"Signature_Input": "sig1=("},
        {"Signature_Input": PAIR[0] + ","},
        {"Signature_Input": "SIG1=()"},
        {"Signature": "sig1=:AAA"},
        {"Signature": 'keyId="https://oakfield.example/key"'},
        {"Content_Digest": "SHA-256=:GYwYnH3BiO6aICFt0ThC5bUIJ4byvqdpWtR8m5fNkww=:"},
    ],
)
def test_a_broken_structured_field_is_the_sender_s_mistake(changes: dict[str, str]) -> None:
    with pytest.raises(Malformed):
        door(with_headers(posted("rfc9421"), **changes))


@given(header=st.text(), inputs=st.none() | st.text())
@settings(deadline=None)
def test_any_text_in_the_headers_is_refused_in_our_own_words(
    header: str, inputs: str | None
) -> None:
    message = with_headers(posted("rfc9421"), Signature=header, Signature_Input=inputs)
    with pytest.raises((Malformed, BadSignature)):
        door(message)


WORDS = (
    "keyId= created= expires= headers= signature= algorithm= keyid alg name= sig1 , = ; ( ) :"
    ' " - 1 ?1 99999999999999999999 "AAAA" :AAAA: "@method" "@query-param" "(created)" \\ é'
)
ODD = (" ", "\ud83d", "\x00", "\n", '"date host"', f'"{KEY_ID}"')
PIECES = st.lists(st.sampled_from([*WORDS.split(" "), *ODD]), max_size=25).map("".join)


@given(header=PIECES, inputs=st.none() | PIECES, date=PIECES, host=PIECES)
@settings(deadline=None, max_examples=300)
def test_headers_that_nearly_make_sense_are_refused_too(
    header: str, inputs: str | None, date: str, host: str
) -> None:
    message = with_headers(
        posted("rfc9421"), Signature=header, Signature_Input=inputs, Date=date, Host=host
    )
    with pytest.raises((Malformed, BadSignature)):
        door(message)


@given(date=PIECES | st.text(), host=PIECES | st.text(), kind=PIECES | st.text())
@settings(deadline=None)
def test_covered_headers_of_any_text_never_bring_the_door_down(
    date: str, host: str, kind: str
) -> None:
    message = with_headers(posted(), Date=date, Host=host, Content_Type=kind)
    with pytest.raises(BadSignature):
        door(message)


def test_a_name_in_another_script_goes_back_to_the_bytes_it_came_as() -> None:
    value = "caf\udcc3\udca9"  # as aiohttp keeps bytes of a header that it cannot read
    lines = "\n".join(f"{name}: {LINE[name]}" for name in ("(request-target)", "host", "date"))
    lines += f"\ndigest: {LINE['digest']}\nuser-agent: café"
    covered = "(request-target) host date digest user-agent"
    door(cavage_by_hand(with_headers(posted(), User_Agent=value), covered, lines))
    covered = '"@method" "@target-uri" "content-digest" "user-agent"'
    message = with_headers(posted("rfc9421"), User_Agent="x")
    message = with_headers(rfc9421_by_hand(message, covered), User_Agent="café")
    refused(message, "not ASCII")


def test_a_header_cannot_smuggle_in_a_second_line() -> None:
    message = with_headers(posted(), Content_Type="a\ndate: b")
    refused(message, "more than one line")


USUAL = f'keyId="{KEY_ID}",algorithm="{{}}",headers="{{}}",signature="{{}}"'


@pytest.mark.parametrize("algorithm", ["rsa-sha256", "hs2019", "", "RSA-SHA256"])
@pytest.mark.parametrize("headers", ["(request-target) host date digest", "", "date  host", "Date"])
@pytest.mark.parametrize("signature", ["c2lnbmVk", "", "c2ln bmVk", "c2ln", "ä"])
def test_the_usual_layout_means_what_any_other_means(
    algorithm: str, headers: str, signature: str
) -> None:
    usual = USUAL.format(algorithm, headers, signature)
    another = " " + usual.replace(",", ", ")  # read parameter by parameter

    def outcome(header: str) -> object:
        try:
            return cavage.parse(header)
        except BadSignature as error:
            return str(error)

    assert outcome(usual) == outcome(another)
