"""The price collar: how far from the market an order may be priced."""

from __future__ import annotations

from decimal import Decimal

from domain.money import BPS
from policy.case import Case
from policy.check import check
from policy.limits.order import CollarLimits
from policy.ruling import Ruling, strictest, within


@check(
    code="PRICE_COLLAR",
    source="RTS 6 Art. 15(1)(a); SEC 15c3-5(c)(1)(ii); FIA 2024, price tolerance",
    section="price_collar",
)
def price_in_collar(case: Case, limits: CollarLimits) -> Ruling:
    """Refuse a price, an entry's stop price or a stop's trigger further than its band from the middle of the market.

    A market order is priced at the touch it would meet, so that a torn-open spread refuses it. A stop is
    priced at its trigger, in the band that stops have. The distance is compared as |price - mid| <= band
    * mid, so that no division can hide a zero. The stop of an order that only reduces is never used.
    """
    proposal, quote, unit = case.proposal, case.quote, f"{case.currency} from the mid price"

    def judged(price: Decimal, band_bps: Decimal, what: str = "") -> Ruling:
        return within(abs(price - case.mid), case.mid * band_bps / BPS, unit=unit + what, warn_at=limits.warn_at)

    if proposal.trigger_price is not None:
        ruling = judged(proposal.trigger_price, limits.stop_band_bps, " to the trigger")
    elif proposal.limit_price is not None:
        ruling = judged(proposal.limit_price, limits.band_bps)
    else:
        ruling = judged(quote.ask, limits.band_bps)  # the bid is just as far from the middle
    if proposal.stop_price is None or case.reducing:
        return ruling
    return strictest(ruling, judged(proposal.stop_price, limits.stop_band_bps, " to the stop"))
