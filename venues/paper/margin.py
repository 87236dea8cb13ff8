"""Margin of a paper account: what its perpetuals tie up, what they must keep, and what there is to keep it with. Pure.

One currency, cross margin, as USDⓈ-M futures of Binance and the single-currency mode of OKX have it: one balance stands
behind all perpetuals. Our cash counts them as paid in full, where a wallet moves by profit and fees alone, so

    wallet          = cash + what was paid for what is held
    margin balance  = wallet + unrealised profit            = cash + the sum of quantity * mark
    initial margin  = the sum of |quantity| * mark / leverage
    available       = margin balance - initial margin
    maintenance     = the sum of |quantity| * mark * rate - deduction, by the tier of each position

and an account is liquidated once its margin balance is no more than its maintenance margin. Coins on spot stand behind
nothing. Sources: Binance, "How to Calculate Liquidation Price of USDⓈ-M Futures Contracts" (cross margin, one-way mode)
and "Leverage and Margin of USDⓈ-M Futures"; OKX, "Tiered maintenance margin ratio rules".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Context, Decimal
from types import MappingProxyType
from typing import Final

from domain.instrument import MarginTier
from domain.money import ZERO
from venues.costs import PerpetualTerms

_PAID_IN_FULL: Final = Decimal(1)
_DIVIDE: Final = Context(prec=40)
_NO_TIERS: Final[Mapping[str, tuple[MarginTier, ...]]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Margin:
    """By which rules perpetuals are held: the terms of the account and the tiers of its instruments."""

    terms: PerpetualTerms | None = None
    """`None`: paid in full, and liquidated never."""
    tiers: Mapping[str, tuple[MarginTier, ...]] = field(default_factory=lambda: _NO_TIERS)

    def initial_rate(self, symbol: str, *, quantity: Decimal, price: Decimal) -> Decimal:
        """The part of its notional that a position of this size ties up: less leverage is left to a large one."""
        if self.terms is None:
            return _PAID_IN_FULL
        tier = self.tier(symbol, quantity=quantity, price=price)
        most = tier.max_leverage if tier else None
        leverage = self.terms.leverage if most is None else min(self.terms.leverage, max(_PAID_IN_FULL, most))
        return _DIVIDE.divide(_PAID_IN_FULL, leverage)

    def tier(self, symbol: str, *, quantity: Decimal, price: Decimal) -> MarginTier | None:
        """The one that a position of this size is in; `None` where the instrument has none."""
        current = None
        for tier in self.tiers.get(symbol, ()):
            size = abs(quantity) if tier.in_base else abs(quantity) * price
            if current is not None and size <= tier.above:
                break
            current = tier
        return current

    def maintenance(self, symbol: str, *, quantity: Decimal, price: Decimal, tier_at: Decimal | None = None) -> Decimal:
        """What a position must keep, in quote currency; by the tier that it is in at another price, where given."""
        if self.terms is None:
            return ZERO
        tier = self.tier(symbol, quantity=quantity, price=price if tier_at is None else tier_at)
        rate, deduction = (self.terms.maintenance, ZERO) if tier is None else (tier.rate, tier.deduction)
        return abs(quantity) * price * rate - deduction


PAID_IN_FULL: Final = Margin()
