"""What a school copies to its machine is understood by the tools that will read it there.

Where such a tool is missing the test says so; `make tools` installs them where it can.
"""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml

from staffroom.cli import cli

TOP = Path(__file__).parents[2]
DEPLOY = TOP / "deploy"
UNITS = ("staffroom.service", "staffroom-backup.service", "staffroom-backup.timer")
# Of 100; what is left is what a server that talks to the world needs.
EXPOSED_AT_MOST = 15


def tool(name: str) -> str:
    """The path of a program, or a skipped test that says how to get it."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not on this machine: make tools")
    return found


def run(*words: str | Path) -> str:
    """What a tool says, which must be content."""
    ended = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr


def composed() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return found


def test_the_compose_file_is_one_by_the_rules_of_compose() -> None:
    schema = json.loads((Path(__file__).parent / "compose-spec.json").read_text())
    jsonschema.Draft7Validator(schema).validate(composed())


def test_the_rules_of_compose_would_notice_a_slip_of_the_pen() -> None:
    schema = json.loads((Path(__file__).parent / "compose-spec.json").read_text())
    slipped = composed()
    slipped["services"]["school"]["depend_on"] = ["database"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft7Validator(schema).validate(slipped)


def test_only_the_proxy_is_reached_from_outside_and_the_school_believes_it_alone() -> None:
    file = composed()
    services = file["services"]
    assert [name for name, service in services.items() if service.get("ports")] == ["proxy"]
    assert set(services["database"]["networks"]) == {"back"}
    assert file["networks"]["back"]["internal"] is True
    proxy = services["proxy"]["networks"]["front"]["ipv4_address"]
    assert services["school"]["environment"]["STAFFROOM_SERVER__TRUSTED_PROXIES"] == proxy


def test_no_password_stands_in_a_file_that_is_shared() -> None:
    for service in composed()["services"].values():
        for name, value in service.get("environment", {}).items():
            if "PASSWORD" in name or "SECRET" in name or "URL" in name:
                assert re.search(r"\$\{\w+:\?", value), name


@pytest.mark.parametrize("source", sorted(set(re.findall(
    r"^COPY (?!--from)(.+) \S+$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE
))))  # fmt: skip
def test_what_the_image_copies_is_there_and_not_ignored(source: str) -> None:
    kept = (TOP / ".dockerignore").read_text().splitlines()
    for name in source.split():
        assert (TOP / name).exists(), name
        assert f"!{name}" in kept or f"!{name}/" in kept, name


def test_the_image_runs_as_nobody_important_and_asks_whether_the_school_is_well() -> None:
    last = (DEPLOY / "Dockerfile").read_text().rpartition("\nFROM ")[2]
    assert re.search(r"^USER staffroom$", last, re.MULTILINE)
    assert "/healthz" in last
    assert 'ENTRYPOINT ["staffroom"' in last


def test_the_proxy_understands_its_file() -> None:
    caddy = tool("caddy")
    said = run(
        caddy, "validate", "--config", DEPLOY / "Caddyfile", "--adapter", "caddyfile"
    )  # fmt: skip
    assert "Valid configuration" in said
    assert run(caddy, "fmt", DEPLOY / "Caddyfile") == (DEPLOY / "Caddyfile").read_text()


def test_the_proxy_shows_the_figures_of_the_school_to_nobody_outside() -> None:
    adapted = json.loads(
        run(tool("caddy"), "adapt", "--config", DEPLOY / "Caddyfile").partition("\n{")[0]
    )
    (server,) = adapted["apps"]["http"]["servers"].values()
    routes = server["routes"][0]["handle"][0]["routes"]
    guarded = next(route for route in routes if route.get("match") == [{"path": ["/metrics"]}])
    (answer,) = guarded["handle"]
    assert (answer["handler"], answer["status_code"]) == ("static_response", 404)


def test_the_machine_understands_its_units(tmp_path: Path) -> None:
    analyze = tool("systemd-analyze")
    for name in UNITS:
        # There is no such program or person on this machine, so others stand in for them.
        text = (DEPLOY / name).read_text()
        text = text.replace("/opt/staffroom/.venv/bin/staffroom", sys.executable)
        text = re.sub(r"^(User|Group)=.*$", r"\1=root", text, flags=re.MULTILINE)
        (tmp_path / name).write_text(text)
    run(analyze, "verify", *(tmp_path / name for name in UNITS))


@pytest.mark.parametrize("name", [name for name in UNITS if name.endswith(".service")])
def test_a_school_that_is_broken_into_reaches_little_of_its_machine(name: str) -> None:
    analyze = tool("systemd-analyze")
    run(
        analyze, "security", "--offline=true", f"--threshold={EXPOSED_AT_MOST}", DEPLOY / name
    )  # fmt: skip


def test_the_guide_and_the_units_say_only_what_the_command_line_knows() -> None:
    texts = [(DEPLOY / name).read_text() for name in ("backup.md", "compose.yaml", *UNITS)]
    typed = r"(?:staffroom --data \S+|--rm school|backups school) (\w+)"
    said = {word for text in texts for word in re.findall(typed, text)}
    assert {"backup", "restore", "fsck", "serve", "init", "staff"} <= said
    assert said <= set(cli.list_commands(click.Context(cli)))
