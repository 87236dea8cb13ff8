"""What an operator is told when a run ends: the trading state, what is open, who watches it, and what to type next."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agentctl.commands.approvals import asked_in_words
from agentctl.output import warn
from agentctl.question import Question
from domain.digest import plain
from domain.order import OrderState
from domain.text import visible
from graphs.archive.result import OrderLine, RunResult, resume_command
from graphs.archive.summary import still_open
from graphs.session.ending import OnExit, OpenPosition, unwatched
from graphs.session.session import Session
from memory.operators.audit_log import EVERYWHERE
from memory.operators.controls import Control
from memory.store.records import RunHeader
from venues.open import is_exchange

_PATIENCE_S: Final = 5.0
"""For the books of a run that failed: what failed may be the database."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a run ended, and what it asks a person when it waits for one."""

    result: RunResult
    questions: tuple[Question, ...] = ()
    on_exit: OnExit = "keep"
    halted_throughout: bool = False
    tried_to_close: bool = False
    """Whether a cycle that was to close the positions came to its end: only such a one says why it could not."""
    nothing_left: bool = False
    """Whether it ended because its account was liquidated and can open nothing any more."""
    halt_file: Path | None = None
    """The one that is there: it halts whatever is lifted."""


def parting(ended: Ended) -> Iterator[str]:
    """The last lines of a run that did not fail; none of one that is simply done."""
    result = ended.result
    unfinished = result.status in ("interrupted", "waiting")
    if ended.nothing_left:
        reason = f"the account was liquidated and has {result.equity.end:,.2f} left, less than the least order takes"
        yield f"{reason}: the run ended after {result.cycles} cycles. Start another: agentctl run"
        return
    if unfinished:
        yield f"{result.status} after {result.cycles} cycles; nothing is lost"
    if result.trading is not None:
        yield _restriction(result.trading, throughout=ended.halted_throughout, file=ended.halt_file)
    for question in ended.questions:
        id = question.approval.id
        yield f"a person is asked: {asked_in_words(question)}"
        yield f"  agentctl approvals show {id}"
        yield f"  agentctl approvals approve {id} --reason TEXT, or: agentctl approvals reject {id} --reason TEXT"
    if result.open_positions and ended.on_exit == "flatten" and result.status != "waiting":
        yield from _not_closed(result, tried=ended.tried_to_close)
    loose = _may_fill(result.orders, mode=result.mode)
    yield from _out(loose, run_id=result.run_id)
    watched = is_exchange(result.market) and bool(result.open_positions or loose)
    if watched and result.open_positions:
        yield f"nobody watches now: {unwatched(result.open_positions)}"
    if unfinished:
        yield f"go on with: {result.resume_command}"
    elif watched:
        yield f"go on, until stopped, with: {result.resume_command} --cycles 0"
    elif result.open_positions and result.asked and result.cycles >= result.asked:  # else its market has ended
        yield f"go on, for as many cycles again, with: {result.resume_command} --cycles {2 * result.asked}"


def _may_fill(orders: Sequence[OrderLine], *, mode: str) -> Sequence[OrderLine]:
    """Orders that the exchange has or may have; stops that protect a position are told with it."""
    sent = {OrderState.SUBMITTING, OrderState.UNKNOWN, OrderState.WORKING, OrderState.PARTIAL}
    return [order for order in orders if order.state in sent and order.type != "stop"] * (mode == "live")


def _out(orders: Sequence[OrderLine], *, run_id: str) -> Iterator[str]:
    """Each order that may still fill, and how it is seen and taken back: a halt does that when the run goes on."""
    for order in orders:
        rest = f"{order.side} {plain(order.quantity - order.filled)} {order.symbol}"
        yield f"may still fill, and nobody watches it now: {rest} ({order.state.value}), order {order.client_order_id}"
    if orders:
        resume = f"{resume_command(run_id, live=True)} --cycles 0"
        yield f"to see what is out: agentctl orders --run {run_id} --working"
        yield f"to cancel entries: agentctl halt --run {run_id}, then {resume}; or cancel them at the exchange"


def _restriction(control: Control, *, throughout: bool, file: Path | None) -> str:
    scope = "" if control.scope == EVERYWHERE else f" --run {control.scope}"
    first = f"delete {file}, then " if file else ""
    lift = f"To lift it: {first}agentctl unhalt{scope} --reason TEXT"
    if throughout:
        return f"trading was halted throughout: nothing was entered. {lift}"
    return f"trading is {visible(control.describe)}. {lift}"


def _not_closed(result: RunResult, *, tried: bool) -> Iterator[str]:
    last = max((decision.cycle for decision in result.decisions), default=None) if tried else None
    reasons = {d.symbol: "; ".join(d.reasons) for d in result.decisions if d.cycle == last and d.reasons}
    for position in result.open_positions:
        reason = reasons.get(position.symbol, "")
        yield f"NOT CLOSED: {position.symbol}" + (f", for {visible(reason)}" if reason else "")


async def tell_failure(session: Session) -> None:
    """Say on stderr that a run failed, what it leaves open and how it goes on: from its books, or else from memory."""
    header, positions, orders, as_of = session.header, session.positions, session.out, " at the end of its last cycle"
    with suppress(Exception):  # whatever is wrong with the books, what is known is said
        at = session.last_at or header.created_at
        async with asyncio.timeout(_PATIENCE_S):
            open_now = await still_open(session.ledger, session.settings, at=at)
            positions, orders, as_of = open_now, await session.ledger.orders(working_only=True), ""
    for line in failure(header, positions, tuple(map(OrderLine.of, orders)), as_of=as_of):
        warn(line)


def failure(
    header: RunHeader, positions: Sequence[OpenPosition], orders: Sequence[OrderLine], *, as_of: str
) -> Iterator[str]:
    """The last lines of a run that failed. `orders` are those that may still trade."""
    yield f"run {header.run_id} failed; its data is safe"
    if positions:
        yield f"open positions{as_of}:"
        yield from (f"  {position.describe(header.exchange)}" for position in positions)
        if is_exchange(header.market):
            yield f"nobody watches now: {unwatched(positions)}"
    if as_of and header.mode == "live":
        yield f"orders are named as they were{as_of}; what was sent after that may be out too"
    yield from _out(_may_fill(orders, mode=header.mode), run_id=header.run_id)
    command = resume_command(header.run_id, live=header.mode == "live")
    yield f"fix the cause, then: {command}"
