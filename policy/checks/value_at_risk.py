"""Value at risk: what a bad bar, as bars have been, would cost the portfolio after the trade."""

from __future__ import annotations

from collections.abc import Sequence

from domain.money import ZERO
from policy.book import Book
from policy.case import Case
from policy.check import check
from policy.limits.account import ValueAtRiskLimits
from policy.ruling import FactMissing, Ruling, within
from policy.value_at_risk import Stake, losses_by_bar, value_at_risk


@check(
    code="VALUE_AT_RISK",
    source="RTS 6 Art. 15(4), market risk",
    section="value_at_risk",
    entry_only=True,
    waivable=True,
)
def value_at_risk_within(case: Case, limits: ValueAtRiskLimits) -> Ruling:
    """Refuse an entry after which the portfolio's value at risk would exceed its share of equity.

    Positions and the judged order count as they are, with their signs. Working orders are not netted:
    in every bar, those that would lose in it are taken to have filled, and those that would gain not.
    Looked back on are the last bars that all symbols have in common; fewer than `minimum_bars` of any
    of them refuse. What is held in a symbol that the venue does not trade has no bars to come, and nothing that is
    decided now changes it: it is left out here, and counts whole as exposure and as moving together.
    """
    symbol, side = case.proposal.symbol, case.proposal.side
    low, high = case.book.worth_ranges.get(symbol, (ZERO, ZERO))
    worth = case.notional if side == "buy" else -case.notional
    returns, others = case.book.kept(
        ("losses by bar", symbol), lambda: _others(case.book, symbol, minimum=limits.minimum_bars)
    )
    judged = Stake(low + worth, high + worth, returns)
    value = value_at_risk([judged], confidence=limits.confidence, horizon_bars=limits.horizon_bars, others=others)
    limit = limits.share_of_equity * case.equity
    return within(value, limit, unit=f"{case.currency} of value at risk", warn_at=limits.warn_at)


def _others(book: Book, judged: str, *, minimum: int) -> tuple[Sequence[int], Sequence[int]]:
    """The returns of the judged symbol, and what each bar would cost all the others."""
    ranges = {
        symbol: (low, high)
        for symbol, (low, high) in book.worth_ranges.items()
        if (low or high) and symbol not in book.facts.suspended
    }
    returns = {symbol: book.bars(symbol).returns_ppm for symbol in sorted({*ranges, judged})}
    shortest = min(returns, key=lambda symbol: len(returns[symbol]))
    count = len(returns[shortest])
    if count < minimum:
        raise FactMissing(f"there are {count} returns of {shortest}, and {minimum} are needed")
    stakes = [Stake(*ranges[symbol], found[-count:]) for symbol, found in returns.items() if symbol != judged]
    return returns[judged][-count:], losses_by_bar(stakes)
