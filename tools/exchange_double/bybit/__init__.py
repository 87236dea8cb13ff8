"""Bybit's dialect of the exchange double."""

from tools.exchange_double.bybit.listings import BYBIT_LISTINGS
from tools.exchange_double.bybit.wire import BybitWire

__all__ = ["BYBIT_LISTINGS", "BybitWire"]
