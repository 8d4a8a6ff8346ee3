"""The way out: real servers on this machine, honest ones and others."""

import asyncio
import gzip
import json
import ssl
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from yarl import URL

from federation import answers, cavage, keys
from federation.addresses import Rules
from federation.errors import BadSignature, Gone, Malformed, Refused, Unreachable
from federation.guard import Guarded
from federation.signatures import Form
from tests.unit.neighbourhood import (
    ACTIVITY,
    NOW,
    Answering,
    Neighbourhood,
    always,
    public,
    signer,
)

INTERNET = Rules(allow_http=True)
NOTE = "http://oakfield.example/objects/1"
INBOX = "http://oakfield.example/inbox"


def pages(**documents: Any) -> Answering:
    """A server with these documents, by the last part of their path; a text is a redirect."""

    async def answer(request: web.BaseRequest) -> web.Response:
        found = documents.get(request.path.rpartition("/")[2])
        if found is None:
            return web.Response(status=404)
        if isinstance(found, str):
            return web.Response(status=302, headers={"Location": found})
        return web.Response(body=json.dumps(found).encode(), content_type=ACTIVITY)

    return answer


# Asking


async def test_a_request_carries_our_name_and_nothing_of_earlier_ones(near: Neighbourhood) -> None:
    await near.house("oakfield.example", always(Set_Cookie="session=1; Path=/"))
    client = near.client()
    for _ in range(2):
        answer = await client.get(NOTE)
        assert (answer.status, answer.url, answer.body) == (200, NOTE, b"{}")
    assert near.heard[0].headers["User-Agent"] == "Staffroom/test"
    assert ACTIVITY in near.heard[0].headers["Accept"]
    assert all("Cookie" not in heard.headers for heard in near.heard)
    assert all("Authorization" not in heard.headers for heard in near.heard)


async def test_the_environment_does_not_choose_our_proxy(
    near: Neighbourhood, monkeypatch: pytest.MonkeyPatch
) -> None:
    await near.house("oakfield.example", always())
    spy = await near.house("spy.example", always(500))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{spy}")
    assert (await near.client().get(NOTE)).status == 200


async def test_the_path_goes_over_the_wire_as_it_was_written(near: Neighbourhood) -> None:
    await near.house("oakfield.example", always())
    url = "http://oakfield.example/a//b/../%7elee%2Fx?q=a+b&&c[]=%20"
    await near.client().get(url + "#fragment", signer=signer())
    assert near.heard[0].url == url
    near.heard[0].check()


async def test_three_redirects_are_followed_and_each_is_signed_anew(near: Neighbourhood) -> None:
    await near.house("oakfield.example", pages(**{"1": "/objects/2", "2": "//riverside.example/3"}))
    await near.house("riverside.example", pages(**{"3": "4", "4": {"id": "x"}}))
    answer = await near.client().get(NOTE, signer=signer())
    assert answer.url == "http://riverside.example/4"
    assert [URL(heard.url).path for heard in near.heard] == ["/objects/1", "/objects/2", "/3", "/4"]
    for heard in near.heard:
        heard.check()


async def test_a_fourth_redirect_is_one_too_many(near: Neighbourhood) -> None:
    await near.house("oakfield.example", pages(**{str(n): f"/{n + 1}" for n in range(9)}))
    with pytest.raises(Malformed, match="redirects"):
        await near.client().get("http://oakfield.example/1")
    assert len(near.heard) == 4


async def test_redirects_in_a_circle_end_at_once(near: Neighbourhood) -> None:
    await near.house("oakfield.example", pages(**{"1": "/2", "2": "/1#again"}))
    with pytest.raises(Malformed, match="circle"):
        await near.client().get("http://oakfield.example/1")
    assert len(near.heard) == 2


@pytest.mark.parametrize(
    "location",
    ["http://127.0.0.1/", "http://[::1]/", "http://2130706433/", "ftp://a.example/", "//"],
)
async def test_a_redirect_to_no_school_is_not_followed(near: Neighbourhood, location: str) -> None:
    proxy = await near.house("proxy", pages(**{"1": location}))
    near.streets.numbers["oakfield.example"] = "1.1.1.1"
    client = near.client(INTERNET, proxy=f"http://127.0.0.1:{proxy}")
    with pytest.raises(Malformed):
        await client.get(NOTE)


