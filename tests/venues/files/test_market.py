import shutil
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders.candle_files import CLEAN, HEADER, a_file, rows
from builders.markets import STEP, a_bar, a_market, at, bars, recorded
from domain.candle import Timeframe
from domain.errors import NotFound, SymbolUnknown, UsageError, VenueUnavailable
from domain.money import on_grid
from venues.files.market import FileMarket, instrument_from


async def ticks_of(market, *, after=None):
    return [tick async for tick in market.ticks(after=after)]


@pytest.mark.parametrize(
    ("folder", "symbols", "currency"),
    [
        ("calm-2024-10-1m", 2, "USDT"),
        ("crash-2025-02-1m", 2, "USDT"),
        ("calm-2024-10-5m", 2, "USDT"),
        ("crash-2025-01-5m", 2, "USDT"),
        ("bull-2020-07-1h", 2, "USDT"),
        ("bear-perp-2025-09-1h", 2, "USDT"),
        ("svb-2023-03-1m", 1, "USDT"),
        ("alts-2018-01-5m", 3, "BTC"),
    ],
)
async def test_every_recorded_episode_opens(folder, symbols, currency):
    market = FileMarket.open(recorded(folder))
    instruments = await market.instruments()
    assert len(instruments) == symbols
    assert {instrument.quote for instrument in instruments.values()} == {currency}
    ticks = await ticks_of(market)
    assert ticks == sorted(set(ticks))
    for symbol, instrument in instruments.items():
        quote = await market.quote(symbol, as_of=ticks[-1])
        assert 0 < quote.bid < quote.ask
        assert on_grid(quote.bid, instrument.tick_size)
        assert (quote.ask - quote.bid) / quote.mid < Decimal("0.01")


async def test_files_that_are_not_candles_are_passed_over_and_said_so():
    market = FileMarket.open(recorded("odd"), symbols=["XRP/USDT:USDT"])
    assert any("XRP-USDT-USDT_1h-mark.csv.gz: passed over" in note for note in market.notes)
    assert set(await market.instruments()) == {"XRP/USDT:USDT"}


async def test_gaps_stay_gaps_and_are_noted_with_their_line(tmp_path):
    path = a_file(tmp_path, rows(0, 1, 4, 5))
    market = FileMarket.open(path)
    assert market.notes == ("ETH-USDT_5m.csv:4: 2 bars missing before 2025-01-01 00:20",)
    assert len(await market.candles("ETH/USDT", limit=10, until=at(9))) == 4


def test_the_odd_folder_has_two_timeframes_and_two_currencies():
    folder = recorded("odd")
    with pytest.raises(UsageError, match="several timeframes: 1m, 5m"):
        FileMarket.open(folder)
    assert FileMarket.open(folder, timeframe=Timeframe("5m")).timeframe == Timeframe("5m")
    assert FileMarket.open(folder, symbols=["XRP/ETH"]).timeframe == Timeframe("1m")
    with pytest.raises(SymbolUnknown, match="XRP/ETH 1m"):
        FileMarket.open(folder, symbols=["XRP/ETH", "XRP/USDT:USDT"], timeframe=Timeframe("5m"))


@given(st.integers(-3, 60), st.integers(0, 40))
@settings(max_examples=100)
async def test_a_window_is_the_last_bars_that_had_closed(minutes, limit):
    candles = [a_bar(number, str(100 + number)) for number in (0, 1, 2, 5, 6, 9)]
    until = at(0) + timedelta(minutes=minutes)
    closed = [bar for bar in candles if bar.closed_at <= until]
    found = await a_market(candles).candles("ETH/USDT", limit=limit, until=until)
    assert list(found) == (closed[-limit:] if limit else [])


async def test_a_negative_limit_is_a_mistake():
    with pytest.raises(ValueError, match="limit is -1"):
        await a_market(bars("100")).candles("ETH/USDT", limit=-1, until=at(1))


async def test_a_quote_is_from_the_last_close_and_says_so():
    market = a_market([a_bar(0, "100"), a_bar(1, "100 104 96 102"), a_bar(5, "1")])
    quote = await market.quote("ETH/USDT", as_of=at(4))
    assert quote.at == at(2)
    assert quote.mid == 102
    with pytest.raises(VenueUnavailable):
        await market.quote("ETH/USDT", as_of=at(1) - timedelta(microseconds=1))


@given(st.decimals("1e-10", "1e7", places=12))
async def test_a_quote_is_never_crossed_at_any_price(price):
    if price > 0:
        quote = await a_market(bars(str(price))).quote("ETH/USDT", as_of=at(1))
        assert 0 < quote.bid < quote.ask


@pytest.mark.parametrize(
    ("price", "tick", "lot"),
    [
        ("94098.9", "0.01", "1e-8"),
        ("3362.61", "0.001", "1e-8"),
        ("1.1893", "0.000001", "1e-6"),
        ("0.0000533", "1e-11", "0.1"),
        ("0.0000000533", "1e-14", "1"),
    ],
)
def test_the_grid_follows_from_the_first_price(price, tick, lot):
    instrument = instrument_from(a_bar(0, price), symbol="A/B")
    assert (instrument.tick_size, instrument.lot_size) == (Decimal(tick), Decimal(lot))


