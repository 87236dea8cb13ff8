"""What a venue's word does to an order: late, again, in part, and against what was thought."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select

from builders.memory import a_fill, a_proposal, a_report, admit, an_admission, at, claim
from domain.order import Fill, OrderReport, OrderState
from memory import Database, Ledger, OrderRecord
from memory.ledger.orders import order_after
from memory.store.schema import order_events

PROPOSAL = a_proposal()
ENDS = [OrderState.CANCELLED, OrderState.REJECTED, OrderState.EXPIRED]


def an_order(**over: Any) -> OrderRecord:
    fields = {"state": OrderState.SUBMITTING, "submitted_at": at(5)} | over
    return an_admission(PROPOSAL).approved(run_id="r1", cycle=1, at=at(5)).model_copy(update=fields)


def part(number: int = 1, quantity: str = "1") -> Fill:
    return a_fill(PROPOSAL, trade_id=f"t{number}", quantity=Decimal(quantity))


def after(*reports: OrderReport, **begun: Any) -> OrderRecord:
    order = an_order(**begun)
    for report in reports:
        order = order_after(order, report)
    return order


def said(state: OrderState, *fills: Fill, named: bool = True, **over: Any) -> OrderReport:
    """A venue's report, which names its order, unless it can't."""
    return a_report(PROPOSAL, state=state, fills=fills, **{"venue_order_id": "v1" if named else ""} | over)


GONE = said(OrderState.EXPIRED, named=False, reason="the venue has no such order")


@pytest.mark.parametrize("end", ENDS)
def test_an_order_that_ended_and_turns_out_filled_says_so(end: OrderState) -> None:
    assert after(said(end), said(OrderState.FILLED, part(1), part(2))).state is OrderState.FILLED
    assert after(said(end), said(OrderState.PARTIAL, part(1), part(2)), said(end)).state is OrderState.FILLED


def test_a_fill_that_comes_after_a_cancel_is_booked_and_the_order_stays_cancelled() -> None:
    order = after(said(OrderState.CANCELLED, reason="by us"), said(OrderState.PARTIAL, part()))
    assert (order.state, order.filled, order.reason) == (OrderState.CANCELLED, 1, "by us")


@pytest.mark.parametrize("thought", [OrderState.EXPIRED, OrderState.REJECTED])
@pytest.mark.parametrize(
    ("word", "state"),
    [
        (said(OrderState.WORKING), OrderState.WORKING),
        (said(OrderState.PARTIAL, part(), named=False), OrderState.PARTIAL),
        (said(OrderState.CANCELLED, part()), OrderState.CANCELLED),
        (said(OrderState.UNKNOWN, part()), OrderState.UNKNOWN),
    ],
)
def test_an_order_that_was_thought_never_to_have_been_is_taken_up_again(
    thought: OrderState, word: OrderReport, state: OrderState
) -> None:
    assert after(said(thought, named=False), word).state is state


def test_a_late_word_without_a_name_or_a_trade_does_not_bring_an_order_back() -> None:
    assert after(GONE, said(OrderState.WORKING, named=False)).state is OrderState.EXPIRED


@pytest.mark.parametrize("end", ENDS)
def test_a_late_word_on_an_order_that_ended_at_the_venue_changes_nothing(end: OrderState) -> None:
    ended = after(said(end))
    for word in (said(OrderState.WORKING), said(OrderState.UNKNOWN), GONE, said(OrderState.CANCELLED)):
        assert order_after(ended, word) is ended


def test_a_word_that_knows_of_less_than_was_booked_changes_nothing() -> None:
    order = after(said(OrderState.PARTIAL, part(1)), said(OrderState.UNKNOWN))
    assert order.state is OrderState.UNKNOWN
    for stale in (said(OrderState.WORKING), said(OrderState.CANCELLED), said(OrderState.EXPIRED)):
        assert order_after(order, stale) is order


def test_doubt_is_taken_from_an_order_by_the_venues_word_and_by_nothing_less() -> None:
    for state in (OrderState.WORKING, *ENDS):
        assert after(said(OrderState.UNKNOWN), said(state)).state is state
    doubted = after(said(OrderState.UNKNOWN))
    assert order_after(doubted, said(OrderState.UNKNOWN)) is doubted


@pytest.mark.parametrize("state", [OrderState.FILLED, OrderState.CANCELLED])
def test_an_end_that_counts_more_than_its_trades_show_is_none_yet(state: OrderState) -> None:
    order = after(said(state, part(), filled=Decimal("1.5")))
    assert (order.state, order.reason) == (OrderState.UNKNOWN, "the venue says 1.5 filled, its trades show 1")


def test_trades_that_are_missing_from_an_end_are_asked_for_again() -> None:
    ended = after(said(OrderState.CANCELLED, part(1, "0.5")))
    more = order_after(ended, said(OrderState.PARTIAL, filled=Decimal(1)))
    assert (more.state, more.reason) == (OrderState.UNKNOWN, "the venue says 1 filled, its trades show 0.5")
    whole = said(OrderState.CANCELLED, part(1, "0.5"), part(2, "0.5"))
    assert order_after(more, whole).state is OrderState.CANCELLED


def test_filled_is_proven_by_trades_alone() -> None:
    assert after(said(OrderState.FILLED)).state is OrderState.UNKNOWN
    assert after(said(OrderState.FILLED, part())).state is OrderState.UNKNOWN


def test_what_traded_was_not_refused() -> None:
    assert after(said(OrderState.REJECTED, part())).state is OrderState.UNKNOWN


@pytest.mark.parametrize("end", ENDS)
def test_an_order_that_the_venue_named_does_not_end_without_its_name(end: OrderState) -> None:
    working = after(said(OrderState.WORKING))
    doubted = order_after(working, said(end, named=False))
    assert (doubted.state, doubted.reason) == (OrderState.UNKNOWN, f"{end} without the name v1 that the venue gave it")
    assert order_after(doubted, said(end)).state is end
    assert after(said(OrderState.WORKING, named=False), said(end, named=False)).state is end


def test_a_name_once_told_is_kept_and_another_leaves_the_order_unknown_and_without_one() -> None:
    order = after(said(OrderState.WORKING), said(OrderState.WORKING, named=False))
    assert order.venue_order_id == "v1"
    assert order.report.venue_order_id == "v1"
    doubted = order_after(order, said(OrderState.WORKING, venue_order_id="v2"))
    assert (doubted.state, doubted.venue_order_id) == (OrderState.UNKNOWN, "")
    assert doubted.reason.endswith("v1 and now v2")
    found = order_after(doubted, said(OrderState.WORKING, venue_order_id="v2"))
    assert (found.state, found.venue_order_id) == (OrderState.WORKING, "v2")


def test_a_name_under_which_it_traded_is_kept_whatever_else_the_venue_says() -> None:
    order = after(said(OrderState.WORKING), said(OrderState.PARTIAL, part()))
    doubted = order_after(order, said(OrderState.WORKING, venue_order_id="v2"))
    assert (doubted.state, doubted.venue_order_id) == (OrderState.UNKNOWN, "v1")
    assert order_after(doubted, said(OrderState.PARTIAL, part())).state is OrderState.PARTIAL


def test_a_name_that_comes_after_the_end_is_news() -> None:
    order = after(said(OrderState.CANCELLED, named=False))
    assert order_after(order, said(OrderState.CANCELLED)).venue_order_id == "v1"


async def test_where_a_word_came_from_is_kept_with_the_event(database: Database) -> None:
    ledger = Ledger(database, account="r1", run_id="r1")
    await ledger.open(currency="USDT", start_cash=Decimal(10_000))
    admission = an_admission(PROPOSAL)
    await admit(ledger, admission)
    await claim(ledger, admission.ticket)
    await ledger.record(said(OrderState.UNKNOWN, named=False), cycle=1)
    assert await ledger.record(said(OrderState.PARTIAL, part(), evidence="open orders"), cycle=1)
    assert not await ledger.record(said(OrderState.PARTIAL, part(), evidence="by id"), cycle=1)
    assert (await ledger.order(PROPOSAL.client_order_id)).venue_order_id == "v1"
    async with database.reading() as connection:
        bodies = [json.loads(body) for body in await connection.scalars(select(order_events.c.body))]
    assert [(body.get("evidence"), body.get("venue_order_id")) for body in bodies] == [
        (None, None),
        (None, None),
        (None, None),
        ("open orders", "v1"),
    ]
    await ledger.check()
