"""Sessions: whether the symbol's market is open."""

from __future__ import annotations

from policy.case import Case
from policy.check import check
from policy.limits.market import SessionLimits
from policy.ruling import FactMissing, Ruling, deny, passed


@check(
    code="SESSION",
    source="SEC 15c3-5(c)(2)(i), requirements to be met before an order",
    section="session",
    alike_for_all=True,
)
def session_open(case: Case, limits: SessionLimits) -> Ruling:
    """Refuse everything in a closed market or under maintenance, and entries in extended hours unless allowed.

    What is let through in extended hours has a warning.
    Crypto trades at all hours and is open where nothing else is known; of every other asset class
    the session must be known.
    """
    session = case.facts.sessions.get(case.proposal.symbol)
    if session is None:
        asset_class = case.instrument.asset_class
        if asset_class != "crypto":
            raise FactMissing(f"the session of this {asset_class} instrument is unknown")
        return passed("crypto is always open")
    match session:
        case "open":
            return passed("open")
        case "extended" if case.reducing or limits.extended_hours:
            return Ruling("warn", "extended hours: fewer orders rest, and spreads are wider")
        case "extended":
            return deny("no entries are made in extended hours")
        case "closed":
            return deny("the market is closed")
        case "maintenance":
            return deny("the market is under maintenance")
        case _:
            return deny("the session is unknown")
