"""Binance's dialect of the exchange double: spot and USDⓈ-M perpetuals."""

from exchange_double.binance.listings import LISTINGS
from exchange_double.binance.wire import BinanceWire

__all__ = ["LISTINGS", "BinanceWire"]
