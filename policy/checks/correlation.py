"""Correlated exposure: symbols that move together are one bet."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from domain.money import ZERO
from policy.book import Book
from policy.case import Case
from policy.check import check
from policy.correlation import Movement, movement
from policy.limits.account import CorrelationLimits
from policy.ruling import Ruling, within


@check(
    code="CORRELATION",
    source="RTS 6 Art. 15(4); proprietary firms' rules",
    section="correlation",
    entry_only=True,
    waivable=True,
)
def correlated_exposure_within(case: Case, limits: CorrelationLimits) -> Ruling:
    """Refuse an entry after which one bet, measured or stated as a group, could exceed its share of equity.

    A symbol whose returns move with the judged one's counts with its whole exposure: a short is not
    taken off, since what moved together may part. One that moves against it counts with what it holds
    on the other side, which is the same bet. Without enough returns, or any movement, it counts as
    moving together. Of the measured sum and those of the symbol's groups, the largest binds.
    """
    judged, exposures = case.proposal.symbol, case.exposures
    largest, bet = _measured(case, limits), "moving together"
    for name, symbols in sorted(limits.groups.items()):
        if judged in symbols:
            together = sum((exposures.get(symbol, ZERO) for symbol in symbols), ZERO)
            if together > largest:
                largest, bet = together, f"in the group {name}"
    limit = limits.share_of_equity * case.equity
    return within(largest, limit, unit=f"{case.currency} {bet}", warn_at=limits.warn_at)


def _measured(case: Case, limits: CorrelationLimits) -> Decimal:
    judged = case.proposal.symbol
    longs, shorts = case.book.sides
    across = shorts if case.proposal.side == "buy" else longs
    together = case.exposures[judged]
    for symbol, moves in case.book.kept(("movements", judged), lambda: _movements(case.book, judged, limits)).items():
        match moves:
            case "apart":
                continue
            case "opposed":
                together += across.get(symbol, ZERO)
            case "together" | "unknown":
                together += case.exposures[symbol]
    return together


def _movements(book: Book, judged: str, limits: CorrelationLimits) -> Mapping[str, Movement]:
    """How every other symbol with an exposure moves with the judged one."""

    def returns(symbol: str) -> tuple[int, ...]:
        bars = book.facts.bars.get(symbol)
        return bars.returns_ppm if bars else ()

    return {
        symbol: movement(returns(judged), returns(symbol), threshold=limits.threshold, minimum=limits.minimum_bars)
        for symbol, exposure in book.exposures.items()
        if exposure and symbol != judged
    }
