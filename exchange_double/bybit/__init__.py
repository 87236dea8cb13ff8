"""Bybit's dialect of the exchange double."""

from exchange_double.bybit.listings import LISTINGS, listable
from exchange_double.bybit.wire import BybitWire

__all__ = ["LISTINGS", "BybitWire", "listable"]
