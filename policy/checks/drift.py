"""Drift: how far the market has moved since an entry was decided."""

from __future__ import annotations

from domain.money import BPS
from policy.case import Case
from policy.check import check
from policy.limits.order import DriftLimits
from policy.ruling import FactMissing, Ruling, within


@check(
    code="DRIFT",
    source="FIA 2024, price tolerance; proprietary firms' rules",
    section="drift",
    entry_only=True,
    waivable=True,
)
def drift_within(case: Case, limits: DriftLimits) -> Ruling:
    """Refuse an entry once the middle of the market has moved against it by more than `maximum_bps`.

    Counted from the price that it was sized from: up is against a buy, down against a sale. A move in
    its favour is no reason to refuse.
    """
    decided = case.proposal.reference_price
    if decided is None:
        raise FactMissing("the entry does not name the price that it was decided at")
    moved = case.mid - decided
    against = moved if case.proposal.side == "buy" else -moved
    unit = f"{case.currency} against the entry since it was decided"
    return within(against, decided * limits.maximum_bps / BPS, unit=unit, warn_at=limits.warn_at)
