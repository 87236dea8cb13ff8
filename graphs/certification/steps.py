"""The steps with orders: a far limit, the least entry, its stop, and the way out."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Context, Decimal, localcontext
from typing import Final

from domain.candle import Quote
from domain.decision import Proposal
from domain.digest import plain
from domain.errors import VenueUnavailable
from domain.instrument import Instrument
from domain.money import BPS, EXACT, ZERO, floor_to
from domain.order import Fill, OrderReport, OrderRequest, OrderState, exit_id
from domain.sizing import too_small
from domain.venue import AccountVenue
from graphs.account.survey import DUST, account_in_words
from graphs.certification.holding import Holding, held_before
from graphs.certification.sizes import NEARER_BPS, STOP_BPS, entry, far_limit, stop_below
from graphs.certification.table import Row, Table
from graphs.certification.trial import StepFailed, Trial
from graphs.trading.cycle import Cycle
from graphs.trading.reconciliation import account_venue

_LOOKS_S: Final = (5.0, 15.0, 30.0)
"""Between looks at an account of which not all was told: an exchange is left alone for a while after failures."""
_AGAIN_S: Final = (1.0, 2.0)
"""Before a cancel is sent again that was not confirmed: a second one changes nothing."""


class Steps:
    """Runs them, one method a group, each in a cycle of its own. `witness` is a venue that has sent nothing: it knows
    an order as the next process would, by our id alone."""

    _entry_id = ""

    def __init__(self, trial: Trial, table: Table, *, witness: AccountVenue, instrument: Instrument) -> None:
        self._trial = trial
        self._table = table
        self._witness = witness
        self._instrument = instrument
        self._venue = account_venue(trial.session.venue)
        self._attaches = trial.symbol in trial.session.header.attaches
        """Whether the stop goes out with the entry, as that of a live run does."""

    async def far_limit(self) -> bool:
        """Whether an order was placed, found, listed and taken back."""
        async with self._trial.cycle() as cycle:
            proposal: list[Proposal] = []

            async def place(row: Row) -> None:
                sizes = far_limit(self._instrument, self._quote())
                proposal.append(
                    self._trial.propose(
                        cycle,
                        side="buy",
                        type="limit",
                        quantity=sizes.quantity,
                        limit_price=sizes.price,
                        time_in_force="GTC",
                        post_only=True,
                        stop_price=sizes.stop,
                        reference_price=self._quote().mid,
                        rationale="certification: an order that rests",
                        cause="entry",
                    )
                )
                await self._place(cycle, proposal[0], row, node="far", into=OrderState.WORKING)

            if not await self._table.run("far limit", place):
                return False
            id = proposal[0].client_order_id
            findable = await self._table.run("find by id", lambda row: self._find(id, row))
            listed = await self._table.run("list", lambda row: self._list([id], row))
            gone = await self._table.run("cancel", lambda row: self._cancel(cycle, id, row, node="far"))
            return findable and listed and gone

    async def entry(self) -> bool:
        """Whether the least entry was filled, and its trades are its own."""
        async with self._trial.cycle() as cycle:
            filled: list[OrderReport] = []

            async def enter(row: Row) -> None:
                sizes = entry(self._instrument, self._quote())
                proposal = self._trial.propose(
                    cycle,
                    side="buy",
                    type="limit",
                    quantity=sizes.quantity,
                    limit_price=sizes.price,
                    time_in_force="IOC",
                    stop_price=sizes.stop,
                    reference_price=self._quote().mid,
                    rationale="certification: the least entry",
                    cause="entry",
                    attached=self._attaches,
                )
                filled.append(await self._place(cycle, proposal, row, node="entry", into=OrderState.FILLED))

            if not await self._table.run("entry", enter):
                return False
            self._entry_id = filled[0].client_order_id
            return await self._table.run("fill", lambda row: self._trades(filled[0], row))

    async def stop(self) -> str:
        """The client order id of the stop that waits, attached to the entry where the venue does that; empty where
        none does."""
        async with self._trial.cycle() as cycle:
            id = exit_id(self._entry_id) if self._attaches else ""

            async def place(row: Row) -> None:
                nonlocal id
                proposal = self._stop(cycle, bps=STOP_BPS)
                id = proposal.client_order_id
                await self._place(cycle, proposal, row, node="stop", into=OrderState.WORKING)

            if not await self._table.run("stop", (lambda row: self._attached(id, row)) if self._attaches else place):
                return ""
            findable = await self._table.run("find stop", lambda row: self._find_stop(id, row))
            return id if findable else ""

    async def amend(self, stop_id: str) -> bool:
        """Whether the stop was replaced by a nearer one, and that one taken back."""
        async with self._trial.cycle() as cycle:
            moved: list[Proposal] = []

            async def amend(row: Row) -> None:
                moved.append(self._stop(cycle, bps=NEARER_BPS, releases=(stop_id,)))
                await self._place(cycle, moved[0], row, node="amend", into=OrderState.WORKING)
                if self._instrument.kind == "swap":  # where both may stand, the first goes once the second does
                    await self._trial.cancel(cycle, await self._trial.order(stop_id), node="amend")
                await self._list([moved[0].client_order_id], row, without=(stop_id,))

            if not await self._table.run("amend stop", amend):
                return False
            id = moved[0].client_order_id
            return await self._table.run("cancel stop", lambda row: self._cancel(cycle, id, row, node="stop"))

    async def exit(self) -> bool:
        async with self._trial.cycle() as cycle:

            async def leave(row: Row) -> None:
                proposal = self.exit_of(cycle)
                if proposal is None:
                    raise StepFailed(f"nothing of the {plain(self._trial.position(cycle))} that is held can be sold")
                await self._place(cycle, proposal, row, node="exit", into=OrderState.FILLED)
                if rest := self._trial.position(cycle):
                    row.answered += f"; {plain(rest)} {self._instrument.base} is too little to be sold"

            return await self._table.run("exit", leave)

    def exit_of(self, cycle: Cycle) -> Proposal | None:
        """The order that sells what is held; `None` where that is nothing, or too little to be sold."""
        quote = self._trial.market.quoted
        quantity = floor_to(max(ZERO, self._trial.position(cycle)), self._instrument.lot_size)
        price = None if quote is None else quote.bid
        if not quantity or too_small(quantity, self._instrument, type="market", price=price, reduces=True):
            return None
        return self._trial.propose(
            cycle,
            side="sell",
            type="market",
            quantity=quantity,
            time_in_force="IOC",
            reduce_only=True,
            reference_price=None if quote is None else quote.mid,
            rationale="certification: the way out",
            cause="flatten",
        )

    async def alone(self) -> bool:
        """Whether no order of ours is out: a stop that waits ties up what is to be sold."""
        return not [o for o in await self._trial.session.ledger.orders(working_only=True) if o.submitted_at]

    async def fees(self) -> bool:
        return await self._table.run("fee", self._fees)

    async def reconcile(self) -> bool:
        return await self._table.run("reconcile", self._prove)

    # One step each.

    async def _place(self, cycle: Cycle, proposal: Proposal, row: Row, *, node: str, into: OrderState) -> OrderReport:
        """Send an order that must end up `into` a state. Raises `StepFailed` for another."""
        row.sent = in_words(proposal.order())
        report = await self._trial.send(cycle, proposal, node=node)
        row.answered = report_line(report)
        if report.state is not into:
            raise StepFailed(f"{report_line(report)}, and must be {into.value}")
        return report

    def _stop(self, cycle: Cycle, *, bps: Decimal, releases: tuple[str, ...] = ()) -> Proposal:
        quantity = floor_to(self._trial.position(cycle), self._instrument.lot_size)
        if quantity <= 0:
            raise StepFailed("nothing is held that a stop could protect")
        return self._trial.propose(
            cycle,
            side="sell",
            type="stop",
            quantity=quantity,
            trigger_price=stop_below(self._quote().bid, self._instrument, bps=bps),
            reduce_only=True,
            reference_price=self._quote().mid,
            rationale="certification: a stop that waits",
            cause="protection",
            releases=releases,
        )

    async def _attached(self, id: str, row: Row) -> None:
        """The stop that went out with the entry must wait by now."""
        order = await self._trial.order(id)
        row.sent = f"with the entry: {in_words(order.request)}"
        row.answered = report_line(order.report)
        if order.state is not OrderState.WORKING:
            raise StepFailed(f"{report_line(order.report)}, and must be working")

    async def _find(self, id: str, row: Row) -> None:
        row.sent = f"which order is {id}?"
        order = await self._trial.order(id)
        report = await self._witness.find(id, order.request.symbol, sent_at=order.submitted_at)
        if report is None:
            raise StepFailed("there is no such order")
        row.answered = report_line(report)
        if report.state is not OrderState.WORKING or report.venue_order_id != order.venue_order_id:
            raise StepFailed(f"{report_line(report)}, and it is {report_line(order.report)}")

    async def _find_stop(self, id: str, row: Row) -> None:
        await self._find(id, row)
        await self._list([id], row)

    async def _list(self, ids: Sequence[str], row: Row, *, without: Sequence[str] = ()) -> None:
        """The open orders must have `ids` among them, and none of those `without`."""
        row.sent = f"{row.sent}; open orders" if row.sent else "open orders"
        listed = {report.client_order_id for report in await self._venue.open_orders()}
        row.answered = f"{row.answered}; " if row.answered else ""
        row.answered += f"{', '.join(sorted(listed)) or 'none'}"
        if missing := [id for id in ids if id not in listed]:
            raise StepFailed(f"{missing[0]} is not among the open orders: {row.answered}")
        if there := [id for id in without if id in listed]:
            raise StepFailed(f"{there[0]} is still among the open orders")

    async def _cancel(self, cycle: Cycle, id: str, row: Row, *, node: str) -> None:
        row.sent = f"cancel {id}"
        report = await self._trial.cancel(cycle, await self._trial.order(id), node=node)
        for pause_s in _AGAIN_S:
            if report.state.terminal:
                break
            await self._trial.session.plumbing.sleep(pause_s)
            report = await self._trial.cancel(cycle, await self._trial.order(id), node=f"{node}:{pause_s:g}")
        row.answered = report_line(report)
        if report.state is not OrderState.CANCELLED or report.filled:
            raise StepFailed(f"{report_line(report)}, and must be cancelled with nothing filled")
        await self._list([], row, without=(id,))

    async def _trades(self, report: OrderReport, row: Row) -> None:
        """The trades of the symbol that are this order's must be what its report says."""
        row.sent = f"trades of {self._trial.symbol}"
        order = await self._trial.order(report.client_order_id)
        since = self._trial.session.header.opened_at or self._trial.session.header.created_at
        names = {order.client_order_id, order.venue_order_id}
        trades = [
            trade
            for trade in await self._venue.trades(self._trial.symbol, since=since)
            if names & {trade.client_order_id, trade.venue_order_id}
        ]
        row.answered = "; ".join(f"{plain(t.quantity)} at {plain(t.price)}" for t in trades) or "none"
        if sorted(t.trade_id for t in trades) != sorted(fill.trade_id for fill in order.fills):
            raise StepFailed(f"the trades are {row.answered}, and the order says {plain(order.filled)} filled")
        if sum((t.quantity for t in trades), ZERO) != order.request.quantity:
            raise StepFailed(f"they are not {plain(order.request.quantity)} together: {row.answered}")
        limit = order.request.limit_price
        if limit is not None and (beyond := [t for t in trades if t.price > limit]):
            raise StepFailed(f"it was filled at {plain(beyond[0].price)}, beyond its limit {plain(limit)}")

    async def _fees(self, row: Row) -> None:
        orders = await self._trial.session.ledger.orders()
        fills = [fill for order in orders for fill in order.fills]
        stated = self._instrument.taker_fee
        row.sent = f"the instrument states {plain(stated * BPS)} bps for a taker"
        if not fills:
            raise StepFailed("nothing was filled")
        if third := [fill.commission for fill in fills if fill.commission]:
            raise StepFailed(f"{plain(third[0].amount)} {third[0].currency} was paid, which has no price here")
        with localcontext(EXACT):
            notional = sum((fill.notional for fill in fills), ZERO)
            paid = sum((fill.fees for fill in fills), ZERO)
            too_much = [fill for fill in fills if _above(fill, stated)]
        bps = _DISPLAY.divide(paid * BPS, notional)
        row.answered = f"{plain(paid)} {self._instrument.quote} on {plain(notional)}: {plain(bps)} bps"
        if too_much:
            raise StepFailed(
                f"{row.answered}, above the {plain(stated * BPS)} bps that are stated: sizes and costs count too little"
            )

    async def _prove(self, row: Row) -> None:
        """Looked at again, for a while, where the exchange does not tell all."""
        for pause_s in (*_LOOKS_S, None):
            async with self._trial.cycle():
                account = self._trial.account
                if pause_s is None or (account is not None and not account.unread):
                    return await self._reconcile(row)
            await self._trial.session.plumbing.sleep(pause_s)
        return None

    async def _reconcile(self, row: Row) -> None:
        """The ledger held against the account, and then balances against what trades make of them."""
        row.sent = "balances, positions, trades and transfers"
        account, header = self._trial.account, self._trial.session.header
        if account is None or not account.proven:
            why = account_in_words(account) if account is not None else "the account was not read"
            raise StepFailed(f"the books are not the exchange's: {why}")
        before = Holding(cash=header.start_cash, quantity=held_before(header, self._instrument))
        trades = await self._venue.trades(self._trial.symbol, since=header.opened_at or header.created_at)
        expected = before.after(trades, swap=self._instrument.kind == "swap")
        after = Holding.of(await self._venue.statement(), self._instrument)
        base, quote = self._instrument.base, self._instrument.quote
        row.answered = (
            f"{plain(before.cash)} {quote} became {plain(after.cash)}, {plain(before.quantity)} {base} became "
            f"{plain(after.quantity)}, as {len(trades)} trades and their fees say"
        )
        if apart := expected.differs(after, dust=DUST if self._instrument.kind == "swap" else ZERO):
            raise StepFailed(f"by the trades there are {apart}")

    def _quote(self) -> Quote:
        quote = self._trial.market.quoted
        if quote is None:
            raise VenueUnavailable(f"{self._trial.market.name} showed no bid and ask of {self._trial.symbol}")
        return quote


