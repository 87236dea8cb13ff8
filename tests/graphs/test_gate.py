"""The gate: one judgement after the other, durable before anything is sent, and refused on doubt."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from builders.desks import a_position, an_account
from builders.memory import admit, an_admission, claim
from builders.policy import finding
from builders.runs import REVIEWED
from builders.runs import a_policy as packaged
from builders.sessions import BTC, ETH, NOW, an_entry, at_the_gate
from builders.sessions import a_session as new_session
from domain.clock import TickClock
from domain.decision import Proposal
from domain.order import OrderState
from graphs.session.session import Session
from graphs.session.trading_halt import HALT_FILE, Brake
from graphs.trading.cycle import Cycle
from graphs.trading.gate import gate
from memory import Acts
from memory.archive.archive import Archive
from memory.operators.approvals import approval_id
from memory.operators.controls import Level
from memory.store.schema import tickets, verdicts
from policy import Policy, Verdict

BARE = {"corroboration": {"enabled": False, "minimum_sources": 1}}
"""Proposals that no thesis stands behind."""


def a_policy(**over: Any) -> Policy:
    """The packaged policy for bare proposals, with sections of its own."""
    return packaged(**BARE | over)


def a_session(**over: Any) -> Any:
    return new_session(**{"policy": a_policy()} | over)


async def halt(session: Session, level: Level) -> None:
    """What a person does to the account from outside."""
    await session.controls.halt(scope="r1", level=level, by="Ada", reason="a doubt", at=NOW)


async def outstanding(session: Session, cycle: Cycle, order: Proposal) -> None:
    """An order of an earlier cycle that was sent and may still trade."""
    order = order.model_copy(update={"cycle": cycle.number - 1})
    admission = an_admission(order)
    await admit(session.ledger, admission, cycle=order.cycle, at=cycle.as_of)
    assert await claim(session.ledger, admission.ticket, cycle=order.cycle, at=cycle.as_of)
    cycle.working = await session.ledger.orders(working_only=True)


def denials(verdict: Verdict) -> set[str]:
    return {finding.code for finding in verdict.findings if finding.outcome == "deny"}


# On what a market does not show


@pytest.mark.parametrize(("mode", "outcome"), [("paper", "pass"), ("live", "deny")])
async def test_a_market_without_sizes_is_entered_on_paper_and_never_with_money(mode: str, outcome: str) -> None:
    async with a_session() as session:
        cycle = await at_the_gate(session)
        cycle.session = replace(session, header=session.header.model_copy(update={"mode": mode}))
        (verdict,) = (await gate([await an_entry(cycle)], cycle)).verdicts
    found = finding(verdict, "DEPTH")
    assert (found.outcome, found.unknown) == (outcome, outcome == "deny")


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
@hypothesis_settings(max_examples=10)
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


async def test_a_proposal_that_can_not_be_read_is_refused_and_archived_and_the_others_are_not() -> None:
    async with a_session() as session:
        cycle = await at_the_gate(session)
        good = await an_entry(cycle, ETH)
        odd = [
            good.model_copy(update={"symbol": "btc; drop", "rationale": "odd"}),
            (await an_entry(cycle, BTC)).model_copy(update={"quantity": Decimal("NaN")}),
        ]
        judged = await gate([*odd, good], cycle)
        await session.database.flush()
        kept = await Archive(session.database).verdicts("r1")
    assert [(v.outcome, v.symbol) for v in judged.verdicts] == [
        ("deny", "UNREADABLE/UNREADABLE"),
        ("deny", BTC),
        ("allow", ETH),
    ]
    assert [a.order for a in judged.approved] == [good.order()]
    assert {record.id for record in kept} == {v.digest for v in judged.verdicts}
    assert {record.proposal.digest for record in kept} == {v.proposal_digest for v in judged.verdicts}


async def test_what_was_changed_after_it_was_digested_is_judged_and_sent_as_it_is_now() -> None:
    async with a_session() as session:
        cycle = await at_the_gate(session)
        entry = await an_entry(cycle, ETH)
        before = entry.client_order_id
        object.__setattr__(entry, "rationale", "another reason")
        judged = await gate([entry], cycle)
    (approved,) = judged.approved
    assert approved.order.client_order_id == Proposal.model_validate(entry.model_dump()).client_order_id != before
    assert approved.ticket.order_digest == judged.verdicts[0].order_digest == approved.order.digest


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
        cycle = await at_the_gate(session, 1)
        await outstanding(session, cycle, await an_entry(cycle, ETH))
        judged = await gate([await an_entry(cycle, BTC)], cycle)
    assert [(v.outcome, v.reasons) for v in judged.verdicts] == [("allow", ())]


async def test_a_working_order_that_nobody_can_price_refuses_entries() -> None:
    async with a_session(mute=[ETH]) as session:
        cycle = await at_the_gate(session, 1)
        await outstanding(session, cycle, (await an_entry(cycle)).model_copy(update={"symbol": ETH}))
        judged = await gate([await an_entry(cycle, BTC)], cycle)
    assert "EXPOSURE" in denials(judged.verdicts[0])


async def test_a_verdict_that_asks_for_a_person_gives_no_ticket() -> None:
    async with a_session(policy=a_policy(conviction={"minimum": "0.5", "review_below": "0.9"})) as session:
        cycle = await at_the_gate(session)
        judged = await gate([await an_entry(cycle)], cycle)
    assert [v.outcome for v in judged.verdicts] == ["review"]
    assert judged.approved == ()


@pytest.mark.parametrize(("level", "entry", "leaving"), [("reduce", "deny", "allow"), ("halt", "deny", "deny")])
async def test_the_trading_state_is_obeyed(level: Level, entry: str, leaving: str) -> None:
    async with a_session() as session:
        await halt(session, level)
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
        await halt(session, "halt")
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
@hypothesis_settings(max_examples=10)
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


# The brake


async def test_a_pulled_brake_refuses_everything_whatever_the_database_says() -> None:
    async with a_session() as session:
        cycle = await at_the_gate(session)
        session.brake.pull("smoke")
        cycle.portfolio = an_account(a_position(BTC, quantity="0.1"), cash="90000", marks={BTC: Decimal(94_000)})
        leave = {"side": "sell", "stop_price": None, "reduce_only": True, "quantity": Decimal("0.1")}
        judged = await gate([await an_entry(cycle, BTC, **leave), await an_entry(cycle, ETH)], cycle)
        assert (await session.controls.state("r1")).state == "active"
    assert [denials(v) >= {"TRADING_STATE"} for v in judged.verdicts] == [True, True]
    assert judged.approved == ()


def test_a_halt_file_pulls_the_brake_and_says_why_and_the_brake_stays_pulled_without_it(tmp_path: Path) -> None:
    file = tmp_path / HALT_FILE
    brake = Brake(file)
    assert brake.reason == ""
    file.write_text("  flood in the cellar\n")
    assert brake.reason == "the file HALT: flood in the cellar"
    file.unlink()
    assert brake.reason == "the file HALT: flood in the cellar"
    brake.pull("another")
    assert brake.reason == "the file HALT: flood in the cellar", "the first to pull it is named"


def test_a_halt_file_that_can_not_be_read_is_a_halt(tmp_path: Path) -> None:
    (tmp_path / HALT_FILE).mkdir()
    assert Brake(tmp_path / HALT_FILE).reason == "the file HALT"


# Stopped agents


REPEATED = {"repetition": {"entries": 1, "window_s": 3_600}}


async def test_an_agent_that_enters_too_often_is_stopped_until_a_person_re_arms_it() -> None:
    async with a_session(policy=a_policy(**REPEATED)) as session:
        first, too_many = [await entered(session, number) for number in (0, 1)]
        (stopped,) = await session.controls.latches("r1")
        still = await entered(session, 2)
        await session.controls.rearm(account="r1", agent="risk", symbol=BTC, by="Ada", reason="I looked", at=NOW)
        again = await entered(session, 3)
        at_once = await entered(session, 4)
        (stopped_again,) = await session.controls.latches("r1")
        kinds = [act.kind for act in reversed(await Acts(session.database).all())]
    assert [v.outcome for v in (first, too_many, still, again, at_once)] == ["allow", "deny", "deny", "allow", "deny"]
    assert "REPEATED_EXECUTION: the agent would enter" in " ".join(too_many.reasons)
    assert "stopped in this symbol until a person re-arms it" in " ".join(still.reasons)
    assert (stopped.agent, stopped.symbol, stopped.code) == ("risk", BTC, "REPEATED_EXECUTION")
    assert stopped_again.since > stopped.since
    assert kinds == ["latch", "rearm", "latch"]


async def test_a_stopped_agent_may_go_on_elsewhere() -> None:
    async with a_session(policy=a_policy(**REPEATED)) as session:
        for number in (0, 1):
            await entered(session, number)
        elsewhere = await entered(session, 2, symbol=ETH)
    assert elsewhere.outcome == "allow"


async def test_the_gate_run_again_does_not_stop_an_agent_that_was_re_armed_meanwhile() -> None:
    async with a_session(policy=a_policy(**REPEATED)) as session:
        for number in (0, 1):
            await entered(session, number)
        await session.controls.rearm(account="r1", agent="risk", symbol=BTC, by="Ada", reason="I looked", at=NOW)
        again = await entered(session, 1)
        assert await session.controls.latches("r1") == ()
    assert again.outcome == "deny"


async def entered(session: Session, number: int, *, symbol: str = BTC) -> Verdict:
    """A small entry in the cycle of that number, a bar each."""
    cycle = await at_the_gate(session, number, bar=number)
    judged = await gate([await an_entry(cycle, symbol, share="0.01")], cycle)
    return judged.verdicts[0]


# Questions


async def test_a_person_is_asked_once_about_an_order_that_the_gate_would_not_decide_alone() -> None:
    async with a_session(policy=a_policy(**REVIEWED)) as session:
        cycle = await at_the_gate(session)
        session.wall = TickClock(NOW)
        judged = await gate([await an_entry(cycle)], cycle)
        (asked,) = await session.approvals.pending("r1")
        session.wall.set(NOW + timedelta(hours=1))
        await gate([await an_entry(cycle)], await at_the_gate(session))
        assert await session.approvals.pending() == (asked,)
    (verdict,) = judged.verdicts
    assert (asked.run_id, asked.cycle, asked.client_order_id) == ("r1", 0, verdict.client_order_id)
    assert (asked.order_digest, asked.verdict, asked.codes) == (verdict.order_digest, verdict.digest, ("CONVICTION",))
    assert (asked.requested_at, asked.expires_at) == (NOW, NOW + timedelta(seconds=3_600))


@pytest.mark.parametrize("overrides", [False, True])
async def test_about_a_refusal_a_person_is_asked_only_where_the_policy_says_so_and_all_of_it_can_be_waived(
    overrides: bool,
) -> None:
    policy = a_policy(review={"ttl_s": 60, "overrides": overrides}, stop={"required": True})
    async with a_session(policy=policy) as session:
        cycle = await at_the_gate(session)
        unsure = await an_entry(cycle, BTC, conviction="0.1")
        unsure_without_a_stop = await an_entry(cycle, ETH, conviction="0.1", stop_price=None)
        judged = await gate([unsure, unsure_without_a_stop], cycle)
        asked = await session.approvals.pending()
    assert [v.outcome for v in judged.verdicts] == ["deny", "deny"]
    assert [a.client_order_id for a in asked] == ([unsure.client_order_id] if overrides else [])


async def test_two_runs_that_decide_the_same_ask_each_for_itself() -> None:
    async with a_session(policy=a_policy(**REVIEWED)) as session:
        cycle = await at_the_gate(session)
        await gate([await an_entry(cycle)], cycle)
        (mine,) = await session.approvals.pending()
        assert mine.id != approval_id(mine.verdict, run_id="another")
        assert mine.id == approval_id(mine.verdict, run_id="r1")
