"""Closed trades, from flat to flat."""

from __future__ import annotations

from decimal import Decimal

from builders.memory import a_fill, a_proposal, at
from domain.order import Fill
from memory.episodes import closed_trades


def filled(side: str, quantity: str, price: str, *, fee: str = "1", minute: int = 0) -> Fill:
    proposal = a_proposal(side=side, quantity=Decimal(quantity))
    return a_fill(proposal, price=Decimal(price), fee=Decimal(fee), at=at(minute))


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
