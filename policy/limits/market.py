"""Limits on the market and on what is known of it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated

from pydantic import Field

from domain.instrument import AssetClass, Instrument, InstrumentKind
from domain.value import NonNegative, Positive
from policy.limits.section import Section, Soft, Switch, Tighter


class MarketDataLimits(Section):
    """What a quote must be to trade on."""

    max_age_s: Annotated[NonNegative, Tighter.LOWER]
    max_age_s_of: Annotated[Mapping[InstrumentKind | AssetClass, NonNegative], Tighter.LOWER] = Field(
        default_factory=dict
    )
    """Ages for kinds of instruments and asset classes that have one of their own; the smaller of two counts."""
    max_jump_bps: Annotated[Positive, Tighter.LOWER]
    """For entries: how far the middle of the market may lie from the last two closes, either way."""

    def max_age_of(self, instrument: Instrument) -> Decimal:
        """The age that binds this instrument, in seconds: the smallest of those for its kind and asset class."""
        own = [
            self.max_age_s_of[name] for name in (instrument.kind, instrument.asset_class) if name in self.max_age_s_of
        ]
        return min(own, default=self.max_age_s)


class SessionLimits(Section):
    """When a symbol may be traded. Crypto has no sessions, and is closed by maintenance alone."""

    extended_hours: Annotated[Switch, Tighter.FALSE] = False
    """Whether entries may be made before and after the regular session."""


class ReconciliationLimits(Section):
    """How long ago the books were last held against the venue's."""

    max_age_s: Annotated[NonNegative, Tighter.LOWER]


class ClockLimits(Section):
    """How far our clock may be off the venue's, either way."""

    max_skew_ms: Annotated[NonNegative, Tighter.LOWER]


class CorroborationLimits(Soft):
    """What an entry must cite."""

    minimum_sources: Annotated[int, Field(ge=1, le=100, strict=True), Tighter.HIGHER]
    """Independent origins of what it cites: the venue is one, each publisher of headlines one, the desk itself none."""
    trusted: Annotated[Switch, Tighter.TRUE] = True
    """Whether at least one of them must be more than untrusted text."""
