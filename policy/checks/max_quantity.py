"""Maximum quantity: how much of a symbol one order may be for."""

from __future__ import annotations

from policy.case import Case
from policy.check import check
from policy.limits.order import QuantityLimits
from policy.ruling import FactMissing, Ruling, in_parts, passed, within


@check(
    code="MAX_QUANTITY",
    source="RTS 6 Art. 15(1)(c); SEC 15c3-5(c)(1)(ii); FIA 2024, maximum order size",
    section="max_quantity",
    waivable=True,
)
def quantity_within(case: Case, limits: QuantityLimits) -> Ruling:
    """Refuse an order above its symbol's maximum, or an entry above its share of an average bar's volume.

    An entry that neither of the two bounds is refused. Leaving can't wait for volume, and is bound by
    the symbol's maximum alone; what is larger than that is left in several orders.
    """
    symbol = case.proposal.symbol
    maximum = limits.per_symbol.get(symbol)
    caps = [] if maximum is None else [maximum]
    if limits.share_of_bar_volume is not None and not case.reducing:
        caps.append(limits.share_of_bar_volume * case.bars_of(symbol).average_volume)
    if caps:
        ruling = within(case.proposal.quantity, min(caps), unit=case.instrument.base, warn_at=limits.warn_at)
        return in_parts(ruling) if case.reducing else ruling
    if case.reducing:
        return passed("passed by: the order only reduces, and the symbol has no maximum")
    raise FactMissing(f"the policy sets no maximum quantity for {symbol}")
