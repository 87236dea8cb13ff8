"""The form that a model's answer must have, as a schema to ask with and as a reader that refuses the rest."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Generic, Literal, TypeVar, cast, get_args, get_origin

from pydantic import BaseModel, JsonValue, ValidationError
from pydantic_core import ErrorDetails

from domain.text import visible

T = TypeVar("T", bound=BaseModel)

_MOST_PLACES = 30
"""Of a number, before and after the point: one with a wild exponent would fill the memory when written out."""

_BLANK = "\ufeff\u200b \t\r\n"
"""What may stand before and after an answer: white space and a byte order mark."""

_THOUGHT = re.compile(r"\A<(think|thinking|thought|reasoning)>.*?</\1>", re.DOTALL | re.IGNORECASE)
_THOUGHT_ENDS = re.compile(r"</(?:think|thinking|thought|reasoning)>", re.IGNORECASE)
_FENCE_OPENS = re.compile(r"^[ \t]*```[ \t]*(?:json[c5]?)?\s*(?=\{)", re.MULTILINE | re.IGNORECASE)
_FENCE_CLOSES = re.compile(r"\s*```")
_ANOTHER = re.compile(r"```|~~~|\{\s*[\"'}]")
"""In the prose around a fenced object: a second fence, or a second object."""

_REFUSAL = re.compile(
    r"\b(?:i(?: a|')?m sorry|i apologi[sz]e|as an ai|i must decline|"
    r"(?:i|we) (?:can ?not|can't|could not|couldn't|won't|will not|decline)|"
    r"(?:i am|i'm|we are|we're) (?:unable|not able))\b",
    re.IGNORECASE,
)
_BRACKETED = re.compile(r"\A\s*\[([^\[\]]+)\]\s*\Z")


class Unreadable(ValueError):
    """An answer that does not fit its schema: says where, and repeats nothing of it."""


class Refusal(Unreadable):
    """A model that declined in words, where an answer was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading(Generic[T]):
    """What an answer says, and what of it was left aside."""

    answer: T
    notes: tuple[str, ...] = ()


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
    schema: dict[str, JsonValue] = {}
    for key, value in node.items():
        if key in ("properties", "$defs") and isinstance(value, dict):  # names of ours, not words of JSON schema
            schema[key] = {name: _strict(each) for name, each in value.items()}
        elif key == "anyOf" and isinstance(value, list):
            choices = [_strict(each) for each in _without_text(value)]
            alone = choices[0] if len(choices) == 1 else None
            schema |= alone if isinstance(alone, dict) else {key: choices}
        elif key not in ("title", "default"):
            schema[key] = _strict(value)
    fields = schema.get("properties")
    return schema | {"required": list(fields), "additionalProperties": False} if isinstance(fields, dict) else schema


def _without_text(choices: list[JsonValue]) -> list[JsonValue]:
    """`choices` less the text that a number may also be written as."""
    kinds = [choice.get("type") if isinstance(choice, dict) else None for choice in choices]
    return [choice for choice, kind in zip(choices, kinds, strict=True) if kind != "string" or "number" not in kinds]


def read_answer(text: str, kind: type[T]) -> Reading[T]:
    """The answer in `text`: one JSON object, bare, or in one fence with prose around it, after any thinking.

    Keys that `kind` has not are dropped with a note. Choices may be written in capitals, and ids in the brackets that
    the prompt shows them in. Raises `Unreadable` where a key stands twice, or two objects stand beside each other:
    whichever were taken, the model also said the other. Raises `Refusal` for words that decline.
    """
    bare = _without_thought(text.strip(_BLANK)).strip(_BLANK)
    fields = _normalized(_object(bare), kind)
    try:
        return _checked(kind.model_validate(fields))
    except ValidationError as error:
        extra = [each["loc"] for each in error.errors() if each["type"] == "extra_forbidden"]
        if len(extra) < error.error_count() or not all(_dropped(fields, at) for at in extra):
            raise Unreadable(_problems(error.errors())) from None
    try:
        reading = _checked(kind.model_validate(fields))
    except ValidationError as error:
        raise Unreadable(_problems(error.errors())) from None
    names = ", ".join(visible(".".join(map(str, at)), limit=40) for at in extra)
    return Reading(
        answer=reading.answer, notes=(visible(f"dropped, for the schema has no such key: {names}", limit=300),)
    )


def _problems(errors: Sequence[ErrorDetails]) -> str:
    return visible("; ".join(f"{'.'.join(map(str, e['loc'])) or 'answer'}: {e['msg']}" for e in errors), limit=300)


