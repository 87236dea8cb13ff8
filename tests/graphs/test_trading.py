"""The trading graph: where a cycle goes after each node, and what it survives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import pytest
from langgraph.types import Send
from pydantic import BaseModel

from agents.model import Completion
from agents.risk import Plan
from agents.rules import RulesModel
from agents.settings import DeskSettings
from agents.signal import Scan
from builders.desks import a_position, a_signal, an_account
from builders.policy import a_proposal
from builders.runs import a_policy, options
from builders.sessions import BTC, ETH, NOW, a_cycle, a_session, passed
from context import Synthesis
from context.tokenizer import Tokenizer
from graphs.trading.events import Event, NodeEnded, NodeStarted
from graphs.trading.graph import after_execution, after_gate, after_gate_again, after_review, after_risk, after_signal
from graphs.trading.state import NodeFailure
from policy import Policy

T = TypeVar("T", bound=BaseModel)

EAGER = DeskSettings.model_validate({"signal": {"threshold": "0"}})
"""Every symbol on which a detector fires is researched."""
BUSY = 45
"""A bar of the default simulation at which both symbols trend and are bought."""
CALM = 2
"""A bar at which no detector fires."""


class CrashingModel:
    """Raises when asked about one symbol, which a language model never may; judges the others by the rules."""

    name = "rules"
    paid = False

    def __init__(self, symbol: str) -> None:
        self._symbol = symbol
        self._rules = RulesModel()

    @property
    def tokenizer(self) -> Tokenizer:
        return self._rules.tokenizer

    async def ask(self, prompt: Synthesis, schema: type[T]) -> Completion[T]:
        if prompt.brief.subject == self._symbol:
            raise RuntimeError("the model's process is gone\u202e")
        return await self._rules.ask(prompt, schema)


def nodes(heard: Sequence[Event]) -> list[str]:
    """The nodes that ran, each named once, in the order in which they first began."""
    return list(dict.fromkeys(e.node for e in heard if isinstance(e, NodeStarted)))


def failed(heard: Sequence[Event]) -> set[tuple[str, str]]:
    return {(e.node, e.subject) for e in heard if isinstance(e, NodeEnded) and e.failed}


# Routes


@pytest.mark.parametrize(
    ("portfolio", "next_node"), [(an_account(), "learning"), (an_account(a_position()), "risk"), (None, "risk")]
)
def test_without_a_signal_only_what_may_be_held_needs_care(portfolio: Any, next_node: str) -> None:
    assert after_signal({"scan": Scan(), "portfolio": portfolio}) == next_node


@pytest.mark.parametrize("portfolio", [an_account(), an_account(a_position()), None])
def test_every_signal_is_researched_at_once(portfolio: Any) -> None:
    signals = (a_signal(BTC), a_signal(ETH))
    sent = after_signal({"scan": Scan(signals=signals), "portfolio": portfolio})
    assert sent == [Send("research", {"portfolio": portfolio, "candidate": s}) for s in signals]


def test_nothing_proposed_and_nothing_approved_go_on_to_learning() -> None:
    assert after_risk({"plan": Plan()}) == "learning"
    assert after_risk({"plan": Plan(proposals=(a_proposal(),))}) == "gate"
    assert after_gate({"approved": [], "asked": []}) == "learning"
    assert after_gate({"approved": [object()], "asked": ["ac1"]}) == "execution"  # type: ignore[list-item]


def test_a_person_is_asked_after_what_was_allowed_is_sent_and_what_they_let_stand_is_judged_again() -> None:
    assert after_gate({"approved": [], "asked": ["ac1"]}) == "review"
    assert (after_execution({"asked": ["ac1"]}), after_execution({"asked": []})) == ("review", "learning")
    assert after_review({"consents": []}) == "learning"
    assert after_review({"consents": [object()]}) == "gate_again"  # type: ignore[list-item]
    assert after_gate_again({"approved": []}) == "learning"
    assert after_gate_again({"approved": [object()]}) == "execution_again"  # type: ignore[list-item]


async def test_a_quiet_market_goes_straight_to_learning() -> None:
    async with a_session(desk=EAGER) as session:
        state, heard = await passed(await a_cycle(session, bar=CALM))
    assert nodes(heard) == ["tick", "signal", "learning"]
    assert set(dict(state["scan"].quiet)) == {BTC, ETH}


async def test_a_trade_goes_all_the_way() -> None:
    async with a_session(desk=EAGER) as session:
        state, heard = await passed(await a_cycle(session, bar=BUSY))
    assert nodes(heard) == ["tick", "signal", "research", "risk", "gate", "execution", "learning"]
    assert {r.client_order_id for r in state["reports"]} == {a.order.client_order_id for a in state["approved"]}
    assert failed(heard) == set()


async def test_what_was_allowed_is_sent_before_a_person_answers_about_the_rest() -> None:
    async with a_session(desk=EAGER) as session:
        both, _ = await passed(await a_cycle(session, bar=BUSY))
    first, second = both["plan"].proposals
    asking = a_policy(open_positions={"maximum": 1, "on_breach": "review"})
    async with a_session(desk=EAGER, policy=asking) as session:
        _, heard = await passed(await a_cycle(session, bar=BUSY))
        sent = [order.client_order_id for order in await session.venue.open_orders()]
        asked = [question.client_order_id for question in await session.approvals.pending()]
    assert nodes(heard)[-2:] == ["execution", "review"]
    assert (sent, asked) == ([first.client_order_id], [second.client_order_id])


async def test_while_trading_is_halted_nothing_is_thought_and_nothing_is_sent() -> None:
    async with a_session(desk=EAGER) as session:
        await session.controls.halt(scope="r1", level="halt", by="Ada", reason="a doubt", at=NOW)
        state, heard = await passed(await a_cycle(session, bar=BUSY))
        assert (await session.venue.open_orders(), await session.ledger.orders()) == ([], ())
    assert nodes(heard) == ["tick", "signal", "learning"]
    assert dict(state["scan"].quiet) == {BTC: "a doubt", ETH: "a doubt"}


async def test_while_trading_is_reducing_markets_are_watched_and_nothing_is_entered() -> None:
    async with a_session(desk=EAGER) as session:
        await session.controls.halt(scope="*", level="reduce", by="Ada", reason="a doubt", at=NOW)
        state, heard = await passed(await a_cycle(session, bar=BUSY))
    assert nodes(heard) == ["tick", "signal", "research", "risk", "learning"]
    assert {said for _, said in state["plan"].declined} == {"no entries: a doubt"}


async def test_what_is_refused_reaches_no_venue() -> None:
    nothing = Policy.model_validate(options().policy.model_dump() | {"conviction": {"minimum": "1"}})
    async with a_session(desk=EAGER, policy=nothing) as session:
        state, heard = await passed(await a_cycle(session, bar=BUSY))
        assert await session.venue.open_orders() == []
    assert nodes(heard) == ["tick", "signal", "research", "risk", "gate", "learning"]
    assert {v.outcome for v in state["verdicts"]} == {"deny"}


async def test_a_position_is_looked_after_in_a_quiet_market() -> None:
    async with a_session(desk=EAGER) as session:
        cycle = await a_cycle(session, bar=BUSY)
        state, _ = await passed(cycle)
        bought = {r.symbol for r in state["reports"]}
        # the orders fill with the next bar, and then no symbol is worth research
        deaf = session.settings.desk.signal.model_copy(update={"threshold": 1})
        session.settings = session.settings.model_copy(
            update={"desk": session.settings.desk.model_copy(update={"signal": deaf})}
        )
        state, heard = await passed(await a_cycle(session, 1, bar=BUSY + 1))
    assert state["portfolio"] is not None
    assert bought
    assert state["portfolio"].positions.keys() == bought
    assert nodes(heard)[:3] == ["tick", "signal", "risk"]


# Boundaries


async def test_a_crash_in_signal_is_a_quiet_cycle_with_a_named_failure() -> None:
    async with a_session(desk=EAGER) as session:
        state, heard = await passed(await a_cycle(session, bar=BUSY, crashes=("signal",)))
    said = "signal failed: RuntimeError: the desk of signal broke"
    assert state["failures"] == [NodeFailure(node="signal", subject="", error=said)]
    assert (state["scan"].signals, dict(state["scan"].quiet)) == ((), {BTC: said, ETH: said})
    assert (nodes(heard), failed(heard)) == (["tick", "signal", "learning"], {("signal", "")})


async def test_a_crash_in_research_is_an_abstention_and_the_others_go_on() -> None:
    async with a_session(desk=EAGER) as session:
        both, _ = await passed(await a_cycle(session, bar=BUSY))
    first, *others = [s.symbol for s in both["scan"].signals]
    async with a_session(desk=EAGER, model=CrashingModel(first)) as session:
        state, heard = await passed(await a_cycle(session, bar=BUSY))
    theses = {t.symbol: t for t in state["theses"]}
    said = "research failed: RuntimeError: the model's process is gone"
    assert (theses[first].stance, theses[first].conviction, theses[first].failure) == ("abstain", 0, said)
    assert state["failures"] == [NodeFailure(node="research", subject=first, error=said)]
    assert failed(heard) == {("research", first)}
    assert others
    assert [theses[s] for s in others] == [t for t in both["theses"] if t.symbol in others]
    assert {p.symbol for p in state["plan"].proposals} == {p.symbol for p in both["plan"].proposals} - {first}


async def test_a_crash_in_risk_proposes_nothing_and_says_so_for_every_thesis() -> None:
    async with a_session(desk=EAGER) as session:
        state, heard = await passed(await a_cycle(session, bar=BUSY, crashes=("risk",)))
    said = "risk failed: RuntimeError: the desk of risk broke"
    assert state["plan"] == Plan(declined=tuple((t.symbol, said) for t in state["theses"]))
    assert state["failures"] == [NodeFailure(node="risk", subject="", error=said)]
    assert nodes(heard)[-2:] == ["risk", "learning"]


@pytest.mark.parametrize("node", ["tick", "gate", "execution", "learning"])
async def test_a_crash_where_money_is_touched_stops_the_run(node: str) -> None:
    async with a_session(desk=EAGER) as session:
        cycle = await a_cycle(session, bar=BUSY, crashes=(node,))
        with pytest.raises(RuntimeError, match=f"the desk of {node} broke"):
            await passed(cycle)


async def test_what_crashed_is_in_the_archive_with_what_stood_in_for_it() -> None:
    async with a_session(desk=EAGER) as session:
        await passed(await a_cycle(session, bar=BUSY, crashes=("signal",)))
        await session.database.flush()
        steps = {s.node: s.body for s in await session.archive.steps("r1", 0)}
    assert "the desk of signal broke" in steps["signal"]
    assert set(steps) == {"tick", "signal", "learning"}


async def test_a_pass_that_stopped_in_execution_runs_again_to_the_same_end() -> None:
    async with a_session(desk=EAGER) as session:
        whole, _ = await passed(await a_cycle(session, bar=BUSY))
    async with a_session(desk=EAGER) as session:
        with pytest.raises(RuntimeError):
            await passed(await a_cycle(session, bar=BUSY, crashes=("execution",)))
        again, _ = await passed(await a_cycle(session, bar=BUSY))
        assert len(await session.venue.open_orders()) == len(again["approved"])
    assert again["reports"] == whole["reports"]
    assert again["verdicts"] == whole["verdicts"]
