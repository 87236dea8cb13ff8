"""Protection: every position whose plan has a stop has one at the venue, or the record says why not.

Looked at before anything else in a cycle where a position is bare, and after everything that a cycle sent: so an
entry has its stop seconds after its fill, and an exit that did not happen costs no position its stop. Recorded and
gated like everything that is sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Sequence
from typing import Final

from pydantic import TypeAdapter

from agents.execution import ExecutionAgent
from agents.parts import in_parts
from agents.protection import (
    Guard,
    cover,
    guard,
    is_move,
    orphaned_stops,
    put_back,
    refused_before,
    stop_of,
    unprotected,
)
from agents.reports import NOT_SENT
from domain.decision import Proposal
from domain.order import OrderReport, OrderState
from domain.portfolio import Position
from graphs.trading.cycle import Cycle
from graphs.trading.gate import gate
from graphs.trading.protection_record import Protection
from memory.ledger.orders import OrderRecord
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
_ORDERS: Final = TypeAdapter(tuple[OrderRecord, ...])


async def protect(
    cycle: Cycle, *, node: str, before: Sequence[OrderReport] = ()
) -> tuple[Protection, list[OrderReport]]:
    """Give every position its stop, and take back what has no position any more.

    Orders of this cycle whose fate is open are followed on after that, and what they filled is looked at once more.
    `before` is what the venue said earlier in the cycle.
    """
    protection, reports = await _look(cycle, node=node)
    desk = cycle.desk(f"{node}:follow")
    open_still = [o for o in cycle.working if o.cycle == cycle.number and o.submitted_at and _unsettled(o)]
    late = list(await desk.orders.follow([o.request for o in open_still], late=True)) if open_still else []
    if late:
        after, more = await _look(cycle, node=f"{node}:{LATE}")
        protection = after.model_copy(
            update={
                "proposals": protection.proposals + after.proposals,
                "verdicts": protection.verdicts + after.verdicts,
            }
        )
        late += more
    reports += late
    refused = {r.symbol for r in (*before, *reports) if r.state is OrderState.REJECTED}
    return protection.model_copy(update={"alerts": await _alerts(cycle, refused, node=node)}), reports


async def _look(cycle: Cycle, *, node: str) -> tuple[Protection, list[OrderReport]]:
    if cycle.changed:
        await cycle.look_again(cycle.effects(f"{node}:stock"))
    books = cycle.portfolio
    if books is None:
        return Protection(), []
    orders = cycle.desk(node).orders
    reports = [await orders.cancel(order) for order in orphaned_stops(cycle.working, books)]
    look = _Look(cycle, node=node)
    reports += await look.take_back()
    protection, sent = await look.place()
    reports += sent
    if reports:
        await cycle.look_again(cycle.effects(f"{node}:after"))
    missing = tuple(look.unprotected())
    closing = tuple(symbol for symbol, _ in missing if symbol in look.closing)
    return protection.model_copy(update={"unprotected": missing, "closing": closing}), reports


class _Look:
    """One look at the stops of all positions: what each needs, what becomes of that, and what is still missing."""

    def __init__(self, cycle: Cycle, *, node: str) -> None:
        self._cycle = cycle
        self._node = node
        self._desk = cycle.desk(node)
        self._working = {order.client_order_id: order for order in cycle.working}
        self._quotes: dict[str, QuoteReading | None] = {}
        self._proposals: list[Proposal] = []
        self._whys: dict[str, str] = {}
        self.closing: set[str] = set()
        """Symbols of positions that the venue is about to close."""

    async def take_back(self) -> list[OrderReport]:
        """Find out what every position needs, and take back the stops that it has too many of."""
        positions = self._cycle.portfolio.positions if self._cycle.portfolio else {}
        symbols = sorted(positions)
        reads = await asyncio.gather(*(self._desk.tools.call(quote, QuoteParams(symbol=s)) for s in symbols))
        dated = self._cycle.dated
        self._quotes = {s: read.value or dated.get(s) for s, read in zip(symbols, reads, strict=True)}
        reports: list[OrderReport] = []
        for symbol in symbols:
            try:
                needs = await self._needs(positions[symbol])
            except (ArithmeticError, LookupError, ValueError) as error:  # must not cost the others theirs
                needs = Guard(why=f"its stop could not be worked out: {type(error).__name__}")
            self._whys[symbol] = needs.why
            self.closing |= {symbol} if needs.closing else set()
            reports += [await self._desk.orders.cancel(self._working[id]) for id in needs.withdraw]
            if needs.proposal is not None:
                self._proposals += in_parts([needs.proposal], self._desk)
        return reports

    async def _needs(self, position: Position) -> Guard:
        cycle, desk = self._cycle, self._desk
        stop = await stop_of(position, desk)
        if stop is not None:
            cycle.stops[position.symbol] = stop
        occasion = self._node.replace("_", " ")
        needs = guard(position, stop, self._quotes[position.symbol], desk, occasion=occasion)
        if needs.proposal is None or not is_move(needs, position, cycle.working):
            return needs

        async def rejected() -> tuple[OrderRecord, ...]:
            return tuple([order.unnamed for order in await cycle.session.ledger.rejected()])

        refused = await cycle.effects(f"{self._node}:moves", position.symbol).once(
            "ledger:rejected", None, returns=_ORDERS, perform=rejected
        )
        return Guard() if refused_before(needs.proposal, position, refused, cycle=cycle.number) else needs

    async def place(self) -> tuple[Protection, list[OrderReport]]:
        """Send the stops that are missing, and put back what the venue refused to replace."""
        proposals, cycle, node = self._proposals, self._cycle, self._node
        if not proposals:
            return Protection(), []
        verdicts, sent, whys = await _sent(proposals, cycle, node=node)
        self._whys |= whys
        standing = {r.client_order_id for r in sent if r.state.stands}
        reports = [*sent, *await _release(proposals, standing, self._working, cycle, node=node)]
        failed = {r.client_order_id for r in sent if r.state.failed}
        if refused := [p for p in proposals if p.releases and p.client_order_id in failed]:
            back, more, sent_back = await self._put_back(refused)
            proposals, verdicts, reports = [*proposals, *back], (*verdicts, *more), [*reports, *sent_back]
        return Protection(proposals=tuple(proposals), verdicts=verdicts), reports

    async def _put_back(
        self, refused: Sequence[Proposal]
    ) -> tuple[list[Proposal], tuple[Verdict, ...], tuple[OrderReport, ...]]:
        cycle, node = self._cycle, self._node
        await cycle.look_again(cycle.effects(f"{node}:refused"))
        desk, books = cycle.desk(f"{node}:{BACK}"), cycle.portfolio
        if books is None:
            return [], (), ()
        back = put_back(refused, self._working, books, self._quotes, desk, occasion=node.replace("_", " "))
        if not back:
            return [], (), ()
        verdicts, sent, whys = await _sent(back, cycle, node=f"{node}:{BACK}")
        self._whys |= whys
        return back, verdicts, sent

    def unprotected(self) -> Iterator[tuple[str, str]]:
        """By symbol, why the venue holds no stop for all of a position, as the cycle knows it by now."""
        books, instruments = self._cycle.portfolio, self._cycle.session.settings.instruments
        for symbol, position in sorted(books.positions.items()) if books else ():
            covered = cover(position, self._cycle.working, lot_size=instruments[symbol].lot_size)
            if why := unprotected(covered, why=self._whys.get(symbol, "")):
                yield symbol, why


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
    return judged.verdicts, sent, whys | {r.symbol: _unplaced(r) for r in sent if not r.state.stands}


async def _release(
    proposals: list[Proposal], standing: set[str], working: dict[str, OrderRecord], cycle: Cycle, *, node: str
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
    return [await orders.cancel(working[id]) for id in dict.fromkeys(released)]


def _unsettled(order: OrderRecord) -> bool:
    """Whether it is to be followed on: it does not wait for its price, or is not confirmed by who attached it."""
    return not (order.request.protects and (order.request.attached_to is None or order.state.at_venue))


def _unplaced(report: OrderReport) -> str:
    if report.state is OrderState.UNKNOWN:
        return f"its stop {report.client_order_id} is in doubt: {report.reason}"
    return f"its stop was not placed: {report.reason or report.state.value}"


async def _alerts(cycle: Cycle, symbols: Collection[str], *, node: str) -> tuple[str, ...]:
    """Of positions in `symbols` whose exits or stops the venue refused again and again: how often, and its last words.

    An effect: run again after a crash, the ledger holds what the cycle did later.
    """
    positions = cycle.portfolio.positions if cycle.portfolio else {}
    affected = sorted(positions.keys() & set(symbols))
    if not affected:
        return ()

    async def look() -> tuple[str, ...]:
        orders = await cycle.session.ledger.orders()
        refusals = {symbol: refused_in_a_row([o for o in orders if o.request.symbol == symbol]) for symbol in affected}
        return tuple(
            f"{symbol}: {len(streak)} exits and stops in a row were refused: {streak[0].reason}"
            for symbol, streak in refusals.items()
            if len(streak) >= ALERT_AFTER
        )

    return await cycle.effects(f"{node}:alerts").once("ledger:refusals", affected, returns=_TEXTS, perform=look)


def refused_in_a_row(orders: Sequence[OrderRecord]) -> Sequence[OrderRecord]:
    """Orders that only reduce and that the venue refused, the newest first, since one that it did not refuse.

    A stop that stands says nothing of the exits, and is passed over; so is what the venue was never asked for.
    """
    refused: list[OrderRecord] = []
    sent = (o for o in orders if o.submitted_at is not None and not o.reason.startswith(NOT_SENT))
    for order in sorted(sent, key=lambda o: (o.updated_at, o.client_order_id), reverse=True):
        if order.state is OrderState.REJECTED and order.request.reduce_only:
            refused.append(order)
        elif order.request.reduce_only and not order.request.protects:
            break
    return refused
