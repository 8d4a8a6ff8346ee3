"""Where something lives: the one place that reads a URL or the name of a host.

Two addresses are the same school, or the same owner's, only if this page says so. The text is
split by our own strict rule before any library sees it, because libraries disagree about tabs,
backslashes and odd spellings of numbers, and each disagreement has been somebody's security hole.
https://www.rfc-editor.org/rfc/rfc3986 and https://www.unicode.org/reports/tr46/
"""

import ipaddress
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import quote

import idna
from publicsuffixlist import PublicSuffixList

from federation.errors import Malformed

LONGEST: Final = 2048
"""Bytes of a URL, as in the table of limits: a database that keeps it in an index counts bytes."""

DEFAULT_PORTS: Final = {"https": 443, "http": 80}

_PARTS = re.compile(
    r"(?P<scheme>https?)://"
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^/?#\[\]@:%]+)"
    r"(?::(?P<port>[1-9][0-9]{0,4}))?"
    r"(?P<path>/[^?#]*)?"
    r"(?P<query>\?[^#]*)?"
    r"(?P<fragment>#.*)?",
    re.IGNORECASE,
)
# Most ids are so plain that nothing but their beginning needs a look.
_PLAIN = re.compile(
    r"(?P<beginning>https?://[a-z0-9.-]+(?::[1-9][0-9]{0,4})?)(?:/[A-Za-z0-9._~!$&'()*+,;=:@/?#-]*)?"
)
_NAMED = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^/?#\[\]@:%]+)(?::(?P<port>[1-9][0-9]{0,4}))?")
_NEVER = re.compile(r'[\x00-\x20\x7f"<>\\^`{|}]')
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


@dataclass(frozen=True, slots=True)
class Rules:
    """What this school lets an address be.

    `allow_private` admits numeric hosts, "localhost" and names without a dot; `allow_http` admits
    http and every port. Both are dangers, meant for schools that share one machine.
    """

    allow_http: bool = False
    allow_private: bool = False
    ports: frozenset[int] = frozenset({443})


@dataclass(frozen=True, slots=True)
class Address:
    """A URL taken apart: host in lower-case ASCII, path and query as they go over the wire."""

    scheme: str
    host: str
    port: int
    path_qs: str
    tail: str
    """Path, query and fragment exactly as written; an id is compared by these characters."""

    @property
    def origin(self) -> tuple[str, str, int]:
        """What must be equal for two documents to speak for each other."""
        return self.scheme, self.host, self.port

    @property
    def authority(self) -> str:
        """The HOST of a peer: `name`, or `name:port` where the port is not the usual one."""
        if self.port == DEFAULT_PORTS[self.scheme]:
            return self.host
        return f"{self.host}:{self.port}"

    @property
    def wire(self) -> str:
        """What is asked for over HTTP: everything but the fragment, in plain ASCII."""
        return f"{self.scheme}://{self.authority}{self.path_qs}"


@lru_cache(maxsize=4096)
def parse(url: str, rules: Rules) -> Address:
    """Take a URL apart, or raise Malformed with what is wrong with it."""
    if not url.isprintable() or _NEVER.search(url):
        raise Malformed("address holds characters that have no business there")
    if len(url) > LONGEST or len(url.encode()) > LONGEST:
        raise Malformed(f"address is longer than {LONGEST} bytes")
    parts = _PARTS.fullmatch(url)
    if parts is None:
        raise Malformed("not an address of the web")
    scheme = parts["scheme"].lower()
    if scheme == "http" and not rules.allow_http:
        raise Malformed("address is not https")
    path, query, fragment = parts["path"] or "", parts["query"] or "", parts["fragment"] or ""
    if _BROKEN_ESCAPE.search(path + query + fragment):
        raise Malformed("address has a broken percent sign")
    return Address(
        scheme=scheme,
        host=_host_name(parts["host"], rules),
        port=_port(parts["port"], DEFAULT_PORTS[scheme], rules),
        path_qs=_ascii((path or "/") + query),
        tail=path + query + fragment,
    )


def authority(url: str, rules: Rules) -> str:
    """The HOST a URL belongs to, as peers are named by it. Raises Malformed."""
    return parse(url, rules).authority


