"""What an administrator can set, and what they are told when they mistype it."""

import stat
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from staffroom import config
from staffroom.config import BadSetting

OAKFIELD = {"server": {"host": "oakfield.example", "name": "Oakfield School"}}
DANGER = {"danger_allow_http": True, "danger_allow_private_addresses": True}


def settings(written: object, environ: dict[str, str] | None = None) -> config.Settings:
    assert isinstance(written, dict)
    return config.read(Path("/srv/oakfield"), written, environ or {})


def test_a_school_that_says_only_its_name_gets_the_safe_defaults() -> None:
    found = settings(OAKFIELD)
    assert found.server.public_url == "https://oakfield.example"
    assert found.server.listen == "127.0.0.1"
    assert found.server.trusted_proxies == ()
    assert found.database.url == "sqlite:////srv/oakfield/staffroom.sqlite"
    assert found.federation.mode == "network"
    assert not found.rules.allow_http
    assert not found.rules.allow_private
    assert found.rules.ports == {443}


def test_the_environment_wins_over_the_file() -> None:
    found = settings(
        OAKFIELD | {"federation": {"mode": "network"}},
        {
            "STAFFROOM_FEDERATION__MODE": "open",
            "STAFFROOM_FEDERATION__PORTS": "443, 8443",
            "STAFFROOM_SERVER__PORT": "9000",
            "STAFFROOM_FEDERATION__DANGER_ALLOW_HTTP": "true",
            "STAFFROOM_SERVER__TRUSTED_PROXIES": "127.0.0.1,10.0.0.0/8",
        },
    )
    assert found.federation.mode == "open"
    assert found.federation.ports == (443, 8443)
    assert found.server.port == 9000
    assert found.rules.allow_http
    assert [str(network) for network in found.server.trusted_proxies] == [
        "127.0.0.1/32",
        "10.0.0.0/8",
    ]


def test_what_others_sent_is_kept_for_half_a_year_unless_somebody_says_for_how_long() -> None:
    assert settings(OAKFIELD).federation.remote_copies == timedelta(days=180)
    month = {"STAFFROOM_FEDERATION__REMOTE_COPIES_DAYS": "30"}
    assert settings(OAKFIELD, month).federation.remote_copies == timedelta(days=30)
    for_ever = OAKFIELD | {"federation": {"remote_copies_days": 0}}
    assert settings(for_ever).federation.remote_copies is None


def test_who_moved_stays_for_a_week_unless_the_school_says_how_long() -> None:
    assert settings(OAKFIELD).federation.between_moves == timedelta(days=7)
    at_once = OAKFIELD | {"federation": {"between_moves_days": 0}}
    assert settings(at_once).federation.between_moves == timedelta(0)


def test_a_school_elsewhere_says_whose_clock_its_pages_show() -> None:
    assert settings(OAKFIELD).server.time_zone == ZoneInfo("Europe/London")
    paris = {"STAFFROOM_SERVER__TIME_ZONE": " Europe/Paris "}
    assert settings(OAKFIELD, paris).server.time_zone == ZoneInfo("Europe/Paris")


@pytest.mark.parametrize(
    ("section", "key", "value", "said"),
    [
        ("server", "porrt", 1, "no setting server.porrt"),
        ("sever", "port", 1, "no setting sever.port"),
        ("server", "port", 70000, "server.port must be a port number"),
        ("server", "port", True, "server.port must be a port number"),
        ("server", "port", "many", "server.port must be a port number"),
        ("server", "name", 7, "server.name must be a text"),
        ("server", "time_zone", "London", "server.time_zone must be a time zone such as"),
        ("server", "time_zone", "Europe", "server.time_zone must be a time zone such as"),
        ("server", "time_zone", "../etc/passwd", "server.time_zone must be a time zone such as"),
        ("server", "time_zone", 1, "server.time_zone must be a time zone such as"),
        ("server", "trusted_proxies", ["everyone"], "server.trusted_proxies must be"),
        ("server", "public_url", "oakfield.example", "server.public_url must be an address"),
        ("server", "public_url", "https://oakfield.example/x", "server.public_url must be"),
        ("federation", "mode", "closed", 'federation.mode must be "network" or "open"'),
        ("federation", "ports", [], "federation.ports must be a list of port numbers"),
        ("federation", "danger_allow_http", "perhaps", "danger_allow_http must be true or false"),
        ("federation", "remote_copies_days", -1, "remote_copies_days must be a number of days"),
        ("federation", "remote_copies_days", True, "remote_copies_days must be a number of days"),
        ("federation", "between_moves_days", 366, "must be a number of days, 0 to 365"),
        ("federation", "remote_copies_days", "ever", "remote_copies_days must be a number of days"),
        ("database", "url", "mysql://x", "database.url must begin with"),
        ("database", "url", "sqlite:///", "database.url must be like"),
        ("database", "url", "sqlite:///:memory:", "database.url must be like"),
        ("database", "url", "postgresql://host:port/name", "database.url must be like"),
    ],
)
def test_a_mistyped_setting_is_named_in_one_line(
    section: str, key: str, value: object, said: str
) -> None:
    written = {"server": dict(OAKFIELD["server"])}
    written.setdefault(section, {})[key] = value  # type: ignore[assignment]
    with pytest.raises(BadSetting) as error:
        settings(written)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_mistyped_environment_variable_is_named() -> None:
    with pytest.raises(BadSetting, match="STAFFROOM_SERVER__PORRT names no setting"):
        settings(OAKFIELD, {"STAFFROOM_SERVER__PORRT": "1"})


