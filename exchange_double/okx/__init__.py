"""OKX's dialect of the exchange double."""

from exchange_double.okx.wire import OkxWire

__all__ = ["OkxWire"]
