"""The price collar: how far from the market an order may be priced."""

from __future__ import annotations

from domain.money import BPS
from policy.case import Case
from policy.check import check
from policy.ruling import Ruling, required, within


@check(code="PRICE_COLLAR", source="RTS 6 Art. 15(1)(a); SEC 15c3-5(c)(1)(ii); FIA 2024, price tolerance")
def price_in_collar(case: Case) -> Ruling:
    """Refuse a price further than `band_bps` from the middle of the market, on either side.

    A market order is priced at the touch it would meet, so that a torn-open spread refuses it. The
    distance is compared as |price - mid| <= band * mid, so that no division can hide a zero.
    """
    limits = required(case.policy.price_collar)
    limit_price, quote = case.proposal.limit_price, case.quote
    price = quote.ask if limit_price is None else limit_price  # the bid is just as far from the middle
    band = quote.mid * limits.band_bps / BPS
    return within(abs(price - quote.mid), band, unit=f"{case.currency} from the mid price", warn_at=limits.warn_at)
