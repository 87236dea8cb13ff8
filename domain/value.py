"""The shape of a value: an immutable pydantic model that refuses what it does not know."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints


class Value(BaseModel):
    """Frozen data. Unknown fields, NaN and infinities are refused; equal content is equal."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _in_utc(at: datetime) -> datetime:
    return at.astimezone(UTC)


Instant = Annotated[AwareDatetime, AfterValidator(_in_utc)]
"""A moment with a zone, kept in UTC. A datetime without a zone is refused."""

MAGNITUDE = 100
"""Powers of ten, up and down, within which a number lies. `1E+999999` is nine characters and a megabyte of digits."""


def _writable(value: Decimal) -> Decimal:
    if abs(value.adjusted()) > MAGNITUDE:
        raise ValueError(f"expected a number within 1E-{MAGNITUDE} and 1E+{MAGNITUDE}")
    return value


Amount = Annotated[Decimal, Field(allow_inf_nan=False), AfterValidator(_writable)]
"""A finite decimal of either sign."""

Positive = Annotated[Decimal, Field(gt=0, allow_inf_nan=False), AfterValidator(_writable)]
NonNegative = Annotated[Decimal, Field(ge=0, allow_inf_nan=False), AfterValidator(_writable)]
Share = Annotated[Decimal, Field(ge=0, le=1, allow_inf_nan=False), AfterValidator(_writable)]
"""A part of one: convictions, confidences, weights."""

SYMBOL_FORM = r"^[A-Z0-9]{1,20}/[A-Z0-9]{1,20}(:[A-Z0-9]{1,20})?$"

Symbol = Annotated[str, StringConstraints(pattern=SYMBOL_FORM)]
"""An instrument in ccxt's unified form: `BTC/USDT`, or `BTC/USDT:USDT` for a linear perpetual."""

Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""SHA-256 of canonical JSON, in lower-case hexadecimal."""


def unset(value: object) -> bool:
    """Whether a field has no value, as `absent`, where a zero is a value."""
    return value is None


def absent(value: object) -> bool:
    """Whether a field says nothing. With `Field(exclude_if=absent)` it is then not written.

    So a field that a value gained later leaves the bytes and digests of earlier values as they were.
    """
    return not value
