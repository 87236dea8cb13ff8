"""Market data: whether the quote can be traded on."""

from __future__ import annotations

from domain.digest import plain
from domain.money import BPS
from policy.case import Case
from policy.check import check
from policy.limits.market import MarketDataLimits
from policy.ruling import Ruling, deny


@check(
    code="MARKET_DATA",
    source="FIA 2024, market data reasonability; SEC 15c3-5(c)(1)(ii)",
    section="market_data",
    alike_for_all=True,
)
def quote_usable(case: Case, limits: MarketDataLimits) -> Ruling:
    """Refuse when the quote is missing, crossed, from the future or too old, and an entry when it jumped.

    A jump is the distance of the middle of the market from the last close, and from the close before that: just after
    a bar has closed, and on recorded candles always, the quote is that close itself, and a jump lies within the bar.
    A market that really jumped must still let a position be left, and is entered again a bar later. While this symbol,
    or another that is held or has orders working, showed no quote in this cycle, an older one serves exits alone: every
    entry is refused.
    """
    quote = case.quote
    age_s = case.age_s(quote.at)
    if age_s < 0:
        return deny(f"the quote is {plain(-age_s)} s from the future")
    if quote.bid > quote.ask:
        return deny(f"the quote is crossed: bid {plain(quote.bid)}, ask {plain(quote.ask)}")
    max_age_s = limits.max_age_of(case.instrument)
    if age_s > max_age_s:
        message = f"the quote is {plain(age_s)} s old, and {plain(max_age_s)} s are allowed"
        return Ruling("deny", message, age_s, max_age_s, "s")
    if not case.reducing:
        if case.facts.dated:
            symbols = ", ".join(sorted(case.facts.dated))
            return deny(f"no quote of {symbols} came in this cycle, and an older one serves exits only")
        bars = case.bars_of(case.proposal.symbol)
        for close, name in ((bars.last_close, "the last close"), (bars.previous_close, "the close before the last")):
            if close is None:
                continue
            jump, allowed = abs(case.mid - close), close * limits.max_jump_bps / BPS
            if jump > allowed:
                message = f"the market is {plain(jump)} from {name}, and {plain(allowed)} is allowed"
                return Ruling("deny", message, jump, allowed, case.currency)
    return Ruling("pass", "fresh", age_s, max_age_s, "s")
