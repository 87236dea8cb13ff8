"""What the venue says the account holds: balances, positions, marks and open orders, read one after another.

The venue has no one answer for all of it, so a fill in between shows in one part and not in the other: whoever
compares it with books looks again before believing in a difference.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

from domain.clock import Clock
from domain.errors import VenueUnavailable
from domain.money import ZERO
from domain.order import OrderReport
from domain.portfolio import Portfolio, Position
from domain.statement import Statement
from venues.exchange.account import rows
from venues.exchange.account.dialects.dialect import Listing, Quirks
from venues.exchange.account.listed import EXACT, Listed
from venues.exchange.account.lookup import Lookup
from venues.exchange.account.pace import RATE
from venues.exchange.account.reading import readable
from venues.exchange.account.rows import could_be_ours
from venues.exchange.account.session import Session
from venues.exchange.client import Row
from venues.exchange.feed import quote_of
from venues.exchange.numbers import exact

_MARK_S: Final = 1.5
"""For the books of all symbols, besides the time that an exchange may be asked in: one that hangs costs no more."""


class Account:
    """Reads one account, for the `symbols` of one desk; what is `listed` of them is asked about one by one."""

    def __init__(
        self, session: Session, quirks: Quirks, *, symbols: Sequence[str], lookup: Lookup, wall: Clock
    ) -> None:
        self._symbols = symbols
        self._session = session
        self._quirks = quirks
        self._lookup = lookup
        self._wall = wall

    async def open_orders(self, listed: Mapping[str, Listed]) -> tuple[list[OrderReport], int]:
        """Those that may be ours, oldest first, and how many more there are in these symbols."""
        reports: list[tuple[datetime, OrderReport]] = []
        strangers = 0
        for symbol, one in listed.items():
            for stop in (False, True) if self._quirks.stops_apart(symbol) else (False,):
                for row in await self._quirks.orders(self._session, symbol, Listing(which="open", stop=stop)):
                    order = rows.venue_order(row, one)
                    if not could_be_ours(order.client_order_id):
                        strangers += 1
                        continue
                    report = await self._lookup.report(order, order.client_order_id, one, evidence="open orders")
                    if not report.state.terminal:  # it may have ended since the list was made
                        reports.append((order.created_at or order.at, report))
        return [
            report for _, report in sorted(reports, key=lambda entry: (entry[0], entry[1].client_order_id))
        ], strangers

    async def statement(self, listed: Mapping[str, Listed]) -> Statement:
        orders, strangers = await self.open_orders(listed)
        balances = await self._balances()
        positions = await self._positions(listed)
        marks = {symbol: mark for symbol, (_, mark, _) in positions.items() if mark is not None}
        unmarked = [
            one
            for symbol, one in listed.items()
            if symbol not in marks and (not one.swap or balances.get(one.instrument.base) or symbol in positions)
        ]
        marks |= await self._mids(unmarked)
        return Statement(
            at=self._wall.now(),
            balances=balances,
            positions={symbol: quantity for symbol, (quantity, _, _) in positions.items()},
            marks=marks,
            open_orders=tuple(orders),
            strangers=strangers,
        )

    async def portfolio(self, listed: Mapping[str, Listed], *, currency: str) -> Portfolio:
        """The account as if it had been opened with what is in it.

        A venue tells what is held, and on spot not what was paid for it: a position's cost is its entry price
        where one is told (swaps), else its mark price, so that it has gained nothing yet. Cash is the balance
        less what swaps cost, as if they had been paid for; nothing is realised and no fee counted, and
        `start_cash` is what makes the books add up.
        """
        balances = await self._balances()
        positions = await self._positions(listed)
        holdings: dict[str, Position] = {}
        marks: dict[str, Decimal] = {}
        cash = balances.get(currency, ZERO)
        start = cash
        for symbol, one in listed.items():
            quantity, mark, entry = positions.get(symbol, (ZERO, None, None))
            if not one.swap:
                quantity = balances.get(one.instrument.base, ZERO)
            if not quantity:
                continue
            marks[symbol] = mark or await self.mid(one)
            cost = EXACT.multiply(quantity, entry or marks[symbol])
            holdings[symbol] = Position(symbol=symbol, quantity=quantity, cost=cost)
            if one.swap:
                cash -= cost
            else:
                start += cost
        return Portfolio(
            currency=currency,
            as_of=self._wall.now(),
            cash=cash,
            positions=holdings,
            marks=marks,
            realized=ZERO,
            fees=ZERO,
            start_cash=max(ZERO, start),
        )

    async def _mids(self, listed: Sequence[Listed]) -> Mapping[str, Decimal]:
        """Of those whose book comes in time. What is held stands in balances: without a mark it is no less certain."""
        limit_s = _MARK_S + len(listed) / RATE.per_s

        async def mid(one: Listed) -> Decimal | None:
            try:
                async with asyncio.timeout(limit_s):
                    return await self.mid(one)
            except (TimeoutError, VenueUnavailable):
                return None

        marks = await asyncio.gather(*(mid(one) for one in listed))
        return {one.symbol: mark for one, mark in zip(listed, marks, strict=True) if mark is not None}

    async def mid(self, one: Listed) -> Decimal:
        asked_at = self._wall.now()
        book = await self._session.ask(
            f"the order book of {one.symbol}", lambda _: self._session.market_data.book(one.symbol)
        )
        return quote_of(book, one.symbol, unit=one.unit, asked_at=asked_at).mid

    async def _balances(self) -> Mapping[str, Decimal]:
        """Of every wallet that the desk's symbols trade from, whichever of them is traded at the moment."""
        balances = await self._quirks.balances(self._session, self._symbols)
        return {name: amount for name, amount in balances.items() if amount}

    async def _positions(
        self, listed: Mapping[str, Listed]
    ) -> Mapping[str, tuple[Decimal, Decimal | None, Decimal | None]]:
        """Signed quantity in base currency, mark and entry price, of the swaps that are not flat."""
        swaps = [symbol for symbol, one in listed.items() if one.swap]
        if not swaps:
            return {}
        answer = await self._quirks.positions(self._session, swaps)
        positions: dict[str, tuple[Decimal, Decimal | None, Decimal | None]] = {}
        for row in answer:
            symbol = str(row.get("symbol"))
            if symbol not in listed:
                continue
            quantity, mark, entry = readable(f"the position in {symbol}", _position, row, listed[symbol])
            if quantity and symbol in positions:
                raise VenueUnavailable(
                    f"{self._session.exchange} shows two positions in {symbol}: it does not net them",
                    remedy="Choose one-way (net) mode at the exchange",
                )
            if quantity:
                positions[symbol] = (quantity, mark, entry)
        return positions


def _position(row: Row, one: Listed) -> tuple[Decimal, Decimal | None, Decimal | None]:
    contracts = exact(row.get("contracts") or "0")
    side = row.get("side")
    if contracts and side not in ("long", "short"):
        raise ValueError(f"its side is {side!r}")
    quantity = one.in_base(contracts if side == "long" else -contracts)
    mark, entry = row.get("markPrice"), row.get("entryPrice")
    return quantity, exact(mark) if mark else None, exact(entry) if entry else None
