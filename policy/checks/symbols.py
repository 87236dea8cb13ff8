"""Symbols: whether this instrument may be traded in this run."""

from __future__ import annotations

from policy.case import Case
from policy.check import check
from policy.limits.order import SymbolLimits
from policy.ruling import Ruling, deny, passed


@check(
    code="SYMBOL",
    source="SEC 15c3-5(c)(2)(ii); RTS 6 Art. 15(5)",
    section="symbol",
    alike_for_all=True,
)
def symbol_permitted(case: Case, limits: SymbolLimits) -> Ruling:
    """Refuse a symbol outside the run's universe, unknown, suspended by its venue, denied, or not on the allow list."""
    symbol = case.proposal.symbol
    if symbol not in case.facts.universe:
        return deny(f"{symbol} is outside the universe")
    if symbol not in case.facts.instruments:
        return deny(f"the instrument {symbol} is unknown")
    if symbol in case.facts.suspended:
        return deny(f"the venue does not trade {symbol} at the moment")
    if symbol in limits.deny:
        return deny(f"the policy denies {symbol}")
    if limits.allow is not None and symbol not in limits.allow:
        return deny(f"{symbol} is not among the symbols that the policy allows")
    return passed("permitted")
