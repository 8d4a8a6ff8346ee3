"""The rules of the house that no single room can keep alone."""

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import click
import pytest

from inbox.dispatch import HANDLERS
from outbox.dispatch import VERBS
from pages import entries, moving, notifications, rooms
from staffroom import move_commands, project_commands
from staffroom.cli import cli
from staffroom.config import SETTINGS
from staffroom.routes import ROUTES
from storage import memberships, moved_things, moves
from storage import notifications as kept_notifications

TOP = Path(__file__).parent.parent
ROOMS = ("staffroom", "pages", "api", "inbox", "outbox", "actors", "storage", "federation")
NO_ROOMS = {"core", "common", "utils", "util", "helpers", "models", "services", "managers", "web"}
# Other words for Like: one handler serves them.
ALIASES = {"EmojiReact": "like"}


def modules(room: str) -> Iterator[Path]:
    return (path for path in (TOP / room).rglob("*.py") if path.name != "__init__.py")


def imports(path: Path) -> set[str]:
    """The dotted names that a module imports, `from a import b` as `a.b`."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{name.name}" for name in node.names}
    return found


def defines(path: Path, name: str) -> bool:
    return any(
        isinstance(node, ast.FunctionDef) and node.name == name
        for node in ast.parse(path.read_text()).body
    )


def verbs(room: str, function: str) -> set[str]:
    """The names of the modules of a room that do what one activity asks."""
    return {
        path.stem
        for path in modules(room)
        if path.stem != "dispatch" and defines(path, function) and path.stem in KNOWN
    }


KNOWN = {kind.lower() for kind in (*HANDLERS, *VERBS)} - {kind.lower() for kind in ALIASES}


def commands(
    group: click.Command, path: tuple[str, ...] = ()
) -> Iterator[tuple[str, click.Command]]:
    if isinstance(group, click.Group):
        for name, command in group.commands.items():
            yield from commands(command, (*path, name))
    else:
        yield " ".join(path), group


def test_every_arriving_activity_has_a_file_of_its_name_and_a_line_in_the_table() -> None:
    registered = {ALIASES.get(kind, kind.lower()) for kind in HANDLERS}
    assert registered == verbs("inbox", "receive")
    for kind, handler in HANDLERS.items():
        assert handler.receive.__module__ == f"inbox.{ALIASES.get(kind, kind.lower())}"


def test_everything_our_actors_do_has_a_file_of_its_name_and_a_line_in_the_table() -> None:
    assert {kind.lower() for kind in VERBS} == verbs("outbox", "send")
    for kind, verb in VERBS.items():
        assert verb.send.__module__ == f"outbox.{kind.lower()}"


@pytest.mark.parametrize("room", ["inbox", "outbox"])
def test_an_activity_handler_uses_neither_the_network_nor_another_verb_of_its_room(
    room: str,
) -> None:
    for name in KNOWN:
        path = TOP / room / f"{name}.py"
        if not path.exists():
            continue
        used = imports(path)
        others = {f"{room}.{other}" for other in KNOWN - {name}}
        assert not {word for word in used if word.startswith("federation.client")}, path
        assert not {
            word for word in used for other in others if (word + ".").startswith(other + ".")
        }, path


def test_federation_md_names_every_activity_type_that_we_send_or_understand() -> None:
    text = (TOP / "FEDERATION.md").read_text()
    missing = {kind for kind in (*HANDLERS, *VERBS) if not re.search(rf"\b{kind}\b", text)}
    assert not missing


def test_the_reference_names_every_url() -> None:
    text = (TOP / "docs/reference.md").read_text()
    plain = {
        re.sub(r"\{(\w+):(?:[^{}]|\{[^}]*\})*\}", lambda match: match[1].upper(), route.path)
        for route in ROUTES
    }
    assert not {path for path in plain if f"`{path}`" not in text}


def test_the_reference_names_every_setting_and_its_variable() -> None:
    text = (TOP / "docs/reference.md").read_text()
    missing = {
        word
        for setting in SETTINGS
        for word in (setting.name, setting.variable)
        if f"`{word}`" not in text
    }
    assert not missing


def test_the_example_settings_are_settings() -> None:
    lines = (TOP / "deploy/staffroom.example.toml").read_text().splitlines()
    # What is only an example is commented out; read it all the same.
    shown = "\n".join(re.sub(r"^#(?=\w+ = )", "", line) for line in lines)
    named = {f"{section}.{key}" for section, keys in tomllib.loads(shown).items() for key in keys}
    assert named == {setting.name for setting in SETTINGS}


def test_the_reference_names_every_command_with_its_options_and_each_shows_an_example() -> None:
    lines = (TOP / "docs/reference.md").read_text().splitlines()
    for name, command in commands(cli):
        told = next((line for line in lines if line.startswith(f"| `staffroom {name}")), "")
        assert told, name
        assert "Example" in (command.help or ""), name
        options = {
            word
            for option in command.params
            if isinstance(option, click.Option) and option.name != "directory"
            for word in option.opts
        }
        assert not {word for word in options if word not in told}, name


def test_each_address_and_method_stands_in_the_table_once() -> None:
    doors = [(route.method, route.path) for route in ROUTES]
    assert len(doors) == len(set(doors))


def test_a_thing_has_a_room_or_no_business_here() -> None:
    listed = tomllib.loads((TOP / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    assert {name.split(".")[0] for name in listed} == set(ROOMS)
    for room in ROOMS:
        for path in (TOP / room).rglob("*"):
            assert path.stem not in NO_ROOMS, path


def test_whatever_is_kept_of_people_has_its_words_on_the_pages_and_in_the_commands() -> None:
    kinds = set(get_args(kept_notifications.Kind))
    assert set(notifications.SENTENCES) == kinds
    roles, states = set(get_args(memberships.Role)), set(get_args(memberships.State))
    assert set(rooms.ROLES) == set(project_commands.ROLES) == roles
    assert set(entries.WRITERS) < roles
    assert set(project_commands.STATES) == states
    things, outcomes = set(get_args(moved_things.Kind)), set(get_args(moved_things.Outcome))
    assert set(moving.KINDS) == set(move_commands.KINDS) == things
    assert set(moving.OUTCOMES) == set(moved_things.OUTCOMES) == outcomes
    # Whom our own people follow along is nobody's list: `moves.of_actor` leaves it out.
    assert set(move_commands.WAYS) == set(get_args(moves.Direction)) - {"along"}


def test_every_template_is_used() -> None:
    places = [*(TOP / "pages").glob("*.py"), *(TOP / "pages/templates").iterdir()]
    used = {name for path in places for name in re.findall(r'"([a-z_]+\.html)"', path.read_text())}
    assert used == {path.name for path in (TOP / "pages/templates").iterdir()}


def test_a_module_begins_with_what_happens() -> None:
    for room in ROOMS:
        for path in modules(room):
            assert ast.get_docstring(ast.parse(path.read_text())), f"{path} says nothing of itself"


def test_nothing_is_imported_inside_a_function_to_dodge_a_circle() -> None:
    for room in ROOMS:
        for path in modules(room):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    inner = [
                        n for n in ast.walk(node) if isinstance(n, ast.Import | ast.ImportFrom)
                    ]
                    assert not inner, f"{path}: {node.name}"


def test_the_wheel_holds_every_file_a_room_needs() -> None:
    """Templates, styles and schemas are no Python: they travel only where they are listed."""
    patterns = tomllib.loads((TOP / "pyproject.toml").read_text())["tool"]["setuptools"][
        "package-data"
    ]
    files = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *ROOMS],
        cwd=TOP, capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    for name in files:
        path = Path(name)
        if path.suffix != ".py":
            room = path.parts[0]
            inside = Path(*path.parts[1:])
            assert any(inside.match(pattern) for pattern in patterns.get(room, ())), name
