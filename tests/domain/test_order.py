"""Orders: which prices go with which type, and the stop that a venue attaches to an entry."""

from __future__ import annotations

from decimal import Decimal

import pytest
from pydantic import ValidationError

from domain.digest import canonical
from domain.order import OrderRequest, OrderState, exit_id, is_exit_id


def an_entry(**over: object) -> OrderRequest:
    given = {
        "client_order_id": "acentry",
        "symbol": "BTC/USDT",
        "side": "buy",
        "type": "market",
        "quantity": "2",
        "stop_price": "95",
        "target_price": "110",
    }
    return OrderRequest.model_validate(given | over)


STOP = {"type": "stop", "trigger_price": "95", "side": "sell", "stop_price": None, "reduce_only": True}


@pytest.mark.parametrize(
    ("over", "why"),
    [
        ({"reduce_only": True}, "only an entry has a stop_price"),
        ({**STOP, "stop_price": "95"}, "only an entry has a stop_price"),
        ({"stop_price": None}, "a target_price goes with a stop"),
        ({"attached_to": "acother"}, "only a protective stop is attached_to an entry"),
        ({**STOP, "reduce_only": False, "attached_to": "acother"}, "only a protective stop is attached_to an entry"),
    ],
)
def test_what_does_not_go_together_is_refused(over: dict[str, object], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        an_entry(**over)


def test_an_order_without_exits_is_written_as_before() -> None:
    bare = an_entry(stop_price=None, target_price=None)
    assert canonical(bare) == (
        '{"client_order_id":"acentry","limit_price":null,"quantity":"2","reduce_only":false,"side":"buy",'
        '"symbol":"BTC/USDT","time_in_force":"GTC","type":"market"}'
    )


@pytest.mark.parametrize(("side", "exit"), [("buy", "sell"), ("sell", "buy")])
def test_the_exit_of_an_entry_is_one_protective_order_on_the_other_side(side: str, exit: str) -> None:
    entry = an_entry(side=side)
    made = entry.exit_order(Decimal("0.5"))
    assert (made.side, made.type, made.quantity, made.protects) == (exit, "stop", Decimal("0.5"), True)
    assert (made.trigger_price, made.target_price) == (Decimal(95), Decimal(110))
    assert (made.attached_to, made.client_order_id) == ("acentry", exit_id("acentry"))
    assert is_exit_id(made.client_order_id)
    assert not is_exit_id("acentry")


def test_an_order_without_a_stop_has_no_exit() -> None:
    with pytest.raises(ValidationError):
        an_entry(stop_price=None, target_price=None).exit_order(Decimal(1))


@pytest.mark.parametrize(
    ("price", "leg"), [("94", "stop"), ("60", "stop"), ("102", "stop"), ("103", "target"), ("150", "target")]
)
def test_the_nearer_price_is_the_one_that_was_met(price: str, leg: str) -> None:
    assert an_entry().exit_order(Decimal(1)).leg(Decimal(price)) == leg
    assert an_entry(target_price=None).exit_order(Decimal(1)).leg(Decimal(price)) == "stop"


def test_what_an_orders_state_says_of_it() -> None:
    at_venue = {state for state in OrderState if state.at_venue}
    assert at_venue == {OrderState.WORKING, OrderState.PARTIAL}
    assert {state for state in OrderState if state.stands} == at_venue | {OrderState.FILLED}
    assert {state for state in OrderState if state.failed} == {
        OrderState.CANCELLED,
        OrderState.REJECTED,
        OrderState.EXPIRED,
    }
