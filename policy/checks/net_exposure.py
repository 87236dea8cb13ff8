"""Net exposure: how far one side of the portfolio may outweigh the other."""

from __future__ import annotations

from policy.case import Case
from policy.check import check
from policy.limits.account import NetExposureLimits
from policy.ruling import Ruling, within


@check(
    code="NET_EXPOSURE",
    source="RTS 6 Art. 15(4); SEC 15c3-5(c)(1)(i)",
    section="net_exposure",
    entry_only=True,
    waivable=True,
)
def net_exposure_within(case: Case, limits: NetExposureLimits) -> Ruling:
    """Refuse an entry after which longs could outweigh shorts, or shorts longs, by more than a share of equity.

    Judged at both ends: every buy fills and no sale, and every sale and no buy. Working exits are
    among them, since one that fills may leave the other side of a hedge alone.
    """
    least, most = case.book.net
    if case.proposal.side == "buy":
        most += case.notional
    else:
        least -= case.notional
    limit = limits.share_of_equity * case.equity
    return within(max(abs(least), abs(most)), limit, unit=f"{case.currency} net", warn_at=limits.warn_at)
