"""What the answer to a batch proves of each of its orders: what it may not mean is no proof."""

from __future__ import annotations

from typing import Any

import pytest

from venues.exchange.account.dialects import binance, bybit, okx
from venues.exchange.account.dialects.ccxt import no_placed
from venues.exchange.account.dialects.dialect import Placed

A, B = NAMES = ("a1", "b2")
GOOD, BAD = (
    Placed(venue_order_id="7", code="0", message=""),
    Placed(venue_order_id="", code="-2019", message="no margin"),
)
TAKEN, REFUSED = {"clientOrderId": A, "orderId": 7}, {"code": -2019, "msg": "no margin"}


@pytest.mark.parametrize(
    ("answer", "proven"),
    [
        ([TAKEN, REFUSED], {A: GOOD, B: BAD}),
        ([REFUSED, TAKEN], {}),
        ([TAKEN], {}),
        ([TAKEN, REFUSED, REFUSED], {}),
        ([TAKEN, "down for maintenance"], {}),
        ([TAKEN, {}], {}),
        (
            [{"clientOrderId": A}, {"code": -1007}],
            {
                A: Placed(venue_order_id="", code="0", message=""),
                B: Placed(venue_order_id="", code="-1007", message=""),
            },
        ),
        (REFUSED, {}),
        (None, {}),
        ("", {}),
    ],
)
def test_at_binance_a_place_in_the_list_counts_where_the_list_is_whole(answer: Any, proven: Any) -> None:
    assert binance.placed(answer, NAMES) == proven


def at_bybit(rows: Any, codes: Any) -> dict[str, Any]:
    return {"retCode": 0, "result": {"list": rows}, "retExtInfo": {"list": codes}}


ROW_A, ROW_B = {"orderLinkId": A, "orderId": "7"}, {"orderLinkId": B, "orderId": ""}
OK, POOR = {"code": 0, "msg": ""}, {"code": -2019, "msg": "no margin"}


@pytest.mark.parametrize(
    ("answer", "proven"),
    [
        (at_bybit([ROW_A, ROW_B], [OK, POOR]), {A: GOOD, B: BAD}),
        (at_bybit([ROW_A, {"orderLinkId": "", "orderId": ""}], [OK, POOR]), {A: GOOD, B: BAD}),
        (at_bybit([ROW_B, ROW_A], [POOR, OK]), {}),
        (at_bybit([ROW_A], [OK]), {}),
        (at_bybit([ROW_A, ROW_B], [OK]), {}),
        (at_bybit([ROW_A, ROW_B], [OK, {}]), {A: GOOD, B: Placed(venue_order_id="", code="", message="")}),
        (at_bybit([ROW_A, None], [OK, POOR]), {}),
        (
            at_bybit([{"orderLinkId": "", "orderId": "9"}, ROW_B], [OK, POOR]),
            {A: Placed(venue_order_id="", code="0", message=""), B: BAD},
        ),
        (at_bybit(None, None), {}),
        ({"retCode": 0}, {}),
        ([ROW_A], {}),
        (None, {}),
    ],
)
def test_at_bybit_ids_and_codes_go_together_where_both_lists_are_whole(answer: Any, proven: Any) -> None:
    assert bybit.placed(answer, NAMES) == proven


@pytest.mark.parametrize(
    ("rows", "proven"),
    [
        (
            [{"clOrdId": B, "sCode": "-2019", "sMsg": "no margin"}, {"clOrdId": A, "ordId": "7", "sCode": "0"}],
            {A: GOOD, B: BAD},
        ),
        ([{"clOrdId": A, "ordId": "7", "sCode": "0"}], {A: GOOD}),
        ([{"clOrdId": A, "ordId": "7"}, {"ordId": "7", "sCode": "0"}, None], {}),
        (None, {}),
    ],
)
def test_at_okx_each_row_says_whose_it_is(rows: Any, proven: Any) -> None:
    assert okx.placed({"data": rows}, NAMES) == proven
    assert okx.placed(rows, NAMES) == {}


def test_an_exchange_that_is_not_known_so_well_proves_nothing() -> None:
    assert no_placed([TAKEN, REFUSED], NAMES) == {}
