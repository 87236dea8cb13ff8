"""What is particular to each exchange."""

from tools.exchange_venue.quirks.any import any_exchange
from tools.exchange_venue.quirks.binance import BINANCE, BINANCE_USDM
from tools.exchange_venue.quirks.bybit import BYBIT
from tools.exchange_venue.quirks.okx import OKX
from tools.exchange_venue.quirks.quirks import Quirks

_KNOWN = {quirks.exchange: quirks for quirks in (OKX, BINANCE, BINANCE_USDM, BYBIT)}


def quirks_of(exchange: str) -> Quirks:
    """Those of one of ccxt's exchanges, known well or not."""
    return _KNOWN.get(exchange) or any_exchange(exchange)


__all__ = ["Quirks", "quirks_of"]
