"""The connection of a live venue: what it costs, when it is left alone, what it tells, and what it never shows."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from builders.canned_venue import NOW_MS, a_canned_venue, a_plain_venue
from builders.live_venue import KEYS, SPOT, Present, Stage, a_stage, fits
from builders.markets import a_ticket, an_order
from domain.candle import Timeframe
from domain.clearance import Cleared, cleared
from domain.decision import Ticket
from domain.errors import OrderStateUnknown, TicketRefused, UsageError, VenueUnavailable
from domain.order import OrderRequest, OrderState
from exchange_double import Operation
from exchange_double.faults import ClockSkew, Reset, ServerError, Timeout
from venues.exchange.account import ExchangeKeys, ExchangeVenue, NotSent
from venues.exchange.market import ExchangeMarket

SECRETS = ("double-key", "double-secret", "double-passphrase")


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with a_stage() as stage:
        yield stage


async def trip(stage: Stage, times: int = 5) -> None:
    """Let so many questions in a row go without an answer."""
    await stage.venue.instruments()
    stage.double.faults.add(ServerError(), times=times)
    for _ in range(times):
        with pytest.raises(VenueUnavailable):
            await stage.venue.time()


# The breaker.


async def test_a_venue_that_keeps_failing_is_left_alone_and_says_so(stage: Stage) -> None:
    await trip(stage)
    asked = len(stage.double.journal)
    order = an_order(symbol=SPOT)
    with pytest.raises(VenueUnavailable, match="left alone until 00:00:30 UTC after 5 failures in a row"):
        await stage.venue.statement()
    with pytest.raises(NotSent, match=r"not sent: .*left alone"):
        await stage.venue.submit(order, a_ticket(order))
    assert len(stage.double.journal) == asked
    health = stage.venue.health()
    assert (health.breaker, health.failures) == ("open", 5)
    assert "502" in health.last_error


async def test_one_call_may_try_after_a_while_and_opens_the_way_for_all(stage: Stage) -> None:
    await trip(stage)
    stage.present.at += timedelta(seconds=30)
    assert stage.venue.health().breaker == "half-open"
    stage.double.faults.add(Timeout(accepted=False), on=Operation.BALANCE)
    stage.venue.market_data._ccxt.timeout = 300
    first, second = await asyncio.gather(stage.venue.portfolio(), stage.venue.time(), return_exceptions=True)
    assert isinstance(first, VenueUnavailable)
    assert isinstance(second, VenueUnavailable)
    assert "left alone" in str(second)
    stage.present.at += timedelta(seconds=30)
    assert await stage.venue.time() == stage.now()
    assert (stage.venue.health().breaker, stage.venue.health().failures) == ("closed", 0)


async def test_a_cancel_goes_out_even_then(stage: Stage) -> None:
    order = an_order(symbol=SPOT, quantity="0.1", limit="50000")
    await stage.venue.submit(order, a_ticket(order))
    await trip(stage)
    report = await stage.venue.cancel(order.client_order_id, SPOT)
    assert report.state is OrderState.CANCELLED
    assert stage.venue.health().breaker == "closed"


async def test_what_was_not_sent_may_be_sent_later_under_the_same_ticket(stage: Stage) -> None:
    await trip(stage)
    order = an_order(symbol=SPOT, quantity="0.1")
    with pytest.raises(NotSent):
        await stage.venue.submit(order, a_ticket(order))
    stage.present.at += timedelta(seconds=31)
    assert (await stage.venue.submit(order, a_ticket(order))).state is OrderState.FILLED


async def test_a_refusal_is_an_answer(stage: Stage) -> None:
    for n in range(6):
        order = an_order(symbol=SPOT, quantity="50", id=f"order{n}")
        report = await stage.venue.submit(order, a_ticket(order, id=f"ticket{n}"))
        assert report.state is OrderState.REJECTED
    assert (stage.venue.health().breaker, stage.venue.health().failures) == ("closed", 0)


# What provably never went out.


async def test_an_order_for_which_there_is_no_connection_was_not_sent() -> None:
    venue = a_plain_venue("okx")
    try:
        order = an_order(symbol=SPOT)
        with pytest.raises(NotSent):
            await venue.submit(order, a_ticket(order))
    finally:
        await venue.aclose()


async def test_a_connection_that_was_never_made_carried_no_order(stage: Stage) -> None:
    await stage.venue.instruments()
    stage.venue.market_data._ccxt.urls["api"] = {"rest": "http://127.0.0.1:9"}
    order = an_order(symbol=SPOT)
    with pytest.raises(NotSent, match="not sent"):
        await stage.venue.submit(order, a_ticket(order))
    stage.venue.market_data._ccxt.urls["api"] = {"rest": stage.double.url}
    assert (await stage.venue.submit(order, a_ticket(order))).state is OrderState.FILLED


async def test_a_connection_that_was_reset_may_have_carried_it(stage: Stage) -> None:
    stage.double.faults.add(Reset(accepted=True), on=Operation.PLACE)
    order = an_order(symbol=SPOT)
    with pytest.raises(OrderStateUnknown):
        await stage.venue.submit(order, a_ticket(order))
    assert len(stage.double.journal.of(Operation.PLACE)) == 1


# The pace.


async def test_questions_wait_their_turn_and_a_reserve_is_kept_for_cancels(stage: Stage) -> None:
    order = an_order(symbol=SPOT, quantity="0.1", limit="50000")
    await stage.venue.submit(order, a_ticket(order))
    while stage.venue.health().bucket >= 1:
        await stage.venue.time()
    stage.present.slept.clear()
    await stage.venue.cancel(order.client_order_id, SPOT)
    assert stage.present.slept == []
    assert stage.venue.health().reserve < 8
    await stage.venue.time()
    assert stage.present.slept != []


async def test_a_ticket_is_looked_at_again_when_its_turn_has_come(stage: Stage) -> None:
    looks: list[datetime] = []

    def once(ticket: Ticket, order: OrderRequest, now: datetime) -> Cleared:
        looks.append(now)
        if len(looks) == 2:
            raise TicketRefused("the ticket has expired")
        return cleared(ticket, order)

    venue = stage.another(check=once)
    try:
        order = an_order(symbol=SPOT, quantity="0.1")
        with pytest.raises(NotSent, match="expired"):
            await venue.submit(order, a_ticket(order))
        assert stage.double.journal.of(Operation.PLACE) == ()
        assert (await venue.submit(order, a_ticket(order))).state is OrderState.FILLED
    finally:
        await venue.aclose()


# The clock.


async def test_the_clocks_are_compared_before_anything_is_signed_and_the_skew_is_told() -> None:
    answers = {"GET /api/v5/public/time": json.dumps({"code": "0", "data": [{"ts": str(NOW_MS + 42_000)}], "msg": ""})}
    async with a_canned_venue("okx", answers, symbols=[SPOT]) as canned:
        await canned.venue.find("nobody", SPOT, canned.present.now() - timedelta(hours=1))
        assert canned.venue.health().clock_skew_s == Decimal(42)
    asked = [where for where, _, _ in canned.asked]
    assert asked.index("GET /api/v5/public/time") < asked.index("GET /api/v5/trade/order")


async def test_a_clock_that_has_gone_wrong_is_compared_again_and_the_question_repeated(stage: Stage) -> None:
    await stage.venue.instruments()
    stage.double.advance(3_600)
    assert (await stage.venue.portfolio()).cash == 100_000
    assert stage.venue.health().clock_skew_s == Decimal(3_600)


async def test_an_order_refused_for_its_time_is_rejected_and_the_next_one_is_right(stage: Stage) -> None:
    await stage.venue.instruments()
    stage.double.faults.add(ClockSkew(seconds=60), on=Operation.PLACE)
    first, second = (an_order(symbol=SPOT, quantity="0.1", id=f"order{n}") for n in range(2))
    assert (await stage.venue.submit(first, a_ticket(first, id="t1"))).evidence == "refused 50102"
    stage.double.advance(60)
    assert (await stage.venue.submit(second, a_ticket(second, id="t2"))).state is OrderState.FILLED


# One connection.


async def test_one_connection_and_one_list_of_markets_serve_trading_and_the_market_data(stage: Stage) -> None:
    length = Timeframe("5m")
    market = ExchangeMarket(
        stage.venue.market_data, symbols=[SPOT], timeframe=length, wall=stage.present, sleep=stage.present.sleep
    )
    await stage.venue.instruments()
    session = stage.venue.market_data._ccxt.session
    await market.instruments()
    await stage.venue.portfolio()
    assert stage.venue.market_data._ccxt.session is session
    assert not session.closed
    assert len(stage.double.journal.of(Operation.INSTRUMENTS)) == 2  # spot and swaps, once


async def test_a_closed_venue_may_be_used_again(stage: Stage) -> None:
    await stage.venue.instruments()
    await stage.venue.aclose()
    assert (await stage.venue.portfolio()).cash == 100_000


# What is never shown.


async def test_keys_are_in_no_text_of_the_venue(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    await stage.venue.portfolio()
    shown = f"{KEYS!r} {KEYS} {KEYS.model_dump()} {stage.venue!r} {stage.venue.health()!r} {caplog.text}"
    assert not [secret for secret in SECRETS if secret in shown]


async def test_an_error_shows_no_signature_and_no_key() -> None:
    said = (
        '{"code":-9999,"msg":"bad: https://x/api/v3/account?timestamp=1&signature=abcdef0123 apiKey=double-key '
        'secret: double-secret, signature=\\"feed\\""}'
    )
    async with a_canned_venue("binance", {"GET /api/v3/account": said}, symbols=[SPOT]) as canned:
        with pytest.raises(VenueUnavailable) as caught:
            await canned.venue.portfolio()
        shown = f"{caught.value} {canned.venue.health()!r} {caught.value.__cause__}"
    assert not [word for word in (*SECRETS, "abcdef0123", "feed", "timestamp=1") if word in shown]
    assert "-9999" in shown


# What can't be had.


def test_a_venue_needs_symbols() -> None:
    with pytest.raises(UsageError, match="needs symbols"):
        ExchangeVenue("okx", keys=KEYS, symbols=[], currency="USDT", check=fits, wall=Present())


def test_keys_without_a_passphrase_have_none_to_show() -> None:
    assert ExchangeKeys(api_key="a", secret="b").words() == ("a", "b")  # type: ignore[arg-type]
