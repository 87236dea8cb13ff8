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
    """Refuse an option that expires too soon, whose delta is out of bounds, that is sold short, or too much of them.

    Without a section in the policy no option is entered at all. Leaving one is always allowed, also
    on the day that it expires.
    """
    return strictest(*_refused(case, limits), _worth(case, limits))


def _refused(case: Case, limits: OptionLimits) -> Iterator[Ruling]:
    """What is too soon, out of bounds or short."""
    terms, proposal = case.instrument.option, case.proposal
    if terms is None:
        raise FactMissing("the terms of the option are unknown")
    left_s, minimum_s = -case.age_s(terms.expires_at), Decimal(limits.minimum_days * _DAY_S)
    if left_s <= 0:
        yield Ruling("deny", "the option has expired", left_s, minimum_s, "s")
    elif left_s < minimum_s:
        yield Ruling("deny", f"the option expires in less than {limits.minimum_days} days", left_s, minimum_s, "s")
    delta = case.facts.deltas.get(proposal.symbol)
    if delta is None:
        raise FactMissing("the delta of the option is unknown")
    if abs(delta) < limits.minimum_delta:
        message = f"the delta {plain(delta)} is nearer to nothing than {plain(limits.minimum_delta)}"
        yield Ruling("deny", message, abs(delta), limits.minimum_delta, "delta")
    if abs(delta) > limits.maximum_delta:
        message = f"the delta {plain(delta)} is further from nothing than {plain(limits.maximum_delta)}"
        yield Ruling("deny", message, abs(delta), limits.maximum_delta, "delta")
    sold, held = proposal.quantity + case.queued, max(case.held, ZERO)
    if limits.long_only and proposal.side != "buy" and sold > held:
        message = f"{plain(sold)} with working sales is more than the {plain(held)} held"
        yield Ruling("deny", message, sold, held, case.instrument.base)


def _worth(case: Case, limits: OptionLimits) -> Ruling:
    """Exposure in all options against its share of equity."""
    exposures = (worth for symbol, worth in case.exposures.items() if case.instrument_of(symbol).kind == "option")
    cap = limits.share_of_equity * case.equity
    return within(sum(exposures, ZERO), cap, unit=f"{case.currency} in options", warn_at=limits.warn_at)
