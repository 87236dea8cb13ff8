"""A look at a live account: what others did is told once, late fills are found, and nothing is taken for proven."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from agents.reports import MISSING
from builders.account_venue import SPOT, START, SWAP, ScriptedAccount
from domain.errors import KeysRefused, VenueUnavailable
from domain.instrument import Instrument
from domain.money import ZERO
from domain.order import CONTRADICTION, OrderRequest, OrderState, Side
from domain.portfolio import Position
from domain.statement import Difference, ExternalEvent, Statement, Trade, adoption
from graphs.account.books import Books
from graphs.account.survey import Evidence, Look, account_in_words, doubt_in_words, evidence
from memory.ledger.orders import OrderRecord, order_after

CASH = Decimal(10_000)


@dataclass
class Bookkeeper:
    """An account with books beside it: what a look asks of the ledger, and what the ledger does with the answer."""

    venue: ScriptedAccount
    books: Books
    orders_: dict[str, OrderRecord] = field(default_factory=dict)
    events: dict[str, ExternalEvent] = field(default_factory=dict)
    opened_at: datetime = START

    @classmethod
    def of(cls, venue: ScriptedAccount | None = None) -> Bookkeeper:
        venue = venue or ScriptedAccount()
        venue.wallet["USDT"] = CASH
        return cls(venue, the_books(venue.instruments_))

    # `graphs.account.survey.Known`

    async def orders(self, *, working_only: bool = False) -> tuple[OrderRecord, ...]:
        return tuple(order for order in self.orders_.values() if order.state.working or not working_only)

    async def owned(
        self, *, client_order_ids: Collection[str], venue_order_ids: Collection[str]
    ) -> Sequence[OrderRecord]:
        return [
            order
            for key, order in self.orders_.items()
            if key in client_order_ids or (order.venue_order_id and order.venue_order_id in venue_order_ids)
        ]

    async def traded(self, symbol: str, trade_ids: Collection[str]) -> frozenset[str]:
        mine = (order for order in self.orders_.values() if order.request.symbol == symbol)
        return frozenset(trade_ids) & {fill.trade_id for order in mine for fill in order.fills}

    async def booked(self, event_ids: Collection[str]) -> frozenset[str]:
        return frozenset(event_ids) & self.events.keys()

    # What the desk and the ledger do

    def sends(self, side: Side, quantity: str | Decimal, *, symbol: str = SPOT) -> str:
        """An order that arrives; the venue has told its own id of it."""
        key = f"ac{len(self.orders_):030x}"
        request = OrderRequest(client_order_id=key, symbol=symbol, side=side, type="market", quantity=Decimal(quantity))
        self.orders_[key] = OrderRecord(
            request=request,
            proposal="0" * 64,
            run_id="r1",
            cycle=0,
            agent="risk",
            state=OrderState.WORKING,
            submitted_at=self.venue.at,
            updated_at=self.venue.at,
            venue_order_id=self.venue.takes(request),
        )
        return key

    def in_doubt(self, key: str) -> None:
        """Its answer was lost with the venue's id, and the venue does not show it."""
        lost = {"state": OrderState.UNKNOWN, "venue_order_id": ""}
        self.orders_[key] = self.orders_[key].model_copy(update=lost)
        self.venue.in_doubt.add(key)

    async def look(self, *, wide: bool = True, since: datetime | None = None) -> Evidence:
        venue = self.venue
        look = Look(
            venue=venue,
            known=self,
            books=self.books,
            opened_at=self.opened_at,
            since=since or self.opened_at,
            at=venue.at,
            wide=wide,
        )
        return await evidence(look)

    def book(self, found: Evidence) -> None:
        for report in found.reports:
            before = self.orders_[report.client_order_id]
            after = order_after(before, report)
            self.books = self.books.after(after.fills[len(before.fills) :], ())
            named = {"venue_order_id": report.venue_order_id or after.venue_order_id}
            self.orders_[report.client_order_id] = after.model_copy(update=named)
        for event in found.events:
            assert event.id not in self.events
            self.events[event.id] = event
            self.books = self.books.after((), [event])

    async def booked_look(self, **over: Any) -> Evidence:
        found = await self.look(**over)
        self.book(found)
        return found

    def held(self, symbol: str = SPOT) -> tuple[Decimal, Decimal]:
        """The desk's own, and what stands beside it."""
        asset = symbol if ":" in symbol else symbol.split("/")[0]
        return self.books.managed(symbol), self.books.holdings.get(asset, ZERO)


