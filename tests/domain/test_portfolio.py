from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.order import Fill
from domain.portfolio import Portfolio, Position

NOW = datetime(2025, 1, 1, tzinfo=UTC)


def a_fill(side="buy", quantity="1", price="100", *, fee="0", number=1):
    return Fill(
        trade_id=f"order1-{number}",
        client_order_id="order1",
        symbol="BTC/USDT",
        side=side,
        quantity=Decimal(quantity),
        price=Decimal(price),
        fee=Decimal(fee),
        at=NOW + timedelta(minutes=number),
    )


def after(*fills):
    position = Position(symbol="BTC/USDT")
    for fill in fills:
        position = position.after(fill)
    return position


fills = st.lists(
    st.tuples(
        st.sampled_from(["buy", "sell"]),
        st.decimals("0.00000001", "1000", places=8),
        st.decimals("0.01", "100000", places=2),
        st.decimals("-1", "10", places=8),
    ),
    max_size=12,
).map(
    lambda rows: [
        a_fill(side, str(quantity), str(price), fee=str(fee), number=n)
        for n, (side, quantity, price, fee) in enumerate(rows, start=1)
    ]
)


@given(fills)
def test_what_was_paid_is_held_as_cost_or_realized_to_the_last_digit(made):
    position = after(*made)
    paid = sum((f.signed_quantity * f.price for f in made), Decimal(0))
    assert position.cost - position.realized == paid
    assert position.quantity == sum((f.signed_quantity for f in made), Decimal(0))
    assert position.fees == sum((f.fee for f in made), Decimal(0))


@given(fills, st.decimals("0.01", "100000", places=2))
def test_equity_is_start_cash_and_realized_and_unrealized_less_fees(made, mark):
    position = after(*made)
    cash = Decimal(10_000) - sum((f.signed_quantity * f.price + f.fee for f in made), Decimal(0))
    portfolio = Portfolio(
        currency="USDT",
        as_of=NOW,
        cash=cash,
        positions={"BTC/USDT": position} if position.quantity else {},
        marks={"BTC/USDT": mark},
        realized=position.realized,
        fees=position.fees,
        start_cash=Decimal(10_000),
    )
    assert portfolio.equity == Decimal(10_000) + portfolio.realized + portfolio.unrealized - portfolio.fees


@given(fills)
def test_a_flat_position_holds_no_cost_no_exits_and_no_opening_time(made):
    position = after(*made)
    if not position.quantity:
        assert position.cost == 0
        assert position.opened_at is None
    else:
        assert position.cost * position.quantity > 0


@given(fills, st.decimals("0.01", "100000", places=2))
def test_a_fill_split_in_two_at_one_price_ends_in_the_same_place(made, price):
    position = after(*made)
    whole = position.after(a_fill("sell", "2", str(price), number=50))
    halves = position.after(a_fill("sell", "1", str(price), number=50)).after(
        a_fill("sell", "1", str(price), number=51)
    )
    assert halves.quantity == whole.quantity
    assert abs(halves.cost - whole.cost) <= Decimal("2e-12")
    assert halves.cost - halves.realized == whole.cost - whole.realized


def test_reducing_realizes_against_the_average_and_leaves_it_as_it_was():
    position = after(a_fill("buy", "1", "100"), a_fill("buy", "1", "110"), a_fill("sell", "1", "120"))
    assert (position.realized, position.average_price) == (Decimal(15), Decimal(105))


def test_a_flip_opens_the_rest_at_the_fill_price_and_forgets_the_exits():
    long = after(a_fill("buy", "1", "100")).model_copy(update={"stop_price": Decimal(90), "target_price": Decimal(120)})
    short = long.after(a_fill("sell", "3", "110", number=9))
    assert (short.quantity, short.average_price, short.realized) == (Decimal(-2), Decimal(110), Decimal(10))
    assert (short.stop_price, short.target_price) == (None, None)
    assert short.opened_at == NOW + timedelta(minutes=9)


def test_a_short_gains_when_the_price_falls():
    position = after(a_fill("sell", "2", "100"), a_fill("buy", "1", "90"))
    assert position.realized == 10
    assert position.unrealized(Decimal(80)) == 20


def test_adding_keeps_the_time_of_opening_and_the_exits():
    first = after(a_fill("buy", "1", "100")).model_copy(update={"stop_price": Decimal(90)})
    more = first.after(a_fill("buy", "1", "100", number=2))
    assert more.opened_at == first.opened_at
    assert more.stop_price == 90


def test_a_position_without_a_mark_has_no_equity():
    portfolio = Portfolio(
        currency="USDT",
        as_of=NOW,
        cash=Decimal(0),
        positions={"BTC/USDT": after(a_fill())},
        marks={},
        realized=Decimal(0),
        fees=Decimal(0),
        start_cash=Decimal(0),
    )
    with pytest.raises(KeyError):
        _ = portfolio.equity
