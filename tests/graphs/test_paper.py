"""The paper desk of notebooks and scripts: what is asked twice at one bar is looked at twice."""

from __future__ import annotations

from decimal import Decimal

from builders.desks import supporting
from builders.runs import a_policy
from domain.decision import Proposal
from graphs.runs.paper_desk import PaperDesk

ETH = "ETH/USDT"
BARE = a_policy(corroboration={"enabled": False, "minimum_sources": 1})


async def an_entry(paper: PaperDesk, *, share: str) -> Proposal:
    """A buy for a share of the account, a tenth of a per cent beyond the close at most, which venue data supports."""
    paper.cycle.venue_signals[ETH] = supporting()
    price = (await paper.candles(ETH, limit=1))[0].close
    quantity = (Decimal(100_000) * Decimal(share) / price).quantize(Decimal("0.001"))
    return Proposal.model_validate(
        {
            "cycle": paper.cycle.number,
            "as_of": paper.as_of,
            "agent": "risk",
            "symbol": ETH,
            "side": "buy",
            "type": "limit",
            "limit_price": (price * Decimal("1.001")).quantize(Decimal("0.01")),
            "time_in_force": "IOC",
            "quantity": quantity,
            "stop_price": (price * Decimal("0.98")).quantize(Decimal("0.01")),
            "target_price": (price * Decimal("1.05")).quantize(Decimal("0.01")),
            "reference_price": price,
            "conviction": "0.8",
            "snapshot": "5" * 64,
        }
    )


async def test_a_second_gate_at_one_bar_sees_what_the_first_allowed() -> None:
    async with await PaperDesk.open(symbols=[ETH], policy=BARE) as paper:
        (first,) = await paper.gate([await an_entry(paper, share="0.09")])
        (second,) = await paper.gate([await an_entry(paper, share="0.08")])
        (same,) = await paper.gate([await an_entry(paper, share="0.09")])
    assert first.outcome == "allow", first.reasons
    assert [reason.partition(":")[0] for reason in second.reasons] == ["POSITION"]
    assert same.outcome == "allow", "an order that is asked about again is counted once"


async def test_other_proposals_at_one_bar_are_judged_and_the_next_bar_begins_anew() -> None:
    async with await PaperDesk.open(symbols=[ETH], policy=BARE) as paper:
        assert await paper.gate([]) == ()
        (allowed,) = await paper.gate([await an_entry(paper, share="0.02")])
        assert allowed.outcome == "allow", allowed.reasons
        await paper.advance()
        (next_bar,) = await paper.gate([await an_entry(paper, share="0.02")])
        assert next_bar.facts_digest != allowed.facts_digest


async def test_a_guest_who_proposes_a_market_entry_reads_what_to_propose_instead() -> None:
    async with await PaperDesk.open(symbols=[ETH], policy=BARE) as paper:
        bounded = await an_entry(paper, share="0.02")
        unbounded = bounded.model_copy(update={"type": "market", "limit_price": None})
        (refused,) = await paper.gate([unbounded])
        (allowed,) = await paper.gate([bounded])
    assert refused.reasons == (
        "ORDER_TYPE: a market order that may add to a position can fill at any price: propose a limit order, IOC, "
        "whose limit_price is the furthest that it may fill at",
    )
    assert allowed.outcome == "allow", allowed.reasons
