"""The ledger: what was approved, sent and filled, and the cash and positions that follow from it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from decimal import Decimal
from operator import itemgetter
from typing import Any, Literal

from sqlalchemy import RowMapping, Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.decision import Episode, Ticket
from domain.effects import Effects
from domain.errors import LedgerBroken, NotFound, Refused
from domain.instrument import Instrument
from domain.money import ZERO
from domain.order import Fill, OrderReport, OrderRequest, OrderState, exit_id
from domain.portfolio import Portfolio
from domain.statement import Expected, ExternalEvent
from memory.ledger.activity import Activity, Spent
from memory.ledger.audit import look
from memory.ledger.balance import Sums
from memory.ledger.books import Books, account_row, numbered_orders, read_orders, read_positions, working_states
from memory.ledger.claim_tickets import claimed
from memory.ledger.episodes import closed_trades
from memory.ledger.expected_statement import as_swap, expected
from memory.ledger.external_events import ADOPTION, list_external, read_external, read_holdings
from memory.ledger.gate_transaction import Admissions
from memory.ledger.known_ids import booked, owned, traded, traders
from memory.ledger.orders import OrderRecord, fill_from
from memory.ledger.paper_restore import orders_as_of, settled
from memory.ledger.position_entries import folded, moves_in, moves_in_time, moves_since_flat
from memory.operators.controls import Control, control_of
from memory.operators.faults import oversight_faults
from memory.store.database import Database
from memory.store.records import Before
from memory.store.rows import insert_new
from memory.store.schema import accounts, fills, with_digest
from policy.account import ClosedTrade, EquityMarks


class Ledger:
    """The books of one account, written by one run. Every change is one transaction.

    It keeps intents before anything is sent and evidence after; it never guesses. Reads see what is
    committed, which is everything this ledger did. Other runs and processes may write to the same
    account: whoever changes it holds its row until the change is committed.
    """

    def __init__(self, database: Database, *, account: str, run_id: str, before: Before | None = None) -> None:
        self._database = database
        self._account = account
        self._run_id = run_id
        self._activity = Activity(database, account=account, run_id=run_id, before=before)
        self._proven: Sums | None = None
        """What the last look at the books proved."""

    async def open(
        self, *, currency: str, start_cash: Decimal, opening: Sequence[ExternalEvent] = (), cycle: int = 0
    ) -> None:
        """Open the account, or see that it was opened so. Raises `Refused` when it was opened otherwise.

        `opening` is what it holds besides cash, booked in `cycle` with the opening itself. Of an account that is
        open already it says nothing new, and is left alone: what has changed since comes as events.
        """
        row = {
            "account": self._account,
            "currency": currency,
            "start_cash": start_cash,
            "cash": start_cash,
            "realized": ZERO,
            "fees": ZERO,
            "contributed": None,
        }
        query = select(accounts).where(accounts.c.account == self._account)
        async with self._database.transaction() as connection:
            existing = (await connection.execute(query)).mappings().one_or_none()
            if existing is None:
                await insert_new(connection, accounts, [with_digest(accounts, row)])
                await self._take(connection, opening, cycle=cycle)
            elif (existing["currency"], existing["start_cash"]) != (currency, start_cash):
                was = f"{existing['start_cash']} {existing['currency']}"
                raise Refused(f"the account {self._account} was opened with {was}, not {start_cash} {currency}")

    @asynccontextmanager
    async def gate(self, *, cycle: int, at: datetime) -> AsyncIterator[Admissions]:
        """Hold the account, from reading what stands to writing what was decided on it, as one transaction.

        Whoever else writes to the account waits. Approved orders whose tickets expired by `at` are withdrawn
        first. Inside, nothing else of this database can be read or committed by the same task. Raises `LeaseLost`.
        """
        async with self._database.transaction(sends=True) as connection:
            account = await account_row(connection, self._account, lock=True)
            books = Books(account=account, run_id=self._run_id, cycle=cycle, orders={}, positions={})
            admissions = Admissions(connection, self._database, books=books, at=at)
            await admissions.begin()
            yield admissions

    async def claim(
        self,
        requests: Sequence[tuple[OrderRequest, Ticket]],
        *,
        cycle: int,
        at: datetime,
        reducing: bool,
        effects: Effects,
        protecting: bool = False,
    ) -> tuple[bool | str, ...]:
        """Take the one right to send each order under its ticket, in one commit, before anything is sent.

        `True`: the ticket is used and its order SUBMITTING. `False` when the right was taken before: then the order
        was sent or may have been. In words why it is refused: an order or a ticket that the ledger doesn't know so
        (what differs is named), a ticket that has expired, and while trading is halted, unless the orders are
        `protecting` stops; while it is reducing, unless the orders are. No refusal touches another order. The control
        in force is an effect, for people change it. Raises `LeaseLost`.
        """
        if not requests:
            return ()
        async with self._database.transaction(sends=True) as connection:
            account = await account_row(connection, self._account, lock=True)
            return await claimed(
                connection,
                requests,
                account=account,
                run_id=self._run_id,
                cycle=cycle,
                at=at,
                reducing=reducing,
                protecting=protecting,
                effects=effects,
            )

    async def require_lease(self) -> None:
        """What a claim sees to in its own commit, for what goes out without one: a cancel. Raises `LeaseLost`."""
        if self._database.lease is not None:
            await self._database.lease.renew()

    def require_time(self) -> None:
        """Raises `LeaseLost` where, since it was last renewed, a lease may have run out: just before a send."""
        if self._database.lease is not None:
            self._database.lease.require()

    async def record(self, report: OrderReport, *, cycle: int) -> bool:
        """Book what the venue says of one order; `False` when it was known. See `record_all`."""
        return await self.record_all((report,), cycle=cycle)

    async def record_all(
        self, reports: Sequence[OrderReport], *, cycle: int, keep: Callable[[], None] | None = None
    ) -> bool:
        """Book reports in their order, all or none; `False` when they say nothing new. See `book_answer`."""
        return await self.book_answer(reports, cycle=cycle, keep=keep)

    async def book_answer(
        self,
        reports: Sequence[OrderReport],
        *,
        events: Sequence[ExternalEvent] = (),
        cycle: int,
        keep: Callable[[], None] | None = None,
    ) -> bool:
        """Book what a venue answered: its reports on orders and what others did. `False` when nothing of it is new.

        One transaction, in which `keep` records the answer itself: both are kept, or neither. Fills are applied once,
        states move by the rules of `orders`, and what contradicts the books leaves its order UNKNOWN. Raises
        `LedgerBroken` as `book_external` does, and for an order that this ledger never approved.
        """
        if not (reports or events):
            if keep:
                keep()
            return False
        async with self._database.transaction() as connection:
            if keep:
                keep()
            news = await self._report(connection, reports, cycle=cycle) if reports else False
            return (await self._take(connection, events, cycle=cycle) if events else False) or news

    async def _report(self, connection: AsyncConnection, reports: Sequence[OrderReport], *, cycle: int) -> bool:
        booking = [fill for report in reports for fill in report.fills]
        ids = {report.client_order_id for report in reports} | {exit_id(fill.client_order_id) for fill in booking}
        books = await self._books(connection, ids=ids, cycle=cycle)
        if booking:
            books.positions = await read_positions(connection, self._account)
            named = [fill for report in reports if report.venue_order_id for fill in report.fills]
            books.traders = await traders(connection, self._account, named)
        if any(fill.commission for fill in booking):
            books.holdings = await read_holdings(connection, self._account)
        news = [books.apply(report) for report in reports]
        await books.write(connection)
        return any(news)

    async def book_external(self, events: Sequence[ExternalEvent], *, cycle: int) -> bool:
        """Book what others did on the account, all or none; `False` when all of it was known.

        Each is booked once by its id, whenever and however often it comes. Raises `LedgerBroken` for an id that
        comes again with other content, and for an event that would bring the books apart.
        """
        return await self.book_answer((), events=events, cycle=cycle)

    async def _take(self, connection: AsyncConnection, events: Sequence[ExternalEvent], *, cycle: int) -> bool:
        books = await self._books(connection, ids=(), cycle=cycle)
        books.external = await read_external(connection, self._account, ids={event.id for event in events})
        books.holdings = await read_holdings(connection, self._account)
        if any(event.own or event.kind == ADOPTION for event in events):
            books.positions = await read_positions(connection, self._account)
        news = [books.take(event) for event in events]
        await books.write(connection)
        return any(news)

    async def withdraw(self, client_order_id: str, *, reason: str, cycle: int, at: datetime) -> bool:
        """Cancel an order that was approved and never claimed; `False` when it was, for then it may be out.

        Raises `NotFound`.
        """
        async with self._database.transaction() as connection:
            books = await self._books(connection, ids=[client_order_id], cycle=cycle)
            order = books.orders.get(client_order_id)
            if order is None:
                raise NotFound(f"the ledger has no order {client_order_id}")
            if order.state is not OrderState.APPROVED:
                return False
            ended = {"state": OrderState.CANCELLED, "reason": reason, "updated_at": at}
            books.change(order.model_copy(update=ended), at=at, evidence={"reason": reason})
            await books.write(connection)
            return True

    async def portfolio(self, *, marks: Mapping[str, Decimal], as_of: datetime) -> Portfolio:
        """Cash and what is held. A position without a mark is in it, and its equity can't be had."""
        async with self._database.reading() as connection:
            row = await account_row(connection, self._account)
            positions = await read_positions(connection, self._account)
        positions = {symbol: position for symbol, position in positions.items() if position.quantity}
        return Portfolio(
            currency=row["currency"],
            as_of=as_of,
            cash=row["cash"],
            positions=positions,
            marks={symbol: marks[symbol] for symbol in positions if symbol in marks},
            realized=row["realized"],
            fees=row["fees"],
            start_cash=row["start_cash"],
            contributed=row["contributed"] or ZERO,
        )

    async def exposed(self) -> bool:
        """Whether a position is open, or an order from which one may come. Both as one picture of the books."""
        async with self._database.reading() as connection:
            positions = await read_positions(connection, self._account)
            working = await read_orders(connection, self._account, states=working_states())
        return bool(working) or any(position.quantity for position in positions.values())

    async def holdings(self) -> Mapping[str, Decimal]:
        """What the account holds beside the desk's positions: currencies, and symbols of swaps."""
        async with self._database.reading() as connection:
            balances = await read_holdings(connection, self._account)
        return {asset: quantity for asset, quantity in balances.items() if quantity}

    async def expected(self, *, instruments: Mapping[str, Instrument]) -> Expected:
        """What the venue's statement must say now. See `memory.ledger.expected_statement`."""
        async with self._database.reading() as connection:
            row = await account_row(connection, self._account)
            positions = await read_positions(connection, self._account)
            beside = await read_holdings(connection, self._account)
            for symbol, position in positions.items():
                if position.quantity and as_swap(symbol, instruments):
                    in_time = folded(symbol, await moves_in_time(connection, self._account, symbol=symbol))
                    positions[symbol] = position.model_copy(update={"cost": in_time.cost})
        return expected(
            positions.values(), cash=row["cash"], currency=row["currency"], holdings=beside, instruments=instruments
        )

    async def external(
        self, *, cycle: int | None = None, since: datetime | None = None, limit: int | None = None
    ) -> tuple[ExternalEvent, ...]:
        """What others did, in the order in which it was booked; no more than the last `limit`.

        With `cycle` what this run booked in it, with `since` what happened then or later by the venue's clock.
        """
        async with self._database.reading() as connection:
            return await list_external(
                connection, self._account, run_id=self._run_id, cycle=cycle, since=since, limit=limit
            )

    async def orders(self, *, working_only: bool = False) -> tuple[OrderRecord, ...]:
        """By the cycle that decided them. An order in state UNKNOWN counts as working."""
        async with self._database.reading() as connection:
            states = working_states() if working_only else ()
            return tuple((await read_orders(connection, self._account, states=states)).values())

    async def rejected(self) -> tuple[OrderRecord, ...]:
        """Orders that the venue refused, by the cycle that decided them."""
        async with self._database.reading() as connection:
            return tuple((await read_orders(connection, self._account, states=[OrderState.REJECTED.value])).values())

    async def order(self, client_order_id: str) -> OrderRecord:
        """Raises `NotFound`."""
        async with self._database.reading() as connection:
            records = await read_orders(connection, self._account, ids=[client_order_id])
        if client_order_id not in records:
            raise NotFound(f"the ledger has no order {client_order_id}")
        return records[client_order_id]

    async def owned(
        self, *, client_order_ids: Collection[str], venue_order_ids: Collection[str]
    ) -> tuple[OrderRecord, ...]:
        """See `memory.ledger.known_ids`, as for the two below."""
        async with self._database.reading() as connection:
            return await owned(
                connection, self._account, client_order_ids=client_order_ids, venue_order_ids=venue_order_ids
            )

    async def traded(self, symbol: str, trade_ids: Collection[str]) -> frozenset[str]:
        async with self._database.reading() as connection:
            return await traded(connection, self._account, symbol=symbol, trade_ids=trade_ids)

    async def booked(self, event_ids: Collection[str]) -> frozenset[str]:
        async with self._database.reading() as connection:
            return await booked(connection, self._account, event_ids=event_ids)

    async def fills(self, *, cycle: int | None = None) -> tuple[Fill, ...]:
        """In the order in which they were booked; with `cycle`, those that this run booked in it."""
        query = select(fills).where(fills.c.account == self._account)
        if cycle is not None:
            query = query.where(fills.c.run_id == self._run_id, fills.c.cycle == cycle)
        async with self._database.reading() as connection:
            return tuple(fill_from(row) for row in await _in_order(connection, query))

    async def met(self, fills: Sequence[Fill]) -> Mapping[str, Literal["stop", "target"]]:
        """By trade id, which price was met, of those of `fills` that are of stops which the venue held."""
        if not fills:
            return {}
        async with self._database.reading() as connection:
            orders = await read_orders(connection, self._account, ids={fill.client_order_id for fill in fills})
        requests = {fill.trade_id: (orders[fill.client_order_id].request, fill.price) for fill in fills}
        return {key: request.leg(price) for key, (request, price) in requests.items() if request.protects}

    async def orders_as_of(self, *, before: int) -> tuple[OrderRecord, ...]:
        """Every order that the venue took, as it stood when cycle `before` began. See `memory.ledger.paper_restore`."""
        async with self._database.reading() as connection:
            return await orders_as_of(connection, self._account, before=before)

    async def settled(self, *, before: int) -> tuple[ExternalEvent, ...]:
        """Every funding and liquidation that was booked when cycle `before` began. See `paper_restore`."""
        async with self._database.reading() as connection:
            return await settled(connection, self._account, before=before)

    async def control(self) -> Control:
        """The trading state in force for the account."""
        async with self._database.reading() as connection:
            return await control_of(connection, self._account)

    async def equity_marks(self, as_of: datetime, *, day_start: datetime, week_start: datetime) -> EquityMarks:
        """See `memory.ledger.activity`, as for the two below."""
        return await self._activity.equity_marks(as_of, day_start=day_start, week_start=week_start)

    async def closed_since(self, moment: datetime) -> tuple[ClosedTrade, ...]:
        return await self._activity.closed_since(moment)

    async def usage(self, day_start: datetime) -> Spent:
        return await self._activity.usage(day_start)

    async def closed_trades(self, *, cycle: int) -> tuple[Episode, ...]:
        """The trades that went flat through what was booked in `cycle`, by symbol. One adopted began when it was."""
        closed: list[Episode] = []
        async with self._database.reading() as connection:
            recorded = await moves_in(connection, self._account, run_id=self._run_id, cycle=cycle)
            for symbol in sorted({move.symbol for move in recorded}):
                now = [move for move in recorded if move.symbol == symbol]
                before = await moves_since_flat(connection, self._account, symbol=symbol, before=now[0].n)
                ids = {move.of.client_order_id for move in (*before, *now) if isinstance(move.of, Fill)}
                orders = await read_orders(connection, self._account, ids=ids)
                closed += closed_trades(
                    [fill for move in before if (fill := move.fill)],
                    [fill for move in now if (fill := move.fill)],
                    requests={id: order.request for id, order in orders.items()},
                    funding=[move.of for move in (*before, *now) if isinstance(move.of, ExternalEvent)],
                )
        return tuple(closed)

    async def check(self) -> None:
        """Raises `LedgerBroken` naming the first thing that does not add up, or was changed."""
        async with self._database.reading() as connection:
            faults, self._proven = await look(connection, self._account)
            faults = faults or await oversight_faults(connection)
        if faults:
            raise LedgerBroken(f"{faults[0]}")

    async def recheck(self) -> None:
        """`check` what was booked since the last look, upon what that proved: for each cycle of an old account."""
        if self._proven is None:
            return await self.check()
        async with self._database.reading() as connection:
            faults, self._proven = await look(connection, self._account, proven=self._proven)
        if faults:
            raise LedgerBroken(f"{faults[0]}")
        return None

    async def _books(self, connection: AsyncConnection, *, ids: Collection[str], cycle: int) -> Books:
        account = await account_row(connection, self._account, lock=True)
        orders, numbers = await numbered_orders(connection, self._account, ids=ids) if ids else ({}, {})
        return Books(account=account, run_id=self._run_id, cycle=cycle, orders=orders, positions={}, numbers=numbers)


async def _in_order(connection: AsyncConnection, query: Select[Any]) -> list[RowMapping]:
    """Fills in the order in which they were booked. Sorted here: see `memory.ledger.books`."""
    return sorted((await connection.execute(query)).mappings(), key=itemgetter("n"))