def the_books(instruments: Mapping[str, Instrument], **over: Any) -> Books:
    given = {"currency": "USDT", "cash": CASH, "positions": {}, "holdings": {}, "instruments": instruments}
    return Books(**given | over)


async def a_bought(quantity: str = "5", price: str = "100", *, symbol: str = SPOT, **fees: str) -> Bookkeeper:
    """A desk that has bought, and booked it."""
    desk = Bookkeeper.of()
    key = desk.sends("buy", quantity, symbol=symbol)
    desk.venue.fills(key, quantity, price, **fees)
    assert (await desk.booked_look()).proven
    return desk


async def settled(desk: Bookkeeper) -> None:
    """A second look finds nothing new and proves what is there."""
    again = await desk.booked_look()
    assert (again.events, again.differences, again.unread) == ((), (), ())
    assert all(desk.orders_[r.client_order_id].state is r.state for r in again.reports)


# Ours


async def test_a_quiet_account_is_proven_and_says_nothing() -> None:
    found = await Bookkeeper.of().look()
    assert found == Evidence(at=START)
    assert (found.proven, account_in_words(found)) == (True, "")


async def test_a_fill_of_ours_is_news_of_an_order_and_no_event_of_others() -> None:
    desk = Bookkeeper.of()
    key = desk.sends("buy", "5")
    desk.venue.fills(key, "2", "100", fee="0.2", fee_base="0.001")
    found = await desk.booked_look()
    assert ([r.filled for r in found.reports], found.events, found.proven) == ([Decimal(2)], (), True)
    assert desk.held() == (Decimal("1.999"), ZERO)
    await settled(desk)


@pytest.mark.parametrize("names_orders", [True, False])
async def test_a_fill_after_the_end_of_an_order_is_found_by_its_trade(names_orders: bool) -> None:
    desk = Bookkeeper.of(ScriptedAccount(names_orders=names_orders))
    key = desk.sends("buy", "5")
    desk.venue.fills(key, "2", "100")
    desk.venue.ends(key)
    await desk.booked_look()
    desk.venue.fills(key, "1", "101")
    found = await desk.booked_look()
    assert ([r.filled for r in found.reports], found.events) == ([Decimal(3)], ())
    assert desk.held() == (Decimal(3), ZERO)
    await settled(desk)


async def test_a_trade_of_the_order_that_a_stop_has_become_is_the_desks_and_stays_so() -> None:
    desk = await a_bought()
    stop = desk.sends("sell", "5")
    desk.venue.fills(stop, "5", "90", order_id="v0-triggered")
    found = await desk.booked_look()
    assert ([r.client_order_id for r in found.reports], found.events, desk.held()) == ([stop], (), (ZERO, ZERO))
    await settled(desk)


async def test_what_fills_between_the_question_about_it_and_the_statement_is_a_difference_until_the_next_look() -> None:
    class Hasty(ScriptedAccount):
        """Fills when its balances are asked for."""

        async def statement(self) -> Statement:
            if not self._trades:
                self.fills(key, "5", "100")
            return await super().statement()

    desk = Bookkeeper.of(Hasty())
    key = desk.sends("buy", "5")
    found = await desk.booked_look()
    assert ({d.asset for d in found.differences}, found.events) == ({"BTC", "USDT"}, ())
    assert "not proven, BTC is 0 here and 5 there" in account_in_words(found)
    assert (await desk.booked_look()).proven


# By hand


async def test_what_is_bought_by_hand_stands_beside_the_desks_own() -> None:
    desk = await a_bought()
    desk.venue.by_hand("buy", "3", "110", fee="0.5", fee_base="0.003")
    found = await desk.booked_look()
    assert [(e.id, e.kind, e.asset, e.quantity, e.cash) for e in found.events] == [
        ("trade:BTC/USDT:t1", "trade", "BTC", Decimal("2.997"), Decimal("-330.5"))
    ]
    assert account_in_words(found) == "trade: 2.997 BTC buy by hand, order hand1"
    assert (found.proven, desk.held()) == (True, (Decimal(5), Decimal("2.997")))
    await settled(desk)


async def test_what_is_sold_by_hand_comes_out_of_what_stands_beside_first() -> None:
    desk = await a_bought()
    desk.venue.by_hand("buy", "3", "110")
    desk.venue.by_hand("sell", "2", "120")
    await desk.booked_look()
    assert desk.held() == (Decimal(5), Decimal(1))
    await settled(desk)


