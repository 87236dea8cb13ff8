"""`market.toml`: what the symbols of a folder of candles are, and by which calendar they trade."""

from __future__ import annotations

from pathlib import Path

import pytest

from domain.errors import UsageError
from venues.files.market_file import Asset, MarketFile, read_market_file

THERE = ("AAPL/USD", "BTC/USD")


def read(folder: Path, text: str) -> MarketFile:
    path = folder / "market.toml"
    path.write_text(text)
    return read_market_file(path, there=THERE)


def test_without_a_file_everything_is_crypto(tmp_path: Path) -> None:
    assert read_market_file(tmp_path / "market.toml", there=THERE).asset("BTC/USD").asset_class == "crypto"


def test_a_symbol_has_the_asset_of_the_folder_or_one_of_its_own(tmp_path: Path) -> None:
    stated = read(tmp_path, 'asset_class = "equity"\ncalendar = "XNYS"\n[symbols."BTC/USD"]\nasset_class = "crypto"')
    assert stated.asset("AAPL/USD").calendar == "XNYS"
    assert stated.asset("AAPL/USD").hours is not None
    assert (stated.asset("BTC/USD"), stated.asset("BTC/USD").hours) == (Asset(), None)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            'asset_class = "bond"\ncalender = "NYSE"',
            ["asset_class: Input should be 'crypto'", "calender: Extra inputs"],
        ),
        ('asset_class = "equity"', ["it: equity does not trade around the clock: name its calendar"]),
        ('calendar = "NYSE"', ["it: crypto trades around the clock and has no calendar"]),
        ('[symbols."AAPL/USD"]\nasset_class = "fx"', ["symbols.AAPL/USD: fx does not trade around the clock"]),
        ('[symbols."APPL/USD"]\nasset_class = "crypto"', ["there are no candles of APPL/USD", "AAPL/USD, BTC/USD"]),
        ("asset_class =", ["can't be read"]),
    ],
)
def test_everything_that_is_wrong_in_it_is_one_error(tmp_path: Path, text: str, told: list[str]) -> None:
    with pytest.raises(UsageError) as refused:
        read(tmp_path, text)
    said = f"{refused.value.message} {refused.value.remedy}"
    assert "market.toml" in said
    assert [each for each in told if each not in said] == []


def test_a_calendar_that_is_not_there_is_told_when_it_is_needed() -> None:
    with pytest.raises(UsageError, match="there is no calendar 'Nowhere'"):
        _ = Asset(asset_class="equity", calendar="Nowhere").hours
