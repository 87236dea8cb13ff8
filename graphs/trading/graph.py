"""The trading graph: tick, Signal, Research for each candidate at once, Risk, gate, Execution, Learning.

Where the gate asks for a person: review, the gate again, and Execution again. Positions get their stops at the venue
before Signal where one lacks it, and after everything that was sent.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, Final

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime
from langgraph.types import Checkpointer, RetryPolicy, Send

from agents.execution import ExecutionAgent
from agents.learning import LearningAgent
from agents.protection import bare, orphaned_stops
from agents.research import ResearchAgent, abstention
from agents.risk import Plan, RiskAgent
from agents.signal import Scan, SignalAgent
from domain.decision import Proposal
from domain.errors import LeaseLost, Refused, ServiceUnavailable, worth_asking_again
from domain.order import CONTRADICTION, PAST_LIMIT
from domain.text import visible
from graphs.account.survey import account_in_words, doubt_in_words
from graphs.trading.approvals import answers, asking
from graphs.trading.constraints import take_on
from graphs.trading.cycle import Cycle
from graphs.trading.dated_quotes import dated_quotes
from graphs.trading.events import GateSpoke, Liquidated, MarketSaid, NodeEnded, NodeStarted
from graphs.trading.gate import AGAIN, gate
from graphs.trading.protection import FIRST, protect
from graphs.trading.protection_record import Protection
from graphs.trading.reconciliation import take_account
from graphs.trading.state import CycleState, NodeFailure
from graphs.trading.summaries import in_words
from memory.ledger.orders import OrderRecord
from policy import Verdict
from tools.quotes import QuoteParams, quote

Node = Callable[[CycleState, Cycle], Awaitable[CycleState]]
CycleOf = Callable[[str], Awaitable[Cycle]]
"""Gives the cycle for a node that is about to run, where no runner does."""

TradingGraph = CompiledStateGraph[CycleState, Cycle, CycleState, CycleState]


def _may_pass(error: Exception) -> bool:
    return worth_asking_again(error) and not isinstance(error, LeaseLost)


_RETRY: Final = RetryPolicy(max_attempts=3, retry_on=_may_pass, jitter=False)
"""A node that runs again repeats no effect: what it already did is on the tape. A lost lease is for the runner."""


async def tick(state: CycleState, cycle: Cycle) -> CycleState:
    """Open the cycle: learn what became of working orders, price what is held, and see what must be done."""
    cycle.unguarded = cycle.session.live
    desk = cycle.desk("tick")
    account = await take_account(cycle, desk) if cycle.session.live else None
    settled = await desk.orders.settle() if cycle.session.settles else None
    news = account or settled
    reports = list(news.reports if news is not None else await desk.orders.sync())
    control = await cycle.look_at_control(desk.effects)
    if control.state != "active":
        taken_back = _taken_back(await cycle.open_orders(desk.effects), flatten=control.flatten)
        reports += [await desk.orders.cancel(order) for order in taken_back]
    reads = await asyncio.gather(*(desk.tools.call(quote, QuoteParams(symbol=s)) for s in desk.universe))
    quotes = {read.value.symbol: read.value for read in reads if read.value is not None}
    cycle.dated = await dated_quotes([s for s in desk.universe if s not in quotes], cycle)
    cycle.session.quotes.update(quotes)
    marks = {symbol: read.mid for symbol, read in quotes.items()}
    proven_at = account.at if account is not None and account.proven else None
    await cycle.take_stock(desk.effects, marks=marks, reports=reports, reconciled_at=proven_at)
    if cycle.portfolio is not None:
        orphans = [await desk.orders.cancel(order) for order in orphaned_stops(cycle.working, cycle.portfolio)]
        reports, cycle.changed = [*reports, *orphans], cycle.changed or bool(orphans)
    await take_on(cycle, control, desk.effects)
    update: CycleState = {"reports": reports, "portfolio": cycle.portfolio}
    if account is not None:
        update["account"] = account
    if settled is not None and settled.events:
        update["settled"] = list(settled.events)
    protectable = desk.venue_stops - cycle.suspended.keys()
    if cycle.portfolio is not None and (missing := bare(cycle.portfolio, cycle.working, venue_stops=protectable)):
        update["bare"] = list(missing)
    if cycle.session.live or (desk.venue_stops and cycle.portfolio is not None and cycle.portfolio.positions):
        update["guarded"] = cycle.session.live or cycle.stops_to_see_to(desk.settings)
    cycle.unguarded = "bare" in update and "account" in update
    return update


def _taken_back(working: Sequence[OrderRecord], *, flatten: bool) -> Sequence[OrderRecord]:
    """What a halt takes back: entries that still work, and to become flat exits too. Protective stops stay."""
    return [o for o in working if not o.request.protects and (flatten or not o.request.reduce_only)]


async def signal(state: CycleState, cycle: Cycle) -> CycleState:
    """Candidates; none while nothing could be sent, or everything is being left: no model is paid for that.

    Nor between two bars: there is nothing new to think about, and what is held is looked after all the same.
    """
    duty = cycle.duty
    if duty.flatten or not duty.sends:
        return {"scan": Scan(quiet=tuple((symbol, duty.reason) for symbol in cycle.session.universe))}
    if cycle.between_bars:
        return {"scan": Scan(quiet=tuple((symbol, "no bar has closed since") for symbol in cycle.session.universe))}
    if pause := await cycle.pause_of_model():
        return {"scan": Scan(quiet=tuple((symbol, pause) for symbol in cycle.session.universe))}
    return {"scan": await SignalAgent()(cycle.desk("signal"))}


async def research(state: CycleState, cycle: Cycle) -> CycleState:
    candidate = state["candidate"]
    return {"theses": [await ResearchAgent()(candidate, cycle.desk("research", candidate.symbol))]}


async def risk(state: CycleState, cycle: Cycle) -> CycleState:
    return {"plan": await RiskAgent()(state.get("theses", []), cycle.desk("risk"))}


async def judge(state: CycleState, cycle: Cycle) -> CycleState:
    judged = await gate(state["plan"].proposals, cycle, theses=state.get("theses", []))
    questions = [v.client_order_id for v in asking(judged.verdicts, cycle.session.settings.policy)]
    return {"verdicts": list(judged.verdicts), "approved": list(judged.approved), "asked": questions}


async def execution(state: CycleState, cycle: Cycle) -> CycleState:
    cycle.unguarded, cycle.changed = cycle.session.live, True
    return {"reports": list(await ExecutionAgent()(state["approved"], cycle.desk("execution")))}


async def review(state: CycleState, cycle: Cycle) -> CycleState:
    """What a person says to the orders that the gate would not decide alone. Interrupts the graph until then."""
    return {"consents": list(await answers(state["verdicts"], cycle))}


async def judge_again(state: CycleState, cycle: Cycle) -> CycleState:
    """The whole gate again, on the facts of now, for the orders that a person let stand."""
    overridden = {consent.client_order_id for consent in state["consents"]}
    proposals = [p for p in state["plan"].proposals if p.client_order_id in overridden]
    judged = await gate(proposals, cycle, node=AGAIN, theses=state.get("theses", []), consents=tuple(state["consents"]))
    return {"verdicts_again": list(judged.verdicts), "approved": list(judged.approved)}


async def execution_again(state: CycleState, cycle: Cycle) -> CycleState:
    cycle.unguarded, cycle.changed = cycle.session.live, True
    return {"reports": list(await ExecutionAgent()(state["approved"], cycle.desk("execution_again")))}


async def protection_first(state: CycleState, cycle: Cycle) -> CycleState:
    """Stops for positions that have none, before anything else: what was filled when nobody looked, or just before a
    crash."""
    return await _protected(state, cycle, node=FIRST)


async def protection(state: CycleState, cycle: Cycle) -> CycleState:
    return await _protected(state, cycle, node="protection")


async def protection_again(state: CycleState, cycle: Cycle) -> CycleState:
    return await _protected(state, cycle, node="protection_again")


async def _protected(state: CycleState, cycle: Cycle, *, node: str) -> CycleState:
    protection, reports = await protect(cycle, node=node, before=state.get("reports", ()))
    cycle.unguarded = False
    return {"protection": protection, "reports": reports, "portfolio": cycle.portfolio}


async def learning(state: CycleState, cycle: Cycle) -> CycleState:
    return {"episodes": list(await LearningAgent()(cycle.desk("learning")))}


def _no_scan(error: str, state: CycleState, cycle: Cycle) -> CycleState:
    return {"scan": Scan(quiet=tuple((s, error) for s in cycle.session.universe))}


def _no_thesis(error: str, state: CycleState, cycle: Cycle) -> CycleState:
    return {"theses": [abstention(state["candidate"].symbol, error)]}


def _no_plan(error: str, state: CycleState, cycle: Cycle) -> CycleState:
    positions = cycle.portfolio.positions if cycle.portfolio else {}
    symbols = {*positions, *(t.symbol for t in state.get("theses", []))}
    return {"plan": Plan(declined=tuple((symbol, error) for symbol in sorted(symbols)))}


Fallback = Callable[[str, CycleState, Cycle], CycleState]

NODES: Final[dict[str, tuple[Node, Fallback | None]]] = {
    "tick": (tick, None),
    "protection_first": (protection_first, None),
    "signal": (signal, _no_scan),
    "research": (research, _no_thesis),
    "risk": (risk, _no_plan),
    "gate": (judge, None),
    "execution": (execution, None),
    "protection": (protection, None),
    "review": (review, None),
    "gate_again": (judge_again, None),
    "execution_again": (execution_again, None),
    "protection_again": (protection_again, None),
    "learning": (learning, None),
}
"""Every node with what stands in for it when it fails. Those that touch money have nothing: the run stops."""


def _step(name: str, run: Node, fallback: Fallback | None, cycle_of: CycleOf | None) -> Any:
    """A graph node: run, record what came out, tell who listens."""

    async def node(state: CycleState, runtime: Runtime[Cycle]) -> CycleState:
        cycle = await cycle_of(name) if cycle_of else runtime.context
        subject = state["candidate"].symbol if name == "research" else ""
        tell = runtime.stream_writer
        tell(NodeStarted(cycle.number, name, subject))
        begun = time.perf_counter()
        failed = False
        try:
            update = await run(state, cycle)
        except (Refused, ServiceUnavailable):
            raise  # what was recorded or booked is in doubt, or can't be reached: nothing stands in for that
        except Exception as error:
            if fallback is None:
                raise
            failed = True
            message = visible(f"{name} failed: {type(error).__name__}: {error}", limit=300)
            failure = NodeFailure(node=name, subject=subject, error=message)
            update = {**fallback(message, state, cycle), "failures": [failure]}
        cycle.keep(name, subject, update)
        for proposal, verdict in _judged(state, update):
            tell(GateSpoke(cycle.number, proposal, verdict))
        if "protection" in update:
            for text in _in_need(update["protection"]):
                tell(MarketSaid(text))
        for event in update.get("settled", ()):
            if event.kind == "liquidation":
                tell(Liquidated(cycle.number, event))
        if "account" in update and (message := account_in_words(update["account"])):
            tell(MarketSaid(message))
        for report in dict.fromkeys(r for r in update.get("reports", ()) if r.evidence == CONTRADICTION):
            tell(MarketSaid(doubt_in_words(report)))
        for report in dict.fromkeys(r for r in update.get("reports", ()) if PAST_LIMIT in r.reason and not r.filled):
            tell(MarketSaid(f"{report.symbol} was not entered: {report.reason}"))
        elapsed_ms = (time.perf_counter() - begun) * 1_000
        tell(NodeEnded(cycle.number, name, subject, elapsed_ms, in_words(name, update), failed))
        return update

    return node


def _judged(state: CycleState, update: CycleState) -> Iterator[tuple[Proposal, Verdict]]:
    """Proposals that a node had judged, with what the gate said of each."""
    guards = update.get("protection", Protection())
    verdicts = (*update.get("verdicts", ()), *update.get("verdicts_again", ()), *guards.verdicts)
    plan = state.get("plan", Plan())
    proposals = {p.digest: p for p in (*plan.proposals, *guards.proposals)}
    return ((proposals[verdict.proposal_digest], verdict) for verdict in verdicts)


def _in_need(protection: Protection) -> Iterator[str]:
    """What an operator must know of the stops of positions."""
    for symbol, why in protection.unprotected:
        if symbol not in protection.closing:
            yield f"{symbol} has no stop at the venue: {why}"
    for text in protection.alerts:
        yield f"ALERT: {text}"


def after_signal(state: CycleState) -> str | list[Send]:
    """Research for each candidate at once; Risk alone when only positions need care; else nothing to do."""
    if state["scan"].signals:
        shared: CycleState = {"portfolio": state["portfolio"]}
        return [Send("research", {**shared, "candidate": s}) for s in state["scan"].signals]
    portfolio = state["portfolio"]
    return "risk" if portfolio is None or portfolio.positions else "learning"


def after_tick(state: CycleState) -> str:
    return "protection_first" if state.get("bare") else "signal"


def after_risk(state: CycleState) -> str:
    return "gate" if state["plan"].proposals else after_execution(state)


def after_gate(state: CycleState) -> str:
    return "execution" if state["approved"] else after_execution(state)


def after_execution(state: CycleState) -> str:
    """What is held is protected before anybody is waited for."""
    return "protection" if _protects(state) else after_protection(state)


def after_protection(state: CycleState) -> str:
    """Orders that were allowed don't wait for those that a person is asked about."""
    return "review" if state.get("asked") else "learning"


