"""Everything one can set, on one page.

A school's settings stand in `staffroom.toml` in its data directory; each can also be given as an
environment variable `STAFFROOM_<SECTION>__<KEY>`, which wins. A name that we do not know is an
error, so that a typing mistake never means "the default". `staffroom config describe` prints
this page.
"""

import json
import os
import secrets
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, Literal, TypeAlias
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from federation import addresses
from federation.errors import Malformed
from storage import schema

Network: TypeAlias = IPv4Network | IPv6Network

FILE = "staffroom.toml"
DATABASE_FILE = "staffroom.sqlite"
KEY_FILE = "secret"
SECRET_BYTES = 32
DATABASE_VARIABLE = "STAFFROOM_DATABASE__URL"
LONGEST_DAYS = 36_500
LONGEST_STAY = 365  # days


class BadSetting(Exception):
    """A setting that cannot be used; the text says which and why, in one line."""


class CannotOpen(Exception):
    """The school cannot start; the text says why, in one line."""


@dataclass(frozen=True)
class ServerSettings:
    """The section `[server]`."""

    host: str  # HOST of this school: name[:port], the part after @ in handles
    name: str
    time_zone: ZoneInfo
    public_url: str  # without a slash at the end
    listen: str
    port: int
    trusted_proxies: tuple[Network, ...]
    metrics_from: tuple[Network, ...]


@dataclass(frozen=True)
class DatabaseSettings:
    """The section `[database]`."""

    url: str


@dataclass(frozen=True)
class FederationSettings:
    """The section `[federation]`."""

    mode: Literal["network", "open"]
    ports: tuple[int, ...]
    proxy: str | None
    extra_ca_file: str | None
    remote_copies_days: int  # 0: for ever
    between_moves_days: int
    danger_allow_http: bool
    danger_allow_private_addresses: bool

    @property
    def remote_copies(self) -> timedelta | None:
        """How long what others sent is kept if nobody here does; None: for ever."""
        return timedelta(days=self.remote_copies_days) if self.remote_copies_days else None

    @property
    def between_moves(self) -> timedelta:
        """How long whoever moved to another account stays there, before anybody is led on."""
        return timedelta(days=self.between_moves_days)


@dataclass(frozen=True)
class Settings:
    """What one school runs with."""

    directory: Path
    server: ServerSettings
    database: DatabaseSettings
    federation: FederationSettings

    @property
    def rules(self) -> addresses.Rules:
        """Which addresses this school may talk to."""
        return rules(self.federation)


@dataclass(frozen=True)
class Setting:
    """One line of the page: where it stands, how it is read, what it means."""

    section: str
    key: str
    default: Any
    shown: str  # the default in words
    read: Callable[[object], Any]  # raises ValueError with what was expected
    meaning: str

    @property
    def name(self) -> str:
        """As it is called in messages: `server.port`."""
        return f"{self.section}.{self.key}"

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return f"STAFFROOM_{self.section}__{self.key}".upper()


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > 2048:
        raise ValueError("must be a text")
    return value.strip()


def _port(value: object) -> int:
    try:
        number = int(value) if isinstance(value, str) else value
    except ValueError:
        number = None
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number <= 65535:
        raise ValueError("must be a port number, 0 to 65535")
    return number


def _days(value: object) -> int:
    return _number_of_days(value, LONGEST_DAYS)


def _days_of_a_year(value: object) -> int:
    return _number_of_days(value, LONGEST_STAY)


def _number_of_days(value: object, most: int) -> int:
    try:
        number = int(value) if isinstance(value, str) else value
    except ValueError:
        number = None
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number <= most:
        raise ValueError(f"must be a number of days, 0 to {most}")
    return number


def _switch(value: object) -> bool:
    words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if isinstance(value, str) and value.lower() in words:
        return words[value.lower()]
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def _list(value: object) -> list[object]:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    if not isinstance(value, list):
        raise ValueError("must be a list")
    return value


def _ports(value: object) -> tuple[int, ...]:
    found = tuple(_port(part) for part in _list(value))
    if not found or 0 in found:
        raise ValueError("must be a list of port numbers, 1 to 65535")
    return found


