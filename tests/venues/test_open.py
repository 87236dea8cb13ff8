import pytest

from builders.candle_files import CLEAN, a_file
from builders.exchanges import START
from domain.candle import Timeframe
from domain.clock import TickClock
from domain.errors import UsageError
from domain.venue import LiveMarket, Market
from venues.open import open_market


def opened(spec: str, *, symbols: list[str] | None = None, timeframe: Timeframe | None = None) -> Market:
    return open_market(spec, symbols=symbols, timeframe=timeframe, seed=3, wall=TickClock(START))


def test_the_simulation_is_opened_by_its_name():
    market = opened("sim", symbols=["ETH/USDT"], timeframe=Timeframe("1h"))
    assert (market.name, market.timeframe) == ("sim", Timeframe("1h"))


def test_recorded_candles_are_opened_by_their_path(tmp_path):
    path = a_file(tmp_path, CLEAN)
    assert opened(f"file:{path}").name == f"file:{path}"


@pytest.mark.parametrize("exchange", ["okx", "binance", "bybit", "kraken"])
def test_an_exchange_is_opened_by_its_name_and_nothing_is_asked_of_it_yet(exchange):
    market = opened(exchange, symbols=["BTC/USDT"])
    assert isinstance(market, LiveMarket)
    assert (market.name, market.timeframe) == (exchange, Timeframe("5m"))


@pytest.mark.parametrize("spec", ["", "SIM", "sim:7", "okxx"])
def test_another_name_is_answered_with_those_that_are_known(spec):
    with pytest.raises(UsageError, match="Known are sim, file:PATH and"):
        opened(spec)


def test_a_file_market_without_a_path_says_what_is_missing():
    with pytest.raises(UsageError, match="names no file"):
        opened("file:")


def test_an_exchange_wants_its_symbols_named():
    with pytest.raises(UsageError, match="--symbols"):
        opened("okx")
