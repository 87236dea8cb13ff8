"""Checks of the account: exposure, leverage, cash and risk, and whether its books are what the venue says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from domain.digest import plain
from domain.money import ZERO
from domain.order import OrderState
from policy.book import Book
from policy.case import Case
from policy.check import check
from policy.correlation import Movement, movement
from policy.limits.account import (
    CashLimits,
    CorrelationLimits,
    ExposureLimits,
    LeverageLimits,
    NetExposureLimits,
    OpenPositionsLimits,
    OpenRiskLimits,
    PositionLimits,
    TradeRiskLimits,
    ValueAtRiskLimits,
)
from policy.limits.market import ReconciliationLimits
from policy.ruling import FactMissing, Ruling, deny, passed, within
from policy.value_at_risk import Stake, losses_by_bar, value_at_risk


@check(
    code="POSITION",
    source="RTS 6 Art. 15(4); FIA 2024, maximum intraday position",
    section="position",
    entry_only=True,
    waivable=True,
)
def position_within(case: Case, limits: PositionLimits) -> Ruling:
    """Refuse an entry after which the symbol could be worth more than its share of equity.

    Counted: what is held, this order, and all working orders, un-netted (RTS 6 Art. 15(2)).
    """
    exposure = case.exposures[case.proposal.symbol]
    return within(exposure, limits.share_of_equity * case.equity, unit=case.currency, warn_at=limits.warn_at)


@check(
    code="EXPOSURE",
    source="RTS 6 Art. 15(4); SEC 15c3-5(c)(1)(i)",
    section="exposure",
    entry_only=True,
    waivable=True,
)
def gross_exposure_within(case: Case, limits: ExposureLimits) -> Ruling:
    """Refuse an entry after which all symbols together could be worth more than their share of equity.

    Gross: shorts add. Counted: all positions, this order, and all working orders, un-netted.
    """
    gross = case.gross
    return within(gross, limits.gross_share_of_equity * case.equity, unit=case.currency, warn_at=limits.warn_at)


@check(
    code="NET_EXPOSURE",
    source="RTS 6 Art. 15(4); SEC 15c3-5(c)(1)(i)",
    section="net_exposure",
    entry_only=True,
    waivable=True,
)
def net_exposure_within(case: Case, limits: NetExposureLimits) -> Ruling:
    """Refuse an entry after which longs could outweigh shorts, or shorts longs, by more than a share of equity.

    Judged at both ends: every buy fills and no sale, and every sale and no buy. Working exits are
    among them, since one that fills may leave the other side of a hedge alone.
    """
    least, most = case.book.net
    if case.proposal.side == "buy":
        most += case.notional
    else:
        least -= case.notional
    limit = limits.share_of_equity * case.equity
    return within(max(abs(least), abs(most)), limit, unit=f"{case.currency} net", warn_at=limits.warn_at)


@check(
    code="LEVERAGE",
    source="RTS 6 Art. 15(4); SEC 15c3-5(c)(1)(i)",
    section="leverage",
    entry_only=True,
    waivable=True,
)
def leverage_within(case: Case, limits: LeverageLimits) -> Ruling:
    """Refuse an entry after which swaps and shorts could be worth more than so many times the equity.

    A swap counts with its larger side, whatever margin it takes; anything else only while it is held
    short. Compared as exposure <= maximum * equity, so that no equity allows none.
    """
    exposures, symbols = case.exposures, case.book.on_margin
    if case.instrument.kind == "swap":
        symbols |= {case.proposal.symbol}
    exposure = sum((exposures[symbol] for symbol in symbols), ZERO)
    limit = limits.maximum * case.equity
    return within(exposure, limit, unit=f"{case.currency} on margin", warn_at=limits.warn_at)


@check(
    code="OPEN_POSITIONS",
    source="RTS 6 Art. 15(4)",
    section="open_positions",
    entry_only=True,
    waivable=True,
)
def few_enough_positions(case: Case, limits: OpenPositionsLimits) -> Ruling:
    """Refuse an entry that could make more open positions than `maximum`, working entries counted."""
    return within(Decimal(case.exposed), Decimal(limits.maximum), unit="open positions", warn_at=limits.warn_at)


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
    for symbol, moves in case.book.memo(("movements", judged), lambda: _movements(case.book, judged, limits)).items():
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


@check(
    code="CASH",
    source="SEC 15c3-5(c)(1)(i); RTS 6 Art. 15(4)",
    section="cash",
    entry_only=True,
)
def cash_suffices(case: Case, limits: CashLimits) -> Ruling:
    """Refuse an entry that, with its fee and all working entries, takes more than is free above the reserve.

    Fully funded: swaps count at their whole notional, and a short ties up what it would cost to buy back.
    """
    available = case.free_cash - limits.reserve_share_of_equity * case.equity
    return within(case.committed, available, unit=f"{case.currency} of free cash", warn_at=limits.warn_at)


@check(
    code="OPEN_RISK",
    source="RTS 6 Art. 15(4); proprietary firms' rules",
    section="open_risk",
    entry_only=True,
    waivable=True,
)
def open_risk_within(case: Case, limits: OpenRiskLimits) -> Ruling:
    """Refuse an entry after which all positions and working entries could lose more than a share of equity.

    Counted from the mark prices, and from the prices of entries, to the stops. Without a stop a long
    can lose all that it is worth, and a short any amount, which is refused.
    """
    risk = case.book.risk + case.risk
    limit = limits.share_of_equity * case.equity
    return within(risk, limit, unit=f"{case.currency} at risk", warn_at=limits.warn_at)


@check(
    code="RISK_PER_TRADE",
    source="RTS 6 Art. 15(4); proprietary firms' rules",
    section="risk_per_trade",
    entry_only=True,
    waivable=True,
)
def risk_within(case: Case, limits: TradeRiskLimits) -> Ruling:
    """Refuse an entry that loses more than its share of equity between its worst price and its stop.

    Without a stop a buy can lose all of its notional, and a short sale any amount.
    """
    return within(case.risk, limits.share_of_equity * case.equity, unit=case.currency, warn_at=limits.warn_at)


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
    returns, others = case.book.memo(
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
    stakes = [Stake(*ranges[symbol], series[-count:]) for symbol, series in returns.items() if symbol != judged]
    return returns[judged][-count:], losses_by_bar(stakes)


@check(
    code="RECONCILIATION",
    source="RTS 6 Art. 17; DESIGN rule 6",
    section="reconciliation",
    entry_only=True,
    alike_for_all=True,
)
def lately_reconciled(case: Case, limits: ReconciliationLimits) -> Ruling:
    """Refuse an entry when the books were last found to agree more than `max_age_s` ago, in the future, or never."""
    if case.facts.reconciled_at is None:
        raise FactMissing("the books were not held against the venue's")
    age_s = case.age_s(case.facts.reconciled_at)
    if age_s < 0:
        raise FactMissing(f"the reconciliation is {plain(-age_s)} s from the future")
    if age_s > limits.max_age_s:
        message = f"reconciled {plain(age_s)} s ago, and {plain(limits.max_age_s)} s are allowed"
        return Ruling("deny", message, age_s, limits.max_age_s, "s")
    return Ruling("pass", "lately reconciled", age_s, limits.max_age_s, "s")


@check(
    code="UNKNOWN_ORDER",
    source="SEC 15c3-5(c)(1)(ii), duplicative orders; DESIGN section 5",
    entry_only=True,
    alike_for_all=True,
)
def none_in_doubt(case: Case) -> Ruling:
    """Refuse an entry while an order in the same symbol was sent and nothing proves what became of it."""
    if any(order.state is OrderState.UNKNOWN for order in case.working):
        return deny("an order in this symbol is in an unknown state")
    return passed("none in doubt")