def after_review(state: CycleState) -> str:
    return "gate_again" if state["consents"] else "learning"


def after_gate_again(state: CycleState) -> str:
    return "execution_again" if state["approved"] else "learning"


def after_execution_again(state: CycleState) -> str:
    return "protection_again" if _protects(state) else "learning"


def _protects(state: CycleState) -> bool:
    """Whether stops are looked at now: some are to be seen to, or exits were sent that may have replaced some."""
    exits = any(each.order.reduce_only for each in state.get("approved", ()))
    return "guarded" in state and (state["guarded"] or exits)


def build(*, checkpointer: Checkpointer = None, cycle_of: CycleOf | None = None) -> TradingGraph:
    """The compiled trading graph. Its runtime context is a `Cycle`, unless `cycle_of` gives one."""
    graph: StateGraph[CycleState, Cycle, CycleState, CycleState] = StateGraph(CycleState, context_schema=Cycle)
    for name, (run, fallback) in NODES.items():
        graph.add_node(name, _step(name, run, fallback, cycle_of), retry_policy=_RETRY)
    graph.add_edge(START, "tick")
    graph.add_conditional_edges("tick", after_tick, ["protection_first", "signal"])
    graph.add_edge("protection_first", "signal")
    graph.add_conditional_edges("signal", after_signal, ["research", "risk", "learning"])
    graph.add_edge("research", "risk")
    graph.add_conditional_edges("risk", after_risk, ["gate", "protection", "learning"])
    graph.add_conditional_edges("gate", after_gate, ["execution", "protection", "review", "learning"])
    graph.add_conditional_edges("execution", after_execution, ["protection", "review", "learning"])
    graph.add_conditional_edges("protection", after_protection, ["review", "learning"])
    graph.add_conditional_edges("review", after_review, ["gate_again", "learning"])
    graph.add_conditional_edges("gate_again", after_gate_again, ["execution_again", "learning"])
    graph.add_conditional_edges("execution_again", after_execution_again, ["protection_again", "learning"])
    graph.add_edge("protection_again", "learning")
    graph.add_edge("learning", END)
    return graph.compile(checkpointer=checkpointer, name="trading")
