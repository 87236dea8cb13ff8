"""Which positions have no stop at the venue."""

from __future__ import annotations

from decimal import Decimal

from builders.memory import a_proposal, at
from builders.policy import an_instrument
from domain.order import OrderState
from domain.portfolio import Portfolio, Position
from graphs.unprotected import unprotected
from memory.orders import OrderRecord

BTC = "BTC/USDT"
INSTRUMENTS = {BTC: an_instrument(lot_size="0.01")}


def books(quantity: str) -> Portfolio:
    held = Position(symbol=BTC, quantity=Decimal(quantity), cost=Decimal(quantity) * 100, stop_price=Decimal(90))
    return Portfolio(
        currency="USDT",
        as_of=at(5),
        cash=Decimal(0),
        positions={BTC: held} if held.quantity else {},
        marks={},
        realized=Decimal(0),
        fees=Decimal(0),
        start_cash=Decimal(0),
    )


def a_stop(
    quantity: str, *, state: OrderState = OrderState.WORKING, side: str = "sell", filled: str = "0"
) -> OrderRecord:
    proposal = a_proposal(
        type="stop",
        side=side,
        quantity=quantity,
        trigger_price="90",
        reduce_only=True,
        limit_price=None,
        stop_price=None,
    )
    return OrderRecord(
        run_id="r1",
        cycle=1,
        agent="risk",
        request=proposal.order(),
        proposal=proposal.digest,
        state=state,
        filled=Decimal(filled),
        updated_at=at(5),
    )


def bare(quantity: str, *stops: OrderRecord) -> list[str]:
    return [each.in_words for each in unprotected(books(quantity), stops, instruments=INSTRUMENTS)]


def test_a_position_is_protected_by_a_stop_that_the_venue_holds_for_all_of_it() -> None:
    assert bare("1", a_stop("1")) == []
    assert bare("1", a_stop("0.4"), a_stop("0.6")) == []
    assert bare("-1", a_stop("1", side="buy")) == []
    assert bare("0") == []


def test_one_in_doubt_on_the_other_side_or_gone_protects_nothing() -> None:
    said = ["1 BTC/USDT: no stop at the venue, planned at 90"]
    assert bare("1") == said
    for state in (OrderState.UNKNOWN, OrderState.SUBMITTING, OrderState.APPROVED, OrderState.CANCELLED):
        assert bare("1", a_stop("1", state=state)) == said
    assert bare("1", a_stop("1", side="buy")) == said


def test_what_is_left_uncovered_is_said_and_less_than_a_lot_is_not_missed() -> None:
    assert bare("1", a_stop("0.9")) == ["1 BTC/USDT: no stop at the venue for 0.1 of it, planned at 90"]
    assert bare("1", a_stop("1", state=OrderState.PARTIAL, filled="0.5")) != []
    assert bare("1.009", a_stop("1")) == []
    assert bare("0.009") == ["0.009 BTC/USDT: no stop at the venue, planned at 90"]
