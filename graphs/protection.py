"""Protection of a live account: every position whose plan has a stop has one at the venue, or the record says why not.

Looked at before anything else in a cycle where a position is bare, and after everything that a cycle sent: so an
entry has its stop seconds after its fill, and an exit that did not happen costs no position its stop. Recorded and
gated like everything that is sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from typing import Final

from pydantic import TypeAdapter

from agents.desk import Desk
from agents.execution import ExecutionAgent
from agents.parts import in_parts
from agents.protection import Guard, guard, orphaned_stops, put_back, stop_of, unprotected
from domain.decision import Proposal
from domain.order import OrderReport, OrderState
from domain.portfolio import Position
from graphs.cycle import Cycle
from graphs.gate import gate
from graphs.guards import Protection
from memory.orders import OrderRecord
from policy import Verdict
from tools.quotes import QuoteParams, QuoteReading, quote

FIRST: Final = "protection_first"
LATE: Final = "late"
"""Once orders whose fate was open were followed on."""
BACK: Final = "back"
"""Once the venue refused what was to replace a stop."""
ALERT_AFTER: Final = 2
"""Refusals by the venue in a row, of exits and stops of one position, after which the operator is alerted."""
_TEXTS: Final = TypeAdapter(tuple[str, ...])
_GONE: Final = (OrderState.REJECTED, OrderState.CANCELLED, OrderState.EXPIRED)
_STANDS: Final = (OrderState.WORKING, OrderState.PARTIAL, OrderState.FILLED)


async def protect(
    cycle: Cycle, *, node: str, before: Sequence[OrderReport] = ()
) -> tuple[Protection, list[OrderReport]]:
    """Give every position its stop, and take back what has no position any more.

    Orders of this cycle whose fate is open are followed on after that, and what they filled is looked at once more.
    `before` is what the venue said earlier in the cycle.
    """
    found, reports = await _look(cycle, node=node)
    desk = cycle.desk(f"{node}:follow")
    open_still = [o for o in cycle.working if o.cycle == cycle.number and o.submitted_at and not o.request.protects]
    late = list(await desk.orders.follow([o.request for o in open_still], late=True)) if open_still else []
    if late:
        after, more = await _look(cycle, node=f"{node}:{LATE}")
        found = after.model_copy(
            update={
                "proposals": found.proposals + after.proposals,
                "verdicts": found.verdicts + after.verdicts,
            }
        )
        late += more
    reports += late
    refused = {r.symbol for r in (*before, *reports) if r.state is OrderState.REJECTED}
    return found.model_copy(update={"alerts": await _alerts(cycle, refused, node=node)}), reports


async def _look(cycle: Cycle, *, node: str) -> tuple[Protection, list[OrderReport]]:
    await cycle.look_again(cycle.effects(f"{node}:stock"))
    desk = cycle.desk(node)
    books = cycle.portfolio
    if books is None:
        return Protection(), []
    held = {order.client_order_id: order for order in cycle.working}
    reports = [await desk.orders.cancel(order) for order in orphaned_stops(cycle.working, books)]
    whys: dict[str, str] = {}
    proposals: list[Proposal] = []
    symbols = sorted(books.positions)
    reads = await asyncio.gather(*(desk.tools.call(quote, QuoteParams(symbol=symbol)) for symbol in symbols))
    seen = {symbol: read.value or cycle.dated.get(symbol) for symbol, read in zip(symbols, reads, strict=True)}
    for symbol, quoted in seen.items():
        try:
            needs = await _needs(books.positions[symbol], quoted, cycle, desk, node=node)
        except (ArithmeticError, LookupError, ValueError) as error:  # one that fails must not cost the others theirs
            needs = Guard(why=f"its stop could not be worked out: {type(error).__name__}")
        whys[symbol] = needs.why
        reports += [await desk.orders.cancel(held[id]) for id in needs.withdraw]
        if needs.proposal is not None:
            proposals += in_parts([needs.proposal], desk)
    verdicts: tuple[Verdict, ...] = ()
    if proposals:
        verdicts, sent, whys_not = await _sent(proposals, cycle, node=node)
        whys |= whys_not
        standing = {r.client_order_id for r in sent if r.state in _STANDS}
        reports += [*sent, *await _release(proposals, standing, held, cycle, node=node)]
        ended = {r.client_order_id for r in sent if r.state in _GONE}
        if refused := [p for p in proposals if p.releases and p.client_order_id in ended]:
            await cycle.look_again(cycle.effects(f"{node}:refused"))
            desk, books = cycle.desk(f"{node}:{BACK}"), cycle.portfolio or books
            if back := put_back(refused, held, books, seen, desk, occasion=node.replace("_", " ")):
                more, sent, whys_not = await _sent(back, cycle, node=f"{node}:{BACK}")
                whys |= whys_not
                proposals, verdicts, reports = [*proposals, *back], (*verdicts, *more), [*reports, *sent]
    if reports:
        await cycle.look_again(cycle.effects(f"{node}:after"))
        books = cycle.portfolio or books
    instruments = cycle.session.settings.instruments
    left = {
        symbol: unprotected(p, cycle.working, lot_size=instruments[symbol].lot_size, why=whys.get(symbol, ""))
        for symbol, p in sorted(books.positions.items())
    }
    missing = tuple((symbol, why) for symbol, why in left.items() if why)
    return Protection(proposals=tuple(proposals), verdicts=verdicts, unprotected=missing), reports


async def _needs(position: Position, seen: QuoteReading | None, cycle: Cycle, desk: Desk, *, node: str) -> Guard:
    stop = await stop_of(position, desk)
    if stop is not None:
        cycle.stops[position.symbol] = stop
    return guard(position, stop, seen, desk, occasion=node.replace("_", " "))


async def _sent(
    proposals: Sequence[Proposal], cycle: Cycle, *, node: str
) -> tuple[tuple[Verdict, ...], tuple[OrderReport, ...], dict[str, str]]:
    """Stops through the gate to the venue: the verdicts, what the venue said, and by symbol why a stop does not stand.

    Of several parts that replace a held stop either all go out or none: what was let through alone would take away
    what protects the rest.
    """
    judged = await gate(proposals, cycle, node=f"{node}:gate")
    whys = {
        v.symbol: f"the gate refused its stop: {'; '.join(v.reasons)}" for v in judged.verdicts if v.outcome != "allow"
    }
    desk = cycle.desk(f"{node}:execution")
    torn = [each.order for each in judged.approved if each.releases and each.order.symbol in whys]
    for order in torn:
        await desk.orders.withdraw(order, reason="not sent: another part of the stop was refused")
    sent = await ExecutionAgent()([each for each in judged.approved if each.order not in torn], desk)
    return judged.verdicts, sent, whys | {r.symbol: _unplaced(r) for r in sent if r.state not in _STANDS}


async def _release(
    proposals: list[Proposal], standing: set[str], held: dict[str, OrderRecord], cycle: Cycle, *, node: str
) -> list[OrderReport]:
    """Take back the stops of perpetuals that were replaced, now that all that replaces them stands at the venue."""
    orders = cycle.desk(f"{node}:release").orders
    instruments = cycle.session.settings.instruments
    lacking = {proposal.symbol for proposal in proposals if proposal.client_order_id not in standing}
    released = [
        id
        for proposal in proposals
        if instruments[proposal.symbol].kind == "swap" and proposal.symbol not in lacking
        for id in proposal.releases
    ]
    return [await orders.cancel(held[id]) for id in dict.fromkeys(released)]


def _unplaced(report: OrderReport) -> str:
    if report.state is OrderState.UNKNOWN:
        return f"its stop {report.client_order_id} is in doubt: {report.reason}"
    return f"its stop was not placed: {report.reason or report.state.value}"


async def _alerts(cycle: Cycle, symbols: Collection[str], *, node: str) -> tuple[str, ...]:
    """Of positions in `symbols` whose exits or stops the venue refused again and again: how often, and its last words.

    An effect: run again after a crash, the ledger holds what the cycle did later.
    """
    held = cycle.portfolio.positions if cycle.portfolio else {}
    asked = sorted(held.keys() & set(symbols))
    if not asked:
        return ()

    async def look() -> tuple[str, ...]:
        orders = await cycle.session.ledger.orders()
        refusals = {symbol: refused_in_a_row([o for o in orders if o.request.symbol == symbol]) for symbol in asked}
        return tuple(
            f"{symbol}: {len(found)} exits and stops in a row were refused: {found[0].reason}"
            for symbol, found in refusals.items()
            if len(found) >= ALERT_AFTER
        )

    return await cycle.effects(f"{node}:alerts").once("ledger:refusals", asked, returns=_TEXTS, perform=look)


def refused_in_a_row(orders: Sequence[OrderRecord]) -> Sequence[OrderRecord]:
    """Orders that only reduce and that the venue refused, the newest first, since one that it did not refuse.

    A stop that stands says nothing of the exits, and is passed over.
    """
    refused: list[OrderRecord] = []
    for order in sorted(orders, key=lambda o: (o.updated_at, o.client_order_id), reverse=True):
        if order.state is OrderState.REJECTED and order.request.reduce_only:
            refused.append(order)
        elif order.request.reduce_only and not order.request.protects:
            break
    return refused
