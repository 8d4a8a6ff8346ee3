"""Addresses: one reading, one spelling, and no number where a school's name belongs."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation import addresses
from federation.addresses import Rules
from federation.errors import Malformed

STRICT = Rules()
ONE_MACHINE = Rules(allow_http=True, allow_private=True)

LOOPBACK_SPELLINGS = [
    "127.0.0.1",
    "2130706433",
    "0x7f000001",
    "0x7f.0.0.1",
    "0177.0.0.1",
    "127.1",
    "127.0.1",
    "0",
    "0.0.0.0",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "[::127.0.0.1]",
    "１２７.0.0.1",
    "①②⑦.⓪.⓪.①",
    "127。0。0。1",
    "127．0．0．1",
    "localhost",
    "LocalHost",
    "router",
    "printer.localhost",
]


@pytest.mark.parametrize("host", LOOPBACK_SPELLINGS)
def test_a_number_in_the_place_of_a_name_is_no_school(host: str) -> None:
    with pytest.raises(Malformed):
        addresses.parse(f"https://{host}/users/lee", STRICT)
    with pytest.raises(Malformed):
        addresses.host(host, STRICT)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "oakfield.example",
        "//oakfield.example/",
        "http://oakfield.example/",
        "http://oakfield.example:443/",
        "ftp://oakfield.example/",
        "javascript:alert(1)",
        "acct:lee@oakfield.example",
        "https:///users/lee",
        "https:/oakfield.example/",
        "https:oakfield.example",
        "https://lee@oakfield.example/",
        "https://lee:secret@oakfield.example/",
        "https://oakfield.example:8443/",
        "https://oakfield.example:/",
        "https://oakfield.example:0443/",
        "https://oakfield.example:99999/",
        "https://oakfield.example:80:443/",
        "https://oakfield.example./",
        "https://.oakfield.example/",
        "https://oak..field.example/",
        "https://-oakfield.example/",
        "https://oakfield-.example/",
        "https://oak_field.example/",
        f"https://{'a' * 64}.example/",
        f"https://{'a.' * 130}example/",
        "https://oakfield%2eexample/",
        "https://mastodon.so%2fcial/",
        "https://mastodon.so\\cial/",
        "https://mastodon.so/cial\\",
        "https://oak\tfield.example/",
        "https://oakfield.example/us\ners",
        "https://oakfield.example/ users",
        " https://oakfield.example/",
        "https://oakfield.example/\x00",
        "https://oakfield.example/\x7f",
        "https://oakfield.example/\u202e",
        "https://oakfield.example/\ud800",
        "https://oakfield.example/<b>",
        'https://oakfield.example/"',
        "https://oakfield.example/%zz",
        "https://oakfield.example/%2",
        "https://℀.example/",
        "https://[::1/",
        "https://[fe80::1%25eth0]/",
        "https://oakfield.example/" + "a" * 2048,
    ],
)
def test_what_two_readers_could_read_in_two_ways_is_refused(url: str) -> None:
    with pytest.raises(Malformed):
        addresses.parse(url, STRICT)


@pytest.mark.parametrize(
    ("url", "canonical", "wire"),
    [
        ("https://oakfield.example", "https://oakfield.example", "https://oakfield.example/"),
        ("HTTPS://OakField.Example/Users", "https://oakfield.example/Users", None),
        ("https://oakfield.example:443/a?b=c", "https://oakfield.example/a?b=c", None),
        ("https://oakfield.example?q", "https://oakfield.example?q", "https://oakfield.example/?q"),
        (
            "https://oakfield.example/users/lee#main-key",
            "https://oakfield.example/users/lee#main-key",
            "https://oakfield.example/users/lee",
        ),
        ("https://bücher.example/", "https://xn--bcher-kva.example/", None),
        ("https://BÜCHER.example/", "https://xn--bcher-kva.example/", None),
        ("https://oakfield。example/", "https://oakfield.example/", None),
        (
            "https://oakfield.example/schüler",
            "https://oakfield.example/schüler",
            "https://oakfield.example/sch%C3%BCler",
        ),
        ("https://oakfield.example/a//b/../c%2Fd", "https://oakfield.example/a//b/../c%2Fd", None),
        ("https://oakfield.example/?a[]=1", "https://oakfield.example/?a[]=1", None),
    ],
)
def test_one_school_has_one_spelling_and_its_paths_stay_as_they_are(
    url: str, canonical: str, wire: str | None
) -> None:
    assert addresses.canonical(url, STRICT) == canonical
    assert addresses.parse(url, STRICT).wire == (wire or canonical)


def test_all_that_follows_the_first_number_sign_is_the_fragment() -> None:
    """WordPress names its activities so; every reader of URLs agrees where the rest ends."""
    wordpress = "https://oakfield.example/post/#activity#activity"
    assert addresses.parse(wordpress, STRICT).path_qs == "/post/"
    assert addresses.canonical(wordpress, STRICT) == wordpress


def test_an_origin_is_scheme_host_and_port_with_the_usual_port_filled_in() -> None:
    same = addresses.same_origin
    assert same("https://oakfield.example/a", "https://OAKFIELD.example:443/b", STRICT)
    assert not same("https://oakfield.example/a", "https://a.oakfield.example/a", STRICT)
    assert not same("http://oakfield.example/a", "https://oakfield.example/a", ONE_MACHINE)
    assert not same("http://localhost:8001/a", "http://localhost:8002/a", ONE_MACHINE)
    with pytest.raises(Malformed):
        same("https://oakfield.example/a", "nowhere", STRICT)


@pytest.mark.parametrize(
    ("url", "authority"),
    [
        ("http://localhost:8001/users/lee", "localhost:8001"),
        ("http://127.0.0.1:80/", "127.0.0.1"),
        ("https://127.0.0.1:8443/", "127.0.0.1:8443"),
        ("http://[0:0::1]:8001/", "[::1]:8001"),
        ("http://harbour-503.localhost:8003/", "harbour-503.localhost:8003"),
        ("http://school-a/", "school-a"),
    ],
)
def test_schools_on_one_machine_may_have_numbers_and_ports(url: str, authority: str) -> None:
    assert addresses.authority(url, ONE_MACHINE) == authority
    with pytest.raises(Malformed):
        addresses.parse(url, STRICT)


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "1.2.3.4.5"])
def test_even_on_one_machine_a_number_is_written_plainly(host: str) -> None:
    with pytest.raises(Malformed):
        addresses.parse(f"http://{host}/", ONE_MACHINE)


def test_another_port_must_be_on_the_list() -> None:
    url = "https://oakfield.example:8443/"
    assert addresses.authority(url, Rules(ports=frozenset({443, 8443}))) == "oakfield.example:8443"
    with pytest.raises(Malformed):
        addresses.authority("https://oakfield.example/", Rules(ports=frozenset({8443})))


@pytest.mark.parametrize(
    ("typed", "host"),
    [
        ("OakField.example", "oakfield.example"),
        (" oakfield.example:443 ", "oakfield.example"),
        ("bücher.example", "xn--bcher-kva.example"),
    ],
)
def test_a_host_as_an_administrator_types_it(typed: str, host: str) -> None:
    assert addresses.host(typed, STRICT) == host


@pytest.mark.parametrize(
    "typed",
    ["", "https://oakfield.example", "oakfield.example/", "a b.example", "@x.example", ":1"],
)
def test_what_is_not_a_host_is_refused_when_typed(typed: str) -> None:
    with pytest.raises(Malformed):
        addresses.host(typed, STRICT)


def test_typed_ports_on_one_machine() -> None:
    assert addresses.host("localhost:8001", ONE_MACHINE) == "localhost:8001"
    assert addresses.host("localhost:80", ONE_MACHINE) == "localhost"


letters = st.text(
    alphabet=st.one_of(
        st.sampled_from("htps:/.@%?#[]\\0123456789xabcdef-_\t ＠。①ß"), st.characters()
    ),
    max_size=60,
)


@given(rest=letters, rules=st.sampled_from([STRICT, ONE_MACHINE]))
def test_reading_our_own_spelling_again_changes_nothing(rest: str, rules: Rules) -> None:
    try:
        once = addresses.canonical(f"https://{rest}", rules)
    except Malformed:
        return
    assert addresses.canonical(once, rules) == once
    address = addresses.parse(once, rules)
    assert address.host.isascii()
    assert address.host == address.host.lower()
    assert address.wire.isascii()
    assert addresses.parse(address.wire, rules).origin == address.origin
    assert addresses.host(address.authority, rules) == address.authority


@given(text=letters)
def test_reading_any_text_never_fails_in_another_way(text: str) -> None:
    for read in (addresses.parse, addresses.host):
        try:
            read(text, STRICT)
        except Malformed:
            continue


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        ("oakfield.example", "oakfield.example"),
        ("lab.it.oakfield.example", "oakfield.example"),
        ("oakfield.example:8443", "oakfield.example"),
        ("lab.oakfield.kent.sch.uk", "oakfield.kent.sch.uk"),
        ("riverside.kent.sch.uk", "riverside.kent.sch.uk"),
        ("oakfield.co.uk", "oakfield.co.uk"),
        ("co.uk", "co.uk"),
        ("oakfield.github.io", "oakfield.github.io"),
        ("a.xn--85x722f.com.cn", "xn--85x722f.com.cn"),
        ("localhost", "localhost"),
        ("localhost:8001", "localhost"),
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.1:8001", "127.0.0.1"),
        ("[2001:db8::1]", "[2001:db8::1]"),
        ("[2001:db8::1]:8001", "[2001:db8::1]"),
    ],
)
def test_names_that_one_owner_makes_up_have_one_domain(host: str, domain: str) -> None:
    assert addresses.registrable(host) == domain


_SPELLINGS = st.from_regex(
    r"https?://[a-zA-Z0-9.:\[\]@%é-]{0,20}(/[ -~é]{0,20})?", fullmatch=True
) | st.sampled_from([
    "https://oakfield.example", "https://oakfield.example:443/a", "https://oakfield.example:444/a",
    "https://oakfield.example/a%2", "https://oakfield.example/a%20b", "https://127.0.0.1/a",
    "http://oakfield.example/a", "https://OAKFIELD.example/a", "https://localhost/a",
    "https://oakfield.example?a", "https://oakfield.example:0/a", "https://-oakfield.example/",
    f"https://oakfield.example/{'a' * 3000}",
])  # fmt: skip


@given(_SPELLINGS, st.sampled_from([Rules(), Rules(allow_http=True, allow_private=True)]))
def test_the_origin_of_an_address_is_that_of_its_whole_reading(url: str, rules: Rules) -> None:
    def outcome(read: Callable[[str, Rules], object]) -> object:
        try:
            return read(url, rules)
        except Malformed:
            return Malformed

    whole = outcome(lambda url, rules: addresses.parse(url, rules).origin)
    assert outcome(addresses.origin) == whole
