from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.order import Fill
from domain.portfolio import Portfolio, Position

NOW = datetime(2025, 1, 1, tzinfo=UTC)


def a_fill(side="buy", quantity="1", price="100", *, fee="0", fee_base="0", number=1):
    return Fill(
        trade_id=f"order1-{number}",
        client_order_id="order1",
        symbol="BTC/USDT",
        side=side,
        quantity=Decimal(quantity),
        price=Decimal(price),
        fee=Decimal(fee),
        fee_base=Decimal(fee_base),
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
        st.sampled_from(["0", "0.001", "-0.0002", "1"]),
    ),
    max_size=12,
).map(
    lambda rows: [
        a_fill(side, str(quantity), str(price), fee=str(fee), fee_base=str(quantity * Decimal(share)), number=n)
        for n, (side, quantity, price, fee, share) in enumerate(rows, start=1)
    ]
)


@given(fills)
def test_what_was_paid_is_held_as_cost_or_realized_to_the_last_digit(made):
    position = after(*made)
    paid = sum(((f.signed_quantity - f.fee_base) * f.price for f in made), Decimal(0))
    assert position.cost - position.realized == paid
    assert position.quantity == sum((f.signed_quantity - f.fee_base for f in made), Decimal(0))
    assert position.fees == sum((f.fee + f.fee_base * f.price for f in made), Decimal(0))


@given(fills, st.decimals("0.01", "100000", places=2))
def test_equity_is_start_cash_and_realized_and_unrealized_less_fees(made, mark):
    position = after(*made)
    cash = Decimal(10_000) + sum((f.cash for f in made), Decimal(0))
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


def test_a_fee_in_base_leaves_less_held_and_its_worth_as_a_fee():
    position = after(a_fill("buy", "1", "100", fee_base="0.001"))
    assert (position.quantity, position.cost, position.realized, position.fees) == (
        Decimal("0.999"),
        Decimal("99.900"),
        0,
        Decimal("0.100"),
    )


def test_a_fee_in_base_realizes_against_the_average_as_any_sale_does():
    position = after(a_fill("buy", "1", "100"), a_fill("buy", "1", "120", fee_base="0.5", number=2))
    assert (position.quantity, position.average_price, position.realized) == (Decimal("1.5"), Decimal(110), Decimal(5))


def test_a_rebate_in_base_is_held_and_lowers_the_fees():
    position = after(a_fill("buy", "1", "100", fee_base="-0.001"))
    assert (position.quantity, position.fees) == (Decimal("1.001"), Decimal("-0.1"))


def test_a_sale_of_all_that_pays_in_base_goes_through_zero_by_its_fee():
    position = after(a_fill("buy", "1", "100"), a_fill("sell", "1", "110", fee_base="0.001", number=2))
    assert (position.quantity, position.realized, position.opened_at) == (
        Decimal("-0.001"),
        Decimal(10),
        NOW + timedelta(minutes=2),
    )


def test_what_is_taken_over_costs_its_price_and_no_fee():
    position = after(a_fill("buy", "1", "100", fee="2")).adopting(Decimal(1), price=Decimal(120), at=NOW)
    assert (position.quantity, position.cost, position.fees) == (2, Decimal(220), Decimal(2))


def test_digits_beyond_pythons_own_context_are_kept():
    position = after(a_fill("buy", "1.000000000000000001", "65432.123456789012345678"))
    assert position.cost == Decimal("65432.123456789012411110123456789012345678")


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