def _networks(value: object) -> tuple[Network, ...]:
    try:
        return tuple(ip_network(str(part)) for part in _list(value))
    except ValueError:
        raise ValueError("must be a list of addresses or networks, such as 10.0.0.0/8") from None


def _mode(value: object) -> str:
    if value not in {"network", "open"}:
        raise ValueError('must be "network" or "open"')
    return str(value)


def _time_zone(value: object) -> ZoneInfo:
    try:
        return ZoneInfo(_text(value))
    except (LookupError, OSError, ValueError):
        raise ValueError("must be a time zone such as Europe/London") from None


def _web_address(value: object) -> str:
    text = _text(value).rstrip("/")
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.netloc or parts.path or parts.query:
        raise ValueError("must be an address such as https://oakfield.example, without a path")
    return text


def _database_url(value: object) -> str:
    text = _text(value)
    if not text.startswith(("sqlite:///", "postgresql://", "postgresql+psycopg://")):
        raise ValueError("must begin with sqlite:/// or postgresql://")
    try:
        schema.parse(text)
    except ValueError:
        raise ValueError(
            "must be like sqlite:////path/of/a/file or postgresql://user:password@host/name"
        ) from None
    return text


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "server", "host", None, "(required)", _text,
        "HOST of this school, name[:port]: the part after @ in handles. Never changes.",
    ),
    Setting("server", "name", "", "the host", _text, "The school's name as people read it."),
    Setting(
        "server", "time_zone", ZoneInfo("Europe/London"), "Europe/London", _time_zone,
        "The time zone whose clock the pages show.",
    ),
    Setting(
        "server", "public_url", None, "https://HOST", _web_address,
        "Where the world reaches this school. Every id is made of it, so it never changes.",
    ),
    Setting("server", "listen", "127.0.0.1", "127.0.0.1", _text, "Address to listen on."),
    Setting("server", "port", 8000, "8000", _port, "Port to listen on."),
    Setting(
        "server", "trusted_proxies", (), "[]", _networks,
        "Proxies whose X-Forwarded-For is believed. Nobody else's is.",
    ),
    Setting(
        "server", "metrics_from", (ip_network("127.0.0.0/8"), ip_network("::1/128")),
        "[127.0.0.0/8, ::1/128]", _networks,
        "Who may read /metrics, asking directly. Nobody else finds it. []: nobody.",
    ),
    Setting(
        "database", "url", None, f"{DATABASE_FILE} in the data directory", _database_url,
        "sqlite:////absolute/path.sqlite or postgresql://user:password@host/name",
    ),
    Setting(
        "federation", "mode", "network", "network", _mode,
        "network: only schools that were allowed. open: everyone who is not blocked.",
    ),
    Setting(
        "federation", "ports", (443,), "[443]", _ports,
        "Ports at which other servers may be reached.",
    ),
    Setting(
        "federation", "proxy", None, "none", _web_address,
        "An HTTP proxy for everything that goes out, where a school forces one.",
    ),
    Setting(
        "federation", "extra_ca_file", None, "none", _text,
        "A PEM file of further certificate authorities to trust.",
    ),
    Setting(
        "federation", "remote_copies_days", 180, "180", _days,
        "Days after which what others sent goes, unless somebody here kept it. 0: never.",
    ),
    Setting(
        "federation", "between_moves_days", 7, "7", _days_of_a_year,
        "Days that pass before followers are led on again from an account that moved. 0: none.",
    ),
    Setting(
        "federation", "danger_allow_http", False, "false", _switch,
        "DANGER: talk to others without TLS and on any port. For schools on one machine.",
    ),
    Setting(
        "federation", "danger_allow_private_addresses", False, "false", _switch,
        "DANGER: reach private, loopback and numeric hosts. For schools on one machine.",
    ),
)  # fmt: skip


