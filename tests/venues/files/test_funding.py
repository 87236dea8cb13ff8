"""Recorded funding rates are read as strictly as candles are: what is wrong is named, and nothing is repaired."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from builders.candle_files import CLEAN, FIRST_MS, a_file
from builders.markets import at, recorded
from domain.errors import MarketDataError, UsageError
from domain.venue import FundingSource
from venues.files.market import FileMarket

SWAP = "ETH/USDT:USDT"
HEADER = "timestamp_ms,funding_rate"
HOURS_MS = 8 * 3_600_000


def a_rate(number: int, rate: str = "0.0001", *, late_ms: int = 0) -> str:
    return f"{FIRST_MS + number * HOURS_MS + late_ms},{rate}"


def rates(*numbers: int) -> str:
    return "\n".join([HEADER, *(a_rate(number) for number in numbers)]) + "\n"


def a_folder(folder: Path, text: str, *, name: str = "ETH-USDT-USDT_funding.csv") -> Path:
    a_file(folder, CLEAN, name="ETH-USDT-USDT_5m.csv")
    return a_file(folder, text, name=name)


def with_row(row: str) -> str:
    return "\n".join([HEADER, a_rate(0), a_rate(1), row, a_rate(3), a_rate(4)]) + "\n"


async def found(market: FileMarket) -> list[tuple[datetime, Decimal]]:
    assert isinstance(market, FundingSource)
    until = datetime(2100, 1, 1, tzinfo=UTC)
    return [(one.at, one.rate) for one in await market.funding(SWAP, since=at(0) - timedelta(days=1), until=until)]


@pytest.mark.parametrize("name", ["ETH-USDT-USDT_funding.csv", "ETH-USDT-USDT_funding.csv.gz"])
@pytest.mark.parametrize("single", [True, False])
async def test_rates_lie_beside_the_candles(tmp_path: Path, name: str, single: bool) -> None:
    text = f"{HEADER}\n{a_rate(0, late_ms=6)}\n{a_rate(1, '-3.5e-05', late_ms=28)}\n"
    a_folder(tmp_path, text, name=name)
    market = FileMarket.open(tmp_path / "ETH-USDT-USDT_5m.csv" if single else tmp_path)
    assert market.notes == ()
    assert market.funding_from(SWAP) == name
    assert await found(market) == [
        (at(0), Decimal("0.0001")),
        (at(0) + timedelta(hours=8), Decimal("-0.000035")),
    ]


async def test_no_rate_is_shown_before_its_time(tmp_path: Path) -> None:
    a_folder(tmp_path, rates(0, 1, 2))
    market = FileMarket.open(tmp_path)
    eight = at(0) + timedelta(hours=8)
    assert [r.at for r in await market.funding(SWAP, since=at(0), until=eight)] == [eight]
    assert [r.at for r in await market.funding(SWAP, since=at(0), until=eight - timedelta(microseconds=1))] == []


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (a_rate(1), "is there twice"),
        (a_rate(1, late_ms=7), "is there twice"),
        (a_rate(0, late_ms=1_000), "is earlier than the one above it: rows must be oldest first"),
        (a_rate(2, "nan"), "funding_rate 'nan' is not a number"),
        (a_rate(2, "inf"), "funding_rate 'inf' is not a number"),
        (a_rate(2, "-Infinity"), "funding_rate '-Infinity' is not a number"),
        (a_rate(2, ""), "funding_rate '' is not a number"),
        (a_rate(2, "1e999"), "funding_rate '1e999' is not a number"),
        (a_rate(2, "0.2"), "funding_rate 0.2 is more than a tenth of the notional: is it in per cent"),
        (a_rate(2, "-1"), "funding_rate -1 is more than a tenth of the notional"),
        (a_rate(2) + ",1", "3 cells where 2 are needed"),
        ("", "0 cells where 2 are needed"),
        ("2025-01-01,0.0001", "timestamp_ms '2025-01-01' is not whole milliseconds"),
        (f"{FIRST_MS // 1000},0.0001", "are these seconds?"),
        (f"{FIRST_MS * 1000},0.0001", "are these microseconds?"),
    ],
)
def test_a_bad_row_is_named_by_file_and_line(tmp_path: Path, row: str, problem: str) -> None:
    path = a_folder(tmp_path, with_row(row))
    with pytest.raises(MarketDataError) as refused:
        FileMarket.open(tmp_path)
    assert refused.value.message.startswith(f"{path}:4: ")
    assert problem in refused.value.message
    assert refused.value.remedy.startswith("Nothing was read")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "the columns must be timestamp_ms,funding_rate in this order (no 'timestamp_ms', no 'funding_rate')"),
        (HEADER + "\n", "there are no rows"),
        ("timestamp_ms,rate\n", "(no 'funding_rate', unknown 'rate')"),
        ("funding_rate,timestamp_ms\n", "(another order, or one twice)"),
    ],
)
def test_what_is_no_file_of_rates_is_said(tmp_path: Path, text: str, problem: str) -> None:
    path = a_folder(tmp_path, text)
    with pytest.raises(MarketDataError) as refused:
        FileMarket.open(tmp_path)
    assert refused.value.message.startswith(f"{path}:1: ")
    assert problem in refused.value.message


def test_a_broken_archive_is_said(tmp_path: Path) -> None:
    a_file(tmp_path, CLEAN, name="ETH-USDT-USDT_5m.csv")
    (tmp_path / "ETH-USDT-USDT_funding.csv.gz").write_bytes(gzip.compress(rates(0, 1).encode())[:-9])
    with pytest.raises(MarketDataError, match="the gzip stream is broken"):
        FileMarket.open(tmp_path)


def test_problems_of_candles_and_rates_are_one_error(tmp_path: Path) -> None:
    a_folder(tmp_path, with_row(a_rate(1)))
    (tmp_path / "ETH-USDT-USDT_5m.csv").write_text(CLEAN.replace("100,101,99,100.5", "0,101,0,100.5", 1))
    with pytest.raises(MarketDataError) as refused:
        FileMarket.open(tmp_path)
    assert "2 problems in the market data" in refused.value.message


def test_missing_times_are_gaps_and_a_change_of_the_interval_is_none(tmp_path: Path) -> None:
    hourly = [f"{FIRST_MS + 6 * HOURS_MS + n * 3_600_000},0.0001" for n in range(1, 5)]
    a_folder(tmp_path, rates(0, 1, 2, 5, 6) + "\n".join(hourly) + "\n")
    assert FileMarket.open(tmp_path).notes == (
        "ETH-USDT-USDT_funding.csv:5: 2 fundings missing before 2025-01-02 16:00",
    )


def test_what_the_rates_do_not_reach_is_noted(tmp_path: Path) -> None:
    a_folder(tmp_path, rates(6, 7))
    assert FileMarket.open(tmp_path).notes == (
        "ETH-USDT-USDT_funding.csv: begins at 2025-01-03 00:00, after the candles do: [paper] funding_bps is charged "
        "before",
    )


def test_two_files_of_one_symbol_are_one_too_many(tmp_path: Path) -> None:
    a_folder(tmp_path, rates(0, 1))
    a_file(tmp_path, rates(0, 1), name="ETH-USDT-USDT_funding.csv.gz")
    with pytest.raises(UsageError, match="hold the same rates"):
        FileMarket.open(tmp_path)


async def test_rates_of_what_is_not_traded_are_nobodys_business(tmp_path: Path) -> None:
    a_folder(tmp_path, rates(0, 1), name="BTC-USDT-USDT_funding.csv")
    a_file(tmp_path, "rubbish", name="ETH-USDT-USD_funding.csv")
    market = FileMarket.open(tmp_path)
    assert market.funding_from(SWAP) == ""
    assert market.notes == ("ETH-USDT-USD_funding.csv: passed over, not named like candles",)
    assert await market.funding(SWAP, since=at(0), until=at(9_999)) == ()


async def test_real_rates_are_read() -> None:
    market = FileMarket.open(recorded("bear-perp-2025-09-1h"))
    instead = "[paper] funding_bps is charged"
    assert market.notes == (
        f"BTC-USDT-USDT_funding.csv.gz: ends at 2026-03-15 08:00, before the candles do: {instead} after",
        f"ETH-USDT-USDT_funding.csv.gz: begins at 2026-01-12 16:00, after the candles do: {instead} before",
    )
    ticks = [tick async for tick in market.ticks()]
    for symbol in ("BTC/USDT:USDT", SWAP):
        rates = await market.funding(symbol, since=ticks[0], until=ticks[-1])
        assert len(rates) > 150
        assert {rate.at.hour % 8 for rate in rates} == {0}
        assert {(rate.at.minute, rate.at.second, rate.at.microsecond) for rate in rates} == {(0, 0, 0)}
