"""Options: which of them may be entered."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from domain.digest import plain
from domain.money import ZERO
from policy.case import Case
from policy.check import check
from policy.limits.order import OptionLimits
from policy.ruling import FactMissing, Ruling, strictest, within

_DAY_S = 86_400


@check(
    code="OPTION",
    source="RTS 6 Art. 15(4); proprietary firms' rules",
    section="option",
    entry_only=True,
    only_for="option",
)
def option_permitted(case: Case, limits: OptionLimits) -> Ruling:
    """Refuse an option that expires too soon or too late, whose delta is out of bounds, or that is sold short.

    Too much of them is refused too: in one order, of all together, or too many at once. So is more of
    one that is held at a loss, by the middle of the market or the order's limit price. Without a section
    in the policy no option is entered at all. Leaving one is always allowed, also on the day that it
    expires.
    """
    return strictest(*_terms(case, limits), *_conduct(case, limits), *_sizes(case, limits))


def _terms(case: Case, limits: OptionLimits) -> Iterator[Ruling]:
    """What the option itself is: its days to expiry, and its delta."""
    terms = case.instrument.option
    if terms is None:
        raise FactMissing("the terms of the option are unknown")
    left_s, minimum_s = -case.age_s(terms.expires_at), Decimal(limits.minimum_days * _DAY_S)
    if left_s <= 0:
        yield Ruling("deny", "the option has expired", left_s, minimum_s, "s")
    elif left_s < minimum_s:
        yield Ruling("deny", f"the option expires in less than {limits.minimum_days} days", left_s, minimum_s, "s")
    if limits.maximum_days is not None and left_s > (maximum_s := Decimal(limits.maximum_days * _DAY_S)):
        yield Ruling("deny", f"the option expires in more than {limits.maximum_days} days", left_s, maximum_s, "s")
    delta = case.facts.deltas.get(case.proposal.symbol)
    if delta is None:
        raise FactMissing("the delta of the option is unknown")
    if abs(delta) < limits.minimum_delta:
        message = f"the delta {plain(delta)} is nearer to nothing than {plain(limits.minimum_delta)}"
        yield Ruling("deny", message, abs(delta), limits.minimum_delta, "delta")
    if abs(delta) > limits.maximum_delta:
        message = f"the delta {plain(delta)} is further from nothing than {plain(limits.maximum_delta)}"
        yield Ruling("deny", message, abs(delta), limits.maximum_delta, "delta")


def _conduct(case: Case, limits: OptionLimits) -> Iterator[Ruling]:
    """What the order does: sells short, or adds to a loss."""
    proposal, buys = case.proposal, case.proposal.side == "buy"
    sold, held = proposal.quantity + case.queued, max(case.held, ZERO)
    if limits.long_only and not buys and sold > held:
        message = f"{plain(sold)} with working sales is more than the {plain(held)} held"
        yield Ruling("deny", message, sold, held, case.instrument.base)
    position = case.book.portfolio.positions.get(proposal.symbol)
    if limits.averaging_down or position is None or (position.quantity > ZERO) != buys:
        return
    price = case.mid if proposal.limit_price is None else (min if buys else max)(case.mid, proposal.limit_price)
    worth, size = price * position.quantity, abs(position.cost)
    if worth < position.cost:
        message = f"at {plain(price)} what is held is worth less than it cost"
        yield Ruling("deny", message, abs(worth), size, case.currency)


def _sizes(case: Case, limits: OptionLimits) -> Iterator[Ruling]:
    """One order, all options and their number, against their limits."""
    options = {s: worth for s, worth in case.exposures.items() if case.instrument_of(s).kind == "option"}
    cap, warn_at = limits.share_of_equity * case.equity, limits.warn_at
    yield within(sum(options.values(), ZERO), cap, unit=f"{case.currency} in options", warn_at=warn_at)
    if limits.trade_share_of_equity is not None:
        cap = limits.trade_share_of_equity * case.equity
        yield within(case.notional, cap, unit=f"{case.currency} in one order of options", warn_at=warn_at)
    if limits.maximum_positions is not None:
        count = Decimal(sum(map(bool, options.values())))
        yield within(count, Decimal(limits.maximum_positions), unit="options at once", warn_at=warn_at)