@pytest.mark.parametrize(("sold", "left"), [("2", "3"), ("5", "0")])
async def test_a_sale_by_hand_of_what_the_desk_bought_closes_its_position_as_far_as_it_goes(
    sold: str, left: str
) -> None:
    desk = await a_bought()
    desk.venue.by_hand("sell", sold, "120", fee="0.1")
    found = await desk.booked_look()
    assert [e.kind for e in found.events] == ["trade", "adoption"]
    assert (found.proven, desk.held()) == (True, (Decimal(left), ZERO))
    assert desk.books.positions[SPOT].realized == Decimal(sold) * 20
    assert desk.books.cash == desk.venue.wallet["USDT"]
    await settled(desk)


async def test_a_swap_that_the_desk_opened_is_closed_by_hand_at_the_price_of_the_trade() -> None:
    desk = await a_bought(symbol=SWAP)
    desk.venue.by_hand("sell", "3", "120", symbol=SWAP, fee="0.1")
    found = await desk.booked_look()
    assert (found.proven, desk.held(SWAP)) == (True, (Decimal(2), ZERO))
    assert desk.books.positions[SWAP].realized == 60
    await settled(desk)


async def test_a_short_of_the_desk_is_bought_back_by_hand_and_what_is_more_stands_beside() -> None:
    desk = Bookkeeper.of()
    key = desk.sends("sell", "5", symbol=SWAP)
    desk.venue.fills(key, "5", "100")
    await desk.booked_look()
    desk.venue.by_hand("buy", "7", "100", symbol=SWAP)
    assert (await desk.booked_look()).proven
    assert desk.held(SWAP) == (ZERO, Decimal(2))
    await settled(desk)


async def test_the_same_order_by_hand_and_ours_are_told_apart_by_the_venues_id_alone() -> None:
    desk = Bookkeeper.of(ScriptedAccount(names_orders=False))
    key = desk.sends("buy", "2")
    desk.venue.by_hand("buy", "2", "100")
    desk.venue.fills(key, "2", "100")
    await desk.booked_look()
    assert desk.held() == (Decimal(2), Decimal(2))
    await settled(desk)


@pytest.mark.parametrize("kind", ["swap", "spot"])
async def test_a_trade_that_may_be_of_an_order_in_doubt_is_nobodys_until_the_order_is_found(kind: str) -> None:
    """Booked as one by hand, it would be booked again as the order's."""
    symbol = SPOT if kind == "spot" else SWAP
    desk = Bookkeeper.of(ScriptedAccount(names_orders=False))
    key = desk.sends("buy", "5", symbol=symbol)
    desk.in_doubt(key)
    desk.venue.fills(key, "5", "100")
    found = await desk.booked_look()
    assert (found.events, found.proven) == ((), False)
    desk.venue.in_doubt.clear()
    assert (await desk.booked_look()).proven
    assert desk.held(symbol) == (Decimal(5), ZERO)
    await settled(desk)


async def test_an_order_that_was_taken_for_gone_and_traded_is_ours_by_the_order_behind_the_trade() -> None:
    desk = Bookkeeper.of(ScriptedAccount(names_orders=False))
    key = desk.sends("buy", "2")
    ended = {"state": OrderState.EXPIRED, "venue_order_id": ""}  # hidden past all patience
    desk.orders_[key] = desk.orders_[key].model_copy(update=ended)
    desk.venue.fills(key, "2", "100")
    found = await desk.look()
    assert (found.proven, found.events, [r.state for r in found.reports]) == (True, (), [OrderState.FILLED])
    desk.book(found)
    assert desk.books.managed(SPOT) == 2
    again = await desk.look()
    assert (again.proven, again.events, again.reports) == (True, (), ())


async def test_a_trade_is_nobodys_while_the_order_behind_it_can_not_be_asked_for() -> None:
    desk = Bookkeeper.of()
    desk.venue.by_hand("buy", "1", "100")
    desk.venue.silent.add("order")
    found = await desk.look()
    assert (found.proven, found.events, found.unread) == (False, (), ("the order",))
    desk.venue.silent.clear()
    assert [event.kind for event in (await desk.look()).events] == ["trade"]
    desk.book(await desk.look())
    desk.venue.asked.clear()
    assert (await desk.look()).proven
    assert "order" not in desk.venue.asked, "of what is booked nothing is asked any more"