def load(directory: Path, environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings of the school in `directory`.

    Raises BadSetting where there is none, or where something cannot be used.
    """
    file = directory / FILE
    try:
        text = file.read_text("utf-8")
    except FileNotFoundError:
        raise BadSetting(
            f"no school in {directory}: run staffroom init first, or name another --data"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadSetting(f"{file} cannot be read: {error}") from None
    try:
        written = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadSetting(f"{file}: {error}") from None
    return read(directory, written, environ)


def read(directory: Path, written: Mapping[str, Any], environ: Mapping[str, str]) -> Settings:
    """Settings from what the file says and what the environment says. Raises BadSetting."""
    given = _named(written) | _from_environment(environ)
    value = {setting.name: _value(setting, given) for setting in SETTINGS}
    federation = FederationSettings(
        mode=value["federation.mode"],
        ports=value["federation.ports"],
        proxy=value["federation.proxy"],
        extra_ca_file=value["federation.extra_ca_file"],
        remote_copies_days=value["federation.remote_copies_days"],
        between_moves_days=value["federation.between_moves_days"],
        danger_allow_http=value["federation.danger_allow_http"],
        danger_allow_private_addresses=value["federation.danger_allow_private_addresses"],
    )
    host = domain(value["server.host"], rules(federation))
    url = value["server.public_url"] or f"https://{host}"
    _check_public_url(host, url, federation)
    database = value["database.url"] or f"sqlite:///{(directory / DATABASE_FILE).absolute()}"
    server = ServerSettings(
        host=host,
        name=value["server.name"] or host,
        time_zone=value["server.time_zone"],
        public_url=url,
        listen=value["server.listen"],
        port=value["server.port"],
        trusted_proxies=value["server.trusted_proxies"],
        metrics_from=value["server.metrics_from"],
    )
    return Settings(directory, server, DatabaseSettings(database), federation)


def _value(setting: Setting, given: Mapping[str, object]) -> Any:
    if setting.name not in given:
        return setting.default
    try:
        return setting.read(given[setting.name])
    except ValueError as error:
        raise BadSetting(f"{setting.name} {error}") from None


def _named(written: Mapping[str, Any]) -> dict[str, object]:
    known = {setting.name for setting in SETTINGS}
    found: dict[str, object] = {}
    for section, content in written.items():
        for key, value in content.items() if isinstance(content, dict) else [("", content)]:
            name = f"{section}.{key}".rstrip(".")
            if name not in known:
                raise BadSetting(f"{FILE}: there is no setting {name}")
            found[name] = value
    return found


def _from_environment(environ: Mapping[str, str]) -> dict[str, object]:
    known = {setting.variable: setting.name for setting in SETTINGS}
    found: dict[str, object] = {}
    for variable, value in environ.items():
        if not (variable.startswith("STAFFROOM_") and "__" in variable):
            continue
        if variable not in known:
            raise BadSetting(f"the environment variable {variable} names no setting")
        found[known[variable]] = value
    return found


def rules(federation: FederationSettings) -> addresses.Rules:
    """Which addresses may be named and reached under these settings."""
    return addresses.Rules(
        allow_http=federation.danger_allow_http,
        allow_private=federation.danger_allow_private_addresses,
        ports=frozenset(federation.ports),
    )


def domain(text: str | None, known_rules: addresses.Rules) -> str:
    """A HOST as somebody typed it, in our spelling. Raises BadSetting with what is wrong."""
    if not text:
        raise BadSetting("server.host is missing")
    try:
        return addresses.host(text, known_rules)
    except Malformed as error:
        raise BadSetting(f"{text!r} is not a domain for a school: {error}") from None


def _check_public_url(host: str, url: str, federation: FederationSettings) -> None:
    try:
        address = addresses.parse(f"{url}/", rules(federation))
        name = addresses.parse(f"https://{host}/", rules(federation)).host
    except Malformed as error:
        raise BadSetting(f"server.public_url: {error}") from None
    if address.host != name:
        raise BadSetting(f"server.public_url must lead to {name}")
    plain = address.scheme == "https" and address.authority == host
    if not (plain or federation.danger_allow_http or federation.danger_allow_private_addresses):
        raise BadSetting(
            "server.public_url may differ from https://HOST only with the danger settings"
        )


def write(directory: Path, values: Mapping[str, object]) -> None:
    """Write a new `staffroom.toml`, readable by its owner alone. `values` by `section.key`."""
    lines: list[str] = ["# Settings of this school: `staffroom config describe` explains them."]
    section = ""
    for setting in SETTINGS:
        if values.get(setting.name) is None:
            continue
        if setting.section != section:
            section = setting.section
            lines += ["", f"[{section}]"]
        # A JSON text, number, list or truth value is TOML as well.
        value = json.dumps(values[setting.name], ensure_ascii=False)
        lines.append(f"{setting.key} = {value}")
    _write_private(directory / FILE, ("\n".join(lines) + "\n").encode())


def change(directory: Path, name: str, value: str) -> None:
    """Write one setting anew, and leave the rest of `staffroom.toml` as it is, comments as well.

    The file as it was is `staffroom.toml.before`. Raises BadSetting.
    """
    file = directory / FILE
    before = file.read_text("utf-8")
    after = _changed(before, name, value)
    try:
        right = _named(tomllib.loads(after)) == _named(tomllib.loads(before)) | {name: value}
    except tomllib.TOMLDecodeError:
        right = False
    if not right:
        raise BadSetting(f"{name} cannot be changed in {file}: write it there yourself")
    kept, new = file.with_suffix(".toml.before"), file.with_suffix(".toml.new")
    for path, text in ((kept, before), (new, after)):
        path.unlink(missing_ok=True)
        _write_private(path, text.encode())
    new.replace(file)
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _changed(text: str, name: str, value: str) -> str:
    """The text of a settings file with this line in its section, in the place of what was there."""
    section, _, key = name.partition(".")
    lines, line = text.splitlines(), f"{key} = {json.dumps(value, ensure_ascii=False)}"
    heads = [number for number, one in enumerate(lines) if one.strip().startswith("[")]
    for start, end in zip(heads, [*heads[1:], len(lines)], strict=True):
        if lines[start].partition("#")[0].strip() != f"[{section}]":
            continue
        for number in range(start + 1, end):
            if lines[number].partition("=")[0].strip() == key:
                lines[number] = line
                return "\n".join(lines) + "\n"
        return "\n".join([*lines[: start + 1], line, *lines[start + 1 :]]) + "\n"
    return "\n".join([*lines, "", f"[{section}]", line]) + "\n"


def secret(directory: Path, environ: Mapping[str, str] = os.environ) -> bytes:
    """The school's secret, with which its private keys are encrypted: 32 bytes.

    From the environment (STAFFROOM_SECRET, 64 hex digits) where several machines share one
    database, else from the file. Raises BadSetting.
    """
    if given := environ.get("STAFFROOM_SECRET"):
        try:
            found = bytes.fromhex(given)
        except ValueError:
            found = b""
        if len(found) != SECRET_BYTES:
            raise BadSetting(f"STAFFROOM_SECRET must be {SECRET_BYTES * 2} hex digits")
        return found
    file = directory / KEY_FILE
    try:
        found = file.read_bytes()
        others = file.stat().st_mode & 0o077
    except OSError as error:
        raise BadSetting(f"the secret {file} cannot be read: {error.strerror}") from None
    if others:
        raise BadSetting(f"the secret {file} is open to others: run chmod 600 {file}")
    if len(found) != SECRET_BYTES:
        raise BadSetting(f"the secret {file} must hold {SECRET_BYTES} bytes")
    return found


def make_secret(directory: Path) -> None:
    """Write a fresh random secret at 0600."""
    _write_private(directory / KEY_FILE, secrets.token_bytes(SECRET_BYTES))


def _write_private(file: Path, content: bytes) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())


def describe() -> str:
    """Every setting with its environment variable, default and meaning."""
    lines: list[str] = []
    for setting in SETTINGS:
        lines += [
            setting.name,
            f"  environment: {setting.variable}",
            f"  default:     {setting.shown}",
            f"  {setting.meaning}",
            "",
        ]
    lines += [
        "The school's secret is the file `secret` in the data directory (0600), or the",
        f"environment variable STAFFROOM_SECRET ({SECRET_BYTES * 2} hex digits).",
    ]
    return "\n".join(lines)
