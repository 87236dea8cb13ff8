"""Form: whether the fields make an order that this instrument can have at all."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from domain.decision import Proposal
from domain.digest import plain
from domain.money import on_grid
from domain.sizing import too_large, too_small
from policy.case import Case
from policy.check import check
from policy.ruling import Ruling, deny, passed

_NUMBERS = ("quantity", "limit_price", "stop_price", "target_price", "reference_price", "trigger_price")
_MAGNITUDE = 30
"""Powers of ten, up and down. No market trades beyond; within, every product of the gate is exact and short."""


@check(
    code="WELL_FORMED",
    source="SEC 15c3-5(c)(1)(ii); RTS 6 Art. 15(1)(a)-(c)",
)
def well_formed(case: Case) -> Ruling:
    """Refuse what is no proposal, senseless numbers, what is off the grid, and sizes that the venue does not take.

    Refused, never rounded: what is sent is what was proposed. A limit order has a limit price, a stop a
    trigger price, and no other order has either. An entry that the venue is to attach its exits to has a stop.
    What waits is good till cancelled: a stop, and a limit order that is post-only. The sizes of numbers are
    looked at before anything is computed with them. What can't be copied as a proposal of exact types and
    validated is refused before, with what is wrong, and no check reads it.
    """
    faults = list(_immense(case.proposal)) or list(_unfit(case.proposal))
    if faults:
        return deny("; ".join(faults))
    if case.order is None:
        return deny("the fields make no order")
    problems = list(_off_grid(case))
    return deny("; ".join(problems)) if problems else passed("well-formed")


def _immense(proposal: Proposal) -> Iterator[str]:
    """Numbers of a size that nothing has. The values are not repeated."""
    for name in _NUMBERS:
        value: Decimal | None = getattr(proposal, name)
        if value is not None and abs(value.adjusted()) > _MAGNITUDE:
            yield f"the {name} is beyond 1E-{_MAGNITUDE} or 1E+{_MAGNITUDE}"


def _unfit(proposal: Proposal) -> Iterator[str]:
    """What does not go with the type."""
    if (proposal.type == "limit") != (proposal.limit_price is not None):
        yield "a limit order needs a limit price, and another order has none"
    if (proposal.type == "stop") != (proposal.trigger_price is not None):
        yield "a stop needs a trigger price, and another order has none"
    if proposal.attached and (proposal.type == "stop" or proposal.reduce_only):
        yield "only an entry has its exits attached"
    elif proposal.attached and proposal.stop_price is None:
        yield "an entry that has its exits attached needs a stop price"
    if proposal.post_only and proposal.type != "limit":
        yield "only a limit order can be post-only"
    if (proposal.post_only or proposal.type == "stop") and proposal.time_in_force != "GTC":
        yield f"an order that waits can't be {proposal.time_in_force}"


def _off_grid(case: Case) -> Iterator[str]:
    proposal, instrument = case.proposal, case.instrument
    quantity = proposal.quantity
    if not on_grid(quantity, instrument.lot_size):
        yield f"the quantity {plain(quantity)} is no multiple of the lot {plain(instrument.lot_size)}"
    exits = [("stop price", proposal.stop_price)] if proposal.attached else []
    exits += [("target price", proposal.target_price)] if proposal.attached or proposal.type == "stop" else []
    for name, price in (("price", proposal.limit_price), ("trigger price", proposal.trigger_price), *exits):
        if price is not None and not on_grid(price, instrument.tick_size):
            yield f"the {name} {plain(price)} is no multiple of the tick {plain(instrument.tick_size)}"
    price = _stated_price(case)
    if why := too_small(quantity, instrument, type=proposal.type, price=price, reduces=proposal.reduce_only):
        yield why
    if why := too_large(quantity, instrument, type=proposal.type, price=price):
        yield why


def _stated_price(case: Case) -> Decimal:
    """A venue measures notionals at the price that the order states, or on the market where it states none."""
    stated = case.proposal.limit_price or case.proposal.trigger_price
    return case.mid if stated is None else stated
