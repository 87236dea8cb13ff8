"""Corroboration: that an entry cites evidence of independent origins."""

from __future__ import annotations

from decimal import Decimal

from policy.case import Case
from policy.check import check
from policy.limits.market import CorroborationLimits
from policy.ruling import Ruling


@check(
    code="CORROBORATION",
    source="DESIGN rule 5",
    section="corroboration",
    entry_only=True,
    waivable=True,
    alike_for_all=True,
)
def corroborated(case: Case, limits: CorroborationLimits) -> Ruling:
    """Refuse an entry that cites evidence of fewer origins than required, or nothing but untrusted text.

    All that a venue shows is one origin, and each publisher of headlines is one. What the desk wrote or worked out
    itself is none: its goal, its portfolio, its lessons, its detectors, the tone of headlines. A thesis that cites
    nothing has no origin, which is known, and is graded like any other breach. What is cited proves nothing: see
    `SUPPORT`.
    """
    support = case.facts.support.get(case.proposal.symbol, ())
    count, least = Decimal(len({piece.source for piece in support})), Decimal(limits.minimum_sources)
    if count < least:
        message = f"cites {count} independent sources, and {least} are needed"
        return Ruling("deny", message, count, least, "sources")
    if limits.trusted and not any(piece.trusted for piece in support):
        return Ruling("deny", "cites nothing but untrusted text", count, least, "sources")
    return Ruling("pass", "corroborated", count, least, "sources")
