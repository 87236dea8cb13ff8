"""The ledger: what was approved, sent and filled, and the cash and positions that follow from it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from decimal import Decimal
from operator import itemgetter
from typing import Any, Final

from pydantic import TypeAdapter
from sqlalchemy import RowMapping, Select, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.decision import Episode, Ticket
from domain.effects import Effects
from domain.errors import LedgerBroken, NotFound, Refused, TicketRefused
from domain.money import ZERO
from domain.order import Fill, OrderReport, OrderState
from domain.portfolio import Portfolio
from memory.activity import Activity, Spent
from memory.acts import hold_acts
from memory.admission import ticket_row
from memory.admissions import Admissions
from memory.audit import account_faults
from memory.books import Books, account_row, read_orders, read_positions, working_states
from memory.controls import Control, control_of
from memory.database import Database
from memory.episodes import closed_trades
from memory.orders import OrderRecord, fill_from
from memory.oversight import oversight_faults
from memory.restoring import told
from memory.rows import insert_new, put
from memory.schema import accounts, fills, tickets, with_digest
from policy.account import ClosedTrade, EquityMarks

_CONTROL: Final = TypeAdapter(Control)


class Ledger:
    """The books of one account, written by one run. Every change is one transaction.

    It keeps intents before anything is sent and evidence after; it never guesses. Reads see what is
    committed, which is everything this ledger did. Other runs and processes may write to the same
    account: whoever changes it holds its row until the change is committed.
    """

    def __init__(self, database: Database, *, account: str, run_id: str) -> None:
        self._database = database
        self._account = account
        self._run_id = run_id
        self._activity = Activity(database, account=account, run_id=run_id)

    async def open(self, *, currency: str, start_cash: Decimal) -> None:
        """Open the account, or see that it was opened so. Raises `Refused` when it was opened otherwise."""
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
            found = (await connection.execute(query)).mappings().one_or_none()
            if found is None:
                await insert_new(connection, accounts, [with_digest(accounts, row)])
            elif (found["currency"], found["start_cash"]) != (currency, start_cash):
                was = f"{found['start_cash']} {found['currency']}"
                raise Refused(f"the account {self._account} was opened with {was}, not {start_cash} {currency}")

    @asynccontextmanager
    async def gate(self, *, cycle: int, at: datetime) -> AsyncIterator[Admissions]:
        """Hold the account, from reading what stands to writing what was decided on it, as one transaction.

        Whoever else writes to the account waits. Approved orders whose tickets expired by `at` are withdrawn
        first. Inside, nothing else of this database can be read or committed by the same task.
        """
        async with self._database.transaction() as connection:
            account = await account_row(connection, self._account, held=True)
            books = Books(account=account, run_id=self._run_id, cycle=cycle, orders={}, positions={})
            admissions = Admissions(connection, self._database, books=books, at=at)
            await admissions.begin()
            yield admissions

    async def claim(self, ticket: Ticket, *, cycle: int, at: datetime, reducing: bool, effects: Effects) -> bool:
        """Take the one right to send: the ticket is used and the order SUBMITTING, before anything is sent.

        `False` when it was taken before: then the order was sent or may have been. Raises `TicketRefused`
        for a ticket that the ledger doesn't know so, or that has expired, and while trading is halted; while
        it is reducing, unless the order is. The control in force is an effect, for people change it.
        """
        async with self._database.transaction() as connection:
            refusal = await self._claimed(connection, ticket, cycle=cycle, at=at, reducing=reducing, effects=effects)
        if isinstance(refusal, str):  # raised out here, for what was seen is to be kept
            raise TicketRefused(refusal)
        return refusal

    async def _claimed(
        self,
        connection: AsyncConnection,
        ticket: Ticket,
        *,
        cycle: int,
        at: datetime,
        reducing: bool,
        effects: Effects,
    ) -> bool | str:
        """Whether the right was there to be taken, or why it is refused."""
        books = await self._books(connection, ids=[ticket.client_order_id], cycle=cycle)
        query = select(tickets).where(tickets.c.account == self._account, tickets.c.id == ticket.id)
        row = (await connection.execute(query)).mappings().one_or_none()
        order = books.orders.get(ticket.client_order_id)
        known = ticket_row(ticket, account=self._account)
        if row is None or order is None or any(row[name] != known[name] for name in known if name != "used_at"):
            return f"the ledger has no such ticket for {ticket.client_order_id}"
        await hold_acts(connection, shared=True)

        async def look() -> Control:
            return (await control_of(connection, self._account)).unnamed

        control = await effects.once("ledger:control", ticket.client_order_id, returns=_CONTROL, perform=look)
        if row["used_at"] is not None or order.state is not OrderState.APPROVED:
            return False
        if at >= ticket.expires_at:
            return f"the ticket for {ticket.client_order_id} has expired"
        if control.refuses(reducing=reducing):
            return f"trading is {control.in_words}"
        sent = {"state": OrderState.SUBMITTING, "submitted_at": at, "updated_at": at}
        books.change(order.model_copy(update=sent), at=at, evidence={"ticket": ticket.id})
        await put(connection, tickets, [with_digest(tickets, {**row, "used_at": at})])
        await books.write(connection)
        return True

    async def record(self, report: OrderReport, *, cycle: int) -> bool:
        """Book what the venue says of one order; `False` when it was known. See `record_all`."""
        return await self.record_all((report,), cycle=cycle)

    async def record_all(self, reports: Sequence[OrderReport], *, cycle: int) -> bool:
        """Book reports in their order, all or none; `False` when they say nothing new.

        Fills are applied once, states move by the rules of `memory.orders`. Raises `LedgerBroken` for
        a report that contradicts the books.
        """
        if not reports:
            return False
        async with self._database.transaction() as connection:
            ids = {report.client_order_id for report in reports}
            books = await self._books(connection, ids=ids, cycle=cycle)
            if any(report.fills for report in reports):
                books.positions = await read_positions(connection, self._account)
            news = [books.apply(report) for report in reports]
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
            held = await read_positions(connection, self._account)
        held = {symbol: position for symbol, position in held.items() if position.quantity}
        return Portfolio(
            currency=row["currency"],
            as_of=as_of,
            cash=row["cash"],
            positions=held,
            marks={symbol: marks[symbol] for symbol in held if symbol in marks},
            realized=row["realized"],
            fees=row["fees"],
            start_cash=row["start_cash"],
        )

    async def orders(self, *, working_only: bool = False) -> tuple[OrderRecord, ...]:
        """By the cycle that decided them. An order in state UNKNOWN counts as working."""
        async with self._database.reading() as connection:
            states = working_states() if working_only else ()
            return tuple((await read_orders(connection, self._account, states=states)).values())

    async def order(self, client_order_id: str) -> OrderRecord:
        """Raises `NotFound`."""
        async with self._database.reading() as connection:
            found = await read_orders(connection, self._account, ids=[client_order_id])
        if client_order_id not in found:
            raise NotFound(f"the ledger has no order {client_order_id}")
        return found[client_order_id]

    async def fills(self, *, cycle: int | None = None) -> tuple[Fill, ...]:
        """In the order in which they were booked; with `cycle`, those that this run booked in it."""
        query = select(fills).where(fills.c.account == self._account)
        if cycle is not None:
            query = query.where(fills.c.run_id == self._run_id, fills.c.cycle == cycle)
        async with self._database.reading() as connection:
            return tuple(fill_from(row) for row in await _in_order(connection, query))

    async def told(self, *, before: int) -> tuple[OrderRecord, ...]:
        """Every order that the venue took, as it stood when cycle `before` began. See `memory.restoring`."""
        async with self._database.reading() as connection:
            return await told(connection, self._account, before=before)

    async def control(self) -> Control:
        """The trading state in force for the account."""
        async with self._database.reading() as connection:
            return await control_of(connection, self._account)

    async def equity_marks(self, as_of: datetime, *, day_start: datetime, week_start: datetime) -> EquityMarks:
        """See `memory.activity`, as for the two below."""
        return await self._activity.equity_marks(as_of, day_start=day_start, week_start=week_start)

    async def closed_since(self, moment: datetime) -> tuple[ClosedTrade, ...]:
        return await self._activity.closed_since(moment)

    async def usage(self, day_start: datetime) -> Spent:
        return await self._activity.usage(day_start)

    async def closed_trades(self, *, cycle: int) -> tuple[Episode, ...]:
        """The trades that went flat through fills booked in `cycle`, by symbol."""
        mine = select(fills).where(fills.c.account == self._account)
        booked = mine.where(fills.c.run_id == self._run_id, fills.c.cycle == cycle)
        closed: list[Episode] = []
        async with self._database.reading() as connection:
            recorded = await _in_order(connection, booked)
            for symbol in sorted({row["symbol"] for row in recorded}):
                now = [row for row in recorded if row["symbol"] == symbol]
                earlier = mine.where(fills.c.symbol == symbol, fills.c.n < now[0]["n"])
                flat = await connection.scalar(
                    earlier.with_only_columns(func.max(fills.c.n)).where(fills.c.held == ZERO)
                )
                since = earlier.where(fills.c.n > (-1 if flat is None else flat))
                before = await _in_order(connection, since)
                closed += closed_trades([fill_from(row) for row in before], [fill_from(row) for row in now])
        return tuple(closed)

    async def check(self) -> None:
        """Raises `LedgerBroken` naming the first thing that does not add up, or was changed."""
        async with self._database.reading() as connection:
            faults = await account_faults(connection, self._account) or await oversight_faults(connection)
        if faults:
            raise LedgerBroken(f"{faults[0]}")

    async def _books(self, connection: AsyncConnection, *, ids: Collection[str], cycle: int) -> Books:
        account = await account_row(connection, self._account, held=True)
        orders = await read_orders(connection, self._account, ids=ids)
        return Books(account=account, run_id=self._run_id, cycle=cycle, orders=orders, positions={})


async def _in_order(connection: AsyncConnection, query: Select[Any]) -> list[RowMapping]:
    """Fills in the order in which they were booked. Sorted here: see `memory.books`."""
    return sorted((await connection.execute(query)).mappings(), key=itemgetter("n"))