# Where we do not go


async def test_a_name_that_leads_to_this_machine_is_never_connected_to(near: Neighbourhood) -> None:
    await near.house("evil.example", always())
    with pytest.raises(Refused):
        await near.client(INTERNET).get("http://evil.example/")
    with pytest.raises(Refused):
        await near.client(INTERNET).deliver(
            "http://evil.example/inbox", b"{}", signer=signer(), form=None
        )
    assert near.heard == []


async def test_a_redirect_to_the_schools_router_is_refused(near: Neighbourhood) -> None:
    proxy = await near.house("proxy", pages(**{"1": "http://router.example/admin"}))
    near.streets.numbers |= {"oakfield.example": "1.1.1.1", "router.example": "192.168.1.1"}
    client = near.client(INTERNET, proxy=f"http://127.0.0.1:{proxy}")
    with pytest.raises(Refused):
        await client.get(NOTE)
    assert len(near.heard) == 1
    assert near.heard[0].url.endswith(NOTE)


async def test_each_redirect_is_judged_like_the_first_address(near: Neighbourhood) -> None:
    await near.house("oakfield.example", pages(**{"1": "http://router.example/admin"}))
    await near.house("router.example", always())
    # As if the address of oakfield.example, and only that, were one of the public internet.
    names = Guarded(near.streets, INTERNET, trusted=[("oakfield.example", 80)])
    with pytest.raises(Refused):
        await near.client(INTERNET, resolver=names).get(NOTE)
    assert [heard.url for heard in near.heard] == [NOTE]


async def test_a_name_is_looked_up_once_and_that_answer_is_used(near: Neighbourhood) -> None:
    await near.house("oakfield.example", always())
    client = near.client()
    await client.get(NOTE)
    near.streets.ports["oakfield.example"] = 1  # whoever asks again is led astray
    await asyncio.gather(*(client.get(NOTE) for _ in range(4)))
    assert near.streets.asked == ["oakfield.example"]


async def test_the_proxy_of_the_school_carries_everything(near: Neighbourhood) -> None:
    port = await near.house("proxy.oakfield.example", pages(**{"1": {"id": NOTE}}))
    client = near.client(INTERNET, proxy=f"http://proxy.oakfield.example:{port}")
    assert (await client.document(NOTE))["id"] == NOTE
    near.streets.numbers["hidden.example"] = "10.0.0.1"
    with pytest.raises(Refused):
        await client.get("http://hidden.example/1")


async def test_we_do_not_ask_ourselves_over_http(near: Neighbourhood) -> None:
    await near.house("oakfield.example", always())
    client = near.client(own=frozenset({"oakfield.example"}))
    with pytest.raises(Refused):
        await client.document(NOTE)
    assert near.heard == []


# What may keep us waiting, and how much of it we take


async def test_one_host_gets_at_most_six_connections(near: Neighbourhood) -> None:
    inside = 0
    six, leave = asyncio.Event(), asyncio.Event()

    async def answer(request: web.BaseRequest) -> web.Response:
        nonlocal inside
        inside += 1
        if inside == 6:
            six.set()
        await leave.wait()
        return web.Response()

    await near.house("oakfield.example", answer)
    await near.house("riverside.example", always())
    client = near.client()
    asking = [asyncio.create_task(client.get(NOTE)) for _ in range(20)]
    await six.wait()
    for _ in range(10):  # others are served meanwhile; a seventh would have come in by now
        await client.get("http://riverside.example/")
    assert inside == 6
    leave.set()
    await asyncio.gather(*asking)
    assert inside == 20


