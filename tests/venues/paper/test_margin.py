"""Margin and liquidation by the exchanges' own formulas, and as properties of any account."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from builders.markets import at
from domain.instrument import MarginTier
from domain.money import EXACT, ZERO
from domain.statement import ExternalEvent
from venues.costs import PerpetualTerms
from venues.paper.liquidation import Leg, liquidated_at, liquidations
from venues.paper.margin import PAID_IN_FULL, Margin

SWAP, OTHER = "BTC/USDT:USDT", "ETH/USDT:USDT"
FEE = Decimal("0.0125")


def tiers(*rows: tuple[str, str, str, str]) -> tuple[MarginTier, ...]:
    return tuple(
        MarginTier(above=Decimal(a), rate=Decimal(r), deduction=Decimal(d), max_leverage=Decimal(m))
        for a, r, d, m in rows
    )


BINANCE = tiers(
    ("0", "0.004", "0", "125"),
    ("50000", "0.005", "50", "100"),
    ("250000", "0.01", "1300", "50"),
    ("1000000", "0.025", "16300", "20"),
)
"""BTCUSDT as Binance's article has it: a position of 500,000 has a maintenance amount of 1,300."""


def a_margin(*found: MarginTier, leverage: str = "10", maintenance: str = "0.005") -> Margin:
    terms = PerpetualTerms(leverage=Decimal(leverage), maintenance=Decimal(maintenance), liquidation_fee=FEE)
    return Margin(terms, {SWAP: found} if found else {})


def a_leg(quantity: str, start: str, end: str, *, symbol: str = SWAP, tick: str = "0.01") -> Leg:
    return Leg(
        symbol=symbol, quantity=Decimal(quantity), start=Decimal(start), end=Decimal(end), tick_size=Decimal(tick)
    )


def price_of(cash: str, leg: Leg, margin: Margin) -> Decimal | None:
    """The mark at which an account with one position is liquidated."""
    point = liquidated_at(Decimal(cash), [leg], margin)
    return None if point is None else leg.mark(point)


@pytest.mark.parametrize(
    ("notional", "kept"),
    [
        ("40000", "160"),
        ("50000", "200"),
        ("60000", "250"),
        ("264000", "1340"),
        ("500000", "3700"),
        ("2000000", "33700"),
    ],
)
def test_a_position_keeps_what_its_tier_says(notional: str, kept: str) -> None:
    margin = a_margin(*BINANCE)
    assert margin.maintenance(SWAP, quantity=Decimal(notional) / 100, price=Decimal(100)) == Decimal(kept)


def test_without_tiers_it_keeps_the_part_that_was_set() -> None:
    assert a_margin().maintenance(SWAP, quantity=Decimal(-3), price=Decimal(100)) == Decimal("1.5")
    assert PAID_IN_FULL.maintenance(SWAP, quantity=Decimal(-3), price=Decimal(100)) == 0


def test_tiers_in_base_go_by_the_quantity_at_any_price() -> None:
    found = (
        MarginTier(above=ZERO, in_base=True, rate=Decimal("0.004")),
        MarginTier(above=Decimal(10), in_base=True, rate=Decimal("0.01")),
    )
    margin = a_margin(*found)
    for price in ("1", "100000"):
        assert margin.maintenance(SWAP, quantity=Decimal(10), price=Decimal(price)) == 10 * Decimal(price) / 250
        assert margin.maintenance(SWAP, quantity=Decimal("10.1"), price=Decimal(price)) == Decimal("0.101") * Decimal(
            price
        )


@pytest.mark.parametrize(
    ("leverage", "notional", "rate"), [("10", "100", "0.1"), ("50", "300000", "0.02"), ("50", "2000000", "0.05")]
)
def test_a_large_position_is_given_less_leverage(leverage: str, notional: str, rate: str) -> None:
    margin = a_margin(*BINANCE, leverage=leverage)
    assert margin.initial_rate(SWAP, quantity=Decimal(notional), price=Decimal(1)) == Decimal(rate)


