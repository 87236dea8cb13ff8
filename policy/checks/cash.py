"""Cash: whether the entry can be paid for."""

from __future__ import annotations

from policy.case import Case
from policy.check import check
from policy.limits.account import CashLimits
from policy.ruling import Ruling, within


@check(
    code="CASH",
    source="SEC 15c3-5(c)(1)(i); RTS 6 Art. 15(4)",
    section="cash",
    entry_only=True,
)
def cash_suffices(case: Case, limits: CashLimits) -> Ruling:
    """Refuse an entry that, with its fee and all working entries, takes more than is free above the reserve.

    Fully funded: swaps count at their whole notional, and a short ties up what it would cost to buy back.
    """
    available = case.free_cash - limits.reserve_share_of_equity * case.equity
    return within(case.committed, available, unit=f"{case.currency} of free cash", warn_at=limits.warn_at)
