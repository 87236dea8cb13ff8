"""OKX's dialect of the double, request by request and without a socket."""

from __future__ import annotations

import json
import subprocess
import sys
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.okx_double import SPOT, ask, signed
from domain.clock import TickClock
from exchange_double import Credentials, ExchangeDouble
from exchange_double.okx import OkxWire
from exchange_double.okx.text import text
from exchange_double.served import START
from exchange_double.wire import Request, Wire

A_BUY = {"instId": "BTC-USDT", "tdMode": "cash", "side": "buy", "ordType": "limit", "px": "50000", "sz": "0.1"}


def an_okx(credentials: Credentials | None = None) -> ExchangeDouble:
    wire: Wire = OkxWire(credentials)
    double = ExchangeDouble(wire, TickClock(START))
    double.engine.deposit("USDT", 100_000)
    double.engine.set_touch(SPOT, bid="60000", ask="60001")
    return double


def placed(double: ExchangeDouble, **changes: object) -> dict[str, str]:
    """The row that answers one order."""
    body = json.dumps({**A_BUY, **changes})
    (row,) = ask(double, signed(double, "POST", "/api/v5/trade/order", body=body))["data"]
    return row  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("header", "value", "code"),
    [
        ("ok-access-key", "", "50103"),
        ("ok-access-passphrase", "", "50104"),
        ("ok-access-sign", "", "50106"),
        ("ok-access-timestamp", "", "50107"),
        ("ok-access-timestamp", "yesterday", "50112"),
        ("ok-access-timestamp", "2026-01-01T00:00:30.001Z", "50102"),
        ("ok-access-timestamp", "2026-01-01T00:00:30.000Z", "50113"),
        ("ok-access-key", "another", "50111"),
        ("ok-access-passphrase", "another", "50105"),
        ("ok-access-sign", "another", "50113"),
        ("x-simulated-trading", "1", "50101"),
    ],
)
def test_a_signature_is_refused_for_the_first_thing_that_is_wrong(header: str, value: str, code: str) -> None:
    double = an_okx()
    request = signed(double, "GET", "/api/v5/account/balance", headers={header: value})
    reply = double.respond(request)
    assert reply.answer is not None
    assert (reply.answer.status, json.loads(reply.answer.body)["code"]) == (401, code)


@pytest.mark.parametrize("changed", ["method", "target", "body"])
def test_a_signature_covers_all_that_is_sent(changed: str) -> None:
    double = an_okx()
    request = signed(double, "POST", "/api/v5/trade/order?x=1", body=json.dumps(A_BUY))
    other = {"method": "GET", "target": "/api/v5/trade/order?x=2", "body": json.dumps({**A_BUY, "sz": "9"})}
    parts = {"method": request.method, "target": request.target, "body": request.body, changed: other[changed]}
    assert ask(double, Request(headers=request.headers, **parts))["code"] == "50113"
    assert double.engine.orders == ()


def test_a_sandbox_key_needs_the_sandbox_header() -> None:
    key = Credentials(sandbox=True)
    double = an_okx(key)
    request = signed(double, "GET", "/api/v5/account/balance", credentials=key)
    assert ask(double, request)["code"] == "50101"
    request = signed(double, "GET", "/api/v5/account/balance", credentials=key, headers={"x-simulated-trading": "1"})
    assert ask(double, request)["code"] == "0"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"sz": ""}, "50014"),
        ({"sz": "many"}, "51000"),
        ({"sz": "NaN"}, "51000"),
        ({"sz": "-1"}, "51020"),
        ({"px": "50000.05"}, "51000"),
        ({"px": ""}, "50014"),
        ({"sz": "0.100000001"}, "51121"),
        ({"instId": "XYZ-USDT"}, "51001"),
        ({"tdMode": "isolated"}, "51000"),
        ({"side": "hold"}, "51000"),
        ({"ordType": "optimal_limit_ioc"}, "51000"),
        ({"posSide": "long"}, "51000"),
        ({"clOrdId": "a" * 33}, "51000"),
        ({"reduceOnly": True}, "51000"),
        ({"ordType": "market", "side": "sell", "tgtCcy": "quote_ccy"}, "51000"),
    ],
    ids=str,
)
def test_an_order_that_is_not_well_formed_is_refused_by_its_row(changes: dict[str, object], code: str) -> None:
    double = an_okx()
    assert placed(double, **changes)["sCode"] == code
    assert double.engine.orders == ()


