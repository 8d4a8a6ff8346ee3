"""Asking other servers, and bringing them what is theirs.

The one way out of the house: keys, objects, discovery and deliveries all leave here, so that every
address is judged, every request is signed for whom it goes to, and nothing a stranger names can
keep us waiting or fill our memory. https://www.w3.org/TR/activitypub/#retrieving-objects
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urljoin

import aiohttp
from aiohttp.abc import AbstractResolver
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from yarl import URL

from federation import activity, addresses, failing, guard, signatures
from federation.addresses import Address, Rules
from federation.answers import Answer, check_found, retry_after, speaks_activitypub
from federation.errors import Malformed, Refused, Unreachable
from federation.posting import EXCERPT, LONGEST_LINE, MOST_HEADERS, Heard, Posts, beginning
from federation.signatures import Signer, Way
from federation.signing import Signatures
from federation.vocabulary import ACCEPT, MEDIA_TYPE

__all__ = ["DEADLINE", "Answer", "Client", "ways"]

CONNECTIONS: Final = 500
PER_HOST: Final = 6
CONNECT_SECONDS: Final = 5.0
DEADLINE: Final = 10.0
"""Seconds for everything: looking the name up, redirects, and the last byte."""
REDIRECTS: Final = 3
NAMES_KEPT_SECONDS: Final = 60
IDLE_SECONDS: Final = 60

_MOVED: Final = frozenset({301, 302, 303, 307, 308})
_MOVED_UNCHANGED: Final = frozenset({307, 308})
_REFUSED: Final = frozenset({400, 401, 403})


class Client:
    """The connections to all other servers, and the threads that sign what goes over them."""

    def __init__(
        self,
        rules: Rules,
        *,
        now: Callable[[], datetime],
        agent: str,
        admit: Callable[[str], Awaitable[None]],
        resolver: AbstractResolver | None = None,
        ca_file: Path | str | None = None,
        proxy: str | None = None,
        own: frozenset[str] = frozenset(),
    ) -> None:
        """`admit` raises Refused for a HOST that we do not talk to: it is asked before each GET,
        for whoever names a URL, or answers with a redirect, may name anybody's. A delivery goes
        only where its lane was opened.

        `ca_file` is trusted beside the system's own authorities; `proxy` is the school's, as a
        URL; `own` are the HOSTs of this school, which is asked in the database and never over HTTP.
        Whatever `resolver` says is guarded; one that is Guarded already is taken as it is.
        """
        self.rules = rules
        self._now = now
        self._admitted = admit
        self._proxy = proxy
        self._own = own
        proxy_url = URL(proxy) if proxy else None
        trusted = [(proxy_url.host or "", proxy_url.port or 80)] if proxy_url else []
        if isinstance(resolver, guard.Guarded):
            self._names = resolver
        else:
            self._names = guard.Guarded(resolver or guard.Lookup(), rules, trusted=trusted)
        self._tls = ssl.create_default_context()
        if ca_file is not None:
            self._tls.load_verify_locations(cafile=str(ca_file))
        self._tls.set_alpn_protocols(["http/1.1"])
        self._signing = Signatures()
        self._always = {
            "User-Agent": agent,
            "Accept": "*/*",
            "Accept-Encoding": "gzip, deflate",
        }
        self._session: aiohttp.ClientSession | None = None
        self._posts: Posts | None = None

    async def get(
        self,
        url: str,
        *,
        signer: Signer | None = None,
        accept: str = ACCEPT,
        limit: int = activity.LARGEST,
        deadline: float = DEADLINE,
        with_query: bool = True,
    ) -> Answer:
        """Ask for a URL, following at most three redirects, and return the last answer.

        `limit` counts unpacked bytes, `deadline` seconds for all of it; `with_query=False` leaves
        the query out of what is signed. Raises Unreachable, Refused for an address that we do not
        go to, and Malformed for an answer or a redirect that cannot be used.
        """
        address = addresses.parse(url, self.rules)
        try:
            async with asyncio.timeout(deadline):
                return await self._follow(address, signer, accept, limit, with_query)
        except TimeoutError as error:
            reason = f"no whole answer within {deadline:g} s"
            raise Unreachable(address.authority, reason) from error

    async def document(self, uri: str, *, signer: Signer | None = None) -> dict[str, Any]:
        """The document with this id, as its own server serves it.

        Its `id` is the one that was asked for (without the fragment, for a key inside an actor), or
        another of the same origin that was then asked in its turn; so read the id from the
        document. Raises Gone (404, 410), Refused (401, 403, or a document that speaks for another),
        Unreachable (later, perhaps), and Malformed.
        """
        document = await self._document(uri, signer)
        claimed: str = document["id"]
        if claimed in (uri, uri.partition("#")[0]):
            return document
        if not addresses.same_origin(claimed, uri, self.rules):
            raise Refused(f"{uri} is answered with a document of another server")
        document = await self._document(claimed, signer)
        if document["id"] not in (claimed, claimed.partition("#")[0]):
            raise Refused(f"{claimed} is answered with yet another id")
        return document

    async def post(
        self,
        url: str,
        body: bytes,
        *,
        signer: Signer,
        form: Way = "cavage",
        content_type: str = MEDIA_TYPE,
        deadline: float = DEADLINE,
    ) -> Answer:
        """Bring `body` to an inbox, signed at this moment, and return what was said to it.

        `signer` holds the key that goes with `form`.

        Goes along with a redirect only where it keeps the method and the origin; any other comes
        back as the answer. Once a status was heard it counts, even if the rest is never said.
        """
        address = addresses.parse(url, self.rules)
        ends = asyncio.get_running_loop().time() + deadline
        for _ in range(REDIRECTS + 1):
            headers = await self._signed(
                "POST", address, signer, form=form, body=body, content_type=content_type
            )
            answer = await self._bring(address, headers, body, ends)
            location = answer.headers.get("Location")
            if answer.status not in _MOVED_UNCHANGED or location is None:
                return answer
            following = self._redirected(address, location)
            if following.origin != address.origin:
                return answer
            address = following
        return answer

    async def deliver(
        self,
        url: str,
        body: bytes,
        *,
        signer: Signer,
        form: Way | None,
        ed25519: Signer | None = None,
        deadline: float = 3 * DEADLINE,
    ) -> tuple[Answer, Way]:
        """Bring `body` to an inbox, in the form of signature that its server knows.

        `form` is the one that worked there last, if any did. Where it is not understood the others
        are tried, each once; `ed25519`, the same person's other key, only if `form` says so.
        `deadline` is in seconds for all of it, each request has ten. Returns the answer, and the
        form to remember.
        """

        loop = asyncio.get_running_loop()
        ends = loop.time() + deadline

        async def post(way: Way) -> Answer:
            key = ed25519 if way == "ed25519" and ed25519 is not None else signer
            left = min(DEADLINE, ends - loop.time())
            return await self.post(url, body, signer=key, form=way, deadline=left)

        first, *others = ways(form, ed25519)
        answer = await post(first)
        for way in others:
            if not _knock_again(answer):
                return answer, first
            other = await post(way)
            if other.ok:
                return other, way
            # Who does not know another form says no to it whatever the reason was before.
            if other.status not in _REFUSED:
                return other, first
        return answer, first

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
        await self._names.close()
        self._signing.close()

    async def _document(self, uri: str, signer: Signer | None) -> dict[str, Any]:
        answer = await self.get(uri, signer=signer)
        if answer.status == 401 and signer is not None and "?" in uri:
            answer = await self.get(uri, signer=signer, with_query=False)
        check_found(uri, answer, self.rules)
        if not speaks_activitypub(answer.headers.getall("Content-Type", [])):
            raise Malformed(f"{uri} is not served as an ActivityPub document")
        document = activity.parse(answer.body)
        claimed = document.get("id")
        if not isinstance(claimed, str):
            raise Malformed(f"{uri} is answered with a document without an id")
        if not addresses.same_origin(claimed, answer.url, self.rules):
            raise Refused(f"{uri} is answered by a server that the document is not of")
        return document

    async def _follow(
        self, address: Address, signer: Signer | None, accept: str, limit: int, with_query: bool
    ) -> Answer:
        visited: set[str] = set()
        for _ in range(REDIRECTS + 1):
            if address.wire in visited:
                raise Malformed("redirects in a circle")
            visited.add(address.wire)
            await self._admitted(address.authority)
            headers: dict[str, str] = {}
            if signer is not None:
                headers = await self._signed("GET", address, signer, with_query=with_query)
            headers |= {"Accept": accept}
            async with await self._send("GET", address, headers) as response:
                location = response.headers.get("Location")
                if response.status not in _MOVED or location is None:
                    return self._answer(address, response, await _whole(address, response, limit))
            address = self._redirected(address, location)
        raise Malformed(f"more than {REDIRECTS} redirects")

    async def _bring(
        self, address: Address, headers: dict[str, str], body: bytes, ends: float
    ) -> Answer:
        await self._admit(address)
        try:
            async with asyncio.timeout_at(ends):
                heard = await self._post(address, headers, body)
        except aiohttp.ConnectionTimeoutError as error:
            raise Unreachable(address.authority, failing.reason(error)) from error
        except TimeoutError as error:
            raise Unreachable(address.authority, "no answer in time") from error
        except (aiohttp.ClientError, OSError) as error:
            raise Unreachable(address.authority, failing.reason(error)) from error
        if isinstance(heard, Heard):
            return self._answer(address, heard, await heard.beginning())
        async with heard:
            return self._answer(address, heard, await beginning(heard.content))

    async def _post(
        self, address: Address, headers: dict[str, str], body: bytes
    ) -> Heard | aiohttp.ClientResponse:
        """Through a proxy as any request, else without its detours."""
        headers = self._always | headers
        if self._proxy is not None:
            return await self._ask("POST", address, headers, body)
        self._open()
        posts = self._posts
        assert posts is not None
        try:
            return await posts.send(address, headers, body)
        except aiohttp.ClientConnectorError:
            raise
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
            return await posts.send(address, headers, body)  # see _ask

    async def _signed(
        self, method: str, address: Address, signer: Signer, **more: Any
    ) -> dict[str, str]:
        """The headers of a signed request. An RSA signature takes its time, so a thread makes it;
        one with Ed25519 takes less than to bring it there."""
        sign = partial(
            signatures.sign, method, address.wire, signer=signer, now=self._now(), **more
        )
        if isinstance(signer.key, Ed25519PrivateKey):
            return sign()
        return await self._signing.ask(sign)

    async def _send(
        self, method: str, address: Address, headers: dict[str, str]
    ) -> aiohttp.ClientResponse:
        """One request to an address that was judged; the answer's body is not read yet."""
        await self._admit(address)
        try:
            return await self._ask(method, address, self._always | headers)
        except (aiohttp.ClientError, OSError) as error:
            raise Unreachable(address.authority, failing.reason(error)) from error

    async def _ask(
        self, method: str, address: Address, headers: dict[str, str], body: bytes | None = None
    ) -> aiohttp.ClientResponse:
        ask = partial(
            self._open().request,
            method,
            URL(address.wire, encoded=True),
            headers=headers,
            data=body,
            allow_redirects=False,
            proxy=self._proxy,
        )
        try:
            return await ask()
        except aiohttp.ClientConnectorError:
            raise
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
            # A kept connection that the peer had closed without saying so. Receivers know an
            # activity by its id, so knocking twice is safe.
            return await ask()

    async def _admit(self, address: Address) -> None:
        """Raise Refused for where we do not go. Names are judged again when they are looked up."""
        if address.authority in self._own:
            raise Refused("we do not ask ourselves over HTTP")
        guard.check_literal(address, self.rules)
        if self._proxy is None or addresses.is_numeric(address.host):
            return
        try:
            found = await self._names.look_up(address.host, address.port)
        except OSError:
            return  # a name that only the proxy can look up; it has to judge for itself
        self._names.judge(found)

    def _redirected(self, address: Address, location: str) -> Address:
        try:
            following = urljoin(address.wire, location)
        except ValueError as error:
            raise Malformed("a redirect that leads nowhere") from error
        return addresses.parse(following, self.rules)

    def _answer(
        self, address: Address, response: aiohttp.ClientResponse | Heard, body: bytes
    ) -> Answer:
        return Answer(
            status=response.status,
            url=address.wire,
            headers=response.headers,
            body=body,
            retry_after=retry_after(response.headers.get("Retry-After"), self._now()),
        )

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(
                resolver=self._names,
                ssl=self._tls,
                limit=CONNECTIONS,
                limit_per_host=PER_HOST,
                # What is kept is what was judged, so a name cannot change in between.
                use_dns_cache=True,
                ttl_dns_cache=NAMES_KEPT_SECONDS,
                keepalive_timeout=IDLE_SECONDS,
            )
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS)
            self._posts = Posts(connector, timeout)
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                timeout=timeout,
                read_bufsize=EXCERPT,
                max_line_size=LONGEST_LINE,
                max_field_size=LONGEST_LINE,
                max_headers=MOST_HEADERS,
            )
        return self._session


def _knock_again(answer: Answer) -> bool:
    if answer.status == 403:
        return "Accept-Signature" in answer.headers or b"signature" in answer.body.lower()
    return answer.status in (400, 401)


def ways(form: Way | None, ed25519: Signer | None) -> Sequence[Way]:
    """In which form a server is spoken to that took `form` last, and what is tried then.

    Whoever takes Ed25519 knows RFC 9421, and every server the older form.
    """
    if form == "ed25519" and ed25519 is not None:
        return ("ed25519", "rfc9421", "cavage")
    return ("rfc9421", "cavage") if form == "rfc9421" else ("cavage", "rfc9421")


async def _whole(address: Address, response: aiohttp.ClientResponse, limit: int) -> bytes:
    """The unpacked body; aiohttp unpacks it piece by piece, so a bomb never unfolds."""
    body = bytearray()
    try:
        async for piece in response.content.iter_any():
            body += piece
            if len(body) > limit:
                raise Malformed(f"answer is larger than {limit} bytes")
    except (aiohttp.ClientError, OSError) as error:
        raise Unreachable(address.authority, "its answer broke off") from error
    return bytes(body)
