"""Typed tools and the call path around them; markets and the paper venue.

Imports `policy`, `context` and `domain`.
"""

from tools.exchange_market import ExchangeMarket
from tools.market import open_market
from tools.paper import PaperVenue
from tools.recorded import FileMarket
from tools.sim import SimMarket
from tools.tool import Tool, tool
from tools.toolbox import Toolbox

__all__ = ["ExchangeMarket", "FileMarket", "PaperVenue", "SimMarket", "Tool", "Toolbox", "open_market", "tool"]