async def test_what_the_venue_denies_ends_once_the_account_is_as_without_it_and_not_before() -> None:
    desk = Bookkeeper.of()
    key = desk.sends("buy", "2")
    desk.orders_[key] = desk.orders_[key].model_copy(update={"venue_order_id": "", "state": OrderState.UNKNOWN})
    desk.venue.hidden.add(key)
    calm = await desk.look()
    assert [(r.state, r.evidence) for r in calm.reports] == [(OrderState.EXPIRED, MISSING)]
    desk.venue.deposit("5")  # which is not looked for
    found = await desk.look(wide=False)
    assert (found.proven, [r.state for r in found.reports]) == (False, [OrderState.UNKNOWN])


async def test_what_the_venue_denies_and_has_named_itself_ends_after_half_an_hour_of_that() -> None:
    desk = Bookkeeper.of()
    key = desk.sends("buy", "2")
    desk.venue.hidden.add(key)
    for minutes, state in ((0, OrderState.UNKNOWN), (29, OrderState.UNKNOWN), (2, OrderState.EXPIRED)):
        desk.venue.at += timedelta(minutes=minutes)
        desk.book(await desk.look())
        assert desk.orders_[key].state is state


async def test_a_trade_by_hand_beside_an_order_that_is_denied_is_told_by_the_order_behind_it() -> None:
    desk = Bookkeeper.of()
    key = desk.sends("buy", "2")
    desk.orders_[key] = desk.orders_[key].model_copy(update={"venue_order_id": "", "state": OrderState.UNKNOWN})
    desk.venue.hidden.add(key)
    desk.venue.by_hand("buy", "1", "100")
    found = await desk.look()
    assert ([e.kind for e in found.events], found.proven) == (["trade"], True)


@pytest.mark.parametrize(
    "wrong", [{"side": "sell"}, {"quantity": Decimal(3)}, {"filled": Decimal(3)}, {"symbol": SWAP}]
)
async def test_a_word_that_can_not_be_true_leaves_its_order_in_doubt_and_says_so(wrong: dict[str, Any]) -> None:
    desk = Bookkeeper.of()
    key = desk.sends("buy", "2")
    desk.venue.wrong = wrong
    found = await desk.look()
    (report,) = found.reports
    assert (report.state, report.evidence) == (OrderState.UNKNOWN, CONTRADICTION)
    assert f"{key} is in doubt: the venue reports" in doubt_in_words(report)
    desk.book(found)
    desk.venue.wrong = {}
    desk.book(await desk.look())
    assert desk.orders_[key].state is OrderState.WORKING


async def test_what_the_venue_refuses_to_tell_is_asked_for_once() -> None:
    class Closed(ScriptedAccount):
        async def statement(self) -> Statement:
            raise KeysRefused("the statement is refused", remedy="Let the key read")

    desk = Bookkeeper.of(Closed())
    found = await desk.look()
    assert (found.refused, found.unread) == (True, ("the statement is refused. Let the key read",))


async def test_an_order_in_doubt_holds_up_no_trades_of_other_symbols() -> None:
    desk = Bookkeeper.of(ScriptedAccount(names_orders=False))
    desk.in_doubt(desk.sends("buy", "5"))
    desk.venue.by_hand("buy", "1", "100", symbol=SWAP)
    found = await desk.booked_look()
    assert [event.id for event in found.events] == [f"trade:{SWAP}:t0"]


async def test_an_order_that_could_not_be_asked_about_is_in_doubt_beside_one_that_was() -> None:
    """The answer about one order says nothing of another in the same symbol."""
    desk = Bookkeeper.of(ScriptedAccount(names_orders=False))
    desk.sends("buy", "1")
    lost = desk.sends("buy", "5")
    desk.in_doubt(lost)
    desk.venue.in_doubt.clear()
    desk.venue.unanswered.add(lost)
    desk.venue.fills(lost, "5", "100")
    found = await desk.booked_look()
    assert (found.events, found.proven) == ((), False)
    desk.venue.unanswered.clear()
    assert (await desk.booked_look()).proven
    assert desk.held() == (Decimal(5), ZERO)