@pytest.mark.parametrize(
    "host",
    [
        "oak field.example",
        "oakfield",
        "localhost",
        "https://oakfield.example",
        "oakfield.example/",
        "head@oakfield.example",
        "127.0.0.1",
        "0x7f000001",
        "oakfield..example",
        "oakfield.example:99999",
        "",
    ],
)
def test_a_domain_that_is_not_one_is_refused(host: str) -> None:
    with pytest.raises(BadSetting):
        settings({"server": {"host": host}})


def test_a_domain_is_kept_in_one_spelling() -> None:
    assert settings({"server": {"host": "Oakfield.Example"}}).server.host == "oakfield.example"


@pytest.mark.parametrize("url", ["http://oakfield.example", "https://oakfield.example:8443"])
def test_the_public_address_differs_from_the_domain_only_in_danger(url: str) -> None:
    server = {"host": "oakfield.example", "public_url": url}
    with pytest.raises(BadSetting):
        settings({"server": server})
    found = settings({"server": server, "federation": DANGER})
    assert found.server.public_url == url


def test_the_public_address_never_leads_to_another_name() -> None:
    server = {"host": "oakfield.example", "public_url": "https://riverside.example"}
    with pytest.raises(BadSetting, match=r"must lead to oakfield\.example"):
        settings({"server": server, "federation": DANGER})


def test_two_schools_on_one_machine_need_both_dangers() -> None:
    server = {"host": "127.0.0.1:8001", "public_url": "http://127.0.0.1:8001"}
    for danger in DANGER:
        with pytest.raises(BadSetting):
            settings({"server": server, "federation": {danger: True}})
    assert settings({"server": server, "federation": DANGER}).server.host == "127.0.0.1:8001"


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    values = {
        "server.host": "oakfield.example",
        "server.name": 'St. Mary\'s "Oakfield" – école \\ 学校',
        "federation.danger_allow_http": True,
        "federation.ports": [443, 8443],
        "database.url": None,
    }
    config.write(tmp_path, values)
    found = config.load(tmp_path, {})
    assert found.server.name == values["server.name"]
    assert found.federation.ports == (443, 8443)
    assert found.federation.danger_allow_http
    assert stat.S_IMODE((tmp_path / config.FILE).stat().st_mode) == 0o600


def test_a_directory_without_a_school_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match="run staffroom init first"):
        config.load(tmp_path, {})


def test_a_broken_file_is_told_with_its_place(tmp_path: Path) -> None:
    (tmp_path / config.FILE).write_text("[server\n")
    with pytest.raises(BadSetting, match=r"staffroom\.toml: .*line 1"):
        config.load(tmp_path, {})


def test_the_secret_is_random_private_and_checked(tmp_path: Path) -> None:
    config.make_secret(tmp_path)
    file = tmp_path / config.KEY_FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert config.secret(tmp_path, {}) == file.read_bytes()
    assert len(file.read_bytes()) == 32
    file.chmod(0o644)
    with pytest.raises(BadSetting, match="open to others"):
        config.secret(tmp_path, {})
    file.chmod(0o600)
    file.write_bytes(b"short")
    with pytest.raises(BadSetting, match="must hold 32 bytes"):
        config.secret(tmp_path, {})


def test_the_secret_may_come_from_the_environment(tmp_path: Path) -> None:
    assert config.secret(tmp_path, {"STAFFROOM_SECRET": "ab" * 32}) == b"\xab" * 32
    for bad in ("ab" * 31, "zz" * 32):
        with pytest.raises(BadSetting, match="64 hex digits"):
            config.secret(tmp_path, {"STAFFROOM_SECRET": bad})


def test_every_setting_is_described_with_its_variable_and_default() -> None:
    page = config.describe()
    for setting in config.SETTINGS:
        assert setting.name in page
        assert setting.variable in page
        assert setting.meaning in page
