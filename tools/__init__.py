"""Typed tools and the call path around them; markets and the paper venue.

Imports `policy`, `context` and `domain`.
"""

from tools.tool import Tool, tool
from tools.toolbox import Toolbox
from venues.exchange.market import ExchangeMarket
from venues.files.market import FileMarket
from venues.open import open_market
from venues.paper.venue import PaperVenue
from venues.sim.market import SimMarket

__all__ = ["ExchangeMarket", "FileMarket", "PaperVenue", "SimMarket", "Tool", "Toolbox", "open_market", "tool"]