async def test_what_happened_by_the_moment_of_opening_is_in_the_opening_balances_and_not_told_again() -> None:
    desk = Bookkeeper.of()
    desk.venue.by_hand("buy", "1", "100")
    moved = desk.venue.deposit("1", "BTC")
    desk.books = the_books(desk.venue.instruments_, cash=desk.venue.wallet["USDT"], holdings={"BTC": Decimal(2)})
    desk.opened_at = moved.at
    desk.venue.by_hand("buy", "1", "100")
    found = await desk.booked_look(since=START)
    assert ([event.id for event in found.events], found.proven) == ([f"trade:{SPOT}:t1"], True)


# Transfers


async def test_deposits_withdrawals_and_funding_are_told_where_they_are_looked_for() -> None:
    desk = await a_bought()
    desk.venue.deposit("500")
    desk.venue.deposit("-200", kind="withdrawal")
    desk.venue.deposit("-0.03", kind="funding", symbol=SWAP)
    desk.venue.deposit("2", "BTC")
    desk.venue.deposit("9", "DOGE")
    narrow = await desk.look(wide=False)
    assert ({d.asset for d in narrow.differences}, narrow.events) == ({"USDT", "BTC"}, ())
    found = await desk.booked_look()
    assert [(e.kind, e.asset, e.quantity, e.cash, e.note) for e in found.events] == [
        ("transfer", "USDT", ZERO, Decimal(500), "deposit"),
        ("transfer", "USDT", ZERO, Decimal(-200), "withdrawal"),
        ("funding", "USDT", ZERO, Decimal("-0.03"), "funding"),
        ("transfer", "BTC", Decimal(2), ZERO, "deposit"),
    ]
    assert (found.proven, desk.held()) == (True, (Decimal(5), Decimal(2)))
    await settled(desk)


async def test_a_withdrawal_of_what_the_desk_bought_closes_its_position_at_the_mark() -> None:
    desk = await a_bought()
    desk.venue.marks[SPOT] = Decimal(130)
    desk.venue.deposit("-4", "BTC", kind="withdrawal")
    assert (await desk.booked_look()).proven
    assert desk.held() == (Decimal(1), ZERO)
    assert desk.books.positions[SPOT].realized == 120
    await settled(desk)


async def test_a_withdrawal_while_no_mark_is_shown_closes_the_position_at_what_was_paid() -> None:
    desk = await a_bought()
    desk.venue.unmarked.add(SPOT)
    desk.venue.deposit("-4", "BTC", kind="withdrawal")
    assert (await desk.booked_look()).proven
    assert desk.held() == (Decimal(1), ZERO)
    assert desk.books.positions[SPOT].realized == 0
    await settled(desk)


async def test_a_sale_by_hand_waits_until_the_deposit_that_it_may_have_come_from_can_be_read() -> None:
    desk = await a_bought()
    desk.venue.deposit("4", "BTC")
    desk.venue.by_hand("sell", "4", "120")
    desk.venue.silent.add("transfers")
    found = await desk.booked_look()
    assert (found.events, found.unread) == ((), ("the transfers",))
    desk.venue.silent.clear()
    assert (await desk.booked_look()).proven
    assert desk.held() == (Decimal(5), ZERO)


@pytest.mark.parametrize(
    ("untold", "said"), [("", "the venue tells no deposits and withdrawals"), ("no right to read", "no right to read")]
)
async def test_where_no_deposit_is_told_what_differs_is_said_with_the_reason(untold: str, said: str) -> None:
    desk = await a_bought()
    desk.venue.untold = untold
    assert (await desk.look()).proven, "what is told to nobody disproves nothing"
    desk.venue.deposit("500")
    assert desk.books.cash + 500 == desk.venue.wallet["USDT"]
    found = await desk.booked_look()
    assert (found.proven, found.unread, found.events, found.untold) == (False, (), (), said)
    ours = desk.books.cash
    assert account_in_words(found) == (
        f"not proven, USDT is {ours} here and {ours + 500} there; {said}; nothing is entered"
    )


async def test_a_coin_that_is_not_traded_here_proves_nothing_and_disproves_nothing() -> None:
    desk = await a_bought()
    desk.venue.wallet["DOGE"] = Decimal(7)
    assert (await desk.look()).proven


# Doubt


