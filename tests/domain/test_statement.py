from datetime import UTC, datetime
from decimal import Decimal

from domain.statement import Difference, Expected, Statement, adoption, differences

NOW = datetime(2025, 1, 1, tzinfo=UTC)


def expected(balances=None, positions=None, *, rounded=""):
    return Expected(balances=balances or {}, positions=positions or {}, rounded=rounded)


def a_statement(balances=None, positions=None):
    return Statement(at=NOW, balances=balances or {}, positions=positions or {})


def test_equal_amounts_do_not_differ_however_they_are_written():
    ours = expected({"USDT": Decimal("100.0"), "BTC": Decimal(0)}, {"ETH/USDT:USDT": Decimal(-2)})
    theirs = a_statement({"USDT": Decimal(100), "BNB": Decimal(0)}, {"ETH/USDT:USDT": Decimal("-2.00")})
    assert differences(ours, theirs) == ()


def test_every_amount_that_differs_is_named_and_what_is_not_there_is_nothing():
    ours = expected({"USDT": Decimal(100), "BTC": Decimal(1)}, {"ETH/USDT:USDT": Decimal(2)})
    theirs = a_statement({"USDT": Decimal("100.01"), "SOL": Decimal(5)}, {"XRP/USDT:USDT": Decimal(7)})
    assert [(d.asset, d.ours, d.theirs) for d in differences(ours, theirs)] == [
        ("BTC", 1, 0),
        ("SOL", 0, 5),
        ("USDT", 100, Decimal("100.01")),
        ("ETH/USDT:USDT", 2, 0),
        ("XRP/USDT:USDT", 0, 7),
    ]


def test_dust_is_allowed_only_in_the_currency_in_which_a_swap_was_closed():
    dust, off = Decimal("0.000001"), Decimal("0.0000005")
    ours = {"USDT": Decimal(100), "BTC": Decimal(1)}
    theirs = a_statement({"USDT": Decimal(100) + off, "BTC": Decimal(1) - off})
    both = (
        Difference(asset="BTC", ours=Decimal(1), theirs=Decimal(1) - off),
        Difference(asset="USDT", ours=Decimal(100), theirs=Decimal(100) + off),
    )
    assert differences(expected(ours), theirs, dust=dust) == both
    assert differences(expected(ours, rounded="USDT"), theirs, dust=dust) == both[:1]
    assert differences(expected(ours, rounded="USDT"), theirs) == both


def test_more_than_dust_is_a_difference_on_either_side():
    ours = expected({"USDT": Decimal(100)}, rounded="USDT")
    for off in ("0.0000011", "-0.0000011"):
        (found,) = differences(ours, a_statement({"USDT": Decimal(100) + Decimal(off)}), dust=Decimal("0.000001"))
        assert found.asset == "USDT"


def test_spot_is_adopted_without_cash_and_a_swap_as_if_it_had_been_paid_for():
    spot = adoption("BTC", quantity=Decimal(2), price=Decimal(100), id="a1", at=NOW)
    swap = adoption("BTC/USDT:USDT", quantity=Decimal(-2), price=Decimal(100), id="a2", at=NOW)
    assert (spot.quantity, spot.cash) == (-2, 0)
    assert (swap.quantity, swap.cash) == (2, 200)
