"""An exchange on your own machine, for testing venues: real protocol, real matching, scripted faults.

A request goes through `server` (sockets), `double` (faults and the journal), a `Wire` (one exchange's dialect: `okx`,
`binance` or `bybit`) and the `engine` (matching and one account). What the engine tells goes through `sockets` to the
clients that are connected. Only `plugin` needs pytest.
"""

from tools.exchange_double.book import Level
from tools.exchange_double.candles import Bar
from tools.exchange_double.double import ExchangeDouble
from tools.exchange_double.engine import Engine
from tools.exchange_double.faults import EVERY_CONTRADICTION, EVERY_FAULT, EVERY_SOCKET_FAULT, Fault, FaultScript
from tools.exchange_double.listing import LISTINGS, Listing
from tools.exchange_double.orders import NewOrder, Order
from tools.exchange_double.stops import Stop, Trigger
from tools.exchange_double.wire import Credentials, Operation, Wire

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
