"""The price collar: how far from the market an order may be priced."""

from __future__ import annotations

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
    """Refuse a price, or an entry's stop price, further than its band from the middle of the market.

    A market order is priced at the touch it would meet, so that a torn-open spread refuses it. The
    distance is compared as |price - mid| <= band * mid, so that no division can hide a zero. The stop
    of an order that only reduces is never used.
    """
    limit_price, stop_price, quote = case.proposal.limit_price, case.proposal.stop_price, case.quote
    price = quote.ask if limit_price is None else limit_price  # the bid is just as far from the middle
    unit = f"{case.currency} from the mid price"
    ruling = within(abs(price - case.mid), case.mid * limits.band_bps / BPS, unit=unit, warn_at=limits.warn_at)
    if stop_price is None or case.reducing:
        return ruling
    distance, band = abs(stop_price - case.mid), case.mid * limits.stop_band_bps / BPS
    return strictest(ruling, within(distance, band, unit=f"{unit} to the stop", warn_at=limits.warn_at))