def test_a_long_is_liquidated_where_binances_formula_says() -> None:
    # LP = (WB - TMM + UPNL + cum - side * size * EP) / (size * MMR - side * size), of Binance's article.
    wallet, size, entry = Decimal(1_000), Decimal(1), Decimal(10_000)
    cash = wallet - size * entry  # as our books count it
    expected = (wallet + 0 - size * entry) / (size * Decimal("0.004") - size)
    found = price_of(str(cash), a_leg("1", "10000", "8000"), a_margin(*BINANCE))
    assert found is not None
    assert abs(found - expected) < Decimal("1e-15")
    assert round(expected, 4) == Decimal("9036.1446")


def test_a_short_is_liquidated_where_binances_formula_says() -> None:
    wallet, size, entry = Decimal(1_000), Decimal(10), Decimal(10_000)
    cash = wallet + size * entry
    # 100,000 is in the second tier: 0.5 % less 50.
    expected = (wallet + 50 + size * entry) / (size * Decimal("0.005") + size)
    found = price_of(str(cash), a_leg("-10", "10000", "11000"), a_margin(*BINANCE))
    assert found is not None
    assert abs(found - expected) < Decimal("1e-15")


def test_a_way_through_several_tiers_uses_that_of_the_price() -> None:
    # A long of 30 falls from the third tier (300,000) into the second (below 250,000).
    cash, leg, margin = Decimal(-230_000), a_leg("30", "10000", "7000"), a_margin(*BINANCE)
    found = price_of(str(cash), leg, margin)
    assert found is not None
    assert abs(found - (230_000 - 50) / (30 - 30 * Decimal("0.005"))) < Decimal("1e-15")
    kept = margin.maintenance(SWAP, quantity=leg.quantity, price=found)
    assert abs(cash + 30 * found - kept) < Decimal("1e-15")


def test_what_opens_beyond_the_point_is_liquidated_at_its_open() -> None:
    assert price_of("-9000", a_leg("1", "8900", "8000"), a_margin()) == 8900


def test_coins_and_cash_that_suffice_are_not_liquidated() -> None:
    assert price_of("0", a_leg("1", "100", "1"), a_margin()) is None
    assert price_of("-90", a_leg("1", "100", "91"), a_margin()) is None
    assert price_of("-9000", a_leg("1", "8900", "8000"), PAID_IN_FULL) is None
    assert liquidated_at(Decimal(-5), [], a_margin()) is None


def test_positions_stand_behind_each_other() -> None:
    long, short = a_leg("1", "100", "80"), a_leg("-1", "100", "120", symbol=OTHER)
    margin = a_margin()
    assert liquidated_at(Decimal(20), [long, short], margin) is not None
    hedged = [long, a_leg("-1", "100", "100", symbol=OTHER)]
    assert liquidated_at(Decimal(21), hedged, margin) is None
    # Both go against the account: 20 is lost at half of the way, less what must be kept of 200.
    point = liquidated_at(Decimal(20), [long, short], margin)
    assert point is not None
    assert 20 - 40 * point - (100 - 20 * point + 100 + 20 * point) * Decimal("0.005") == 0


def closed(cash: str, leg: Leg, margin: Margin) -> tuple[ExternalEvent, Decimal]:
    """The liquidation of one position, and what the account has after it."""
    assert margin.terms is not None
    point = liquidated_at(Decimal(cash), [leg], margin)
    assert point is not None
    (event,) = liquidations(Decimal(cash), [leg], margin.terms, point=point, at=at(3))
    return event, Decimal(cash) + event.cash


def test_the_fee_takes_what_is_left_at_most() -> None:
    event, left = closed("-9000", a_leg("1", "10000", "8000"), a_margin())
    assert event.price == Decimal("9045.22")  # 9045.226 rounded against the long
    assert event.fee == Decimal("45.22")  # half a per cent is there, and 1.25 % was asked for
    assert left == 0


