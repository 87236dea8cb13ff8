import pytest

from builders.candle_files import CLEAN, a_file
from domain.candle import Timeframe
from domain.errors import UsageError
from tools.market import open_market


def test_the_simulation_is_opened_by_its_name():
    market = open_market("sim", symbols=["ETH/USDT"], timeframe=Timeframe("1h"), seed=3)
    assert (market.name, market.timeframe) == ("sim", Timeframe("1h"))


def test_recorded_candles_are_opened_by_their_path(tmp_path):
    path = a_file(tmp_path, CLEAN)
    assert open_market(f"file:{path}", symbols=None, timeframe=None, seed=3).name == f"file:{path}"


@pytest.mark.parametrize("spec", ["", "file:", "okx", "SIM", "sim:7"])
def test_another_name_is_answered_with_those_that_are_known(spec):
    with pytest.raises(UsageError, match="Known are sim and file:PATH"):
        open_market(spec, symbols=None, timeframe=None, seed=3)
