"""What trading costs on paper: fees, slippage, and how much of a bar one account may take."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from typing import Annotated

from pydantic import Field

from domain.instrument import Instrument, InstrumentKind
from domain.money import ZERO
from domain.value import NonNegative, Share, Value, unset

_FEE_GRAIN = Decimal("1e-8")


class FeeSchedule(Value):
    """Fees as parts of one of the notional: 0.001 is 10 bps."""

    maker: Share
    taker: Share


class PaperCosts(Value):
    """The paper venue's price list. Defaults are an ordinary account's on a large exchange.

    A taker pays half the quoted spread, `slippage_bps`, and up to `impact_bps` more: the impact grows
    with the part of the bar's permitted volume that the order takes.
    """

    spot: FeeSchedule = FeeSchedule(maker=Decimal("0.001"), taker=Decimal("0.001"))
    swap: FeeSchedule = FeeSchedule(maker=Decimal("0.0002"), taker=Decimal("0.0005"))
    slippage_bps: NonNegative = Decimal(1)
    impact_bps: NonNegative = Decimal(10)
    participation: Annotated[Decimal, Field(gt=0, le=1)] = Decimal("0.1")
    """The most of one bar's volume, as a part of one, that all orders in a symbol take together."""
    spread_bps: NonNegative | None = Field(default=None, exclude_if=unset)
    """From bid to ask, where a market has bars and no real quotes; `None` is the bar's own, see `tools.spread`."""

    def fees(self, kind: InstrumentKind) -> FeeSchedule:
        return self.spot if kind == "spot" else self.swap

    def applied(self, instrument: Instrument) -> Instrument:
        """`instrument` with the fees of this list."""
        fees = self.fees(instrument.kind)
        return instrument.model_copy(update={"maker_fee": fees.maker, "taker_fee": fees.taker})


def fee(notional: Decimal, rate: Decimal) -> Decimal:
    """The fee in quote currency, rounded half-even to eight places."""
    return (notional * rate).quantize(_FEE_GRAIN, rounding=ROUND_HALF_EVEN)


def most_affordable(cash: Decimal, *, price: Decimal, rate: Decimal) -> Decimal:
    """The quantity, off any grid, whose notional and fee are within `cash`, whichever way the fee rounds."""
    return max(ZERO, cash - _FEE_GRAIN) / (price * (1 + rate))