@pytest.mark.parametrize("query", ["find", "trades", "transfers", "statement"])
async def test_a_query_without_an_answer_proves_nothing_and_is_named(query: str) -> None:
    desk = await a_bought()
    desk.sends("buy", "1")
    desk.venue.by_hand("sell", "1", "120")
    desk.venue.silent.add(query)
    found = await desk.booked_look()
    assert not found.proven
    said = f"the order {list(desk.orders_)[1]}" if query == "find" else f"the {query}"
    assert said in found.unread
    assert f"the venue did not tell {found.unread[0]}" in account_in_words(found)
    desk.venue.silent.clear()
    assert (await desk.booked_look()).proven
    assert desk.held() == (Decimal(4), ZERO)
    await settled(desk)


async def test_an_order_in_doubt_stays_in_doubt_and_is_no_proof_of_being_flat() -> None:
    desk = Bookkeeper.of()
    key = desk.sends("buy", "5")
    desk.in_doubt(key)
    desk.venue.fills(key, "5", "100")
    found = await desk.booked_look()
    assert ([r.state for r in found.reports], found.events, found.proven) == ([OrderState.UNKNOWN], (), False)
    assert desk.held() == (ZERO, ZERO)


# Dust


async def test_what_fees_leave_of_a_position_that_was_sold_is_given_up_to_what_stands_beside() -> None:
    """Kept as a position it would never be flat, and could never be sold."""
    desk = await a_bought(fee_base="0.01")
    desk.venue.fills(desk.sends("sell", "4.75"), "4.75", "110")
    found = await desk.booked_look()
    assert [(e.kind, e.asset, e.quantity, e.price) for e in found.events] == [
        ("adoption", "BTC", Decimal("0.24"), Decimal(110))
    ]
    assert (found.proven, desk.held()) == (True, (ZERO, Decimal("0.24")))
    await settled(desk)


async def test_dust_is_kept_while_an_order_may_still_trade_in_its_symbol() -> None:
    desk = await a_bought(fee_base="0.01")
    desk.venue.fills(desk.sends("sell", "5"), "4.75", "110")
    assert ((await desk.booked_look()).events, desk.held()) == ((), (Decimal("0.24"), ZERO))


async def test_a_remainder_below_the_least_quantity_is_dust_whatever_it_is_worth() -> None:
    desk = await a_bought(fee_base="0.01")
    least = {"market_min_quantity": Decimal("0.5")}
    sized = {symbol: one.model_copy(update=least) for symbol, one in desk.books.instruments.items()}
    desk.books = replace(desk.books, instruments=sized)
    desk.venue.fills(desk.sends("sell", "4.5"), "4.5", "110")
    await desk.booked_look()
    assert desk.held() == (ZERO, Decimal("0.49"))
    assert (await desk.booked_look()).events == ()


async def test_a_position_whose_price_fell_below_the_minimum_is_no_dust() -> None:
    desk = await a_bought()
    priced = {
        symbol: one.model_copy(update={"min_notional": Decimal(450)}) for symbol, one in desk.books.instruments.items()
    }
    desk.books = replace(desk.books, instruments=priced)
    desk.venue.marks = {SPOT: Decimal(80)}
    found = await desk.booked_look()
    assert (found.events, desk.held()) == ((), (Decimal(5), ZERO))


async def test_what_can_be_sold_is_no_dust() -> None:
    desk = await a_bought(fee_base="0.01")
    desk.venue.fills(desk.sends("sell", "4.5"), "4.5", "110")
    assert ((await desk.booked_look()).events, desk.held()) == ((), (Decimal("0.49"), ZERO))


async def test_dust_that_is_left_again_is_given_up_again() -> None:
    desk = await a_bought(fee_base="0.01")
    for n in range(1, 3):
        desk.venue.fills(desk.sends("sell", "4.75"), "4.75", "110")
        await desk.booked_look()
        assert desk.held() == (ZERO, n * Decimal("0.24"))
        desk.venue.fills(desk.sends("buy", "5"), "5", "100", fee_base="0.01")
        await desk.booked_look()
    await settled(desk)


# Adoption


