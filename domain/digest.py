"""Canonical JSON and its SHA-256: the one byte form of everything that is decided.

Equal values have equal bytes in any process, locale, time zone and hash seed. What has no single
meaning (NaN, infinities, a datetime without a zone, a key that is not a string) is refused.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping, Sequence, Set
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Final, cast

from pydantic import BaseModel

from domain.errors import NotCanonical

_AS_IT_IS: Final = frozenset({str, int, bool})

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
    kind = type(value)
    if value is None or kind in _AS_IT_IS:
        return value
    if kind is Decimal:
        return plain(cast("Decimal", value))
    if isinstance(value, BaseModel):
        return {name: jsonable(getattr(value, name)) for name in _fields(kind)}
    return _seldom(value)


def _seldom(value: object) -> object:
    """The forms that are met less often, subclasses of the common ones among them."""
    match value:
        case Enum():
            return jsonable(value.value)
        case bool() | int():
            return int(value)
        case str():
            return str(value)
        case Decimal():
            return plain(value)
        case float():
            if not math.isfinite(value):
                raise NotCanonical(f"{value} is not a finite number")
            return value or 0.0
        case datetime():
            return instant(value)
        case timedelta():
            return value.total_seconds()
        case Mapping():
            return {_key(key): jsonable(item) for key, item in value.items()}
        case Set():
            return sorted((jsonable(item) for item in value), key=_dump)
        case Sequence() if not isinstance(value, bytes | bytearray | memoryview):
            return [jsonable(item) for item in value]
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return {name: jsonable(getattr(value, name)) for name in _fields(type(value))}
    raise NotCanonical(f"{type(value).__name__} has no canonical form")


@cache
def _fields(kind: type) -> tuple[str, ...]:
    """The fields of a model or a dataclass."""
    if issubclass(kind, BaseModel):
        return tuple(kind.model_fields)
    return tuple(field.name for field in dataclasses.fields(kind))


def _key(key: object) -> str:
    if isinstance(key, Enum):
        key = key.value
    if not isinstance(key, str):
        raise NotCanonical(f"the key {key!r} is not a string")
    return key


def _dump(value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
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