def test_a_settled_symbol_is_a_swap_with_a_swaps_fees():
    spot = instrument_from(a_bar(0, "1"), symbol="A/B")
    swap = instrument_from(a_bar(0, "1"), symbol="A/B:B")
    assert (spot.kind, spot.taker_fee, spot.maker_fee) == ("spot", Decimal("0.001"), Decimal("0.001"))
    assert (swap.kind, swap.taker_fee, swap.maker_fee) == ("swap", Decimal("0.0005"), Decimal("0.0002"))


@pytest.mark.parametrize(("bars_there", "first"), [(1, 1), (2, 1), (10, 3), (400, 100), (800, 200), (3_000, 200)])
async def test_the_first_tick_leaves_a_warm_up(bars_there, first):
    market = a_market([a_bar(number, "100") for number in range(bars_there)])
    ticks = await ticks_of(market)
    assert ticks[0] == at(first)
    assert ticks[-1] == at(bars_there)


async def test_ticks_are_the_closes_of_all_symbols_after_a_moment():
    two = {"A/USDT": [a_bar(n, "1") for n in (0, 1, 4)], "B/USDT": [a_bar(n, "1") for n in (1, 2)]}
    market = FileMarket("file:memory", two, timeframe=Timeframe("5m"))
    assert await ticks_of(market, after=at(0)) == [at(1), at(2), at(3), at(5)]
    assert await ticks_of(market, after=at(3)) == [at(5)]
    assert await ticks_of(market, after=at(5)) == []
    assert (await market.quote("A/USDT", as_of=at(3))).at == at(2)


async def test_bars_that_are_cut_off_change_nothing_before(tmp_path):
    whole = FileMarket.open(recorded("crash-2025-01-5m"), symbols=["ETH/USDT"])
    bars_there = await whole.candles("ETH/USDT", limit=10_000, until=datetime(2100, 1, 1, tzinfo=UTC))
    cut = FileMarket("cut", {"ETH/USDT": bars_there[:3_000]}, timeframe=whole.timeframe)
    assert await cut.instruments() == await whole.instruments()
    shorter = await ticks_of(cut)
    assert shorter == (await ticks_of(whole))[: len(shorter)]
    for tick in shorter[::700]:
        assert await cut.quote("ETH/USDT", as_of=tick) == await whole.quote("ETH/USDT", as_of=tick)
        assert await cut.candles("ETH/USDT", limit=300, until=tick) == await whole.candles(
            "ETH/USDT", limit=300, until=tick
        )


async def test_headlines_beside_the_candles_are_shown_in_time_and_for_these_symbols(tmp_path):
    a_file(tmp_path, CLEAN)
    lines = [
        ("late", '["ETH/USDT"]', "2025-01-01T00:10:00Z"),
        ("early", "[]", "2025-01-01T01:04:00+01:00"),
        ("other", '["BTC/USDT"]', "2025-01-01T00:04:00Z"),
    ]
    (tmp_path / "headlines.jsonl").write_text(
        "".join(
            f'{{"id": "{id}", "title": "T", "source": "S", "symbols": {symbols}, '
            f'"published_at": "{when}", "more": 1}}\n'
            for id, symbols, when in lines
        )
    )
    market = FileMarket.open(tmp_path)
    assert [h.id for h in await market.headlines(since=at(0), until=at(2))] == ["early", "late"]
    assert [h.id for h in await market.headlines(since=at(0) + timedelta(minutes=4), until=at(2))] == ["late"]
    assert await market.headlines(since=at(0), until=at(0) + timedelta(minutes=3)) == []


async def test_an_unknown_symbol_is_answered_with_those_there(tmp_path):
    path = a_file(tmp_path, CLEAN)
    with pytest.raises(SymbolUnknown, match="There are ETH/USDT 5m"):
        FileMarket.open(path, symbols=["DOGE/USDT"])
    with pytest.raises(SymbolUnknown, match="There are ETH/USDT"):
        await FileMarket.open(path).quote("DOGE/USDT", as_of=at(1))


def test_only_the_files_of_the_symbols_are_read(tmp_path):
    a_file(tmp_path, CLEAN)
    a_file(tmp_path, "rubbish", name="BTC-USDT_5m.csv")
    FileMarket.open(tmp_path, symbols=["ETH/USDT"])


@pytest.mark.parametrize(
    ("names", "options", "problem"),
    [
        ([], {}, "no candle files"),
        (["notes.csv"], {}, "no candle files"),
        (["A-BTC_5m.csv", "A-USDT_5m.csv"], {}, "priced in BTC and USDT"),
        (["A-USDT_5m.csv", "A-USDT_1h.csv"], {}, "several timeframes: 5m, 1h"),
        (["A-USDT_5m.csv"], {"timeframe": Timeframe("1h")}, "no 1h candles"),
        (["A-USDT_5m.csv", "A-USDT_5m.csv.gz"], {}, "the same candles"),
        (["A-USD-A_5m.csv"], {}, "no candle files"),
        (["A-USDT_5m.csv"], {"symbols": []}, "list of symbols is empty"),
    ],
)
def test_a_choice_that_is_not_clear_is_refused(tmp_path, names, options, problem):
    for name in names:
        a_file(tmp_path, CLEAN, name=name)
    with pytest.raises(UsageError, match=problem):
        FileMarket.open(tmp_path, **options)


