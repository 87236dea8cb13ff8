"""The form that a model's answer must have, as a schema to ask with and as a reader that refuses the rest."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from typing import TypeVar, cast

from pydantic import BaseModel, JsonValue, ValidationError

from domain.text import visible

T = TypeVar("T", bound=BaseModel)

_MOST_PLACES = 30
"""Of a number, before and after the point: one with a wild exponent would fill the memory when written out."""

_FENCE = re.compile(r"\A```(?:json)?\s*\n(.*?)\n?```\Z", re.DOTALL | re.IGNORECASE)


class Unreadable(ValueError):
    """An answer that does not fit its schema: says where, and repeats nothing of it."""


@cache
def answer_schema(kind: type[BaseModel]) -> Mapping[str, JsonValue]:
    """JSON schema of `kind` as providers' strict modes want it.

    Every field is required and no other allowed; a decimal is a number (pydantic would allow its text
    too); titles and defaults, which some providers refuse, are left out.
    """
    return cast("Mapping[str, JsonValue]", _strict(kind.model_json_schema()))


def _strict(node: JsonValue) -> JsonValue:
    match node:
        case list():
            return [_strict(each) for each in node]
        case dict():
            return _strict_object(node)
    return node


def _strict_object(node: dict[str, JsonValue]) -> dict[str, JsonValue]:
    kept: dict[str, JsonValue] = {}
    for key, value in node.items():
        if key in ("properties", "$defs") and isinstance(value, dict):  # names of ours, not words of JSON schema
            kept[key] = {name: _strict(each) for name, each in value.items()}
        elif key == "anyOf" and isinstance(value, list):
            choices = [_strict(each) for each in _without_text(value)]
            alone = choices[0] if len(choices) == 1 else None
            kept |= alone if isinstance(alone, dict) else {key: choices}
        elif key not in ("title", "default"):
            kept[key] = _strict(value)
    fields = kept.get("properties")
    return kept | {"required": list(fields), "additionalProperties": False} if isinstance(fields, dict) else kept


def _without_text(choices: list[JsonValue]) -> list[JsonValue]:
    """`choices` less the text that a number may also be written as."""
    kinds = [choice.get("type") if isinstance(choice, dict) else None for choice in choices]
    return [choice for choice, kind in zip(choices, kinds, strict=True) if kind != "string" or "number" not in kinds]


def read_answer(text: str, kind: type[T]) -> T:
    """The answer in `text`: JSON, bare or in one fence. Raises `Unreadable`."""
    bare = text.strip()
    fenced = _FENCE.match(bare)
    try:
        answer = kind.model_validate_json(fenced[1] if fenced else bare)
    except ValidationError as error:
        found = (f"{'.'.join(map(str, each['loc'])) or 'answer'}: {each['msg']}" for each in error.errors())
        raise Unreadable(visible("; ".join(found), limit=300)) from None
    wild = [name for name, value in answer if isinstance(value, Decimal) and not _writable(value)]
    if wild:
        raise Unreadable(f"{', '.join(wild)}: a number of more than {_MOST_PLACES} places")
    return answer


def _writable(value: Decimal) -> bool:
    exponent = value.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -_MOST_PLACES and value.adjusted() <= _MOST_PLACES
