"""Conviction 1 at the top of every cap: what Risk sizes is let in by each shipped policy, also a moment later."""

from __future__ import annotations

from decimal import Decimal

import pytest

from agents.risk import RiskAgent
from builders.desks import a_desk, a_price, a_thesis, readings, risk_settings, supporting
from builders.policy import BTC, NOW, SWAP, a_quote, an_instrument, judge, signals, some_bars, some_facts
from domain.money import BPS
from domain.order import Side
from graphs.session.profiles import PROFILES, profile

BID, ASK = Decimal("99.99"), Decimal("100.01")
QUIET = tuple((-1) ** n * 500 for n in range(200))
"""Returns that no limit on risk minds."""

CASES: list[tuple[str, str, Side]] = [
    (name, symbol, side)
    for name in PROFILES
    for symbol, side in ((BTC, "buy"), (SWAP, "buy"), (SWAP, "sell"))
    if side == "buy" or profile(name).short.allow
]


@pytest.mark.parametrize("moved_bps", [-25, -10, 0, 10, 24, 25])
@pytest.mark.parametrize(("name", "symbol", "side"), CASES)
async def test_full_conviction_trades_where_position_and_notional_are_capped_alike(
    name: str, symbol: str, side: Side, moved_bps: int
) -> None:
    """The market moves by up to the bound between decision and gate, and moves enough to leave a reward."""
    policy = profile(name)
    assert policy.max_notional is not None
    instrument = an_instrument(symbol, tick_size="0.01", lot_size="0.0001", taker_fee="0.001", maker_fee="0.001")
    desk = a_desk(
        a_price(symbol, bid=BID, ask=ASK),
        readings(symbol, atr_14="1"),
        instruments={symbol: instrument},
        settings=risk_settings(max_position=policy.max_notional.share_of_equity, risk_per_trade="1", allow_short=True),
        venue_signals={symbol: supporting(side)},
    )
    (sized,) = (await RiskAgent()([a_thesis(symbol, stance=side, conviction="1")], desk)).proposals
    moved = 1 + Decimal(moved_bps) / BPS
    facts = some_facts(
        instruments={symbol: instrument},
        quotes={symbol: a_quote(symbol, bid=BID * moved, ask=ASK * moved, bid_size="10000", ask_size="10000")},
        bars={symbol: some_bars(average_volume="100000", returns_ppm=QUIET)},
        venue_signals={symbol: signals(side)},
    )
    verdict = judge(sized.model_copy(update={"snapshot": "5" * 64, "as_of": NOW}), facts, policy=policy)
    assert verdict.outcome == "allow", verdict.reasons
    share = sized.quantity * ASK / 10_000 / (policy.max_notional.share_of_equity or Decimal(1))
    assert share > Decimal("0.99")  # the room that was left is the bound's and the fee's, and no more
