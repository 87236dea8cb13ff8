"""What an exchange tells of its perpetuals beside prices: past funding rates, and the margin that a size takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

from pydantic import ValidationError

from domain.candle import FundingRate
from domain.errors import VenueUnavailable
from domain.instrument import MarginTier
from domain.money import ZERO
from venues.exchange.client import ExchangeClient, Row
from venues.exchange.numbers import exact

MOST_RATES: Final = 100
"""In one answer, at every exchange."""

_MOST_TIERS: Final = 60


async def funding_rates(
    client: ExchangeClient, symbol: str, *, since: datetime, until: datetime
) -> tuple[FundingRate, ...]:
    """The rates with since < at <= until, oldest first, cut to seconds: exchanges are some milliseconds late.

    Raises `VenueUnavailable`, also for an answer that contradicts itself.
    """
    rows = await client.funding_rates(symbol, since=since, limit=MOST_RATES)
    rates: dict[datetime, Decimal] = {}
    for row in rows:
        try:
            at, rate = row["timestamp"], exact(row["fundingRate"])
        except (KeyError, ValueError) as error:
            raise VenueUnavailable(f"{client.exchange} gave a funding rate of {symbol} without a number") from error
        if not isinstance(at, datetime) or rates.setdefault(at := at.replace(microsecond=0), rate) != rate:
            raise VenueUnavailable(f"{client.exchange} gave two funding rates of {symbol} for one moment")
    return tuple(FundingRate(at, rates[at]) for at in sorted(rates) if since < at <= until)


def tells_tiers(exchange: str) -> bool:
    """Whether it is known in what the exchange states its tiers: ccxt passes on each in its own units."""
    return exchange in _DIALECTS


def tiers_of(rows: Sequence[Row], *, exchange: str, unit: Decimal) -> tuple[MarginTier, ...]:
    """An exchange's tiers as they count here; `unit` is how much of the base one of its contracts is.

    Raises `ValueError` for tiers that can't be true: not ascending, or keeping more than they take at first.
    """
    in_contracts, deducts = _DIALECTS[exchange]
    tiers: list[MarginTier] = []
    for row in sorted(rows, key=lambda row: exact(row["minNotional"] or 0))[:_MOST_TIERS]:
        above, rate = exact(row["minNotional"] or 0), exact(row["maintenanceMarginRate"])
        leverage = row.get("maxLeverage")
        above = above * unit if in_contracts else above
        if tiers and (above <= tiers[-1].above or rate < tiers[-1].rate):
            raise ValueError("the tiers don't ascend")
        try:
            tier = MarginTier(
                above=above,
                in_base=in_contracts,
                rate=rate,
                deduction=_deduction(tiers, above, rate) if deducts else ZERO,
                max_leverage=None if leverage is None else exact(leverage),
            )
        except ValidationError as error:
            raise ValueError(error.errors()[0]["msg"]) from None
        if not 0 < rate < 1 / (tier.max_leverage or 1):
            raise ValueError(f"a maintenance margin of {rate} at a leverage of {tier.max_leverage}")
        tiers.append(tier)
    if tiers and tiers[0].above > (unit if in_contracts else 1):
        raise ValueError(f"the first tier begins at {tiers[0].above}")
    return (tiers[0].model_copy(update={"above": ZERO}), *tiers[1:]) if tiers else ()


def _deduction(before: Sequence[MarginTier], above: Decimal, rate: Decimal) -> Decimal:
    """By which the margin goes on without a jump from the tier before (Binance, "maintenance amount")."""
    if not before:
        return ZERO
    last = before[-1]
    return last.deduction + above * (rate - last.rate)


_DIALECTS: Final[Mapping[str, tuple[bool, bool]]] = {"okx": (True, False), "bybit": (False, True)}
"""Whether sizes are in contracts, and whether a tier's rate is for what lies above it alone (`mmDeduction`).

OKX: the rate of a tier is that of the whole position ("Tiered maintenance margin ratio rules"). Binance shows its
brackets to keys alone.
"""
