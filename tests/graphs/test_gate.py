"""The gate: one judgement after the other, durable before anything is sent, and refused on doubt."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import func, select, update

from builders.desks import a_position, an_account, out
from builders.runs import options
from builders.sessions import BTC, ETH, a_session, an_entry, at_the_gate
from domain.decision import Proposal
from domain.order import OrderState
from graphs.gate import gate
from graphs.session import Session
from memory.schema import accounts, tickets, verdicts
from policy import Policy, Verdict


def a_policy(**over: Any) -> Policy:
    """The packaged policy with sections of its own."""
    return Policy.model_validate(options().policy.model_dump() | over)


async def halt(session: Session, state: str) -> None:
    """What a person does to the account from outside."""
    async with session.database.transaction() as connection:
        await connection.execute(update(accounts).values(trading_state=state))


def denials(verdict: Verdict) -> set[str]:
    return {finding.code for finding in verdict.findings if finding.outcome == "deny"}


# In their order


async def test_what_was_allowed_before_counts_for_what_comes_after() -> None:
    async with a_session(policy=a_policy(open_positions={"maximum": 1})) as session:
        cycle = await at_the_gate(session)
        proposals = [await an_entry(cycle, ETH), await an_entry(cycle, BTC)]
        judged = await gate(proposals, cycle)
    assert [v.outcome for v in judged.verdicts] == ["allow", "deny"]
    assert denials(judged.verdicts[1]) == {"OPEN_POSITIONS"}
    assert [a.order.symbol for a in judged.approved] == [ETH]


async def test_what_was_refused_before_does_not_count() -> None:
    async with a_session(policy=a_policy(open_positions={"maximum": 1})) as session:
        cycle = await at_the_gate(session)
        judged = await gate([await an_entry(cycle, ETH, conviction="0.1"), await an_entry(cycle, BTC)], cycle)
    assert [v.outcome for v in judged.verdicts] == ["deny", "allow"]


async def test_two_exits_can_not_sell_what_is_held_twice() -> None:
    async with a_session() as session:
        cycle = await at_the_gate(session)
        held = a_position(BTC, quantity="0.1")
        cycle.portfolio = an_account(held, cash="90000", marks={BTC: Decimal(94_000)})
        sale = {"side": "sell", "stop_price": None, "reduce_only": True, "quantity": Decimal("0.06")}
        exits = [await an_entry(cycle, BTC, rationale=cause, **sale) for cause in ("stop", "time")]
        judged = await gate(exits, cycle)
    assert [v.outcome for v in judged.verdicts] == ["allow", "deny"]
    assert "REDUCE_ONLY" in denials(judged.verdicts[1])


@given(st.lists(st.tuples(st.sampled_from([BTC, ETH]), st.integers(1, 12)), min_size=1, max_size=8))
@hypothesis_settings(max_examples=10, deadline=None)
async def test_all_that_one_judgement_allows_keeps_within_the_limits_together(wanted: list[tuple[str, int]]) -> None:
    async with a_session() as session:
        cycle = await at_the_gate(session)
        proposals = [
            await an_entry(cycle, symbol, share=str(Decimal(percent) / 100), rationale=str(number))
            for number, (symbol, percent) in enumerate(wanted)
        ]
        judged = await gate(proposals, cycle)
        quotes = {s: await session.market.quote(s, as_of=cycle.as_of) for s in (BTC, ETH)}
    for symbol in (BTC, ETH):
        bought = sum(a.order.quantity for a in judged.approved if a.order.symbol == symbol)
        assert bought * quotes[symbol].ask <= session.header.start_cash * Decimal("0.15")
    assert [v.outcome == "allow" for v in judged.verdicts].count(True) == len(judged.approved)


# Refused on doubt


async def test_a_proposal_without_a_quote_is_refused_and_the_others_are_not() -> None:
    async with a_session(mute=[BTC]) as session:
        cycle = await at_the_gate(session)
        eth = await an_entry(cycle, ETH)
        btc = eth.model_copy(update={"symbol": BTC})
        judged = await gate([btc, eth], cycle)
    assert [v.outcome for v in judged.verdicts] == ["deny", "allow"]
    assert {"MARKET_DATA", "PRICE_COLLAR"} <= denials(judged.verdicts[0])


async def test_without_a_portfolio_everything_is_refused() -> None:
    async with a_session() as session:
        cycle = await at_the_gate(session)
        cycle.portfolio = None
        leave = {"side": "sell", "stop_price": None, "reduce_only": True}
        judged = await gate([await an_entry(cycle, ETH, **leave), await an_entry(cycle, BTC)], cycle)
    assert [v.outcome for v in judged.verdicts] == ["deny", "deny"]
    assert judged.approved == ()


async def test_a_position_without_a_mark_refuses_entries_and_lets_the_others_leave() -> None:
    async with a_session(mute=[ETH]) as session:
        cycle = await at_the_gate(session)
        held = [a_position(BTC, quantity="0.1"), a_position(ETH, quantity="1")]
        cycle.portfolio = an_account(*held, cash="90000", marks={BTC: Decimal(94_000)})
        leave = {"side": "sell", "stop_price": None, "reduce_only": True, "quantity": Decimal("0.1")}
        judged = await gate([await an_entry(cycle, BTC, **leave), await an_entry(cycle, BTC)], cycle)
    assert [v.outcome for v in judged.verdicts] == ["allow", "deny"]


async def test_a_working_order_elsewhere_is_priced_and_does_not_stand_in_the_way() -> None:
    async with a_session() as session:
        cycle = await at_the_gate(session)
        cycle.working = (out(ETH, side="buy", quantity="1"),)
        judged = await gate([await an_entry(cycle, BTC)], cycle)
    assert [(v.outcome, v.reasons) for v in judged.verdicts] == [("allow", ())]


async def test_a_working_order_that_nobody_can_price_refuses_entries() -> None:
    async with a_session(mute=[ETH]) as session:
        cycle = await at_the_gate(session)
        cycle.working = (out(ETH, side="buy", quantity="1"),)
        judged = await gate([await an_entry(cycle, BTC)], cycle)
    assert "EXPOSURE" in denials(judged.verdicts[0])


async def test_a_verdict_that_asks_for_a_person_gives_no_ticket() -> None:
    async with a_session(policy=a_policy(conviction={"minimum": "0.5", "review_below": "0.9"})) as session:
        cycle = await at_the_gate(session)
        judged = await gate([await an_entry(cycle)], cycle)
    assert [v.outcome for v in judged.verdicts] == ["review"]
    assert judged.approved == ()


@pytest.mark.parametrize(("state", "entry", "leaving"), [("reducing", "deny", "allow"), ("halted", "deny", "deny")])
async def test_the_trading_state_is_obeyed(state: str, entry: str, leaving: str) -> None:
    async with a_session() as session:
        await halt(session, state)
        cycle = await at_the_gate(session)
        cycle.portfolio = an_account(a_position(BTC, quantity="0.1"), cash="90000", marks={BTC: Decimal(94_000)})
        leave = {"side": "sell", "stop_price": None, "reduce_only": True, "quantity": Decimal("0.1")}
        judged = await gate([await an_entry(cycle, BTC, **leave), await an_entry(cycle, ETH)], cycle)
    assert [v.outcome for v in judged.verdicts] == [leaving, entry]


# Effects, and what is durable


async def test_the_trading_state_is_an_effect_that_a_step_run_again_sees_as_it_was() -> None:
    async with a_session() as session:
        cycle = await at_the_gate(session)
        first = await gate([await an_entry(cycle)], cycle)
        await halt(session, "halted")
        again = await at_the_gate(session)
        assert (await gate([await an_entry(again)], again)).verdicts == first.verdicts
        later = await at_the_gate(session, 1, bar=1)
        judged = await gate([await an_entry(later)], later)
    assert [v.outcome for v in first.verdicts] == ["allow"]
    assert "TRADING_STATE" in denials(judged.verdicts[0])


async def test_every_verdict_is_kept_and_an_allowed_order_is_approved_before_it_is_sent() -> None:
    async with a_session() as session:
        cycle = await at_the_gate(session)
        judged = await gate([await an_entry(cycle, ETH), await an_entry(cycle, BTC, conviction="0.1")], cycle)
        kept = await session.ledger.orders()
        async with session.database.reading() as connection:
            outcomes = set(await connection.scalars(select(verdicts.c.outcome)))
        assert await session.venue.open_orders() == []
    assert [(o.request, o.state, o.submitted_at) for o in kept] == [
        (judged.approved[0].order, OrderState.APPROVED, None)
    ]
    assert outcomes == {"allow", "deny"}


async def test_the_gate_run_again_admits_nothing_twice_and_gives_the_same_tickets() -> None:
    async with a_session() as session:
        cycle = await at_the_gate(session)
        proposals: list[Proposal] = [await an_entry(cycle, ETH), await an_entry(cycle, BTC)]
        first = await gate(proposals, cycle)
        again = await gate(proposals, await at_the_gate(session))
        async with session.database.reading() as connection:
            counted = [await connection.scalar(select(func.count()).select_from(t)) for t in (tickets, verdicts)]
    assert again == first
    assert counted == [2, 2]


async def test_a_ticket_opens_the_door_for_its_own_order_only() -> None:
    async with a_session() as session:
        cycle = await at_the_gate(session)
        judged = await gate([await an_entry(cycle, ETH), await an_entry(cycle, BTC)], cycle)
        eth, btc = judged.approved
        session.office.check(eth.ticket, eth.order, session.clock.now())
        with pytest.raises(Exception, match="the ticket is for"):
            session.office.check(eth.ticket, btc.order, session.clock.now())


@given(st.text(max_size=80))
@hypothesis_settings(max_examples=10, deadline=None)
async def test_no_rationale_changes_a_finding(text: str) -> None:
    async with a_session() as session:
        cycle = await at_the_gate(session)
        entry = await an_entry(cycle)
        quiet = await gate([entry], cycle)
    async with a_session() as session:
        cycle = await at_the_gate(session)
        loud = await gate([entry.model_copy(update={"rationale": text})], cycle)
    assert [v.findings for v in loud.verdicts] == [v.findings for v in quiet.verdicts]


async def test_nothing_proposed_is_nothing_judged() -> None:
    async with a_session() as session:
        cycle = await at_the_gate(session)
        judged = await gate([], cycle)
    assert (judged.verdicts, judged.approved) == ((), ())