async def test_a_server_that_drips_is_left_at_the_deadline(near: Neighbourhood) -> None:
    closing = asyncio.Event()

    async def drip(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with suppress(ConnectionError):
            while not closing.is_set():
                await response.write(b" ")
                with suppress(TimeoutError):
                    await asyncio.wait_for(closing.wait(), 0.02)
        return response

    await near.house("oakfield.example", drip)
    start = monotonic()
    with pytest.raises(Unreachable) as trouble:
        await near.client().get(NOTE, deadline=0.3)
    closing.set()
    assert monotonic() - start < 2
    assert trouble.value.host == "oakfield.example"


async def test_the_deadline_counts_for_all_redirects_together(near: Neighbourhood) -> None:
    closing = asyncio.Event()

    async def slowly(request: web.BaseRequest) -> web.Response:
        with suppress(TimeoutError):
            await asyncio.wait_for(closing.wait(), 0.2)
        return web.Response(status=302, headers={"Location": request.path + "1"})

    await near.house("oakfield.example", slowly)
    with pytest.raises(Unreachable):
        await near.client().get(NOTE, deadline=0.3)
    closing.set()
    assert len(near.heard) == 2


async def test_a_bomb_is_not_unpacked(near: Neighbourhood) -> None:
    bomb = gzip.compress(b"\0" * 100_000_000, 9)
    await near.house("oakfield.example", always(body=bomb, Content_Encoding="gzip"))
    client = near.client()
    tracemalloc.start()
    try:
        with pytest.raises(Malformed, match="larger"):
            await client.get(NOTE)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10_000_000


async def test_what_is_packed_honestly_is_unpacked(near: Neighbourhood) -> None:
    packed = gzip.compress(json.dumps({"id": NOTE, "content": "x" * 5000}).encode())
    await near.house("oakfield.example", always(body=packed, Content_Encoding="gzip"))
    assert (await near.client().document(NOTE))["content"] == "x" * 5000


async def test_an_answer_may_have_just_so_many_bytes(near: Neighbourhood) -> None:
    await near.house("oakfield.example", always(body=b"x" * 1000))
    assert (await near.client().get(NOTE, limit=1000)).body == b"x" * 1000
    with pytest.raises(Malformed):
        await near.client().get(NOTE, limit=999)


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 20_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: 1\r\n" % n for n in range(500)) + b"\r\n",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\ntoo short",
        b"",
    ],
)
async def test_a_server_that_answers_nonsense_is_unreachable(
    near: Neighbourhood, head: bytes
) -> None:
    async with raw_house(near, "oakfield.example", head):
        with pytest.raises(Unreachable) as trouble:
            await near.client().get(NOTE)
    assert str(trouble.value).removeprefix("oakfield.example: ") in (
        "what it answers is not HTTP",
        "its answer broke off",
        "it hung up before it answered",
    )


@asynccontextmanager
async def raw_house(near: Neighbourhood, host: str, *answers: bytes) -> AsyncIterator[list[bytes]]:
    """A server that says these bytes, one after the other per connection, and hangs up."""
    begun: list[bytes] = []
    left = list(answers)

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            begun.append(await reader.readuntil(b"\r\n"))
            await reader.readuntil(b"\r\n\r\n")
            writer.write(left.pop(0) if len(left) > 1 else left[0])
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    near.streets.ports[host] = server.sockets[0].getsockname()[1]
    try:
        yield begun
    finally:
        server.close()
        await server.wait_closed()


async def test_names_and_ports_without_a_server_are_unreachable(near: Neighbourhood) -> None:
    with pytest.raises(Unreachable, match=r"^nowhere\.example: its name leads to no address"):
        await near.client().get("http://nowhere.example/")
    near.streets.ports["closed.example"] = 1
    with pytest.raises(Unreachable, match=r"^closed\.example: nobody answers .* refused$"):
        await near.client().get("http://closed.example/")


async def test_a_certificate_counts_only_if_we_trust_who_made_it(
    near: Neighbourhood, tmp_path: Path
) -> None:
    file = certificate(tmp_path, "oakfield.example")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file)
    await near.house("oakfield.example", always(), context)
    near.streets.ports["riverside.example"] = near.streets.ports["oakfield.example"]
    rules = Rules(allow_private=True)
    with pytest.raises(Unreachable, match=r"not to be trusted: self-signed certificate$"):
        await near.client(rules).get("https://oakfield.example/")
    trusting = near.client(rules, ca_file=file)
    assert (await trusting.get("https://oakfield.example/")).status == 200
    with pytest.raises(Unreachable, match="not to be trusted: Hostname mismatch"):
        await trusting.get("https://riverside.example/")


