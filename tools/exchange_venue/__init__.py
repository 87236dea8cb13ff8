"""A live account at an exchange: `ExchangeVenue`, the keys that it signs with, and how it is doing."""

from tools.exchange_venue.destination import Destination, destination_of
from tools.exchange_venue.failures import NotSent
from tools.exchange_venue.health import Health
from tools.exchange_venue.keys import ExchangeKeys
from tools.exchange_venue.venue import PATIENCE_S, ExchangeVenue

__all__ = ["PATIENCE_S", "Destination", "ExchangeKeys", "ExchangeVenue", "Health", "NotSent", "destination_of"]
