"""What trading costs on paper: fees, slippage, how much of a bar one account may take, and what perpetuals take."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Annotated, Self

from pydantic import Field, model_validator

from domain.instrument import Instrument, InstrumentKind
from domain.money import ZERO
from domain.value import NonNegative, Share, Symbol, Value, absent, unset

_FEE_GRAIN = Decimal("1e-8")


class FeeSchedule(Value):
    """Fees as parts of one of the notional: 0.001 is 10 bps."""

    maker: Share
    taker: Share


class PerpetualTerms(Value):
    """What a perpetual takes while it is held. Rates are parts of one of the notional.

    The defaults: nothing is lent; half a per cent is the first tier's maintenance margin of the larger contracts on
    OKX and Bybit; 1.25 % is what Binance takes of a BTCUSDT position that it liquidates (`liquidationFee`); and one
    basis point is the interest that is in every funding rate of Binance and OKX, and the most common rate there is.
    """

    leverage: Annotated[Decimal, Field(ge=1, le=125)] = Decimal(1)
    """The notional that one of initial margin carries."""
    maintenance: Annotated[Decimal, Field(gt=0, lt=1)] = Decimal("0.005")
    """The maintenance margin of what has no tiers of its own."""
    liquidation_fee: Share = Decimal("0.0125")
    funding_rate: Annotated[Decimal, Field(ge=-1, le=1)] = Decimal("0.0001")
    """What a long pays a short every eight hours where no rates are known."""
    funding_from: Mapping[Symbol, str] = Field(default={}, exclude_if=absent)
    """Of perpetuals whose rates the market knows, where it has them from; fixed when a run is started."""

    @model_validator(mode="after")
    def _carries_what_it_opens(self) -> Self:
        if self.maintenance * self.leverage >= 1:
            raise ValueError("the maintenance margin is no less than the initial margin: lower leverage or maintenance")
        return self


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
    """From bid to ask, where a market has bars and no real quotes; `None` is the bar's own, see `quote_from_bar`."""
    perpetuals: PerpetualTerms | None = Field(default=None, exclude_if=unset)
    """`None` in runs of before there were any: perpetuals are paid in full, and neither funded nor liquidated."""

    def fees(self, kind: InstrumentKind) -> FeeSchedule:
        return self.spot if kind == "spot" else self.swap

    def applied(self, instrument: Instrument) -> Instrument:
        """`instrument` with the fees of this list."""
        fees = self.fees(instrument.kind)
        return instrument.model_copy(update={"maker_fee": fees.maker, "taker_fee": fees.taker})


def fee(notional: Decimal, rate: Decimal) -> Decimal:
    """The fee in quote currency, rounded half-even to eight places."""
    return (notional * rate).quantize(_FEE_GRAIN, rounding=ROUND_HALF_EVEN)


def most_affordable(cash: Decimal, *, price: Decimal, rate: Decimal, margin: Decimal = Decimal(1)) -> Decimal:
    """The quantity, off any grid, whose margin and fee are within `cash`, whichever way the fee rounds.

    `margin` is the part of the notional that must be there: all of it for what is paid in full.
    """
    return max(ZERO, cash - _FEE_GRAIN) / (price * (margin + rate))