def test_a_smaller_fee_leaves_the_rest() -> None:
    terms = PerpetualTerms(leverage=Decimal(10), liquidation_fee=Decimal("0.001"))
    event, left = closed("-9000", a_leg("1", "10000", "8000"), Margin(terms))
    assert event.fee == Decimal("9.04522")
    assert left == Decimal("45.22") - Decimal("9.04522")


def test_a_gap_takes_more_than_there_was_and_no_fee_on_top() -> None:
    event, left = closed("-9000", a_leg("1", "8900", "8000"), a_margin())
    assert (event.price, event.fee, left) == (8900, 0, -100)


money = st.decimals("0.01", "1000000", places=2)
prices = st.decimals("1", "100000", places=2)
sizes = st.decimals("0.001", "1000", places=3)


@given(sizes, prices, st.integers(1, 99), st.integers(1, 60), st.booleans(), st.booleans())
def test_nobody_is_liquidated_before_the_rule_says_so_nor_loses_more_than_all(
    size: Decimal, price: Decimal, fall: int, leverage: int, long: bool, tiered: bool
) -> None:
    quantity = size if long else -size
    margin = a_margin(*(BINANCE if tiered else ()), leverage=str(leverage))
    wallet = size * price / leverage
    cash = wallet - quantity * price
    way = price * fall / 100
    leg = Leg(
        symbol=SWAP,
        quantity=quantity,
        start=price,
        end=price - way if long else price + way,
        tick_size=Decimal("0.01"),
    )
    assume(cash + quantity * price > margin.maintenance(SWAP, quantity=quantity, price=price))
    point = liquidated_at(cash, [leg], margin)

    def left(where: Decimal) -> Decimal:
        mark = leg.mark(where)
        return cash + quantity * mark - margin.maintenance(SWAP, quantity=quantity, price=mark)

    if point is None:
        assert left(Decimal(1)) > 0
        return
    assert abs(left(point)) < Decimal("1e-15")
    assert all(left(point * part / 4) > 0 for part in range(4))
    assert margin.terms is not None
    (event,) = liquidations(cash, [leg], margin.terms, point=point, at=at(3))
    assert 0 <= event.fee <= size * (event.price or ZERO) * FEE + Decimal("1e-8")
    assert cash + event.cash >= -size * leg.tick_size


@given(sizes, st.decimals("50", "100000", places=2), st.integers(1, 40), st.integers(2, 60))
def test_a_short_is_a_long_in_a_mirror(size: Decimal, price: Decimal, step: int, leverage: int) -> None:
    """At a maintenance of next to nothing both are liquidated as far from where they were entered."""
    margin = Margin(PerpetualTerms(leverage=Decimal(leverage), maintenance=Decimal("1e-18")))
    wallet, way = size * price / leverage, price * step / 50
    points = []
    for sign in (1, -1):
        leg = Leg(
            symbol=SWAP,
            quantity=sign * size,
            start=price,
            end=price - sign * way,
            tick_size=Decimal("0.01"),
        )
        points.append(liquidated_at(wallet - sign * size * price, [leg], margin))
    long, short = points
    if long is None or short is None:
        assert max(found or Decimal(1) for found in points) > Decimal("0.999999")
    else:
        assert abs(long - short) < Decimal("1e-12")


def test_sums_of_a_liquidation_keep_every_digit() -> None:
    legs = [a_leg("0.333", "10000.01", "8000.77"), a_leg("-7.77", "333.33", "400.11", symbol=OTHER)]
    margin = a_margin()
    assert margin.terms is not None
    cash = EXACT.subtract(Decimal(100), sum((leg.quantity * leg.start for leg in legs), ZERO))
    point = liquidated_at(cash, legs, margin)
    assert point is not None
    events = liquidations(cash, legs, margin.terms, point=point, at=at(3))
    after = cash + sum((event.cash for event in events), ZERO)
    assert ZERO <= after < Decimal("1e-7")
    assert [event.quantity for event in events] == [Decimal("-0.333"), Decimal("7.77")]
