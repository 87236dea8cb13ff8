"""The words everyone shares: money, instruments, candles, orders, portfolio, clock, digest, errors.

The ground floor. Pure, and imports no other package of the house.
"""

from domain.candle import Candle, Headline, Quote, Timeframe
from domain.clock import Clock, TickClock
from domain.decision import Decision, Episode, Opinion, Proposal, Signal, Thesis, Ticket
from domain.instrument import Instrument
from domain.order import Fill, OrderReport, OrderRequest, OrderState
from domain.portfolio import Portfolio, Position
from domain.venue import Market, Venue

__all__ = [
    "Candle",
    "Clock",
    "Decision",
    "Episode",
    "Fill",
    "Headline",
    "Instrument",
    "Market",
    "Opinion",
    "OrderReport",
    "OrderRequest",
    "OrderState",
    "Portfolio",
    "Position",
    "Proposal",
    "Quote",
    "Signal",
    "Thesis",
    "TickClock",
    "Ticket",
    "Timeframe",
    "Venue",
]
