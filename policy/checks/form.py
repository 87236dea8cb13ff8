"""Form: whether the fields make an order that this instrument can have at all."""

from __future__ import annotations

from decimal import Decimal

from domain.digest import plain
from domain.money import on_grid
from policy.case import Case
from policy.check import check
from policy.ruling import Ruling, deny, passed


@check(code="WELL_FORMED", source="SEC 15c3-5(c)(1)(ii); RTS 6 Art. 15(1)(a)-(c)")
def well_formed(case: Case) -> Ruling:
    """Refuse an order off the grid of ticks and lots, below the minimum notional, or with fields at odds.

    Refused, never rounded: what is sent is what was proposed. A limit order has a limit price and a
    market order none.
    """
    proposal = case.proposal
    if (proposal.type == "limit") != (proposal.limit_price is not None):
        return deny("a limit order needs a limit price, and a market order has none")
    if case.order is None:
        return deny("the fields make no order")
    problems = list(_off_grid(case))
    return deny("; ".join(problems)) if problems else passed("well-formed")


def _off_grid(case: Case) -> list[str]:
    quantity, price, instrument = case.proposal.quantity, case.proposal.limit_price, case.instrument
    problems = []
    if not on_grid(quantity, instrument.lot_size):
        problems.append(f"the quantity {plain(quantity)} is no multiple of the lot {plain(instrument.lot_size)}")
    if price is not None and not on_grid(price, instrument.tick_size):
        problems.append(f"the price {plain(price)} is no multiple of the tick {plain(instrument.tick_size)}")
    notional = quantity * _stated_price(case)
    if notional < instrument.min_notional:
        problems.append(f"the notional {plain(notional)} is below the minimum {plain(instrument.min_notional)}")
    return problems


def _stated_price(case: Case) -> Decimal:
    """A venue measures its minimum on the limit, or on the market where there is none."""
    return case.quote.mid if case.proposal.limit_price is None else case.proposal.limit_price