def same_origin(one: str, other: str, rules: Rules) -> bool:
    """Whether both URLs are of one scheme, host and port. Raises Malformed."""
    return origin(one, rules) == origin(other, rules)


def origin(url: str, rules: Rules) -> tuple[str, str, int]:
    """Scheme, host and port of a URL. Raises Malformed.

    Where ids come by the thousand, none is worth remembering, but their servers are.
    """
    plain = _PLAIN.fullmatch(url)
    if plain is None or len(url) > LONGEST:
        return parse(url, rules).origin
    return parse(plain["beginning"], rules).origin


def canonical(url: str, rules: Rules) -> str:
    """The URL with scheme and host in our spelling; the rest of it stays as it is."""
    address = parse(url, rules)
    return f"{address.scheme}://{address.authority}{address.tail}"


def host(text: str, rules: Rules) -> str:
    """A HOST as somebody types it, `name[:port]`, in our spelling. Raises Malformed."""
    text = text.strip()
    if len(text) > LONGEST or not text.isprintable() or _NEVER.search(text):
        raise Malformed("not the name of a server")
    parts = _NAMED.fullmatch(text)
    if parts is None:
        raise Malformed("not the name of a server")
    name = _host_name(parts["host"], rules)
    port = _port(parts["port"], 443, rules)
    if port == 443 or (port == 80 and rules.allow_http):
        return name
    return f"{name}:{port}"


def registrable(authority: str) -> str:
    """The domain below which one owner makes up names as they like, of a HOST in our spelling.

    `lab.oakfield.kent.sch.uk:8443` belongs to `oakfield.kent.sch.uk`: below `kent.sch.uk` each
    school has its own. A number, and a name above which there is nothing to own, stand for
    themselves. https://publicsuffix.org/list/
    """
    name = authority if authority.endswith("]") else authority.rpartition(":")[0] or authority
    if is_numeric(name):
        return name
    return _suffixes().privatesuffix(name) or name


@lru_cache(maxsize=1)
def _suffixes() -> PublicSuffixList:
    """The list, read when it is first needed: that takes a moment."""
    return PublicSuffixList()


def is_numeric(name: str) -> bool:
    """Whether a host in our spelling is a number rather than a name."""
    return name.startswith("[") or _NUMBER.fullmatch(name.rpartition(".")[2]) is not None


def _port(written: str | None, default: int, rules: Rules) -> int:
    port = int(written) if written else default
    if port > 65535:
        raise Malformed("there is no such port")
    if not rules.allow_http and port not in rules.ports:
        raise Malformed(f"port {port} is not one that we use")
    return port


@lru_cache(maxsize=4096)
def _host_name(written: str, rules: Rules) -> str:
    """One spelling for one host: lower-case ASCII, checked label by label."""
    if written.startswith("["):
        return _numeric_v6(written, rules)
    name = written.lower() if written.isascii() else _to_ascii(written)
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in name.split(".")):
        raise Malformed("not the name of a server")
    if is_numeric(name):
        return _numeric_v4(name, rules)
    if ("." not in name or name.endswith(".localhost")) and not rules.allow_private:
        raise Malformed("a name that only this machine or this building knows")
    return name


def _to_ascii(written: str) -> str:
    try:
        return idna.encode(written, uts46=True, std3_rules=True).decode("ascii").lower()
    except (idna.IDNAError, UnicodeError) as error:
        raise Malformed("not the name of a server") from error


def _numeric_v4(name: str, rules: Rules) -> str:
    """Only four plain decimal numbers, and only where numeric hosts are allowed at all."""
    if not rules.allow_private:
        raise Malformed("a number in the place of a name")
    try:
        return str(ipaddress.IPv4Address(name))
    except ValueError as error:
        raise Malformed("not a plain numeric address") from error


def _numeric_v6(written: str, rules: Rules) -> str:
    if not rules.allow_private:
        raise Malformed("a number in the place of a name")
    try:
        return f"[{ipaddress.IPv6Address(written[1:-1])}]"
    except ValueError as error:
        raise Malformed("not a plain numeric address") from error


def _ascii(path_qs: str) -> str:
    if path_qs.isascii():
        return path_qs
    return quote(path_qs, safe="!#$%&'()*+,/:;=?@[]~")
