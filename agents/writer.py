"""The single order writer: the only caller of `Venue.submit`, behind a durable intent and a ticket."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

from pydantic import Field, TypeAdapter

from agents.reports import missing_report, stated, word_on, worded
from agents.sending import Approved, exact_copies, exactly, together
from domain.candle import Quote
from domain.decision import Ticket
from domain.effects import Effects
from domain.errors import NotFound, OrderStateUnknown, TicketRefused, VenueUnavailable, worth_asking_again
from domain.instrument import Instrument
from domain.order import CONTRADICTION, OrderReport, OrderRequest, OrderState
from domain.statement import ExternalEvent
from domain.value import Value, absent
from domain.venue import BatchVenue, Outcome, SettlingVenue, Venue
from memory.ledger.ledger import Ledger
from memory.ledger.orders import OrderRecord, attached, order_after
from policy import Policy
from policy.account import Arming
from policy.recheck import moved

Brake = Callable[[], str]
"""Asked before each send: why nothing may be sent now; empty when it may."""

Sleep = Callable[[float], Awaitable[None]]
LookAtArming = Callable[[], Awaitable[Arming | None]]

_PAUSES_S: Final = (0.5, 1.0, 2.0)
"""Between questions about an order that was sent just now and must end soon: short in all, for what was filled
meanwhile has no stop yet."""
_LATE_PAUSES_S: Final = (4.0, 8.0, 15.0)
"""Once what was filled has its stop. What is still open then is asked about at the next tick."""

_TEXT: Final = TypeAdapter(str)
_REPORT: Final = TypeAdapter(OrderReport)
_REPORTS: Final = TypeAdapter(tuple[OrderReport, ...])


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """What a writer needs besides on a desk that trades with money."""

    armed: LookAtArming
    sleep: Sleep
    batch: int = 1
    """How many entries share a request."""


class Settled(Value):
    """What a paper venue tells at a tick: its word on orders that may still trade, and what else moved the account."""

    reports: tuple[OrderReport, ...]
    events: tuple[ExternalEvent, ...] = Field(default=(), exclude_if=absent)
    """Funding and liquidations."""


_SETTLED: Final = TypeAdapter(Settled)


class OrderWriter:
    """Sends approved orders and keeps the ledger's view of working ones true, for one step of one cycle.

    The intent is committed by the gate before anything is sent. A ticket is claimed before the send:
    when the claim fails, an earlier attempt sent the order or may have, and the venue is asked by id
    before anything else happens. It is sent again only where no attempt came to an end, the venue has
    no such order, might be sent for the first time just now, and is none where a request can be late
    (`Venue.resends`): at an exchange nothing is ever sent twice.
    """

    def __init__(
        self,
        *,
        venue: Venue,
        ledger: Ledger,
        effects: Effects,
        run_id: str,
        cycle: int,
        policy: Policy,
        instruments: Mapping[str, Instrument],
        brake: Brake,
        quote_s: float = 1.5,
        live: Live | None = None,
    ) -> None:
        """`quote_s` is for the venue to show its price, just before an order is sent."""
        self._venue = venue
        self._ledger = ledger
        self._effects = effects
        self._run_id = run_id
        self._cycle = cycle
        self._policy = policy
        self._instruments = instruments
        self._brake = brake
        self._quote_s = quote_s
        self._live = live

    async def send(self, order: OrderRequest, ticket: Ticket, *, judged: Quote) -> OrderReport:
        """Send one order under its ticket and record what the venue said.

        `judged` is the quote that the gate saw. When trading was halted since, or the price moved away,
        the order is withdrawn: what was allowed a moment ago need not be right now.

        The report is UNKNOWN when no answer proves anything; it is never guessed. Raises `TicketRefused` for
        a ticket that does not fit an order which may be out already, and for what is no order or no ticket by its
        exact type: what is claimed, sent and recorded is a copy (`domain.exact`).
        """
        approved = Approved.model_construct(order=order, ticket=ticket, judged=judged)
        (report,) = await self._send([exactly(approved)])
        return report

    async def send_all(self, approved: Sequence[Approved]) -> tuple[OrderReport, ...]:
        """Send orders as by `send`, in their order: the gate's, in which ways out come first.

        Entries share a request where the venue took batches when the run began; see `together`. An order that an
        earlier attempt claimed is in none. Raises `TicketRefused` as `send` does, once all others were sent.
        """
        copies, refused = exact_copies(approved)
        groups = together(copies, batch=self._live.batch if self._live else 1)
        reports = tuple([report for group in groups for report in await self._send(group)])
        if refused is not None:
            raise refused
        return reports

    async def _send(self, group: Sequence[Approved]) -> tuple[OrderReport, ...]:
        at = self._effects.now()
        claims = list(zip(group, await self._claim(group, at=at), strict=True))
        # Withdrawn: the one thing that is sure to be not out.
        by_id = {
            each.order.client_order_id: stated(each.order, OrderState.CANCELLED, reason=earlier.reason, at=at)
            for each, earlier in claims
            if earlier is not None and earlier.submitted_at is None
        }
        out = [(each, earlier) for each, earlier in claims if each.order.client_order_id not in by_id]
        barred = {
            each.order.client_order_id: await self._make_room(each, fresh=earlier is None) for each, earlier in out
        }

        async def deliver() -> tuple[OrderReport, ...]:
            return await self._deliver(out, barred, at=at)

        async def deliver_one() -> OrderReport:
            (report,) = await self._deliver(out, barred, at=at)
            return report

        reports: tuple[OrderReport, ...] = ()
        orders = [each.order for each, _ in out]
        if len(orders) > 1:
            reports = await self._booked("venue:submit_all", orders, perform=deliver)
        elif orders:
            reports = (await self._booked_one("venue:submit", orders[0], perform=deliver_one),)
        by_id |= {report.client_order_id: report for report in reports}
        return tuple(by_id[each.order.client_order_id] for each in group)

    async def _booked(
        self, name: str, request: object, *, perform: Callable[[], Awaitable[tuple[OrderReport, ...]]]
    ) -> tuple[OrderReport, ...]:
        """What the venue says, recorded in the same commit that books it: both are kept, or neither."""
        answer = await self._effects.answer(name, request, returns=_REPORTS, perform=perform)
        await self._ledger.record_all(answer.value, cycle=self._cycle, keep=answer.keep)
        return answer.value

    async def _booked_one(
        self, name: str, request: object, *, perform: Callable[[], Awaitable[OrderReport]]
    ) -> OrderReport:
        answer = await self._effects.answer(name, request, returns=_REPORT, perform=perform)
        await self._ledger.record_all((answer.value,), cycle=self._cycle, keep=answer.keep)
        return answer.value

    async def _claim(self, group: Sequence[Approved], *, at: datetime) -> list[OrderRecord | None]:
        """For each `None` where the right to send was taken just now, in one commit for all.

        Else the order as it was left: sent, or withdrawn.
        """
        doubts = await self._look(group, at=at)
        clear = [(each.order, each.ticket) for each, doubt in zip(group, doubts, strict=True) if not doubt]
        reducing = all(each.order.reduce_only for each in group)
        protecting = all(each.order.protects for each in group)
        claims = await self._ledger.claim(
            clear, cycle=self._cycle, at=at, reducing=reducing, protecting=protecting, effects=self._effects
        )
        claimed = iter(claims)
        words = [doubt or next(claimed) for doubt in doubts]
        return [
            None if word is True else await self._unsendable(each.order, refusal=word or "", at=at)
            for each, word in zip(group, words, strict=True)
        ]

    async def _look(self, group: Sequence[Approved], *, at: datetime) -> list[str]:
        """The doubt about each, all looked at in the same moment: the one just before they are sent."""
        looks = [
            self._effects.once(
                "venue:leave",
                each.order.client_order_id,
                returns=_TEXT,
                perform=partial(self._doubt, each.order, judged=each.judged, at=at),
            )
            for each in group
        ]
        doubts: list[str] = []
        for doubt in await asyncio.gather(*looks, return_exceptions=True):
            if isinstance(doubt, BaseException):
                raise doubt
            doubts.append(doubt)
        return doubts

    async def _unsendable(self, order: OrderRequest, *, refusal: str, at: datetime) -> OrderRecord:
        """An order that may not be sent now, as it stands; withdrawn where that is because of a `refusal`."""
        if refusal:
            reason = f"not sent: {refusal}"
            await self._ledger.withdraw(order.client_order_id, reason=reason, cycle=self._cycle, at=at)
        record = await self._ledger.order(order.client_order_id)
        if refusal and record.submitted_at is not None:
            raise TicketRefused(refusal)
        return record

    async def _make_room(self, each: Approved, *, fresh: bool) -> str:
        """Take back the stops that an order replaces; why it must not be sent after that, empty where it may.

        Where a stop ties up what it would sell, on spot, it goes before the order does, and not before that was
        claimed: nothing but a lost connection comes in between. On perpetuals both can stand, for neither can do
        more than reduce, and the stop goes after the order (`graphs.protecting`). Where an earlier attempt `claimed`
        the order, what became of the stop is only asked about.

        What such a stop sold meanwhile, or may have sold, is not sold again.
        """
        instrument = self._instruments.get(each.order.symbol)
        if not each.releases or (instrument is not None and instrument.kind == "swap"):
            return ""
        unclear = ""
        for stop in each.releases:
            await self.cancel(stop, only_ask=not fresh)
            # By the books: they don't believe a venue that denies an order which it named before.
            after = await self._ledger.order(stop.client_order_id)
            if not after.state.failed or after.filled > stop.filled:
                unclear = "its stop at the venue may have sold it"
        return unclear

    async def _deliver(
        self, out: Sequence[tuple[Approved, OrderRecord | None]], barred: Mapping[str, str], *, at: datetime
    ) -> tuple[OrderReport, ...]:
        """What the venue says of each: sent, where it was claimed just now, and else asked about.

        What is `barred` is not sent: by client order id, why.
        """
        fresh = [each for each, earlier in out if earlier is None and not barred[each.order.client_order_id]]
        sent = iter(await self._submit(fresh, at=at))
        reports: list[OrderReport] = []
        for each, earlier in out:
            why = barred[each.order.client_order_id]
            if earlier is not None:
                reports.append(await self._report_of(self._find(each, earlier, barred=why, at=at), each.order, at=at))
            elif why:
                reports.append(worded(TicketRefused(why), each.order, live=True, at=at))
            else:
                reports.append(next(sent))
        return tuple(reports)

    async def _submit(self, fresh: Sequence[Approved], *, at: datetime) -> list[OrderReport]:
        venue = self._venue
        self._ledger.require_time()
        if len(fresh) > 1 and isinstance(venue, BatchVenue):
            outcomes = await venue.submit_all([(each.order, each.ticket) for each in fresh])
            return [
                worded(outcome, each.order, live=self._live is not None, at=at)
                for each, outcome in zip(fresh, outcomes, strict=True)
            ]
        return [await self._report_of(venue.submit(each.order, each.ticket), each.order, at=at) for each in fresh]

    async def _find(self, each: Approved, earlier: OrderRecord, *, barred: str, at: datetime) -> OrderReport:
        """What became of an order that an earlier attempt claimed; it is sent again only as the class says."""
        order = each.order
        report = await self._venue.find(order.client_order_id, order.symbol, sent_at=earlier.submitted_at)
        if report is not None or earlier.state is not OrderState.SUBMITTING:
            return report or missing_report(order, proven=self._venue.resends, at=at)
        if not self._venue.resends:
            return missing_report(order, proven=False, at=at, reason="the venue has none, and it is not sent again")
        if doubt := barred or await self._halted(order) or await self._doubt(order, judged=each.judged, at=at):
            return stated(order, OrderState.EXPIRED, reason=f"not sent again: {doubt}", at=at)
        self._ledger.require_time()
        return await self._venue.submit(order, each.ticket)

    async def _report_of(self, answer: Awaitable[OrderReport], order: OrderRequest, *, at: datetime) -> OrderReport:
        outcome: Outcome | VenueUnavailable
        try:
            outcome = await answer
        except (TicketRefused, OrderStateUnknown, VenueUnavailable) as error:
            if isinstance(error, VenueUnavailable) and self._venue.resends:
                raise
            outcome = error
        return worded(outcome, order, live=self._live is not None, at=at)

    async def _doubt(self, order: OrderRequest, *, judged: Quote, at: datetime) -> str:
        """Why what the gate saw no longer holds; empty when it does. Only to be performed as an effect."""
        if not order.protects and (stopped := self._brake()):
            return f"the brake is pulled: {stopped}"
        if self._live is not None and not order.reduce_only and await self._live.armed() is None:
            return "the live desk is no longer armed"
        try:
            async with asyncio.timeout(self._quote_s):
                quote_now = await self._venue.quote(order.symbol)
        except (TimeoutError, VenueUnavailable) as error:
            if self._live is None or not order.reduce_only or not worth_asking_again(error):
                reason = error.message if isinstance(error, VenueUnavailable) else f"none within {self._quote_s:g} s"
                return f"no quote: {reason}"
            quote_now = judged  # an exit is not held back for want of a newer one
        # A real venue's quote is of a moment after `at`, and by its own clock.
        now = max(at, quote_now.at) if self._live is not None else at
        return moved(
            order, judged=judged, quote_now=quote_now, now=now, policy=self._policy, instruments=self._instruments
        )

    async def _halted(self, order: OrderRequest) -> str:
        """Why an order that was claimed before must not be sent now; a first claim sees to that itself."""
        control = await self._ledger.control()
        refused = control.refuses(reducing=order.reduce_only, protecting=order.protects)
        return f"trading is {control.in_words}" if refused else ""

    async def follow(self, sent: Sequence[OrderRequest], *, late: bool = False) -> tuple[OrderReport, ...]:
        """Ask a real venue, with pauses, until every one of these orders has ended, or is one that may rest, and until
        it has confirmed the stops that it attached to what they filled.

        What becomes of an order is seldom known when it is sent. Bounded: what is still open or in doubt after
        3.5 seconds is followed on, `late`, once what was filled meanwhile has its stop, and after half a minute left
        to the next tick. On paper, where time stands still within a cycle, nothing is asked.
        """
        live = self._live
        if live is None:
            return ()
        at = self._effects.now()

        async def ask_all() -> tuple[OrderReport, ...]:
            records = [await self._ledger.order(order.client_order_id) for order in sent]
            open_still = [o for o in records if not (o.state.terminal or o.submitted_at is None or _may_rest(o))]
            open_still += [exit for o in records if (exit := attached(o, None)) is not None]
            settled: list[OrderReport] = []
            for pause_s in _LATE_PAUSES_S if late else _PAUSES_S:
                if not open_still:
                    break
                await live.sleep(pause_s)
                words = [(order, await word_on(order, self._venue, at=at)) for order in open_still]
                open_still = []
                for order, report in words:
                    doubted = report is not None and report.evidence == CONTRADICTION
                    done = report is not None and (report.state.terminal or _may_rest_in(report.state, order.request))
                    if report is not None and (done or doubted) and report not in settled:
                        settled.append(report)
                    after = order_after(order, report) if report is not None else order
                    if not done:  # what was doubted is asked for anew, as one of which nothing is known
                        open_still.append(after if doubted else order)
                    elif (exit := attached(after, None)) is not None:
                        open_still.append(exit)
            return tuple(settled)

        ids = [order.client_order_id for order in sent]
        return await self._booked("venue:follow", ids, perform=ask_all)

    async def sync(self) -> tuple[OrderReport, ...]:
        """Ask the venue about every order of the run's earlier cycles that may still trade, and book what it says.

        Which orders those are is part of the recorded answer: run again after a crash, the ledger already
        knows some of it. An order that was never claimed was never sent, and is withdrawn; one that was
        sent and that the venue says it never had has expired, where that proves it. What changes nothing is left out,
        and the stop that the venue attached to what an order filled is asked about with that.
        """
        at = self._effects.now()
        await self._withdraw_unsent(at)
        return await self._booked("venue:reports", None, perform=partial(self._news, at=at))

    async def _news(self, *, at: datetime) -> tuple[OrderReport, ...]:
        news: list[OrderReport] = []
        orders = {order.client_order_id: order for order in await self._open() if order.submitted_at}
        for order in orders.values():
            report = await self._ask(order, at=at)
            if (after := order_after(order, report)) is order:
                continue
            news.append(report)
            exit = attached(after, None)
            if exit is not None and exit.client_order_id not in orders:
                news.append(await self._ask(exit, at=at))
        return tuple(news)

    async def settle(self) -> Settled:
        """As `sync`, of a venue that funds and liquidates, with what it did so: one answer, booked in one commit.

        Reports come first: what is liquidated in a bar was traded before, in this bar or an earlier one.
        """
        at = self._effects.now()

        async def ask() -> Settled:
            return Settled(reports=await self._news(at=at), events=await self._unbooked())

        await self._withdraw_unsent(at)
        answer = await self._effects.answer("venue:settled", None, returns=_SETTLED, perform=ask)
        settled = answer.value
        await self._ledger.book_answer(settled.reports, events=settled.events, cycle=self._cycle, keep=answer.keep)
        return settled

    async def _unbooked(self) -> tuple[ExternalEvent, ...]:
        """What the venue tells and the books lack: a tick that was cut short may have booked what it tells again."""
        venue = self._venue
        if not isinstance(venue, SettlingVenue):
            return ()
        events = await venue.settlements()
        booked = await self._ledger.booked([event.id for event in events])
        venue.confirm(booked)
        return tuple(event for event in events if event.id not in booked)

    async def withdraw(self, order: OrderRequest, *, reason: str) -> None:
        """Withdraw what this cycle was allowed and did not claim."""
        at = self._effects.now()
        await self._ledger.withdraw(order.client_order_id, reason=reason, cycle=self._cycle, at=at)

    async def withdraw_unsent(self) -> None:
        """Withdraw what earlier cycles approved and never claimed: an order that was never sent."""
        await self._withdraw_unsent(self._effects.now())

    async def _withdraw_unsent(self, at: datetime) -> None:
        for order in await self._open():
            if order.state is OrderState.APPROVED:
                await self._ledger.withdraw(order.client_order_id, reason="never sent", cycle=self._cycle, at=at)

    async def cancel(self, order: OrderRecord, *, only_ask: bool = False) -> OrderReport:
        """Take back one order that may still trade, or `only_ask` about it, and book what the venue says of it."""
        at = self._effects.now()

        async def take_back() -> OrderReport:
            if only_ask:
                report = await word_on(order, self._venue, at=at)
                return report or stated(order.request, OrderState.UNKNOWN, reason="the venue did not answer", at=at)
            await self._ledger.require_lease()
            answer = self._venue.cancel(order.client_order_id, order.request.symbol)
            try:
                return await self._report_of(answer, order.request, at=at)
            except NotFound:
                return missing_report(order.request, proven=self._venue.resends, at=at)

        return await self._booked_one("venue:cancel", order.client_order_id, perform=take_back)

    async def _open(self) -> list[OrderRecord]:
        """Another run of the account follows its own orders: its cycles are not counted as ours are."""
        working = await self._ledger.orders(working_only=True)
        return [o for o in working if o.run_id == self._run_id and o.cycle < self._cycle]

    async def _ask(self, order: OrderRecord, *, at: datetime) -> OrderReport:
        report = await self._venue.find(order.client_order_id, order.request.symbol)
        if report is None:
            return missing_report(order.request, proven=self._venue.resends, at=at)
        return worded(report, order.request, live=self._live is not None, at=at)


def _may_rest(order: OrderRecord) -> bool:
    return _may_rest_in(order.state, order.request)


def _may_rest_in(state: OrderState, order: OrderRequest) -> bool:
    """Whether nothing need happen to an order soon: it waits at the venue, for a price or a trigger."""
    rests = order.type == "stop" or (order.type == "limit" and order.time_in_force == "GTC")
    return rests and state in (OrderState.WORKING, OrderState.PARTIAL)