def test_a_path_that_is_not_there_is_not_found(tmp_path):
    with pytest.raises(NotFound):
        FileMarket.open(tmp_path / "nowhere")


def test_a_file_whose_name_says_nothing_is_refused(tmp_path):
    with pytest.raises(UsageError, match="BASE-QUOTE_TIMEFRAME"):
        FileMarket.open(a_file(tmp_path, CLEAN, name="prices.csv"))


def test_the_market_is_named_as_it_was_given(tmp_path):
    path = a_file(tmp_path, CLEAN)
    assert FileMarket.open(path).name == f"file:{path}"
    assert FileMarket.open(path).timeframe.length == STEP


# Assets that don't trade around the clock


def shares(folder: Path, *names: str) -> Path:
    """Some of the recorded shares, said to be such."""
    for name in names:
        shutil.copy(recorded("dow20-2025-1d") / f"{name}-USD_1d.csv.gz", folder)
    (folder / "market.toml").write_text('asset_class = "equity"\ncalendar = "NYSE"\n')
    return folder


def test_weekends_and_holidays_are_no_gaps_where_a_calendar_says_so_and_lost_sessions_are(tmp_path: Path) -> None:
    """The recording lacks 10 and 13 January and 11 to 19 February 2025, on which New York traded."""
    assert FileMarket.open(shares(tmp_path, "AAPL")).notes == (
        "AAPL-USD_1d.csv.gz:19: 2 bars missing before 2025-01-14 00:00",
        "AAPL-USD_1d.csv.gz:38: 6 bars missing before 2025-02-20 00:00",
    )


def test_without_a_calendar_every_weekend_is_a_gap_and_one_is_told_how_to_say_otherwise() -> None:
    notes = FileMarket.open(recorded("dow20-2025-1d"), symbols=["AAPL/USD"]).notes
    assert "AAPL-USD_1d.csv.gz:3: 2 bars missing before 2024-12-16 00:00" in notes
    assert notes[-1] == (
        "AAPL-USD_1d.csv.gz: no bars at weekends; if it isn't crypto, say so in market.toml (asset_class, calendar)"
    )


def test_bars_while_the_exchange_is_closed_are_noted(tmp_path: Path) -> None:
    """Every day a bar: three weekends and the first of January among them."""
    opened = [datetime(2025, 1, 1, tzinfo=UTC) + timedelta(days=n) for n in range(8)]
    lines = [f"{int(at.timestamp() * 1000)},100,101,99,100,1000" for at in opened]
    a_file(tmp_path, "\n".join([HEADER, *lines]) + "\n", name="AAPL-USD_1d.csv")
    (tmp_path / "market.toml").write_text('asset_class = "equity"\ncalendar = "NYSE"\n')
    assert FileMarket.open(tmp_path).notes == (
        "AAPL-USD_1d.csv: 3 bars while NYSE is closed, the first at 2025-01-01 00:00",
    )


def test_closed_hours_are_no_gaps_between_bars_of_minutes(tmp_path: Path) -> None:
    """The last two bars of one session, the second and third of the next, after a weekend."""
    friday, monday = datetime(2025, 1, 3, 20, 50, tzinfo=UTC), datetime(2025, 1, 6, 14, 35, tzinfo=UTC)
    lines = [
        f"{int((day + n * STEP).timestamp() * 1000)},100,101,99,100,1000" for day in (friday, monday) for n in (0, 1)
    ]
    a_file(tmp_path, "\n".join([HEADER, *lines]) + "\n", name="AAPL-USD_5m.csv")
    (tmp_path / "market.toml").write_text('asset_class = "equity"\ncalendar = "NYSE"\n')
    assert FileMarket.open(tmp_path).notes == ("AAPL-USD_5m.csv:4: 1 bars missing before 2025-01-06 14:35",)


async def test_a_recording_tells_the_session_of_shares_and_nothing_of_crypto(tmp_path: Path) -> None:
    market = FileMarket.open(shares(tmp_path, "AAPL"))
    assert await market.session("AAPL/USD", as_of=datetime(2025, 1, 4, tzinfo=UTC)) == "open"
    assert await market.session("AAPL/USD", as_of=datetime(2025, 1, 5, tzinfo=UTC)) == "closed"
    assert await a_market(bars("100")).session("ETH/USDT", as_of=at(1)) is None
    with pytest.raises(SymbolUnknown):
        await market.session("BTC/USD", as_of=at(1))


def test_what_lies_beside_candles_by_its_name_is_not_passed_over(tmp_path: Path) -> None:
    a_file(tmp_path, CLEAN)
    (tmp_path / "market.toml").write_text("")
    (tmp_path / "headlines.jsonl").write_text("")
    (tmp_path / "notes.txt").write_text("")
    assert FileMarket.open(tmp_path).notes == ("notes.txt: passed over, not named like candles",)
