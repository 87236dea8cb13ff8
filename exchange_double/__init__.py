"""An exchange on your own machine, for testing venues: real protocol, real matching, scripted faults.

A request goes through `server` (sockets), `double` (faults and the journal), a `Wire` (one exchange's dialect: `okx`,
`binance` or `bybit`) and the `engine` (matching and one account). What the engine tells goes through `sockets` to the
clients that are connected. Only `plugin` needs pytest.
"""

from exchange_double.book import Level
from exchange_double.candles import Bar
from exchange_double.double import ExchangeDouble
from exchange_double.engine import Engine
from exchange_double.faults import EVERY_CONTRADICTION, EVERY_FAULT, EVERY_SOCKET_FAULT, Fault, FaultScript
from exchange_double.listing import LISTINGS, Listing
from exchange_double.orders import NewOrder, Order
from exchange_double.stops import Stop, Trigger
from exchange_double.wire import Credentials, Operation, Wire

__all__ = [
    "EVERY_CONTRADICTION",
    "EVERY_FAULT",
    "EVERY_SOCKET_FAULT",
    "LISTINGS",
    "Bar",
    "Credentials",
    "Engine",
    "ExchangeDouble",
    "Fault",
    "FaultScript",
    "Level",
    "Listing",
    "NewOrder",
    "Operation",
    "Order",
    "Stop",
    "Trigger",
    "Wire",
]
