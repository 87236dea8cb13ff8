"""Closed trades, from flat to flat."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from builders.memory import a_fill, a_proposal, at
from domain.order import Fill
from domain.portfolio import Position
from memory.ledger.episodes import closed_trades


def filled(side: str, quantity: str, price: str, *, fee: str = "1", fee_base: str = "0", minute: int = 0) -> Fill:
    proposal = a_proposal(side=side, quantity=Decimal(quantity))
    return a_fill(proposal, price=Decimal(price), fee=Decimal(fee), fee_base=Decimal(fee_base), at=at(minute))


def test_nothing_is_closed_while_something_is_held() -> None:
    assert closed_trades([], [filled("buy", "2", "100"), filled("sell", "1", "110")]) == ()


def test_a_trade_counts_the_fees_of_both_sides() -> None:
    (episode,) = closed_trades([filled("buy", "2", "100")], [filled("sell", "2", "110", minute=5)])
    assert (episode.direction, episode.profit, episode.fees, episode.notional) == ("long", 18, 2, 200)
    assert (episode.opened_at, episode.closed_at) == (at(0), at(5))


def test_a_short_trade_gains_when_the_price_falls() -> None:
    (episode,) = closed_trades([], [filled("sell", "2", "100"), filled("buy", "2", "90")])
    assert (episode.direction, episode.profit) == ("short", 18)


def test_a_fill_that_flips_closes_one_trade_and_opens_the_next() -> None:
    fills = [filled("buy", "1", "100"), filled("sell", "3", "110", fee="3"), filled("buy", "2", "100", fee="2")]
    first, second = closed_trades([], fills)
    assert (first.direction, first.profit, first.fees) == ("long", 8, 2)
    assert (second.direction, second.profit, second.fees, second.notional) == ("short", 16, 4, 220)


def test_only_what_was_recorded_now_is_closed_now() -> None:
    before = [filled("buy", "1", "100"), filled("sell", "1", "110")]
    (episode,) = closed_trades(before, [filled("buy", "1", "100"), filled("sell", "1", "90")])
    assert episode.profit == -12


def test_a_fee_in_base_is_part_of_the_way_to_flat() -> None:
    fills = [filled("buy", "1", "100", fee="0", fee_base="0.1"), filled("sell", "0.9", "110", fee="0", minute=5)]
    (episode,) = closed_trades([], fills)
    assert (episode.profit, episode.fees) == (Decimal(110) * Decimal("0.9") - 100, 10)


def test_a_sale_that_goes_through_zero_by_its_fee_closes_the_one_trade_and_opens_the_next() -> None:
    fills = [filled("buy", "1", "100", fee="0"), filled("sell", "1", "110", fee="0", fee_base="0.1")]
    (first,) = closed_trades([], fills)
    assert (first.profit, first.fees) == (10, 0)
    _, second = closed_trades([], [*fills, filled("buy", "0.1", "110", fee="0", minute=5)])
    assert (second.direction, second.profit, second.fees) == ("short", -11, 11)


FILLS = st.lists(
    st.tuples(
        st.sampled_from(["buy", "sell"]),
        st.decimals("0.1", "3", places=1),
        st.decimals("90", "110", places=1),
        st.sampled_from(["0", "0.1", "-0.1", "0.5"]),
    ),
    max_size=10,
)


@given(FILLS)
def test_all_that_was_gained_is_in_the_trades_once_everything_is_flat(
    made: list[tuple[str, Decimal, Decimal, str]],
) -> None:
    fills = [filled(side, str(size), str(price), fee="0.7", fee_base=base) for side, size, price, base in made]
    whole = Position(symbol="BTC/USDT")
    for fill in fills:
        whole = whole.after(fill)
    if left := whole.quantity:
        last = filled("sell" if left > 0 else "buy", str(abs(left)), "100", minute=5)
        fills.append(last)
        whole = whole.after(last)
    assert sum(trade.profit for trade in closed_trades([], fills)) == whole.realized - whole.fees
