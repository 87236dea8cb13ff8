"""Requests for the key by which futures tell of the account: they carry the API key, and no signature."""

from __future__ import annotations

from exchange_double.binance.call import Call, answer
from exchange_double.wire import Answer


def make(call: Call) -> Answer:
    """A new one, or the one that there is for another hour."""
    call.listen_key.make(now=call.now)
    return answer({"listenKey": call.listen_key.name})


def keep(call: Call) -> Answer:
    """For another hour. Raises `BinanceError` when it has ended."""
    call.listen_key.keep(now=call.now)
    return answer({"listenKey": call.listen_key.name})


def drop(call: Call) -> Answer:
    """No event is told by it any more."""
    call.listen_key.drop()
    return answer({})
