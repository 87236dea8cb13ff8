"""Markets and places to trade. Imports `domain` only."""

from venues.exchange.market import ExchangeMarket
from venues.files.market import FileMarket
from venues.open import open_market
from venues.paper.venue import PaperVenue
from venues.sim.market import SimMarket

__all__ = ["ExchangeMarket", "FileMarket", "PaperVenue", "SimMarket", "open_market"]
