"""Reward to risk: whether an entry can pay for itself once its costs are counted."""

from __future__ import annotations

from decimal import Decimal

from domain.digest import plain
from domain.money import ZERO
from domain.payoff import payoff
from policy.case import Case
from policy.check import check
from policy.limits.order import RewardRiskLimits
from policy.ruling import FactMissing, Ruling


@check(
    code="REWARD_RISK",
    source="DESIGN section 3, costs counted before the edge; RTS 6 Art. 15(4), trading strategy and risk tolerance",
    section="reward_risk",
    entry_only=True,
    waivable=True,
)
def reward_covers_risk(case: Case, limits: RewardRiskLimits) -> Ruling:
    """Refuse an entry that, after all costs, gains less at its target than `minimum` times what it loses at its stop.

    Costs are the fee and `slippage_bps` each way, and the spread; a perpetual's funding is left out. The entry counts
    at the touch that it meets now, or at its own limit where that is better: a market that ran away since the
    decision took its reward along. Without a stop a buy can lose all of its price, and a short any amount. Without a
    target no reward is known, and the entry is refused.
    """
    proposal, instrument, quote = case.proposal, case.instrument, case.quote
    if proposal.target_price is None:
        raise FactMissing("the entry names no target_price, so nobody knows what it could gain")
    expected = payoff(
        proposal.side,
        entry=_likely_price(case),
        stop=_stop(case),
        target=proposal.target_price,
        instrument=instrument,
        spread=quote.ask - quote.bid,
        slippage_bps=limits.slippage_bps,
    )
    least, unit = limits.minimum * expected.risk, f"{case.currency} a {instrument.base}"
    if expected.covers(limits.minimum):
        return Ruling("pass", "the reward covers the risk", expected.reward, least, unit)
    message = (
        f"after costs the reward is {plain(expected.reward)} {unit}, which is less than {plain(limits.minimum)} times "
        f"the risk of {plain(expected.risk)}"
    )
    return Ruling("deny", message, expected.reward, least, unit)


def _likely_price(case: Case) -> Decimal:
    """The touch, a trigger that lies beyond it, or a limit that keeps the fill on its better side."""
    proposal, quote = case.proposal, case.quote
    buys = proposal.side == "buy"
    price, worse, better = (quote.ask, max, min) if buys else (quote.bid, min, max)
    if proposal.trigger_price is not None:
        price = worse(price, proposal.trigger_price)
    return price if proposal.limit_price is None else better(price, proposal.limit_price)


def _stop(case: Case) -> Decimal:
    if case.proposal.stop_price is not None:
        return case.proposal.stop_price
    if case.proposal.side == "buy":
        return ZERO
    raise FactMissing("a short position without a stop can lose any amount")
