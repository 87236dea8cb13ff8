"""An exact little account at an exchange: orders of ours, trades by hand, deposits, and queries that can fail.

Nothing happens by itself. A test says what was traded and moved, and the account adds it up as an exchange does:
spot in balances, swaps as positions beside a wallet that only profit, fees and funding move.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from builders.policy import an_instrument
from domain.candle import Candle, Quote
from domain.decision import Ticket
from domain.errors import NotFound, NotTold, OrderStateUnknown, VenueUnavailable
from domain.instrument import Instrument
from domain.money import ZERO
from domain.order import Fill, OrderReport, OrderRequest, OrderState, Side
from domain.portfolio import Portfolio, Position
from domain.statement import KeyRights, Statement, Trade, Transfer, TransferKind

START = datetime(2025, 1, 1, tzinfo=UTC)
SPOT, SWAP = "BTC/USDT", "ETH/USDT:USDT"
ALL = "everything"
"""Among `silent`: no query is answered."""


@dataclass(frozen=True)
class Kept:
    """One order as the exchange has it."""

    request: OrderRequest
    venue_order_id: str
    state: OrderState = OrderState.WORKING
    fills: tuple[Fill, ...] = ()

    @property
    def filled(self) -> Decimal:
        return sum((fill.quantity for fill in self.fills), ZERO)


@dataclass
class ScriptedAccount:
    """`domain.venue.AccountVenue` on an account that a test moves. Each act takes a second of its clock."""

    instruments_: Mapping[str, Instrument] = field(default_factory=lambda: {s: an_instrument(s) for s in (SPOT, SWAP)})
    currency: str = "USDT"
    at: datetime = START
    names_orders: bool = True
    """Whether its trades say the client order id."""
    silent: set[str] = field(default_factory=set)
    """The queries that give no answer: `statement`, `trades`, `transfers`, `find`, `order`, `cancel`, `quote`, and
    `ALL`."""
    in_doubt: set[str] = field(default_factory=set)
    """Client order ids of which nothing can be proven."""
    unanswered: set[str] = field(default_factory=set)
    """Client order ids about which it can't be asked."""
    wrong: dict[str, Any] = field(default_factory=dict)
    """What it says of every order that can't be true."""
    hidden: set[str] = field(default_factory=set)
    """Client order ids that it does not know."""
    marks: dict[str, Decimal] = field(default_factory=dict)
    unmarked: set[str] = field(default_factory=set)
    """Symbols of which a statement has no mark."""
    key: KeyRights = field(default_factory=lambda: KeyRights(account="7", trade=True, withdraw=False))
    dead_man: bool = True
    untold: str | None = None
    """Why it tells no transfers; `None` where it does, and empty where it does not say."""
    asked: list[str] = field(default_factory=list)
    signs_of_life: list[int] = field(default_factory=list)
    wallet: dict[str, Decimal] = field(default_factory=dict)
    swaps: dict[str, Position] = field(default_factory=dict)
    orders: dict[str, Kept] = field(default_factory=dict)
    _trades: list[Trade] = field(default_factory=list)
    _transfers: list[Transfer] = field(default_factory=list)
    resends: bool = False

    def now(self) -> datetime:
        """As a `Clock`."""
        return self.at

    # What a test lets happen

    def deposit(
        self,
        amount: Decimal | str,
        currency: str = "USDT",
        *,
        kind: TransferKind = "deposit",
        symbol: str | None = None,
    ) -> Transfer:
        """Or a withdrawal, or funding: what is negative goes out."""
        self.at += timedelta(seconds=1)
        moved = Transfer(
            id=f"b{len(self._transfers)}",
            kind=kind,
            currency=currency,
            amount=Decimal(amount),
            symbol=symbol,
            at=self.at,
        )
        self._gain(currency, moved.amount)
        self._transfers.append(moved)
        return moved

    def by_hand(
        self, side: Side, quantity: Decimal | str, price: Decimal | str, *, symbol: str = SPOT, **fees: Decimal | str
    ) -> Trade:
        """A trade of an order that somebody else sent. `fees`: `fee` in quote, `fee_base` in base currency."""
        return self._trade(symbol, side, quantity, price, order_id=f"hand{len(self._trades)}", name="", **fees)

    def takes(self, order: OrderRequest) -> str:
        """An order of ours arrives, and waits. Returns the venue's id of it."""
        kept = Kept(order, venue_order_id=f"v{len(self.orders)}")
        self.orders[order.client_order_id] = kept
        return kept.venue_order_id

    def fills(
        self,
        client_order_id: str,
        quantity: Decimal | str,
        price: Decimal | str,
        *,
        order_id: str = "",
        **fees: Decimal | str,
    ) -> Trade:
        """A trade of an order of ours. The last one ends it. `order_id`: of the order that a stop has become."""
        kept = self.orders[client_order_id]
        order = kept.request
        name = "" if order_id else client_order_id
        order_id = order_id or kept.venue_order_id
        trade = self._trade(order.symbol, order.side, quantity, price, order_id=order_id, name=name, **fees)
        fills = (*kept.fills, _fill(trade, client_order_id))
        done = sum((fill.quantity for fill in fills), ZERO) == order.quantity
        state = OrderState.FILLED if done else kept.state if kept.state.terminal else OrderState.PARTIAL
        self.orders[client_order_id] = replace(kept, fills=fills, state=state)
        return trade

    def ends(self, client_order_id: str, state: OrderState = OrderState.CANCELLED) -> None:
        self.orders[client_order_id] = replace(self.orders[client_order_id], state=state)

    def _trade(
        self,
        symbol: str,
        side: Side,
        quantity: Decimal | str,
        price: Decimal | str,
        *,
        order_id: str,
        name: str,
        fee: Decimal | str = "0",
        fee_base: Decimal | str = "0",
    ) -> Trade:
        self.at += timedelta(seconds=1)
        trade = Trade(
            trade_id=f"t{len(self._trades)}",
            venue_order_id=order_id,
            client_order_id=name,
            symbol=symbol,
            side=side,
            quantity=Decimal(quantity),
            price=Decimal(price),
            fee=Decimal(fee),
            fee_base=Decimal(fee_base),
            at=self.at,
        )
        self._trades.append(trade)
        self.marks[symbol] = trade.price
        signed = trade.quantity if side == "buy" else -trade.quantity
        if self.instruments_[symbol].kind == "spot":
            self._gain(self.instruments_[symbol].base, signed - trade.fee_base)
            self._gain(self.currency, -signed * trade.price - trade.fee)
        else:
            before = self.swaps.get(symbol) or Position(symbol=symbol)
            after = self.swaps[symbol] = before.after(_fill(trade, "achand"))
            self._gain(self.currency, after.realized - before.realized - trade.fee)
        return trade

    def _gain(self, currency: str, amount: Decimal) -> None:
        self.wallet[currency] = self.wallet.get(currency, ZERO) + amount

    # What it answers

    def _answer(self, query: str) -> None:
        self.asked.append(query)
        if query in self.silent or ALL in self.silent:
            raise VenueUnavailable(f"the {query}")

    def report(self, client_order_id: str) -> OrderReport:
        kept = self.orders[client_order_id]
        return OrderReport(
            client_order_id=client_order_id,
            symbol=kept.request.symbol,
            state=kept.state,
            filled=kept.filled,
            fills=kept.fills,
            at=self.at,
            venue_order_id=kept.venue_order_id,
            evidence="by id",
        ).model_copy(update=self.wrong)

    async def instruments(self) -> Mapping[str, Instrument]:
        return self.instruments_

    async def candles(self, symbol: str, *, limit: int, until: datetime) -> Sequence[Candle]:
        return ()

    async def quote(self, symbol: str) -> Quote:
        self._answer("quote")
        mark = self.marks.get(symbol, Decimal(100))
        return Quote(symbol=symbol, bid=mark, ask=mark, at=self.at)

    async def time(self) -> datetime | None:
        return self.at

    async def portfolio(self) -> Portfolio:
        cash = self.wallet.get(self.currency, ZERO)
        held = {symbol: position for symbol, position in self.swaps.items() if position.quantity}
        return Portfolio(
            currency=self.currency,
            as_of=self.at,
            cash=cash - sum((position.cost for position in held.values()), ZERO),
            positions=held,
            marks={symbol: self.marks[symbol] for symbol in held},
            realized=ZERO,
            fees=ZERO,
            start_cash=max(cash, ZERO),
        )

    async def submit(self, order: OrderRequest, ticket: Ticket) -> OrderReport:
        self._answer("submit")
        self.takes(order)
        return self.report(order.client_order_id)

    async def find(self, client_order_id: str, symbol: str, sent_at: datetime | None = None) -> OrderReport | None:
        self._answer("find")
        if client_order_id in self.unanswered:
            raise VenueUnavailable("the venue is down")
        if client_order_id in self.in_doubt:
            raise OrderStateUnknown(f"{client_order_id} is not visible yet")
        known = client_order_id in self.orders and client_order_id not in self.hidden
        return self.report(client_order_id) if known else None

    async def cancel(self, client_order_id: str, symbol: str) -> OrderReport:
        self._answer("cancel")
        found = await self.find(client_order_id, symbol)
        if found is None:
            raise NotFound(f"there is no order {client_order_id}")
        if not found.state.terminal:
            self.ends(client_order_id)
        return self.report(client_order_id)

    async def open_orders(self) -> Sequence[OrderReport]:
        return [self.report(key) for key, kept in self.orders.items() if not kept.state.terminal]

    async def statement(self) -> Statement:
        self._answer("statement")
        return Statement(
            at=self.at,
            balances={currency: amount for currency, amount in self.wallet.items() if amount},
            positions={symbol: position.quantity for symbol, position in self.swaps.items() if position.quantity},
            marks={s: self.marks.get(s, Decimal(100)) for s in self.instruments_ if s not in self.unmarked},
            open_orders=tuple(await self.open_orders()),
        )

    async def trades(self, symbol: str, *, since: datetime) -> Sequence[Trade]:
        self._answer("trades")
        found = [trade for trade in self._trades if trade.symbol == symbol and trade.at >= since]
        return found if self.names_orders else [trade.model_copy(update={"client_order_id": ""}) for trade in found]

    async def client_order_id_of(self, venue_order_id: str, symbol: str) -> str | None:
        self._answer("order")
        if any(trade.venue_order_id == venue_order_id for trade in self._trades if trade.venue_order_id[:1] == "h"):
            return ""
        mine = [key for key, kept in self.orders.items() if kept.venue_order_id == venue_order_id]
        return next((key for key in mine if key not in self.hidden), None)

    async def transfers(self, *, since: datetime) -> Sequence[Transfer] | None:
        self._answer("transfers")
        if self.untold is not None:
            if self.untold:
                raise NotTold(self.untold)
            return None
        return [transfer for transfer in self._transfers if transfer.at >= since]

    async def rights(self) -> KeyRights:
        return self.key

    async def prepare(self) -> Sequence[str]:
        return ()

    def attaches_stops(self, symbol: str) -> bool:
        return False

    def holds_stops(self, symbol: str) -> bool:
        return True

    async def aclose(self) -> None:
        self.asked.append("aclose")

    async def keep_alive(self, *, timeout_s: int) -> bool:
        self.signs_of_life.append(timeout_s)
        self._answer("keep_alive")
        return self.dead_man


def _fill(trade: Trade, client_order_id: str) -> Fill:
    return Fill(
        trade_id=trade.trade_id,
        client_order_id=client_order_id,
        symbol=trade.symbol,
        side=trade.side,
        quantity=trade.quantity,
        price=trade.price,
        fee=trade.fee,
        fee_base=trade.fee_base,
        at=trade.at,
    )
