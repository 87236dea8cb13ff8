"""What a section of a policy is: limits with their units, and in which direction each is tighter."""

from __future__ import annotations

from decimal import Decimal
from enum import Enum
from typing import Annotated, Literal

from pydantic import Field

from domain.value import Share, Value


class Tighter(Enum):
    """The direction in which a setting refuses more. Every field of a section names one."""

    LOWER = "a lower number"
    HIGHER = "a higher number"
    FEWER = "fewer entries; unset stands for all"
    MORE = "more entries"
    TRUE = "true"
    FALSE = "false"
    LATER = "the later word of warn, review, deny"
    NEITHER = "it only warns"


Breach = Literal["warn", "review", "deny"]
"""What a breach of a limit comes to, from the mildest to the strictest."""

Switch = Annotated[bool, Field(strict=True)]
Count = Annotated[int, Field(ge=0, le=1_000_000, strict=True)]
Seconds = Annotated[int, Field(ge=1, le=31_622_400, strict=True)]
"""A length of time of at most a year."""


class Section(Value):
    """A part of a policy."""


class Graded(Section):
    """Limits that are approached by degrees, and whose breach a person may be asked about instead."""

    warn_at: Annotated[Share, Tighter.NEITHER] = Decimal("0.8")
    """The part of the limit from which a finding warns."""
    on_breach: Annotated[Literal["review", "deny"], Tighter.LATER] = "deny"


class Soft(Section):
    """Limits that may be turned off, but only in so many words: a section that is missing refuses."""

    enabled: Annotated[Switch, Tighter.TRUE] = True
    warn_at: Annotated[Share, Tighter.NEITHER] = Decimal("0.8")
    """The part of the limit from which a finding warns."""
    on_breach: Annotated[Breach, Tighter.LATER] = "deny"
