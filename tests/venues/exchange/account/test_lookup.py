"""How one order is looked for where ids are used again, where they may be hidden, and where lists come in pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import cast

import pytest

from builders.live_venue import Present
from domain.errors import OrderStateUnknown, VenueUnavailable
from domain.instrument import Instrument
from domain.order import OrderReport, OrderState
from exchange_double.served import START
from venues.exchange.account.dialects.ccxt import any_exchange
from venues.exchange.account.dialects.dialect import Asks, Listing, Name, Params
from venues.exchange.account.dialects.pages import every, millis, one_page, spans
from venues.exchange.account.listed import Listed
from venues.exchange.account.lookup import Lookup, Target
from venues.exchange.account.session import Session
from venues.exchange.client import Row

LISTED = Listed(
    instrument=Instrument(symbol="BTC/USDT", kind="spot", tick_size=Decimal("0.1"), lot_size=Decimal("0.001")),
    unit=Decimal(1),
)


def a_row(id: str, *, made: datetime = START, status: str = "open", client: str = "order1") -> Row:
    return {
        "id": id,
        "clientOrderId": client,
        "symbol": "BTC/USDT",
        "status": status,
        "filled": "0",
        "amount": "1",
        "timestamp": millis(made),
    }


@dataclass
class Shown:
    """What an exchange shows of orders and trades, wherever it is asked."""

    by_id: Row | None = None
    open: Sequence[Row] = ()
    ended: Sequence[Row] = ()
    trades: Sequence[Row] = ()
    names: list[Name] = field(default_factory=list)
    exchange: str = "somewhere"

    async def look(
        self,
        *,
        ids_reused: bool = False,
        shows_ids: bool = True,
        sent_at: datetime | None = START,
        settled: bool = True,
        known: str = "",
    ) -> OrderReport | None:
        async def find(api: Asks, symbol: str, name: Name) -> Row | None:
            self.names.append(name)
            return self.by_id

        async def orders(api: Asks, symbol: str, listing: Listing) -> Sequence[Row]:
            return self.open if listing.which == "open" else self.ended

        async def trades(api: Asks, symbol: str, since: datetime) -> Sequence[Row]:
            return self.trades

        quirks = replace(
            any_exchange(self.exchange),
            find=find,
            orders=orders,
            trades=trades,
            ids_reused=ids_reused,
            shows_ids=shows_ids,
            client_order_id=lambda row: str(row.get("client", "")),
        )
        lookup = Lookup(cast(Session, self), quirks, sleep=Present().sleep)
        target = Target(
            client_order_id="order1",
            venue_order_id=known,
            stop=None,
            sent_at=sent_at,
            since=START,
            settled=settled,
        )
        return await lookup.find(target, LISTED)


async def test_where_ids_are_used_again_an_older_order_is_not_ours() -> None:
    older = a_row("1", made=START - timedelta(minutes=5), status="closed")
    assert await Shown(by_id=older, ended=[older]).look(ids_reused=True) is None
    found = await Shown(by_id=older, ended=[older, a_row("2")]).look(ids_reused=True)
    assert found is not None
    assert (found.venue_order_id, found.state) == ("2", OrderState.WORKING)


async def test_two_orders_under_one_id_are_an_error_that_names_both() -> None:
    shown = Shown(open=[a_row("2", made=START + timedelta(seconds=1))], ended=[a_row("1", status="canceled")])
    with pytest.raises(OrderStateUnknown, match="more than one order order1: 1 and 2"):
        await shown.look(ids_reused=True)


async def test_without_a_time_of_sending_one_order_is_ours_and_two_are_none() -> None:
    old = a_row("1", made=START - timedelta(days=1))
    found = await Shown(ended=[old]).look(ids_reused=True, sent_at=None)
    assert found is not None
    with pytest.raises(OrderStateUnknown, match="1 and 2"):
        await Shown(ended=[old, a_row("2")]).look(ids_reused=True, sent_at=None)


async def test_an_order_whose_own_id_is_known_is_asked_for_by_it() -> None:
    shown = Shown(by_id=a_row("7"))
    found = await shown.look(ids_reused=True, known="7")
    assert found is not None
    assert (found.evidence, shown.names[0].venue_order_id) == ("by id", "7")


async def test_that_an_exchange_has_no_such_order_is_not_said_where_it_may_hide_client_order_ids() -> None:
    with pytest.raises(OrderStateUnknown, match="may not show client order ids"):
        await Shown().look(shows_ids=False)
    assert await Shown().look() is None
    with pytest.raises(OrderStateUnknown, match="not visible yet"):
        await Shown().look(settled=False)


async def test_trades_alone_show_an_order_and_never_its_end() -> None:
    def trade(id: str, amount: str) -> Row:
        return {
            "id": id,
            "order": "7",
            "client": "order1",
            "symbol": "BTC/USDT",
            "side": "buy",
            "amount": amount,
            "price": "60000",
            "timestamp": millis(START),
            "fee": {"cost": "1", "currency": "BNB"},
        }

    found = await Shown(trades=[trade("2", "0.25"), trade("1", "0.75"), trade("1", "0.75")]).look(settled=False)
    assert found is not None
    assert (found.state, found.filled, found.evidence) == (OrderState.PARTIAL, 1, "trades")
    assert [fill.trade_id for fill in found.fills] == ["1", "2"]
    assert [fill.commission.currency for fill in found.fills if fill.commission] == ["BNB", "BNB"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"status": "unheard of"},
        {"status": "closed", "filled": None},
        {"id": None},
        {"symbol": "ETH/USDT"},
        {"timestamp": None},
        {"filled": "NaN"},
    ],
    ids=str,
)
async def test_a_row_that_does_not_say_what_it_must_is_an_error(wrong: dict[str, object]) -> None:
    with pytest.raises(VenueUnavailable, match="can't be read"):
        await Shown(by_id={**a_row("1"), **wrong}).look()


@pytest.mark.parametrize(
    ("row", "state"),
    [
        ({"status": "open", "filled": "0.5"}, OrderState.PARTIAL),
        ({"status": "canceled", "filled": "0"}, OrderState.CANCELLED),
        ({"status": "closed", "filled": "0.5"}, OrderState.CANCELLED),
        ({"status": "closed", "filled": "1"}, OrderState.FILLED),
        ({"status": "rejected", "filled": "0"}, OrderState.REJECTED),
        ({"status": "rejected", "filled": "0.5"}, OrderState.CANCELLED),
        ({"status": "expired", "filled": "0"}, OrderState.EXPIRED),
        ({"status": "canceling", "filled": "0"}, OrderState.WORKING),
    ],
    ids=str,
)
def test_a_state_is_what_the_row_says_and_what_it_has_filled(row: dict[str, object], state: OrderState) -> None:
    from venues.exchange.account.rows import venue_order

    assert venue_order({**a_row("1"), **row}, LISTED).state is state


# Pages.


async def test_pages_are_followed_to_the_end_and_each_row_is_kept_once() -> None:
    asked: list[Params] = []

    async def page(params: Params) -> Sequence[Row]:
        asked.append(params)
        start = int(str(params.get("after", 10)))
        return [{"id": n} for n in range(start, max(start - 3, 0), -1)]

    found = await every(page, size=3, after=lambda rows: {"after": rows[-1]["id"]}, what="orders")
    assert [row["id"] for row in found] == [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]
    assert len(asked) == 5


async def test_pages_that_do_not_go_on_are_an_error() -> None:
    async def page(params: Params) -> Sequence[Row]:
        return [{"id": 1}, {"id": 2}]

    with pytest.raises(VenueUnavailable, match="don't go on"):
        await every(page, size=2, after=lambda rows: {}, what="orders")
    with pytest.raises(VenueUnavailable, match="shows no further"):
        await one_page(page, size=2, what="orders")
    assert len(await one_page(page, size=3, what="orders")) == 2


def test_a_time_is_cut_into_spans_without_a_gap_or_an_overlap() -> None:
    day = timedelta(days=1)
    found = spans(START, START + 2.5 * day, day)
    assert [start for start, _ in found[1:]] == [end + timedelta(milliseconds=1) for _, end in found[:-1]]
    assert (found[0][0], found[-1][1], len(found)) == (START, START + 2.5 * day, 3)