@pytest.mark.parametrize(("symbol", "quantity"), [(SPOT, "4"), (SWAP, "4"), (SWAP, "-4")])
async def test_what_is_adopted_at_the_start_is_the_desks_own_and_the_account_stays_proven(
    symbol: str, quantity: str
) -> None:
    desk = Bookkeeper.of()
    desk.venue.by_hand("buy" if quantity[0] != "-" else "sell", quantity.lstrip("-"), "100", symbol=symbol)
    asset = "BTC" if symbol == SPOT else SWAP
    amount = Decimal(quantity)
    cash = desk.venue.wallet["USDT"]
    bare = the_books(desk.venue.instruments_, cash=cash, holdings={asset: amount})
    taken = adoption(asset, quantity=amount, price=Decimal(100), id="adoption:opening", at=desk.venue.at)
    desk.books, desk.opened_at = bare.after((), [taken]), desk.venue.at
    assert desk.held(symbol) == (amount, ZERO)
    assert desk.books.positions[symbol].average_price == 100
    await settled(desk)
    closing: Side = "sell" if amount > 0 else "buy"
    key = desk.sends(closing, abs(amount), symbol=symbol)
    desk.venue.fills(key, abs(amount), "105")
    assert (await desk.booked_look()).proven
    assert desk.books.positions[symbol].realized == amount * 5


async def test_an_adoption_says_by_how_much_what_stands_beside_changed_as_every_event_does() -> None:
    books = the_books(ScriptedAccount().instruments_, holdings={"BTC": Decimal(4)})
    taken = adoption("BTC", quantity=Decimal(3), price=Decimal(100), id="a", at=START)
    assert taken.quantity == -3
    after = books.after((), [taken])
    assert (after.holdings["BTC"], after.managed(SPOT), after.cash) == (1, 3, books.cash)


# Rounding


@pytest.mark.parametrize(("cut", "proven"), [("1e-9", True), ("1e-7", False)])
async def test_what_a_venue_rounds_when_a_swap_is_closed_in_parts_is_no_difference(cut: str, proven: bool) -> None:
    desk = Bookkeeper.of()
    for side, quantity, price in (("buy", "1", "10"), ("buy", "2", "11"), ("sell", "1", "12")):
        desk.venue.fills(desk.sends(side, quantity, symbol=SWAP), quantity, price)  # type: ignore[arg-type]
        await desk.booked_look()
    desk.venue.wallet["USDT"] -= Decimal(cut)
    assert (await desk.look()).proven is proven
    desk.venue.fills(desk.sends("sell", "2", symbol=SWAP), "2", "12")
    assert (await desk.booked_look()).proven is proven, "what it cut stays in the wallet"


async def test_spot_is_proven_to_the_last_digit() -> None:
    desk = await a_bought()
    desk.venue.wallet["BTC"] -= Decimal("1e-18")
    assert [d.asset for d in (await desk.look()).differences] == ["BTC"]


# Anything at all

lots = st.integers(1, 20)
prices = st.sampled_from(["90", "100", "103.5", "120"])
fees = st.sampled_from([{}, {"fee": "0.25"}, {"fee_base": "0.125"}, {"fee": "-0.5"}])
spot_acts = st.tuples(
    st.sampled_from(["desk", "desk", "hand", "hand", "late", "deposit", "coins", "look", "narrow", "blind"]),
    st.sampled_from(["buy", "sell"]),
    lots,
    prices,
    fees,
)


@given(st.lists(spot_acts, max_size=14), st.booleans())
@hypothesis_settings(max_examples=250)
async def test_whatever_happened_on_spot_a_look_books_it_once_and_proves_the_account(
    history: list[tuple[str, Side, int, str, dict[str, str]]], names_orders: bool
) -> None:
    desk = Bookkeeper.of(ScriptedAccount(names_orders=names_orders))
    venue = desk.venue
    for act, side, quantity, price, paid in history:
        there = venue.wallet.get("BTC", ZERO)
        fits = Decimal(quantity) if side == "buy" else min(Decimal(quantity), there)
        own = Decimal(quantity) if side == "buy" else min(Decimal(quantity), there, desk.books.managed(SPOT))
        paid = paid if side == "buy" or "fee_base" not in paid else {}
        match act:
            case "desk" if own > 0:
                key = desk.sends(side, own)
                venue.fills(key, own / 2, price, **paid)
                if quantity % 2:
                    venue.fills(key, own / 2, price, **paid)
                else:
                    venue.ends(key)
            case "late" if desk.orders_ and side == "buy":
                key, kept = list(venue.orders.items())[-1]
                more = kept.request.quantity - kept.filled
                if more and kept.request.side == "buy":
                    venue.fills(key, more, price)
            case "hand" if fits > 0:
                venue.by_hand(side, fits, price, **paid)
            case "deposit":
                venue.deposit(quantity if side == "buy" else -quantity)
            case "coins" if fits > 0:
                venue.deposit(fits if side == "buy" else -fits, "BTC")
            case "look":
                await desk.booked_look()
            case "narrow":
                found = await desk.look(wide=False)
                if found.proven:
                    desk.book(found)
            case "blind":
                venue.silent.add("transfers")
                assert not (await desk.look()).proven
                venue.silent.clear()
    assert (await desk.booked_look()).proven
    await settled(desk)
    own, beside = desk.held()
    assert own >= 0
    assert beside >= 0
    assert own + beside == venue.wallet.get("BTC", ZERO)
    assert desk.books.cash == venue.wallet["USDT"]