_DISPLAY: Final = Context(prec=4)
_GRAIN: Final = Decimal("1e-8")
"""To which exchanges round fees, in the currency in which they take them."""


def _above(fill: Fill, stated: Decimal) -> bool:
    """Whether more was paid than is stated, by more than a grain of the fee's currency."""
    grain = _GRAIN * fill.price if fill.fee_base else _GRAIN
    return fill.fees > fill.notional * stated + grain


def in_words(order: OrderRequest) -> str:
    """As an operator reads it."""
    price = f" at {plain(order.limit_price)}" if order.limit_price is not None else ""
    trigger = f" below {plain(order.trigger_price)}" if order.trigger_price is not None else ""
    attached = f", with a stop at {plain(order.stop_price)}" if order.stop_price is not None else ""
    flags = [
        order.time_in_force if order.type == "limit" else "",
        "post-only" if order.post_only else "",
        "reduce-only" if order.reduce_only else "",
    ]
    marks = "".join(f", {flag}" for flag in flags if flag)
    what = f"{order.side} {plain(order.quantity)} {order.symbol} {order.type}"
    return f"{what}{price}{trigger}{marks}{attached} ({order.client_order_id})"


def report_line(report: OrderReport) -> str:
    """What a venue says of an order, in a few words."""
    average = f" at {plain(report.average_price)}" if report.average_price is not None else ""
    filled = f", {plain(report.filled)} filled{average}" if report.filled else ""
    name = f", {report.venue_order_id}" if report.venue_order_id else ""
    reason = f": {report.reason}" if report.reason else ""
    evidence = f" ({report.evidence})" if report.evidence else ""
    return f"{report.state.value}{filled}{name}{evidence}{reason}"
