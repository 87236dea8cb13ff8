"""The venue's word on one order: by id, among the open ones, among those that ended, and in the trades.

That there is no such order is said only when all four answered, none knows it, and it can't be under way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, localcontext

from domain.clock import Sleep
from domain.digest import plain
from domain.errors import OrderContradicted, OrderStateUnknown
from domain.money import EXACT, ZERO
from domain.order import Fill, OrderReport, OrderState, Side
from venues.exchange.account import rows
from venues.exchange.account.dialects.dialect import Listing, Name, Quirks
from venues.exchange.account.listed import Listed
from venues.exchange.account.rows import VenueOrder
from venues.exchange.account.session import Session
from venues.exchange.client import Row

_CLOCKS = timedelta(seconds=10)
"""By how much an order may seem older than its own sending."""
_LOOK_AGAIN_S = (0.2, 0.5)
"""Trades are listed a moment after the order that they belong to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One order that is looked for, and what is known of it."""

    client_order_id: str
    venue_order_id: str
    """Empty where the venue has not told."""
    stop: bool | None
    """`None` where it may be one or not."""
    sent_at: datetime | None
    """When it was sent, by our clock; `None` when that is not known."""
    since: datetime
    """It is not older than this."""
    settled: bool
    """Whether so much time has passed that it would be seen if it were there."""


class Lookup:
    def __init__(self, session: Session, quirks: Quirks, *, sleep: Sleep) -> None:
        self._session = session
        self._quirks = quirks
        self._sleep = sleep

    async def find(self, target: Target, listed: Listed) -> OrderReport | None:
        """Raises `OrderStateUnknown` while it may be under way, or where two orders have its id, and
        `OrderContradicted` where another order is shown in its place.

        Where the venue denies the id that it has given itself, the order is looked for by ours.
        """
        candidates: dict[str, tuple[VenueOrder, str]] = {}
        stops = self._lists(target.stop, listed.symbol)
        for venue_order_id in dict.fromkeys((target.venue_order_id, "")):
            for stop in stops:
                name = Name(client_order_id=target.client_order_id, venue_order_id=venue_order_id, stop=stop)
                row = await self._quirks.find(self._session, listed.symbol, name)
                if row is not None:
                    order = self.theirs(rows.venue_order(row, listed), name)
                    if venue_order_id or not self._quirks.ids_reused:
                        return await self.report(order, target.client_order_id, listed, evidence="by id")
                    candidates[order.venue_order_id] = (order, "by id")
        for stop in stops:
            for listing, evidence in (
                (Listing(which="open", stop=stop), "open orders"),
                (Listing(which="ended", stop=stop, since=target.since), "history"),
            ):
                for row in await self._quirks.orders(self._session, listed.symbol, listing):
                    if row.get("clientOrderId") == target.client_order_id:
                        order = rows.venue_order(row, listed)
                        candidates.setdefault(order.venue_order_id, (order, evidence))
        # What a stop became may have the stop's own client id: it is told with the stop, and is no second order.
        became = {self._quirks.child(order.row) for order, _ in candidates.values()}
        apart = [entry for key, entry in candidates.items() if key not in became]
        matching = [entry for entry in apart if _made_then(entry[0], target.sent_at)]
        if len(matching) > 1:
            both = " and ".join(sorted(order.venue_order_id for order, _ in matching))
            raise OrderStateUnknown(
                f"{self._session.exchange} has more than one order {target.client_order_id}: {both}",
                remedy="Look at both at the exchange: one of them was not sent from here, or was sent twice",
            )
        if matching:
            order, evidence = matching[0]
            return await self.report(order, target.client_order_id, listed, evidence=evidence)
        return await self._from_trades(target, listed)

    def _lists(self, stop: bool | None, symbol: str) -> Sequence[bool]:
        """Among which orders it may be: others, and stops where they are apart."""
        if not self._quirks.stops_apart(symbol):
            return (False,)
        return (False, True) if stop is None else (stop,)

    def theirs(self, order: VenueOrder, name: Name) -> VenueOrder:
        """The order, where it is the one that was asked for. Raises `OrderContradicted` where another was shown."""
        unnamed = not order.client_order_id and (bool(name.venue_order_id) or not self._quirks.shows_ids)
        if not (unnamed or order.client_order_id == name.client_order_id):
            other = order.client_order_id or "one without an id"
        elif name.venue_order_id not in ("", order.venue_order_id):
            other = f"{order.venue_order_id} in place of {name.venue_order_id}"
        else:
            return order
        raise OrderContradicted(
            f"{self._session.exchange} was asked for {name.client_order_id} and showed another order: {other}"
        )

    async def report(self, order: VenueOrder, client_order_id: str, listed: Listed, *, evidence: str) -> OrderReport:
        """The order with all its trades. A triggered stop is what became of the order that it sent."""
        if child := self._quirks.child(order.row):
            name = Name(client_order_id=client_order_id, venue_order_id=child)
            row = await self._quirks.find(self._session, listed.symbol, name)
            if row is None:
                return _triggered(order, client_order_id, listed)
            order, evidence = rows.venue_order(row, listed), f"{evidence}, triggered"
            if order.venue_order_id != child:
                raise OrderContradicted(f"{client_order_id} became {child}, and {order.venue_order_id} is shown for it")
        fills = await self._fills(order, client_order_id, listed)
        self._require_own(fills, client_order_id, side=order.side, most=order.quantity)
        return rows.report(order, client_order_id=client_order_id, symbol=listed.symbol, fills=fills, evidence=evidence)

    async def _fills(self, order: VenueOrder, client_order_id: str, listed: Listed) -> Sequence[Fill]:
        """Those that are shown. Where they are fewer than the order says they are asked for again, twice."""
        if not order.filled:
            return ()
        for wait_s in (*_LOOK_AGAIN_S, None):
            listing = await self._quirks.order_trades(self._session, listed.symbol, order.row)
            own = [row for row in listing if str(row.get("order")) == order.venue_order_id]
            trades = rows.trades(own, listed, client_order_id=self._quirks.client_order_id)
            if wait_s is None or sum((trade.quantity for trade in trades), ZERO) >= order.filled:
                break
            await self._sleep(wait_s)
        return [rows.fill(trade, client_order_id) for trade in trades]

    async def _from_trades(self, target: Target, listed: Listed) -> OrderReport | None:
        """What the trades alone say: that it traded, and never that it has ended."""
        listing = await self._quirks.trades(self._session, listed.symbol, target.since)
        own = [row for row in listing if self._is(row, target)]
        if own:
            trades = rows.trades(own, listed, client_order_id=self._quirks.client_order_id)
            fills = [rows.fill(trade, target.client_order_id) for trade in trades]
            if len({trade.venue_order_id for trade in trades}) > 1:
                raise OrderContradicted(
                    f"{self._session.exchange} has trades of two orders for {target.client_order_id}"
                )
            self._require_own(fills, target.client_order_id, side=fills[0].side, most=None)
            return OrderReport(
                client_order_id=target.client_order_id,
                symbol=listed.symbol,
                state=OrderState.PARTIAL,
                filled=sum((fill.quantity for fill in fills), ZERO),
                average_price=rows.average(fills),
                fills=tuple(fills),
                at=fills[-1].at,
                venue_order_id=trades[0].venue_order_id,
                evidence="trades",
            )
        if not self._quirks.shows_ids:
            raise OrderStateUnknown(
                f"{self._session.exchange} shows no order {target.client_order_id}, and may not show client order ids",
                remedy="Look for it at the exchange",
            )
        if not target.settled:
            raise OrderStateUnknown(f"{target.client_order_id} is not visible yet at {self._session.exchange}")
        return None

    def _require_own(
        self, fills: Sequence[Fill], client_order_id: str, *, side: Side | None, most: Decimal | None
    ) -> None:
        """Raises `OrderContradicted` for trades that can't be those of an order of this side and quantity."""
        with localcontext(EXACT):
            filled = sum((fill.quantity for fill in fills), ZERO)
        if any(side not in (None, fill.side) for fill in fills) or (most is not None and filled > most):
            raise OrderContradicted(
                f"{self._session.exchange} shows trades of {client_order_id} that can't be its own: "
                + ", ".join(f"{fill.side} {plain(fill.quantity)}" for fill in fills)
            )

    def _is(self, trade: Row, target: Target) -> bool:
        if target.venue_order_id:
            return str(trade.get("order")) == target.venue_order_id
        return self._quirks.client_order_id(trade) == target.client_order_id


def _made_then(order: VenueOrder, sent_at: datetime | None) -> bool:
    """Whether the order was made when ours was sent, or later. Where either is not told, it may have been."""
    return sent_at is None or order.created_at is None or order.created_at >= sent_at - _CLOCKS


def _triggered(order: VenueOrder, client_order_id: str, listed: Listed) -> OrderReport:
    return OrderReport(
        client_order_id=client_order_id,
        symbol=listed.symbol,
        state=OrderState.WORKING,
        at=order.at,
        venue_order_id=order.venue_order_id,
        evidence="triggered, and its order is not visible yet",
    )
