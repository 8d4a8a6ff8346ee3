"""The shapes that we rely on, as JSON Schema files beside this page.

They say what must hold for our reading to make sense, and nothing more: what we do not know is
left alone, and what is merely too much (tags, pictures) is cut when it is read. Only lists of
recipients are refused when they are too long, for half of a list would be another audience.
https://json-schema.org/draft/2020-12
"""

import json
from importlib import resources
from typing import Any, Final

import jsonschema_rs

from federation.errors import Malformed
from federation.vocabulary import MOST_RECIPIENTS, type_of

NAMES: Final = ("activity", "actor", "object")

_ADDRESSING: Final = ("to", "cc", "bto", "bcc", "audience")


def source(name: str) -> dict[str, Any]:
    """One of the schema files, read."""
    text = resources.files(__name__).joinpath(f"{name}.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


_VALIDATORS: Final = {name: jsonschema_rs.validator_for(source(name)) for name in NAMES}


def check(document: dict[str, Any]) -> None:
    """Raise Malformed, with the place that is wrong, unless a document has its shape.

    It is an activity if it has an actor (what it carries is looked at too), an actor if it has an
    inbox, and else an object.
    """
    name = kind(document)
    _check(name, document)
    carried = document.get("object")
    if name == "activity" and isinstance(carried, dict):
        # A profile that changed, or the project that somebody is invited to.
        an_actor = "inbox" in carried and type_of(document) in ("Update", "Invite")
        _check("actor" if an_actor else "object", carried)


def kind(document: dict[str, Any]) -> str:
    """Which of the three a document is."""
    if "actor" in document:
        return "activity"
    return "actor" if "inbox" in document else "object"


def _check(name: str, document: dict[str, Any]) -> None:
    validator = _VALIDATORS[name]
    if not validator.is_valid(document):
        error = next(validator.iter_errors(document))
        place = "/".join(str(step) for step in error.instance_path)[:200] or "the document"
        rule = next((str(step) for step in reversed(error.schema_path)), "")
        raise Malformed(f"{place} is not as an {name} has it ({rule})")
    recipients = 0
    for field in _ADDRESSING:
        value = document.get(field)
        if value is not None:
            recipients += len(value) if isinstance(value, list) else 1
    if recipients > MOST_RECIPIENTS:
        raise Malformed(f"more than {MOST_RECIPIENTS} recipients")