swap_acts = st.tuples(
    st.sampled_from(["desk", "desk", "hand", "funding", "look", "narrow"]),
    st.sampled_from(["buy", "sell"]),
    lots,
    prices,
)


@given(st.lists(swap_acts, max_size=14))
@hypothesis_settings(max_examples=250)
async def test_whatever_the_desk_does_on_a_swap_and_a_person_closes_of_it_the_wallet_is_explained(
    history: list[tuple[str, Side, int, str]],
) -> None:
    desk = Bookkeeper.of()
    venue = desk.venue
    for act, side, quantity, price in history:
        there = venue.swaps.get(SWAP, Position(symbol=SWAP)).quantity
        closing: Side = "sell" if there > 0 else "buy"
        match act:
            case "desk":
                await desk.booked_look()  # as at every tick, before anything is sent
                venue.fills(desk.sends(side, str(quantity), symbol=SWAP), quantity, price, fee="0.01")
                await desk.booked_look()
            case "hand" if there:
                venue.by_hand(closing, min(Decimal(quantity), abs(there)), price, symbol=SWAP, fee="0.01")
            case "funding":
                venue.deposit(f"{'-' if side == 'sell' else ''}0.0{quantity}", kind="funding", symbol=SWAP)
            case "look":
                await desk.booked_look()
            case "narrow":
                found = await desk.look(wide=False)
                if found.proven:
                    desk.book(found)
    assert (await desk.booked_look()).proven
    await settled(desk)
    assert desk.held(SWAP) == (venue.swaps.get(SWAP, Position(symbol=SWAP)).quantity, ZERO)


# Suspended symbols


class Halting(ScriptedAccount):
    """Does not trade spot, and tells no trades of it."""

    def expect(self, instruments: Mapping[str, Instrument]) -> None:
        pass

    @property
    def suspended(self) -> Mapping[str, str]:
        return {SPOT: f"{SPOT} is not listed on scripted"}

    async def trades(self, symbol: str, *, since: datetime) -> Sequence[Trade]:
        if symbol in self.suspended:
            raise VenueUnavailable(self.suspended[symbol])
        return await super().trades(symbol, since=since)


async def test_what_is_not_told_of_a_suspended_symbol_leaves_the_rest_proven() -> None:
    desk = Bookkeeper.of(Halting())
    desk.venue.wallet["BTC"] = Decimal(3)
    found = await desk.look()
    assert (found.proven, found.unread, found.differences) == (True, (), ())
    assert found.suspended == (f"{SPOT} is not listed on scripted; BTC is 0 here and 3 there",)
    assert account_in_words(found) == (
        f"not traded and not proven, {SPOT} is not listed on scripted; BTC is 0 here and 3 there; the rest goes on"
    )


async def test_what_differs_beside_a_suspended_symbol_is_not_proven() -> None:
    desk = Bookkeeper.of(Halting())
    desk.venue.wallet["USDT"] += 1
    found = await desk.look(wide=False)
    assert [apart.asset for apart in found.differences] == ["USDT"]
    assert not found.proven


async def test_what_is_held_of_a_suspended_symbol_is_no_dust() -> None:
    desk = await a_bought("0.25")
    desk.venue.__class__ = Halting
    tiny = {
        symbol: one.model_copy(update={"min_quantity": Decimal(1)}) for symbol, one in desk.venue.instruments_.items()
    }
    desk.books = replace(desk.books, instruments=tiny)
    assert (await desk.look()).events == ()


def test_two_differences_are_said_in_one_line() -> None:
    apart = tuple(Difference(asset=a, ours=Decimal(1), theirs=Decimal("2.50")) for a in ("BTC", "USDT"))
    said = account_in_words(Evidence(at=START, differences=apart))
    assert said == ("not proven, BTC is 1 here and 2.5 there; USDT is 1 here and 2.5 there; nothing is entered")
