"""An exchange on your own machine, for testing venues: real protocol, real matching, scripted faults.

A request goes through `server` (sockets), `double` (faults and the journal), a `Wire` (one exchange's dialect: `okx`
or `binance`) and the `engine` (matching and one account). REST only: no WebSockets yet. Only `plugin` needs pytest.
"""

from tools.exchange_double.book import Level
from tools.exchange_double.candles import Bar
from tools.exchange_double.double import ExchangeDouble
from tools.exchange_double.engine import Engine
from tools.exchange_double.faults import EVERY_FAULT, Fault, FaultScript
from tools.exchange_double.listing import LISTINGS, Listing
from tools.exchange_double.orders import NewOrder, Order
from tools.exchange_double.wire import Credentials, Operation, Wire

__all__ = [
    "EVERY_FAULT",
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
    "Wire",
]
