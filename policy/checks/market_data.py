"""Market data: whether the quote can be traded on."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from domain.digest import plain
from policy.case import Case
from policy.check import check
from policy.ruling import Ruling, deny, required

_MICROSECOND = timedelta(microseconds=1)
_PER_SECOND = Decimal(1_000_000)


@check(code="MARKET_DATA", source="FIA 2024, market data reasonability; SEC 15c3-5(c)(1)(ii)")
def quote_usable(case: Case) -> Ruling:
    """Refuse when the quote is missing, crossed, from the future, or older than `max_age_s`."""
    limits = required(case.policy.market_data)
    quote = case.quote
    age_s = Decimal((case.facts.now - quote.at) // _MICROSECOND) / _PER_SECOND
    if age_s < 0:
        return deny(f"the quote is {plain(-age_s)} s from the future")
    if quote.bid > quote.ask:
        return deny(f"the quote is crossed: bid {plain(quote.bid)}, ask {plain(quote.ask)}")
    if age_s > limits.max_age_s:
        message = f"the quote is {plain(age_s)} s old, and {plain(limits.max_age_s)} s are allowed"
        return Ruling("deny", message, age_s, limits.max_age_s, "s")
    return Ruling("pass", "fresh", age_s, limits.max_age_s, "s")
