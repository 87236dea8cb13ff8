"""Canonical JSON and its SHA-256: the one byte form of everything that is decided.

Equal values have equal bytes in any process, locale, time zone and hash seed. What has no single
meaning (NaN, infinities, a datetime without a zone, a key that is not a string) is refused.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import weakref
from collections.abc import Callable, Mapping, Sequence, Set
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Final, NamedTuple

from pydantic import BaseModel

from domain.errors import NotCanonical

_NONE: Final[Mapping[str, Callable[[Any], bool]]] = {}
_word: Final = json.encoder.encode_basestring
"""A text as JSON writes it, UTF-8 as it is."""

GENESIS = "0" * 64
"""What the first link of a chain points at."""


def plain(value: Decimal) -> str:
    """One form for one number, without an exponent: 1.50 and 1.5 are both `1.5`, -0 is `0`.

    Raises `NotCanonical` for NaN and infinities.
    """
    if not value.is_finite():
        raise NotCanonical(f"{value} is not a finite number")
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def instant(at: datetime) -> str:
    """ISO 8601 in UTC, ending in `Z`; microseconds only where there are any."""
    if at.tzinfo is UTC:
        return at.isoformat()[: -len("+00:00")] + "Z"
    if at.tzinfo is None:
        raise NotCanonical(f"{at.isoformat()} has no time zone")
    return at.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def jsonable(value: object) -> object:
    """`value` in JSON's own types: money and instants as text, keys as strings, in the order given.

    Raises `NotCanonical` for anything without one byte form.
    """
    return _forms[type(value)].json(value)


def canonical(value: object) -> str:
    """Canonical JSON of models, dataclasses, mappings, sequences, sets and scalars.

    Keys sorted, no spaces, UTF-8 as it is; decimals as plain strings; instants in UTC; sets sorted
    by their canonical form. Raises `NotCanonical` for anything without one byte form.
    """
    try:
        return _forms[type(value)].text(value)
    except ValueError as error:  # an integer of thousands of digits
        raise NotCanonical(str(error)) from error


class _Form(NamedTuple):
    """How values of one type are written."""

    json: Callable[[Any], object]
    text: Callable[[Any], str]


class _Written(weakref.ref[Any]):
    """The text of a living object, found by the object itself: a changed copy never meets that of its original."""

    __slots__ = ("key", "text")
    key: int
    text: str


_written: dict[int, _Written] = {}


def _forget(written: _Written) -> None:
    _written.pop(written.key, None)


class _Forms(dict[type, _Form]):
    """By type, each found once: everything is digested."""

    def __missing__(self, kind: type) -> _Form:
        return self.setdefault(kind, _form_of(kind))


def _form_of(kind: type) -> _Form:
    if issubclass(kind, Enum):
        return _by(lambda value: value.value)
    if issubclass(kind, BaseModel):
        return _fields(tuple(kind.model_fields), left_out=_left_out(kind))
    for base, form in _FORMS:
        if issubclass(kind, base):
            return form
    if dataclasses.is_dataclass(kind):
        return _fields(tuple(field.name for field in dataclasses.fields(kind)))
    return _by(_refuse)


def _left_out(kind: type[BaseModel]) -> Mapping[str, Callable[[Any], bool]]:
    """When a field is not written, by its name: a field that came later leaves the digests of before as they were."""
    return {name: field.exclude_if for name, field in kind.model_fields.items() if field.exclude_if is not None}


def _fields(names: tuple[str, ...], *, left_out: Mapping[str, Callable[[Any], bool]] = _NONE) -> _Form:
    keys = [(name, _word(name) + ":", left_out.get(name)) for name in sorted(names)]

    def text(value: object) -> str:
        written = _written.get(id(value))
        if written is not None and written() is value:
            return written.text
        parts = [
            key + _forms[type(item)].text(item)
            for name, key, absent in keys
            for item in [getattr(value, name)]
            if absent is None or not absent(item)
        ]
        made = "{" + ",".join(parts) + "}"
        _keep(value, made)
        return made

    def json(value: object) -> object:
        items = {name: getattr(value, name) for name in names}
        return {name: jsonable(item) for name, item in items.items() if not (name in left_out and left_out[name](item))}

    return _Form(json, text)


def _keep(value: object, text: str) -> None:
    """Remember the text of what can't change, and so has a hash, for as long as it lives."""
    try:
        hash(value)
        written = _Written(value, _forget)
    except TypeError:  # it can change, or is slotted and can't be watched
        return
    written.key, written.text = id(value), text
    _written[written.key] = written


def _by(other: Callable[[Any], object]) -> _Form:
    """Written as something else is."""
    return _Form(lambda value: jsonable(other(value)), lambda value: canonical(other(value)))


def _quoted(form: Callable[[Any], str]) -> _Form:
    """Written as a text in which nothing needs escaping."""
    return _Form(form, lambda value: f'"{form(value)}"')


def _mapping_text(value: Mapping[object, object]) -> str:
    texts = {_key(key): canonical(item) for key, item in value.items()}
    return "{" + ",".join([f"{_word(key)}:{texts[key]}" for key in sorted(texts)]) + "}"


def _sequence_text(value: Sequence[object]) -> str:
    kinds = {*map(type, value)}
    text = _forms[kinds.pop()].text if len(kinds) == 1 else canonical
    return "[" + ",".join(map(text, value)) + "]"


def _set_text(value: Set[object]) -> str:
    return "[" + ",".join(sorted(map(canonical, value))) + "]"


def _float(value: float) -> float:
    if not math.isfinite(value):
        raise NotCanonical(f"{value} is not a finite number")
    return float(value) or 0.0


def _refuse(value: object) -> object:
    raise NotCanonical(f"{type(value).__name__} has no canonical form")


def _key(key: object) -> str:
    if isinstance(key, Enum):
        key = key.value
    if not isinstance(key, str):
        raise NotCanonical(f"the key {key!r} is not a string")
    return key


_forms: Final = _Forms(
    {
        type(None): _Form(lambda value: value, lambda _: "null"),
        bool: _Form(bool, lambda value: "true" if value else "false"),
        int: _Form(int, int.__repr__),
        str: _Form(str, _word),
        float: _Form(_float, lambda value: repr(_float(value))),
    }
)

_FORMS: Final[tuple[tuple[type, _Form], ...]] = (
    (int, _by(int)),
    (str, _by(str)),
    (Decimal, _quoted(plain)),
    (float, _by(_float)),
    (datetime, _quoted(instant)),
    (timedelta, _by(timedelta.total_seconds)),
    (bytes, _by(_refuse)),
    (bytearray, _by(_refuse)),
    (memoryview, _by(_refuse)),
    (Mapping, _Form(lambda value: {_key(key): jsonable(item) for key, item in value.items()}, _mapping_text)),
    (Set, _Form(lambda value: sorted(map(jsonable, value), key=canonical), _set_text)),
    (Sequence, _Form(lambda value: [jsonable(item) for item in value], _sequence_text)),
)
"""The first that a type is a subclass of is its form."""


def sha256(text: str) -> str:
    """SHA-256 of the UTF-8 bytes, hexadecimal. A lone surrogate is refused as `NotCanonical`."""
    try:
        return hashlib.sha256(text.encode()).hexdigest()
    except UnicodeEncodeError as error:
        raise NotCanonical("the text has a lone surrogate") from error


def digest(value: object) -> str:
    """SHA-256 of the canonical JSON of `value`."""
    return sha256(canonical(value))