def _checked(answer: T) -> Reading[T]:
    wild = [name for name, value in answer if isinstance(value, Decimal) and not _writable(value)]
    if wild:
        raise Unreadable(f"{', '.join(wild)}: a number of more than {_MOST_PLACES} places")
    try:
        answer.model_dump_json()
    except ValueError:  # half of a surrogate pair, which has no UTF-8 form
        raise Unreadable("answer: a character that can't be written") from None
    return Reading(answer=answer)


def _writable(value: Decimal) -> bool:
    exponent = value.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -_MOST_PLACES and value.adjusted() <= _MOST_PLACES


def _without_thought(text: str) -> str:
    """`text` after the thinking that it begins with. Where a chat template opened it, only its end shows."""
    while thought := _THOUGHT.match(text):
        text = text[thought.end() :].lstrip(_BLANK)
    if text.startswith(("{", "```")):
        return text
    ends = list(_THOUGHT_ENDS.finditer(text))
    return text[ends[0].end() :] if len(ends) == 1 else text


def _object(text: str) -> dict[str, JsonValue]:
    """The one object in `text`."""
    if text.startswith("{"):
        fields, end = _decoded(text, 0)
        if text[end:].strip(_BLANK):
            raise Unreadable("answer: something stands after the object")
        return fields
    fence = _FENCE_OPENS.search(text)
    if fence is None:
        if "{" not in text and _REFUSAL.search(text[:400].replace("\u2019", "'")):
            raise Refusal("the model declined in words")
        raise Unreadable("answer: not one JSON object, bare or in a fence" if text else "answer: empty")
    fields, end = _decoded(text, fence.end())
    closed = _FENCE_CLOSES.match(text, end)
    if closed is None:
        raise Unreadable("answer: the fence does not end after its object")
    if _ANOTHER.search(text[: fence.start()]) or _ANOTHER.search(text[closed.end() :]):
        raise Unreadable("answer: another object or fence stands beside the fenced one")
    return fields


def _decoded(text: str, at: int) -> tuple[dict[str, JsonValue], int]:
    """The JSON object that starts at `at`, and where it ends. Numbers are decimals, NaN among them."""
    try:
        fields, end = _DECODER.raw_decode(text, at)
    except Unreadable:
        raise
    except (ValueError, RecursionError) as error:
        where = (
            f"{error.msg} at character {error.pos}" if isinstance(error, json.JSONDecodeError) else "nested too deep"
        )
        raise Unreadable(f"answer: not JSON: {where}") from None
    return cast("dict[str, JsonValue]", fields), end


def _once(pairs: Sequence[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    """An object as it was written; JSON readers would keep the last of two equal keys. Capitals make no other key."""
    keys: set[str] = set()
    for key, _ in pairs:
        same = unicodedata.normalize("NFKC", key).casefold().strip()
        if same in keys:
            raise Unreadable(f"{visible(key, limit=40)}: the key stands twice")
        keys.add(same)
    return dict(pairs)


_DECODER = json.JSONDecoder(object_pairs_hook=_once, parse_float=Decimal, parse_int=Decimal, parse_constant=Decimal)


def _normalized(fields: dict[str, JsonValue], kind: type[BaseModel]) -> dict[str, JsonValue]:
    """`fields` with choices in the letters of the schema, and without the brackets that a prompt shows ids in."""
    normalized = dict(fields)
    for name, field in kind.model_fields.items():
        value = fields.get(name)
        if get_origin(field.annotation) is Literal and isinstance(value, str):
            choice = value.strip().casefold()
            normalized[name] = choice if choice in get_args(field.annotation) else value
        elif field.annotation == tuple[str, ...] and isinstance(value, list):
            normalized[name] = [_unbracketed(each) for each in value]
    return normalized


def _unbracketed(id: JsonValue) -> JsonValue:
    bracketed = _BRACKETED.match(id) if isinstance(id, str) else None
    return bracketed[1].strip() if bracketed else id


def _dropped(fields: JsonValue, at: Sequence[int | str]) -> bool:
    """Take the key at the end of the path `at` out of `fields`; whether it was there."""
    for step in at[:-1]:
        if isinstance(fields, dict) and isinstance(step, str):
            fields = fields.get(step)
        elif isinstance(fields, list) and isinstance(step, int) and step < len(fields):
            fields = fields[step]
        else:
            return False
    if not isinstance(fields, dict) or at[-1] not in fields:
        return False
    del fields[str(at[-1])]
    return True
