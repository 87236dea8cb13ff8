"""Canonical JSON and its SHA-256: the one byte form of everything that is decided.

Equal values have equal bytes in any process, locale, time zone and hash seed. What has no single
meaning (NaN, infinities, a datetime without a zone, a key that is not a string) is refused.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence, Set
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Final

from pydantic import BaseModel

from domain.errors import NotCanonical

_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)

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
    if at.tzinfo is None:
        raise NotCanonical(f"{at.isoformat()} has no time zone")
    return at.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def jsonable(value: object) -> object:
    """`value` in JSON's own types: money and instants as text, keys as strings, in the order given.

    Raises `NotCanonical` for anything without one byte form.
    """
    kind: type = type(value)
    form = _known.get(kind) or _known.setdefault(kind, _form_of(kind))
    return form(value)


_known: dict[type, Callable[[Any], object]] = {}
"""How values of a type are written, found once for each: everything is digested."""


def _form_of(kind: type) -> Callable[[Any], object]:
    if kind is type(None) or kind in (str, int, bool):
        return _as_it_is
    if issubclass(kind, Enum):
        return lambda value: jsonable(value.value)
    if issubclass(kind, BaseModel):
        return _fields(tuple(kind.model_fields))
    for base, form in _FORMS:
        if issubclass(kind, base):
            return form
    if dataclasses.is_dataclass(kind):
        return _fields(tuple(field.name for field in dataclasses.fields(kind)))
    return _refuse


def _as_it_is(value: object) -> object:
    return value


def _fields(names: tuple[str, ...]) -> Callable[[object], object]:
    def form(value: object) -> object:
        return {name: jsonable(getattr(value, name)) for name in names}

    return form


def _mapping(value: Mapping[object, object]) -> object:
    return {_key(key): jsonable(item) for key, item in value.items()}


def _sequence(value: Sequence[object]) -> object:
    return [jsonable(item) for item in value]


def _set(value: Set[object]) -> object:
    return sorted((jsonable(item) for item in value), key=_dump)


def _float(value: float) -> float:
    if not math.isfinite(value):
        raise NotCanonical(f"{value} is not a finite number")
    return value or 0.0


def _refuse(value: object) -> object:
    raise NotCanonical(f"{type(value).__name__} has no canonical form")


_FORMS: Final[tuple[tuple[type, Callable[[Any], object]], ...]] = (
    (bool, bool),
    (int, int),
    (str, str),
    (Decimal, plain),
    (float, _float),
    (datetime, instant),
    (timedelta, timedelta.total_seconds),
    (bytes, _refuse),
    (bytearray, _refuse),
    (memoryview, _refuse),
    (Mapping, _mapping),
    (Set, _set),
    (Sequence, _sequence),
)
"""The first that a type is a subclass of is its form."""


def _key(key: object) -> str:
    if isinstance(key, Enum):
        key = key.value
    if not isinstance(key, str):
        raise NotCanonical(f"the key {key!r} is not a string")
    return key


def _dump(value: object) -> str:
    try:
        return _ENCODER.encode(value)
    except (TypeError, ValueError) as error:
        raise NotCanonical(str(error)) from error


def canonical(value: object) -> str:
    """Canonical JSON of models, dataclasses, mappings, sequences, sets and scalars.

    Keys sorted, no spaces, UTF-8 as it is; decimals as plain strings; instants in UTC; sets sorted
    by their canonical form. Raises `NotCanonical` for anything without one byte form.
    """
    return _dump(jsonable(value))


def sha256(text: str) -> str:
    """SHA-256 of the UTF-8 bytes, hexadecimal. A lone surrogate is refused as `NotCanonical`."""
    try:
        return hashlib.sha256(text.encode()).hexdigest()
    except UnicodeEncodeError as error:
        raise NotCanonical("the text has a lone surrogate") from error


def digest(value: object) -> str:
    """SHA-256 of the canonical JSON of `value`."""
    return sha256(canonical(value))