def certificate(folder: Path, host: str) -> Path:
    """A certificate that vouches for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    today = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    file = folder / f"{host}.pem"
    file.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(pem)
    )
    return file


# Documents


@pytest.mark.parametrize(
    ("content_type", "good"),
    [
        ("application/activity+json", True),
        ("Application/Activity+JSON; charset=utf-8", True),
        ('application/ld+json; profile="https://www.w3.org/ns/activitystreams"', True),
        ("application/ld+json;profile=https://www.w3.org/ns/activitystreams", True),
        ('application/ld+json; profile="http://a https://www.w3.org/ns/activitystreams"', True),
        ("application/ld+json", False),
        ('application/ld+json; profile="https://www.w3.org/ns/activitystreams.evil"', False),
        ("application/json", False),
        ("text/html", False),
        ("image/png", False),
        ("text/plain; application/activity+json", False),
    ],
)
async def test_the_type_is_part_of_a_documents_identity(
    near: Neighbourhood, content_type: str, good: bool
) -> None:
    body = json.dumps({"id": NOTE}).encode()
    await near.house("oakfield.example", always(body=body, content_type=content_type))
    client = near.client()
    if good:
        assert await client.document(NOTE) == {"id": NOTE}
    else:
        with pytest.raises(Malformed):
            await client.document(NOTE)


def test_two_types_are_none() -> None:
    assert not answers.speaks_activitypub([ACTIVITY, "text/html"])
    assert not answers.speaks_activitypub([])


async def test_a_document_of_another_server_is_refused(near: Neighbourhood) -> None:
    await near.house(
        "oakfield.example", pages(**{"1": {"id": "http://riverside.example/objects/1"}})
    )
    await near.house(
        "riverside.example", pages(**{"1": {"id": "http://riverside.example/objects/1"}})
    )
    with pytest.raises(Refused):
        await near.client().document(NOTE)
    assert len(near.heard) == 1


async def test_a_document_is_not_believed_by_way_of_another_server(near: Neighbourhood) -> None:
    await near.house("oakfield.example", pages(**{"1": "http://evil.example/1"}))
    await near.house("evil.example", pages(**{"1": {"id": NOTE}}))
    with pytest.raises(Refused):
        await near.client().document(NOTE)


async def test_a_redirect_does_not_turn_one_schools_document_into_anothers(
    near: Neighbourhood,
) -> None:
    other = "http://riverside.example/objects/1"
    await near.house("oakfield.example", pages(**{"1": other}))
    await near.house("riverside.example", pages(**{"1": {"id": other}}))
    with pytest.raises(Refused):
        await near.client().document(NOTE)


async def test_a_document_of_another_id_is_asked_for_again_under_that_id(
    near: Neighbourhood,
) -> None:
    canonical = "http://oakfield.example/objects/2"
    await near.house("oakfield.example", pages(**{"1": {"id": canonical}, "2": {"id": canonical}}))
    assert await near.client().document(NOTE) == {"id": canonical}
    assert [heard.url for heard in near.heard] == [NOTE, canonical]


async def test_a_document_that_changes_its_id_again_is_refused(near: Neighbourhood) -> None:
    numbered = {str(n): {"id": f"http://oakfield.example/objects/{n + 1}"} for n in range(9)}
    await near.house("oakfield.example", pages(**numbered))
    with pytest.raises(Refused):
        await near.client().document(NOTE)
    assert len(near.heard) == 2


async def test_a_key_is_found_inside_its_actor(near: Neighbourhood) -> None:
    actor = "http://oakfield.example/users/lee"
    await near.house("oakfield.example", pages(lee={"id": actor}))
    assert await near.client().document(f"{actor}#main-key") == {"id": actor}
    assert near.heard[0].url == actor


@pytest.mark.parametrize("document", [{}, {"id": None}, {"id": 7}, {"id": "not an address"}])
async def test_a_document_without_an_id_is_nobodys(near: Neighbourhood, document: object) -> None:
    await near.house("oakfield.example", pages(**{"1": document}))
    with pytest.raises(Malformed):
        await near.client().document(NOTE)


async def test_a_document_is_read_strictly(near: Neighbourhood) -> None:
    body = json.dumps({"id": NOTE}).encode()[:-1] + b', "id": "other"}'
    await near.house("oakfield.example", always(body=body))
    with pytest.raises(Malformed):
        await near.client().document(NOTE)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (404, Gone),
        (410, Gone),
        (401, Refused),
        (403, Refused),
        (408, Unreachable),
        (429, Unreachable),
        (500, Unreachable),
        (503, Unreachable),
        (400, Malformed),
        (406, Malformed),
        (204, Malformed),
        (304, Malformed),
    ],
)
async def test_what_the_answer_says_about_the_document(
    near: Neighbourhood, status: int, error: type[Exception]
) -> None:
    await near.house("oakfield.example", always(status, Retry_After="120"))
    with pytest.raises(error) as trouble:
        await near.client().document(NOTE)
    if isinstance(trouble.value, Gone):
        assert (trouble.value.uri, trouble.value.status) == (NOTE, status)
    if isinstance(trouble.value, Unreachable):
        assert (trouble.value.host, trouble.value.retry_after) == ("oakfield.example", 120)


async def test_an_old_server_that_signs_without_the_query_is_asked_again_so(
    near: Neighbourhood,
) -> None:
    url = "http://oakfield.example/outbox?page=1"

    async def without_query(request: web.BaseRequest) -> web.Response:
        message = near.heard[-1].message
        stamp = cavage.parse(request.headers["Signature"])
        try:
            keys.verify(public(), stamp.signature, cavage.base(stamp, message, with_query=False))
        except BadSignature:
            return web.Response(status=401)
        return web.Response(body=json.dumps({"id": url}).encode(), content_type=ACTIVITY)

    await near.house("oakfield.example", without_query)
    assert await near.client().document(url, signer=signer()) == {"id": url}
    assert len(near.heard) == 2


async def test_a_refusal_of_a_plain_address_is_not_asked_again(near: Neighbourhood) -> None:
    await near.house("oakfield.example", always(401))
    with pytest.raises(Refused):
        await near.client().document(NOTE, signer=signer())
    assert len(near.heard) == 1


# Delivering


def knowing(*forms: Form, status: int = 401, **more: Any) -> Answering:
    """A server that understands only these forms of signature."""

    async def answer(request: web.BaseRequest) -> web.Response:
        form = "rfc9421" if "Signature-Input" in request.headers else "cavage"
        return web.Response(status=202) if form in forms else web.Response(status=status, **more)

    return answer


@pytest.mark.parametrize("form", ["cavage", "rfc9421"])
async def test_a_delivery_is_signed_with_all_that_it_brings(
    near: Neighbourhood, form: Form
) -> None:
    await near.house("oakfield.example", always(202))
    answer = await near.client().post(INBOX, b'{"id": "1"}', signer=signer(), form=form)
    assert answer.ok
    heard = near.heard[0]
    assert (heard.method, heard.url, heard.body) == ("POST", INBOX, b'{"id": "1"}')
    assert heard.headers["Content-Type"] == ACTIVITY
    assert heard.form == form
    heard.check()


@pytest.mark.parametrize("status", [400, 401])
@pytest.mark.parametrize(
    ("known", "first"),
    [("rfc9421", "cavage"), ("rfc9421", None), ("cavage", "rfc9421")],
)
async def test_a_server_that_knows_the_other_form_gets_it_at_the_second_knock(
    near: Neighbourhood, known: Form, first: Form | None, status: int
) -> None:
    await near.house("oakfield.example", knowing(known, status=status))
    answer, form = await near.client().deliver(INBOX, b"{}", signer=signer(), form=first)
    assert (answer.status, form) == (202, known)
    assert [heard.form for heard in near.heard] == [first or "cavage", known]
    for heard in near.heard:
        heard.check()


@pytest.mark.parametrize("status", [200, 201, 202, 204, 404, 410, 429, 500, 503, 422])
async def test_only_a_doubt_about_the_signature_makes_us_knock_again(
    near: Neighbourhood, status: int
) -> None:
    await near.house("oakfield.example", always(status))
    answer, form = await near.client().deliver(INBOX, b"{}", signer=signer(), form=None)
    assert (answer.status, form) == (status, "cavage")
    assert len(near.heard) == 1


@pytest.mark.parametrize(
    ("more", "knocks"),
    [
        ({"text": "Bad Signature"}, 2),
        ({"headers": {"Accept-Signature": 'sig1=("@method")'}}, 2),
        ({"text": "you are blocked"}, 1),
    ],
)
async def test_a_no_that_hints_at_the_signature_is_asked_again(
    near: Neighbourhood, more: dict[str, Any], knocks: int
) -> None:
    await near.house("oakfield.example", knowing("rfc9421", status=403, **more))
    answer, form = await near.client().deliver(INBOX, b"{}", signer=signer(), form=None)
    assert len(near.heard) == knocks
    assert (answer.status, form) == ((202, "rfc9421") if knocks == 2 else (403, "cavage"))


async def test_two_refusals_leave_the_form_as_it_was(near: Neighbourhood) -> None:
    await near.house("oakfield.example", knowing())
    answer, form = await near.client().deliver(INBOX, b"{}", signer=signer(), form="rfc9421")
    assert (answer.status, form, len(near.heard)) == (401, "rfc9421", 2)


async def test_a_peer_that_breaks_down_at_the_second_knock_is_tried_later(
    near: Neighbourhood,
) -> None:
    async def answer(request: web.BaseRequest) -> web.Response:
        if len(near.heard) == 1:
            return web.Response(status=401)
        return web.Response(status=503, headers={"Retry-After": "60"})

    await near.house("oakfield.example", answer)
    said, form = await near.client().deliver(INBOX, b"{}", signer=signer(), form=None)
    assert (said.status, said.retry_after, form) == (503, 60, "cavage")


async def test_a_status_counts_although_the_rest_is_never_said(near: Neighbourhood) -> None:
    closing = asyncio.Event()

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(status=202)
        await response.prepare(request)
        await response.write(b"thank")
        await closing.wait()
        return response

    await near.house("oakfield.example", answer)
    said = await near.client().post(INBOX, b"{}", signer=signer())
    closing.set()
    assert (said.status, said.body) == (202, b"thank")


async def test_a_delivery_follows_its_redirect_inside_the_school_only(near: Neighbourhood) -> None:
    async def answer(request: web.BaseRequest) -> web.Response:
        if request.path == "/inbox":
            return web.Response(status=308, headers={"Location": "/new-inbox"})
        return web.Response(status=202)

    await near.house("oakfield.example", answer)
    said = await near.client().post(INBOX, b"{}", signer=signer())
    assert (said.status, said.url) == (202, "http://oakfield.example/new-inbox")
    for heard in near.heard:
        assert heard.body == b"{}"
        heard.check()


@pytest.mark.parametrize(
    ("status", "location"),
    [
        (307, "http://riverside.example/inbox"),
        (308, "http://oakfield.example:81/inbox"),
        (301, "/new-inbox"),
        (302, "/new-inbox"),
    ],
)
async def test_other_redirects_of_a_delivery_come_back_as_the_answer(
    near: Neighbourhood, status: int, location: str
) -> None:
    await near.house("oakfield.example", always(status, Location=location))
    await near.house("riverside.example", always(202))
    said = await near.client().post(INBOX, b"{}", signer=signer())
    assert said.status == status
    assert len(near.heard) == 1


async def test_a_delivery_never_goes_in_circles(near: Neighbourhood) -> None:
    await near.house("oakfield.example", always(307, Location="/inbox"))
    assert (await near.client().post(INBOX, b"{}", signer=signer())).status == 307
    assert len(near.heard) == 4


async def test_a_peer_that_hangs_up_gets_the_delivery_once_more(near: Neighbourhood) -> None:
    yes = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"
    async with raw_house(near, "oakfield.example", b"", yes) as begun:
        said = await near.client().post(INBOX, b"{}", signer=signer())
    assert said.status == 202
    assert begun == [b"POST /inbox HTTP/1.1\r\n"] * 2


async def test_a_peer_that_never_answers_is_left_at_the_deadline(near: Neighbourhood) -> None:
    closing = asyncio.Event()

    async def answer(request: web.BaseRequest) -> web.Response:
        await closing.wait()
        return web.Response()

    await near.house("oakfield.example", answer)
    with pytest.raises(Unreachable):
        await near.client().post(INBOX, b"{}", signer=signer(), deadline=0.2)
    closing.set()


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        ("Sun, 01 Mar 2026 12:01:00 GMT", 60),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0),
        ("Sun, 01 Mar 2026 12:01:00 -0000", 60),
        ("soon", None),
        ("-5", None),
        ("", None),
        ("1" * 50, None),
        ("１２", 12),
        (None, None),
    ],
)
def test_how_long_we_are_asked_to_wait(value: str | None, seconds: float | None) -> None:
    assert answers.retry_after(value, NOW) == seconds