@pytest.mark.parametrize(
    ("method", "target", "body", "code"),
    [
        ("GET", "/api/v5/trade/order?instId=BTC-USDT", "", "51003"),
        ("GET", "/api/v5/trade/order?ordId=1", "", "50014"),
        ("GET", "/api/v5/trade/order?instId=BTC-USDT&ordId=1", "", "51603"),
        ("GET", "/api/v5/trade/orders-history", "", "50014"),
        ("GET", "/api/v5/trade/fills?limit=all", "", "51000"),
        ("GET", "/api/v5/market/candles?instId=BTC-USDT&bar=7m", "", "51000"),
        ("POST", "/api/v5/trade/order", "{", "50002"),
        ("POST", "/api/v5/trade/order", "[]", "50002"),
        ("POST", "/api/v5/trade/batch-orders", "{}", "50002"),
        ("POST", "/api/v5/trade/batch-orders", json.dumps([{}] * 21), "51111"),
        ("POST", "/api/v5/trade/cancel-all-after", '{"timeOut": "5"}', "51000"),
        ("POST", "/api/v5/account/set-position-mode", '{"posMode": "long_short_mode"}', "51000"),
        ("POST", "/api/v5/trade/amend-order", "{}", "404"),
    ],
    ids=str,
)
def test_a_bad_request_is_answered_with_its_code(method: str, target: str, body: str, code: str) -> None:
    double = an_okx()
    assert ask(double, signed(double, method, target, body=body))["code"] == code


def test_a_body_that_is_not_declared_as_json_is_refused() -> None:
    double = an_okx()
    request = signed(
        double, "POST", "/api/v5/trade/order", body=json.dumps(A_BUY), headers={"content-type": "text/plain"}
    )
    assert ask(double, request)["code"] == "50006"


def test_a_spot_market_buy_is_sized_in_quote_currency_unless_it_says_otherwise() -> None:
    double = an_okx()
    placed(double, ordType="market", sz="600.01")
    placed(double, ordType="market", sz="0.01", tgtCcy="base_ccy")
    assert [order.filled for order in double.engine.orders] == [Decimal("0.01"), Decimal("0.01")]
    target = f"/api/v5/trade/order?instId=BTC-USDT&ordId={double.engine.orders[0].order_id}"
    (row,) = ask(double, signed(double, "GET", target))["data"]
    assert (row["tgtCcy"], row["sz"], row["accFillSz"]) == ("quote_ccy", "600.01", "0.01")


@pytest.mark.parametrize(
    ("order_type", "state", "source"),
    [("post_only", "canceled", "31"), ("fok", "canceled", "13"), ("ioc", "canceled", "14"), ("limit", "live", "")],
)
def test_an_order_that_may_not_rest_is_accepted_and_then_cancelled(order_type: str, state: str, source: str) -> None:
    double = an_okx()
    price = "60001" if order_type == "post_only" else "50000"
    row = placed(double, ordType=order_type, px=price, clOrdId="a1", tag="t1")
    assert (row["sCode"], row["clOrdId"], row["tag"]) == ("0", "a1", "t1")
    (order,) = ask(double, signed(double, "GET", "/api/v5/trade/order?instId=BTC-USDT&clOrdId=a1"))["data"]
    assert (order["state"], order["cancelSource"], order["ordType"]) == (state, source, order_type)


def test_orders_are_paged_newest_first_and_filtered() -> None:
    double = an_okx()
    ids = [placed(double, ordType=kind)["ordId"] for kind in ("limit", "post_only", "limit")]

    def pending(query: str) -> list[str]:
        request = signed(double, "GET", f"/api/v5/trade/orders-pending?{query}")
        return [row["ordId"] for row in ask(double, request)["data"]]

    assert pending("limit=2") == [ids[2], ids[1]]
    assert pending(f"after={ids[1]}") == [ids[0]]
    assert pending(f"before={ids[1]}") == [ids[2]]
    assert pending("ordType=post_only") == [ids[1]]
    assert pending("instId=ETH-USDT") == []


def test_a_balance_can_be_asked_for_one_currency() -> None:
    double = an_okx()
    placed(double, ordType="market", sz="600.01")
    (row,) = ask(double, signed(double, "GET", "/api/v5/account/balance?ccy=BTC"))["data"]
    assert [(detail["ccy"], detail["cashBal"]) for detail in row["details"]] == [("BTC", "0.00999")]


@given(st.decimals(allow_nan=False, allow_infinity=False, places=12, min_value=-(10**12), max_value=10**12))
def test_numbers_are_plain_text_and_lose_nothing(value: Decimal) -> None:
    written = text(value)
    assert Decimal(written) == value
    assert not set(written) - set("-0123456789.")
    assert written == "0" or not written.endswith("0") or "." not in written


def test_the_double_needs_no_pytest() -> None:
    code = "import sys; sys.modules['pytest'] = None; import exchange_double.served"
    subprocess.run([sys.executable, "-c", code], check=True)
