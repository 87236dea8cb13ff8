"""The JSON Schema of a policy file, with what each setting means and which direction of it refuses more."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from typing import Any

from policy import Policy
from policy.layers import EXTENDS, WITHOUT
from policy.limits import Section, Tighter
from policy.tightness import SECTIONS, tighter

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_EXTENDING = {
    EXTENDS: {
        "description": "A shipped profile's name, or the path of a policy file from the folder of this one. "
        "What this file states is laid over that, key by key.",
        "type": "string",
        "minLength": 1,
    },
    WITHOUT: {
        "description": "What is taken away of what this file extends: sections, and keys as section.key.",
        "type": "array",
        "items": {"type": "string"},
    },
}
"""Keys of a file that are not of the policy."""


def policy_schema() -> dict[str, Any]:
    """One JSON document. The words are those in the source, beside each field."""
    schema = Policy.model_json_schema()
    for kind in {kind.__name__: kind for kind in SECTIONS.values()}.values():
        definition = schema["$defs"][kind.__name__]
        docstrings = dict(_docstrings(kind))
        for name, setting in definition["properties"].items():
            setting["description"] = _description(kind, name, docstrings)
    for name, kind in SECTIONS.items():
        schema["properties"][name]["description"] = inspect.cleandoc(kind.__doc__ or "")
    schema["properties"] |= _EXTENDING
    return {"$schema": DIALECT, **schema, "title": "Policy file", **_unless_extended(schema["$defs"])}


def _unless_extended(kinds: dict[str, Any]) -> dict[str, Any]:
    """What sections must state, taken out of `kinds`: a file need not, where what it extends does."""
    required = {kind.__name__: kinds[kind.__name__].pop("required", []) for kind in set(SECTIONS.values())}
    alone = {name: {"required": required[kind.__name__]} for name, kind in SECTIONS.items() if required[kind.__name__]}
    return {"if": {"required": [EXTENDS]}, "else": {"properties": alone}}


def _description(kind: type[Section], name: str, docstrings: dict[str, str]) -> str:
    direction = tighter(kind, name)
    refuses = "" if direction in (None, Tighter.NEITHER) else f"Refuses more: {direction.value}."
    words = [docstrings.get(name, ""), refuses]
    return " ".join(word for word in words if word)


def _docstrings(kind: type[Section]) -> Iterator[tuple[str, str]]:
    """(field, its docstring), the bases' first. Python keeps none at run time: they are read from the source."""
    bases = [each for each in reversed(kind.__mro__) if issubclass(each, Section)]
    for body in (node for each in bases for node in ast.parse(inspect.getsource(each)).body):
        if isinstance(body, ast.ClassDef):
            for field, words in zip(body.body, body.body[1:], strict=False):
                match field, words:
                    case (
                        ast.AnnAssign(target=ast.Name(id=name)),
                        ast.Expr(value=ast.Constant(value=str() as text)),
                    ):
                        yield name, inspect.cleandoc(text)
