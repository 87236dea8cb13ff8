"""A live account at an exchange: `ExchangeVenue`, the keys that it signs with, and how it is doing."""

from venues.exchange.account.destination import Destination, destination_of
from venues.exchange.account.health import Health
from venues.exchange.account.keys import ExchangeKeys
from venues.exchange.account.venue import PATIENCE_S, ExchangeVenue
from venues.exchange.failures import NotSent

__all__ = ["PATIENCE_S", "Destination", "ExchangeKeys", "ExchangeVenue", "Health", "NotSent", "destination_of"]
