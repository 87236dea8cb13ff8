"""The double's engine: who trades at what price, what is held back, and that nothing is ever lost."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from builders.okx_double import SPOT, SWAP
from domain.clock import TickClock
from exchange_double import Engine, NewOrder, Trigger
from exchange_double.book import Level
from exchange_double.orders import Cause, Order, Reason, Refused, Status
from exchange_double.served import START


def an_engine(*, usdt: str = "100000", touch: bool = True) -> Engine:
    """100,000 USDT, and 60,000 to 60,001 for two on either side of both BTC markets."""
    engine = Engine(TickClock(START))
    engine.deposit("USDT", usdt)
    if touch:
        for symbol in (SPOT, SWAP):
            engine.set_touch(symbol, bid="60000", ask="60001", size=2)
    return engine


def a_buy(quantity: str = "1", price: str | None = None, **changes: object) -> NewOrder:
    fields: dict[str, object] = {
        "symbol": SPOT,
        "side": "buy",
        "type": "limit" if price else "market",
        "quantity": Decimal(quantity),
        "limit_price": Decimal(price) if price else None,
    }
    return NewOrder(**{**fields, **changes})  # type: ignore[arg-type]


def a_sell(quantity: str = "1", price: str | None = None, **changes: object) -> NewOrder:
    return a_buy(quantity, price, **{"side": "sell", **changes})


def now(engine: Engine, order: Order) -> Order:
    found = engine.find(order_id=order.order_id)
    assert found is not None
    return found


def test_a_market_order_eats_level_by_level() -> None:
    engine = an_engine()
    engine.set_book(SPOT, bids=[], asks=[Level(Decimal(100), Decimal(1)), Level(Decimal(90), Decimal(1))])
    order = engine.place(a_buy("1.5"))
    assert [(fill.price, fill.size) for fill in engine.fills] == [
        (Decimal(90), Decimal(1)),
        (Decimal(100), Decimal("0.5")),
    ]
    assert order.status is Status.FILLED
    assert order.value == Decimal(140)


def test_a_spot_buy_pays_its_fee_out_of_what_it_bought() -> None:
    engine = an_engine()
    engine.place(a_buy("1"))
    balances = engine.funds().balances
    assert balances["BTC"].cash == Decimal("0.999")
    assert balances["USDT"].cash == Decimal(100_000 - 60_001)


def test_a_spot_sell_pays_its_fee_out_of_the_proceeds() -> None:
    engine = an_engine()
    engine.deposit("BTC", 1)
    engine.place(a_sell("1"))
    assert engine.funds().balances["USDT"].cash == Decimal(100_000) + Decimal(60_000) * Decimal("0.999")


def test_a_resting_order_trades_at_its_own_price_as_a_maker() -> None:
    engine = an_engine()
    order = engine.place(a_buy("1", "59990"))
    engine.set_touch(SPOT, bid="59900", ask="59950", size="0.4")
    assert now(engine, order).filled == Decimal("0.4")
    assert engine.fills[0].price == Decimal(59990)
    assert engine.fills[0].maker
    engine.trade(SPOT, price="59980")
    assert now(engine, order).status is Status.FILLED


def test_a_trade_through_hits_the_best_order_first_and_no_more_than_its_size() -> None:
    engine = an_engine()
    low = engine.place(a_buy("0.1", "59000"))
    high = engine.place(a_buy("0.1", "59500"))
    engine.trade(SPOT, price="58000", size="0.15")
    assert now(engine, high).status is Status.FILLED
    assert now(engine, low).filled == Decimal("0.05")


def test_a_trade_above_a_buy_leaves_it_alone() -> None:
    engine = an_engine()
    order = engine.place(a_buy("0.1", "59000"))
    engine.trade(SPOT, price="59000.1")
    assert now(engine, order).status is Status.LIVE


@pytest.mark.parametrize(
    ("new", "filled", "cause"),
    [
        (a_buy("3", "60001", time_in_force="IOC"), "2", Cause.IMMEDIATE),
        (a_buy("3", "60001", time_in_force="FOK"), "0", Cause.FILL_OR_KILL),
        (a_buy("1", "60001", post_only=True), "0", Cause.POST_ONLY),
        (a_buy("3"), "2", Cause.IMMEDIATE),
    ],
    ids=["IOC", "FOK", "post-only", "market"],
)
def test_what_may_not_rest_is_cancelled_with_its_cause(new: NewOrder, filled: str, cause: Cause) -> None:
    order = an_engine(usdt="1000000").place(new)
    assert (order.status, order.filled, order.cause) == (Status.CANCELLED, Decimal(filled), cause)


def test_a_post_only_order_that_crosses_nothing_rests() -> None:
    assert an_engine().place(a_buy("1", "60000", post_only=True)).status is Status.LIVE


def test_a_market_buy_in_quote_currency_spends_no_more_than_its_budget() -> None:
    engine = an_engine()
    order = engine.place(a_buy("1000", in_quote=True))
    assert order.status is Status.FILLED
    assert Decimal(1000) - Decimal("0.001") < order.value <= Decimal(1000)


def test_an_order_never_trades_with_one_of_our_own() -> None:
    engine = an_engine()
    engine.deposit("BTC", 1)
    mine = engine.place(a_sell("1", "60000.5"))
    engine.place(a_buy("1", "60001"))
    assert now(engine, mine).cause is Cause.SELF_TRADE
    assert [fill.price for fill in engine.fills] == [Decimal(60001)]


@pytest.mark.parametrize(
    ("new", "reason"),
    [
        (a_buy("1", "60000.05"), Reason.OFF_TICK),
        (a_buy("0.000000001"), Reason.BELOW_MINIMUM),
        (a_buy("0.100000001"), Reason.OFF_LOT),
        (a_buy("2"), Reason.NO_FUNDS),
        (a_sell("1"), Reason.NO_FUNDS),
        (a_sell("1", symbol=SPOT, reduce_only=True), Reason.REDUCE_ONLY_ON_SPOT),
        (a_sell("1", symbol=SWAP, reduce_only=True), Reason.NOTHING_TO_REDUCE),
        (a_buy("1700", symbol=SWAP, limit_price=Decimal(60000), type="limit"), Reason.NO_FUNDS),
        (a_buy("1", symbol="XYZ/USDT"), Reason.UNKNOWN_SYMBOL),
    ],
    ids=lambda value: value.value if isinstance(value, Reason) else "",
)
def test_what_is_refused_changes_nothing(new: NewOrder, reason: Reason) -> None:
    engine = an_engine()
    with pytest.raises(Refused) as refused:
        engine.place(new)
    assert refused.value.reason is reason
    assert engine.orders == ()


def test_open_orders_hold_back_what_they_could_spend() -> None:
    engine = an_engine()
    order = engine.place(a_buy("1", "50000"))
    assert engine.funds().available("USDT") == Decimal(50_000)
    engine.cancel(order.order_id)
    assert engine.funds().available("USDT") == Decimal(100_000)


def test_a_client_order_id_is_taken_once_or_while_open() -> None:
    engine = an_engine()
    engine.place(a_buy("0.1", client_order_id="a1"))
    with pytest.raises(Refused, match="duplicate_id"):
        engine.place(a_buy("0.1", client_order_id="a1"))
    again = engine.place(a_buy("0.1", "50000", client_order_id="a1"), ids_unique_when_open=True)
    assert engine.find(client_order_id="a1") == again
    with pytest.raises(Refused, match="duplicate_id"):
        engine.place(a_buy("0.1", client_order_id="a1"), ids_unique_when_open=True)


@pytest.mark.parametrize(
    ("done", "reason"),
    [
        (lambda engine, order: engine.fill(order), "already_filled"),
        (lambda engine, order: engine.cancel(order), "already_cancelled"),
    ],
    ids=["filled", "cancelled"],
)
def test_an_order_that_has_ended_can_not_be_cancelled(done: Callable[[Engine, str], object], reason: str) -> None:
    engine = an_engine()
    order = engine.place(a_buy("0.1", "50000"))
    done(engine, order.order_id)
    with pytest.raises(Refused, match=reason):
        engine.cancel(order.order_id)


def test_a_reduce_only_order_never_flips_a_position() -> None:
    engine = an_engine()
    engine.place(a_buy("1", symbol=SWAP))
    order = engine.place(a_sell("5", symbol=SWAP, reduce_only=True))
    assert order.filled == Decimal(1)
    assert engine.funds().positions == ()


def test_a_reduce_only_order_goes_when_the_position_does() -> None:
    engine = an_engine()
    engine.place(a_buy("1", symbol=SWAP))
    stop = engine.place(a_sell("1", "70000", symbol=SWAP, reduce_only=True))
    engine.place(a_sell("1", symbol=SWAP))
    assert now(engine, stop).cause is Cause.REDUCE_ONLY


def test_closing_a_swap_realises_its_profit_in_contracts_times_their_size() -> None:
    engine = an_engine()
    engine.place(a_buy("2", "60001", symbol=SWAP))
    engine.set_touch(SWAP, bid="61001", ask="61002")
    order = engine.place(a_sell("1", symbol=SWAP))
    assert order.profit == Decimal(1000) * Decimal("0.01")
    assert engine.funds().positions[0].average_price == Decimal(60001)


def test_a_long_pays_a_positive_funding_rate() -> None:
    engine = an_engine()
    engine.place(a_buy("2", symbol=SWAP))
    engine.set_mark(SWAP, "60000")
    assert engine.fund(SWAP, "0.0001") == -Decimal(2) * Decimal("0.01") * 60000 * Decimal("0.0001")


def test_the_dead_mans_switch_cancels_every_open_order() -> None:
    clock = TickClock(START)
    engine = Engine(clock)
    engine.deposit("USDT", 1000)
    order = engine.place(a_buy("0.01", "50000"))
    engine.cancel_all_at(START + timedelta(seconds=10))
    engine.tick()
    assert now(engine, order).open
    clock.set(START + timedelta(seconds=10))
    engine.tick()
    assert now(engine, order).cause is Cause.TIMER


def test_a_crossed_book_is_refused() -> None:
    with pytest.raises(ValueError, match="not below"):
        an_engine().set_touch(SPOT, bid="60001", ask="60001")


def exact(value: Decimal) -> Fraction:
    return Fraction(value)


PRICES = st.integers(min_value=590_000, max_value=610_000).map(lambda ticks: Decimal(ticks) / 10)
SIZES = st.integers(min_value=1, max_value=300).map(lambda lots: Decimal(lots) / 100)


class Market(RuleBasedStateMachine):
    """Anything that can happen, in any order; what must hold is recomputed from the fills, in fractions."""

    symbol: str

    @initialize(usdt=st.integers(min_value=1_000, max_value=1_000_000), btc=st.integers(min_value=0, max_value=5))
    def open(self, usdt: int, btc: int) -> None:
        self.engine = an_engine(usdt=str(usdt))
        self.engine.deposit("BTC", btc)
        self.deposits = {"USDT": Fraction(usdt), "BTC": Fraction(btc)}

    @rule(bid=PRICES, gap=st.integers(min_value=1, max_value=1000), size=SIZES)
    def set_touch(self, bid: Decimal, gap: int, size: Decimal) -> None:
        self.engine.set_touch(self.symbol, bid=bid, ask=bid + Decimal(gap) / 10, size=size)

    @rule(
        side=st.sampled_from(["buy", "sell"]),
        size=SIZES,
        price=st.none() | PRICES,
        tif=st.sampled_from(["GTC", "IOC", "FOK"]),
        post_only=st.booleans(),
        reduce_only=st.booleans(),
        part=st.none() | st.sampled_from([Decimal("0.3"), Decimal("0.5")]),
    )
    def place(
        self,
        side: str,
        size: Decimal,
        price: Decimal | None,
        tif: str,
        post_only: bool,
        reduce_only: bool,
        part: Decimal | None,
    ) -> None:
        new = a_buy(
            str(size),
            str(price) if price else None,
            symbol=self.symbol,
            side=side,
            time_in_force=tif if price else "GTC",
            post_only=post_only and price is not None and tif == "GTC",
            reduce_only=reduce_only and self.symbol == SWAP,
        )
        before = len(self.engine.orders)
        try:
            order = self.engine.place(new, stop_after=part)
        except Refused:
            assert len(self.engine.orders) == before
        else:
            assert order.open == (order.order_id in {resting.order_id for resting in self.engine.open_orders})
            assert part is None or not order.open

    @rule(
        side=st.sampled_from(["buy", "sell"]),
        size=SIZES,
        price=PRICES,
        direction=st.sampled_from(["below", "above"]),
        reduce_only=st.booleans(),
    )
    def place_stop(self, side: str, size: Decimal, price: Decimal, direction: str, reduce_only: bool) -> None:
        new = a_buy(str(size), symbol=self.symbol, side=side, reduce_only=reduce_only and self.symbol == SWAP)
        trigger = Trigger(price=price, direction=direction)  # type: ignore[arg-type]
        with suppress(Refused):
            self.engine.place_stop(new, trigger, client_order_id="")

    @rule(budget=st.integers(min_value=100, max_value=10_000))
    def spend(self, budget: int) -> None:
        if self.symbol == SPOT:
            try:
                order = self.engine.place(a_buy(str(budget), in_quote=True))
            except Refused:
                return
            assert order.value <= budget

    @rule(price=PRICES, size=st.none() | SIZES, aggressor=st.sampled_from(["buy", "sell"]))
    def trade(self, price: Decimal, size: Decimal | None, aggressor: str) -> None:
        self.engine.trade(self.symbol, price=price, size=size, aggressor=aggressor)  # type: ignore[arg-type]

    @rule(which=st.integers(min_value=0))
    def cancel(self, which: int) -> None:
        resting = self.engine.open_orders
        if resting:
            assert self.engine.cancel(resting[which % len(resting)].order_id).cause is Cause.USER

    @rule(rate=st.sampled_from(["0.0001", "-0.00013"]))
    def fund(self, rate: str) -> None:
        if self.symbol == SWAP and self.engine.last(SWAP) is not None:
            self.engine.fund(SWAP, rate)

    @invariant()
    def every_order_is_the_sum_of_its_fills(self) -> None:
        for order in self.engine.orders:
            mine = [fill for fill in self.engine.fills if fill.order_id == order.order_id]
            assert order.filled == sum(fill.size for fill in mine)
            assert order.fee == sum(fill.fee for fill in mine)
            assert order.new.in_quote or order.filled <= order.new.quantity
            assert all(order.new.reaches(fill.price) for fill in mine)
        assert len({fill.trade_id for fill in self.engine.fills}) == len(self.engine.fills)

    @invariant()
    def no_stop_waits_for_a_price_that_was_reached(self) -> None:
        last = self.engine.last(self.symbol)
        assert not any(last is not None and stop.trigger.reached(last) for stop in self.engine.waiting_stops)
        became = {stop.order_id: stop.stop_id for stop in self.engine.stops if stop.order_id}
        assert became == {order.order_id: order.stop_id for order in self.engine.orders if order.stop_id}

    @invariant()
    def cash_is_the_sum_of_its_movements(self) -> None:
        for currency, balance in self.engine.funds().balances.items():
            moved = [row.amount for row in self.engine.movements if row.currency == currency]
            assert exact(balance.cash) == sum(map(exact, moved))


class SpotMarket(Market):
    symbol = SPOT

    @invariant()
    def cash_is_the_deposits_and_the_fills_to_the_last_digit(self) -> None:
        expected = dict(self.deposits)
        for fill in self.engine.fills:
            expected["BTC"] += exact(fill.signed_size)
            expected["USDT"] -= exact(fill.signed_size) * exact(fill.price)
            expected[fill.fee_currency] -= exact(fill.fee)
        held = self.engine.funds().balances
        assert {name: exact(held[name].cash) if name in held else Fraction(0) for name in expected} == expected

    @invariant()
    def nothing_is_ever_owed(self) -> None:
        for balance in self.engine.funds().balances.values():
            assert balance.cash >= 0
            assert balance.available >= 0


class SwapMarket(Market):
    symbol = SWAP

    @invariant()
    def the_position_is_the_sum_of_the_fills(self) -> None:
        size = sum(fill.signed_size for fill in self.engine.fills)
        held = self.engine.funds().positions
        assert (held[0].position.size if held else 0) == size

    @invariant()
    def cash_less_the_cost_of_the_position_is_what_was_paid_to_the_last_digit(self) -> None:
        contract = exact(self.engine.listings[SWAP].contract_size)
        paid = sum(
            (exact(fill.signed_size) * exact(fill.price) * contract + exact(fill.fee) for fill in self.engine.fills),
            Fraction(0),
        )
        funding = sum((exact(row.amount) for row in self.engine.movements if row.kind == "funding"), Fraction(0))
        funds = self.engine.funds()
        cost = exact(funds.positions[0].position.cost) if funds.positions else Fraction(0)
        assert exact(funds.balances["USDT"].cash) - cost == self.deposits["USDT"] - paid + funding


class TestSpotMarket(SpotMarket.TestCase):  # type: ignore[misc,name-defined]
    settings = settings(max_examples=40, stateful_step_count=25)


class TestSwapMarket(SwapMarket.TestCase):  # type: ignore[misc,name-defined]
    settings = settings(max_examples=40, stateful_step_count=25)


@given(sizes=st.lists(SIZES, min_size=2, max_size=6), prices=st.lists(PRICES, min_size=6, max_size=6))
def test_a_round_trip_leaves_no_position_and_no_rounding(sizes: list[Decimal], prices: list[Decimal]) -> None:
    engine = an_engine(usdt="10000000", touch=False)
    for size, price in zip(sizes, prices, strict=False):
        engine.set_touch(SWAP, bid=price - 1, ask=price)
        engine.place(a_buy(str(size), symbol=SWAP))
    engine.place(a_sell(str(sum(sizes)), symbol=SWAP))
    assert engine.funds().positions == ()
    spent = sum(exact(fill.signed_size) * exact(fill.price) for fill in engine.fills) / 100
    fees = sum(exact(fill.fee) for fill in engine.fills)
    assert exact(engine.funds().balances["USDT"].cash) == 10_000_000 - spent - fees
