"""The pieces of a stream by themselves: prices that are crossed, quotes that are lost, bars that are joined."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.exchanges import START, Wall
from domain.candle import Quote, Timeframe, last_close
from domain.errors import VenueUnavailable
from venues.exchange.streams.bars import StreamedBars
from venues.exchange.streams.ccxt_pro import streaming
from venues.exchange.streams.changes import Change, ChangeKind, Changes
from venues.exchange.streams.client import BarsTold, StreamClient, kinds_apart
from venues.exchange.streams.price_watch import PriceWatch
from venues.exchange.streams.quotes import Quotes

BTC, ETH = "BTC/USDT", "ETH/USDT"
MINUTE = Timeframe("1m")
NOON = last_close(START, MINUTE)


def a_quote(bid: str = "100", ask: str = "101", *, symbol: str = BTC, after_s: float = 0) -> Quote:
    return Quote(symbol=symbol, bid=Decimal(bid), ask=Decimal(ask), at=START + timedelta(seconds=after_s))


# Prices.


def a_watch(below: str | None = "90", above: str | None = "110") -> PriceWatch:
    watch = PriceWatch()
    watch.watch({BTC: (Decimal(below) if below else None, Decimal(above) if above else None)})
    return watch


@pytest.mark.parametrize(
    ("bid", "ask", "crossed"),
    [
        ("91", "92", ()),
        ("90", "91", ("bid at or below 90",)),
        ("89", "90", ("bid at or below 90", "ask at or below 90")),
        ("109", "110", ("ask at or above 110",)),
        ("110", "111", ("ask at or above 110", "bid at or above 110")),
    ],
)
def test_a_level_is_crossed_by_the_near_side_and_then_by_the_far_one(
    bid: str, ask: str, crossed: tuple[str, ...]
) -> None:
    assert a_watch().crossed_by(a_quote(bid, ask)) == crossed


def test_a_crossing_is_told_once_until_the_price_has_been_back() -> None:
    watch = a_watch()
    told = [bool(watch.crossed_by(a_quote(bid, "101"))) for bid in ("90", "89", "90.1", "90")]
    assert told == [True, False, False, True]


def test_what_is_watched_anew_is_told_though_it_was_crossed_before() -> None:
    watch = a_watch()
    watch.crossed_by(a_quote("90"))
    watch.watch({BTC: (Decimal(90), Decimal(110))})
    assert watch.crossed_by(a_quote("90")) == ()
    watch.watch({BTC: (Decimal(95), None)})
    assert watch.crossed_by(a_quote("90")) == ("bid at or below 95",)


def test_what_is_not_watched_is_never_crossed() -> None:
    assert a_watch(None, None).crossed_by(a_quote("0.1", "1000000")) == ()
    assert a_watch().crossed_by(a_quote("1", symbol=ETH)) == ()


# Quotes.


def the_quotes(wall: Wall) -> Quotes:
    return Quotes([BTC], wall=wall, stale_after=timedelta(seconds=5))


def test_what_was_asked_for_counts_only_while_no_stream_tells_and_only_for_a_while() -> None:
    wall = Wall()
    quotes = the_quotes(wall)
    assert quotes.lost == (BTC,)
    assert quotes.polled(a_quote("100"))
    wall.at += timedelta(seconds=5)
    assert quotes.get(BTC) == a_quote("100")
    wall.at += timedelta(milliseconds=1)
    assert quotes.get(BTC) is None
    quotes.streamed(a_quote("99"))
    assert not quotes.polled(a_quote("98"))
    wall.at += timedelta(days=1)
    assert quotes.get(BTC) == a_quote("99")
    quotes.lose(BTC)
    assert quotes.get(BTC) is None


def test_what_was_asked_for_before_a_stream_told_is_not_shown_after_it_is_lost() -> None:
    quotes = the_quotes(Wall())
    quotes.polled(a_quote("100"))
    quotes.streamed(a_quote("99"))
    quotes.lose(BTC)
    assert quotes.get(BTC) is None
    assert quotes.lost == (BTC,)


def test_a_quote_does_not_go_back_in_time() -> None:
    quotes = the_quotes(Wall())
    assert quotes.streamed(a_quote("100", after_s=2))
    assert not quotes.streamed(a_quote("99", after_s=1))
    assert quotes.streamed(a_quote("98", after_s=2))
    assert quotes.get(BTC) == a_quote("98", after_s=2)


def test_one_that_has_its_time_by_our_clock_is_no_bound_for_the_exchanges() -> None:
    quotes = the_quotes(Wall())
    assert quotes.streamed(a_quote("100", after_s=9), timed=False)
    assert quotes.streamed(a_quote("99", after_s=2))
    assert not quotes.streamed(a_quote("98", after_s=1))


# Own orders.


@pytest.mark.parametrize(
    ("exchange", "symbols", "kinds"),
    [
        ("okx", [BTC, f"{BTC}:USDT"], (None,)),
        ("binance", [BTC, ETH], ("spot",)),
        ("binance", [f"{BTC}:USDT"], ("swap",)),
        ("binance", [f"{BTC}:USDT", BTC, ETH], ("spot", "swap")),
    ],
)
def test_own_orders_are_heard_of_the_kinds_that_are_traded(
    exchange: str, symbols: list[str], kinds: tuple[str | None, ...]
) -> None:
    assert kinds_apart(exchange, symbols) == kinds


# Changes.


@given(st.lists(st.tuples(st.sampled_from(["order", "price", "bar", "doubt"]), st.sampled_from([BTC, ETH]))))
def test_a_slow_reader_gets_each_kind_of_change_once_and_the_newest(put: list[tuple[ChangeKind, str]]) -> None:
    async def read() -> list[Change]:
        changes = Changes()
        for n, (kind, symbol) in enumerate(put):
            changes.put(Change(kind=kind, symbol=symbol, at=START, detail=str(n)))
        assert changes.urgent.is_set() == any(kind != "bar" for kind, _ in put)
        found: list[Change] = []
        reading = aiter(changes)
        with suppress(TimeoutError):
            async with asyncio.timeout(0):
                while True:
                    found.append(await anext(reading))
        return found

    newest = {key: str(n) for n, key in enumerate(put)}
    assert {(change.kind, change.symbol): change.detail for change in asyncio.run(read())} == newest


# Bars.


def told(*final: int, newest: int) -> BarsTold:
    """The bars of these minutes from noon are final, and that of `newest` has opened."""
    rows = [[int((NOON + n * MINUTE.length).timestamp()) * 1000, "100", "101", "99", "100", "5"] for n in final]
    return BarsTold(final=rows, newest=NOON + newest * MINUTE.length)


class OneFeed:
    """REST that knows the bars up to a minute."""

    def __init__(self, *, until: int) -> None:
        self.until = until

    async def bring_up(self, window: Any, symbol: str, *, close: Any) -> tuple[()]:
        if close > NOON + self.until * MINUTE.length:
            raise VenueUnavailable("not yet")
        window.known_until = close
        return ()


async def joined(*, at: int = 0) -> StreamedBars:
    """All bars up to `at` are known, and the stream goes on from there."""
    bars = StreamedBars([BTC], MINUTE)
    bars.take(BTC, told(newest=at))
    await bars.read(BTC, OneFeed(until=at), at=NOON + at * MINUTE.length)  # type: ignore[arg-type]
    return bars


def lacks(bars: StreamedBars, *, minute: int) -> bool:
    return bars.unread(at=NOON + minute * MINUTE.length) == (BTC,)


async def test_bars_are_lacking_until_they_have_been_read() -> None:
    assert lacks(StreamedBars([BTC], MINUTE), minute=0)
    assert not lacks(await joined(), minute=0)


async def test_a_joined_stream_is_waited_for_whatever_our_clock_says() -> None:
    assert not lacks(await joined(), minute=3)


async def test_a_lost_stream_is_not_waited_for() -> None:
    bars = await joined()
    bars.lose(BTC)
    assert not lacks(bars, minute=0)
    assert lacks(bars, minute=1)


async def test_final_bars_are_joined_to_the_one_before() -> None:
    bars = await joined()
    closed = bars.take(BTC, told(0, 1, newest=2))
    assert [bar.opened_at for bar in closed] == [NOON, NOON + MINUTE.length]
    assert bars.until(BTC, NOON + 2 * MINUTE.length) is not None
    assert bars.until(BTC, NOON + 3 * MINUTE.length) is None
    assert bars.take(BTC, told(0, 1, newest=2)) == []


async def test_a_bar_that_begins_before_the_last_one_was_final_shows_that_one_is_lost() -> None:
    bars = await joined()
    assert bars.take(BTC, told(newest=1)) == []
    assert lacks(bars, minute=1)
    assert bars.take(BTC, told(1, newest=2)) == []
    assert bars.until(BTC, NOON + MINUTE.length) is None


async def test_a_bar_that_can_not_be_is_refused() -> None:
    bars = await joined()
    row = [int(NOON.timestamp()) * 1000, "100", "90", "99", "100", "5"]
    with pytest.raises(VenueUnavailable, match="can't be"):
        bars.take(BTC, BarsTold(final=[row], newest=NOON))


# ccxt's class.


async def test_numbers_that_are_not_text_are_read_as_they_were_sent() -> None:
    client = streaming("okx")({})
    client.set_markets([])
    seen: list[object] = []
    client.handle_message = lambda connection, message: seen.append(message)
    connection = client.client("ws://127.0.0.1:1")
    connection.handle_text_or_binary_message('{"px": 0.10000000000000000001, "n": 12345678901234567890}')
    connection.handle_text_or_binary_message(b"pong")
    assert seen == [{"px": "0.10000000000000000001", "n": 12345678901234567890}, "pong"]
    assert client.safe_float(["0.10000000000000000001"], 0) == Decimal("0.10000000000000000001")
    assert client.safe_float(["x"], 0) is None
    await client.close()


async def test_a_reader_of_a_closed_connection_is_told_so_and_not_cancelled() -> None:
    client = StreamClient("okx", markets={}, wall=Wall(), ping_every_s=1)
    with pytest.raises(VenueUnavailable, match="the connection was closed"), client._watching("anything"):
        raise asyncio.CancelledError
    await client.__aexit__()


# ccxt's Bybit.


def a_bybit() -> Any:
    """A spot pair and a perpetual with one id."""
    client = streaming("bybit")({})
    spot = {"id": "BTCUSDT", "symbol": BTC, "base": "BTC", "quote": "USDT", "type": "spot", "spot": True}
    swap = spot | {"symbol": f"{BTC}:USDT", "type": "swap", "spot": False, "swap": True, "contract": True}
    client.set_markets([client.safe_market_structure(market) for market in (spot, swap)])
    return client


def a_book(kind: str, number: int) -> dict[str, Any]:
    data = {"s": "BTCUSDT", "b": [["100", str(number)]], "a": [["101", "1"]], "u": number, "seq": 7 * number}
    return {"topic": "orderbook.50.BTCUSDT", "type": kind, "ts": number, "data": data}


async def test_a_book_of_bybit_goes_on_by_one_from_any_snapshot_and_is_dropped_when_it_does_not() -> None:
    client = a_bybit()
    connection = client.client("ws://127.0.0.1:1/v5/public/spot")
    connection.subscriptions[f"orderbook:{BTC}"] = True
    for kind, number in (("snapshot", 900), ("delta", 901), ("snapshot", 1), ("delta", 2)):
        client.handle_message(connection, a_book(kind, number))
        assert (client.orderbooks[BTC]["nonce"], client.orderbooks[BTC]["bids"]) == (number, [[100, number]])
    for number in (4, 5):
        client.handle_message(connection, a_book("delta", number))
        assert BTC not in client.orderbooks
    assert connection.subscriptions == {}
    client.handle_message(connection, a_book("snapshot", 5))
    assert client.orderbooks[BTC]["nonce"] == 5
    await client.close()


@pytest.mark.parametrize("more", [{}, {"tpslMode": ""}], ids=str)
@pytest.mark.parametrize(("category", "symbol"), [("spot", BTC), ("linear", f"{BTC}:USDT")])
async def test_an_order_of_bybit_is_of_the_category_that_it_names(category: str, symbol: str, more: Any) -> None:
    client = a_bybit()
    row = {"orderId": "1", "symbol": "BTCUSDT", "category": category, "orderStatus": "New"}
    assert client.parse_order(row | more)["symbol"] == symbol
    await client.close()
