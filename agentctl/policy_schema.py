"""The JSON Schema of a policy file, with what each setting means and which direction of it refuses more."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from typing import Any

from policy import Policy
from policy.limits import Section, Tighter
from policy.tightness import SECTIONS, tighter

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def policy_schema() -> dict[str, Any]:
    """One JSON document. The words are those in the source, beside each field."""
    schema = Policy.model_json_schema()
    for kind in {kind.__name__: kind for kind in SECTIONS.values()}.values():
        told = schema["$defs"][kind.__name__]
        said = dict(_said(kind))
        for name, setting in told["properties"].items():
            setting["description"] = _description(kind, name, said)
    for name, kind in SECTIONS.items():
        schema["properties"][name]["description"] = inspect.cleandoc(kind.__doc__ or "")
    return {"$schema": DIALECT, **schema, "title": "Policy file"}


def _description(kind: type[Section], name: str, said: dict[str, str]) -> str:
    direction = tighter(kind, name)
    refuses = "" if direction in (None, Tighter.NEITHER) else f"Refuses more: {direction.value}."
    words = [said.get(name, ""), refuses]
    return " ".join(word for word in words if word)


def _said(kind: type[Section]) -> Iterator[tuple[str, str]]:
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
