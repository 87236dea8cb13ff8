"""What is too large for one order leaves in several, through the whole gate and within one cycle."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from builders.account_venue import ScriptedAccount
from builders.policy import an_instrument
from builders.runs import NOW, a_policy
from builders.sessions import BTC, ETH, a_cycle, a_live_session, passed
from graphs.trading.decisions import decisions
from memory import Controls

OPENED = datetime(2025, 1, 1, 16, 30, tzinfo=UTC)
"""Before the first bar of the simulation on which a cycle runs."""


@pytest.mark.parametrize(
    ("sizes", "policy"),
    [
        ({"market_max_quantity": "2"}, {}),
        ({}, {"max_quantity": {"share_of_bar_volume": "0.1", "per_symbol": {BTC: "2"}}}),
    ],
)
async def test_an_exit_above_a_cap_of_the_venue_or_the_policy_passes_the_gate_in_parts(
    sizes: dict[str, Any], policy: dict[str, Any]
) -> None:
    account = ScriptedAccount(
        instruments_={BTC: an_instrument(BTC, **sizes), ETH: an_instrument(ETH)}, at=OPENED, dead_man=False
    )
    account.wallet |= {"USDT": Decimal(10_000), "BTC": Decimal(5)}
    async with a_live_session(account, adopt=[BTC], policy=a_policy(**policy)) as session:
        await Controls(session.database).halt(scope="r1", level="flatten", by="Ada", reason="a doubt", at=NOW)
        cycle = await a_cycle(session, 0)
        account.at = max(account.at, cycle.as_of)
        state, _ = await passed(cycle)
    assert [verdict.outcome for verdict in state["verdicts"]] == ["allow"] * 3
    sent = [approved.order for approved in state["approved"]]
    assert [order.quantity for order in sent] == [Decimal(2), Decimal("1.75"), Decimal("1.25")]
    assert {(order.symbol, order.side, order.reduce_only) for order in sent} == {(BTC, "sell", True)}
    line, _ = decisions(state, cycle=0, universe=(BTC, ETH))
    assert (line.outcome, line.client_order_id) == ("allow", sent[0].client_order_id)
