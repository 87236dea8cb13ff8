"""What is particular to each exchange."""

from dataclasses import replace

from venues.exchange.account.dialects.binance import BINANCE, BINANCE_USDM
from venues.exchange.account.dialects.bybit import BYBIT
from venues.exchange.account.dialects.ccxt import any_exchange
from venues.exchange.account.dialects.dialect import Quirks
from venues.exchange.account.dialects.okx import OKX
from venues.exchange.account.reading import reading

_KNOWN = {quirks.exchange: quirks for quirks in (OKX, BINANCE, BINANCE_USDM, BYBIT)}


def quirks_of(exchange: str) -> Quirks:
    """Those of one of ccxt's exchanges, known well or not. An answer that a query of theirs can't read is none."""
    known = _KNOWN.get(exchange) or any_exchange(exchange)
    return replace(
        known,
        find=reading(f"an order at {exchange}", known.find),
        orders=reading(f"the orders at {exchange}", known.orders),
        trades=reading(f"the trades at {exchange}", known.trades),
        order_trades=reading(f"an order's trades at {exchange}", known.order_trades),
        balances=reading(f"the balances at {exchange}", known.balances),
        funding_account=reading(f"the funding account at {exchange}", known.funding_account),
        positions=reading(f"the positions at {exchange}", known.positions),
        transfers=reading(f"the transfers at {exchange}", known.transfers),
        rights=reading(f"the key's rights at {exchange}", known.rights),
        prepare=reading(f"the account's settings at {exchange}", known.prepare),
    )


__all__ = ["Quirks", "quirks_of"]
