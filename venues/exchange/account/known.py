"""What is known of each exchange that has a dialect here, and how far it was ever tried; docs/exchanges.md says it too.

A certification that passed on somebody's own machine is kept in their data folder (`agentctl.certified`), and counts
beside those that are written down here.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final, Literal

from domain.value import Symbol, Value


class Certified(Value):
    """One certification in which every step passed."""

    exchange: str
    on: date
    version: str
    """Of agentctl."""
    where: Literal["sandbox", "real account"]
    symbol: Symbol


class ExchangeFacts(Value):
    """One exchange, in words for its users."""

    exchange: str
    """ccxt's id."""
    title: str
    markets: str
    least: Symbol
    """A liquid symbol with small least orders: what is certified where nothing else is asked for."""
    stops: str
    attached_stops: str
    sandbox: str
    batch_spot: int
    batch_swap: int
    dead_man_switch: str
    learned: tuple[str, ...]
    certified: tuple[Certified, ...] = ()


_OKX: Final = ExchangeFacts(
    exchange="okx",
    title="OKX",
    markets="spot and linear perpetuals",
    least="BTC/USDT",
    stops="held as conditional algo orders, on the last price",
    attached_stops="attached to entries with their target, as one algo order under an id of ours",
    sandbox="demo trading, with keys of its own",
    batch_spot=20,
    batch_swap=20,
    dead_man_switch="cancels resting orders after 10 to 120 s; stops stay",
    learned=(
        "The answer to an order says nothing of its state: it is looked up.",
        "A client order id is taken once, also after its order has ended.",
        "A triggered stop becomes another order, with an id of its own.",
        "The fee of a spot buy is taken out of what is bought.",
        "Deposits arrive in the funding account, which orders can't use.",
        "Perpetuals need futures mode and net positions.",
    ),
)
_BINANCE: Final = ExchangeFacts(
    exchange="binance",
    title="Binance",
    markets="spot and USD-M perpetuals",
    least="BTC/USDT",
    stops="held: on spot as orders like others, on perpetuals as algo orders, on the last price",
    attached_stops="none: a stop is placed once its entry has filled",
    sandbox="the test network, which does not say what a key may do",
    batch_spot=1,
    batch_swap=5,
    dead_man_switch="perpetuals only: cancels resting orders; stops stay",
    learned=(
        "A client order id is free again once its order has ended, so that an order is told by its time too.",
        "Trades carry no client order id.",
        "A stop on spot ties up what it would sell: it goes before the exit does.",
        "Spot and perpetuals are two wallets; what moves between them is a transfer.",
        "Fees that are paid in BNB have no price here: switch that off to be certified.",
    ),
)
_BINANCE_USDM: Final = ExchangeFacts(
    exchange="binanceusdm",
    title="Binance USD-M",
    markets="USD-M perpetuals",
    least="ETH/USDT:USDT",
    stops="held as algo orders, on the last price",
    attached_stops="none: a stop is placed once its entry has filled",
    sandbox="the test network, which does not say what a key may do",
    batch_spot=1,
    batch_swap=5,
    dead_man_switch="cancels resting orders; stops stay",
    learned=(
        "What is said of Binance's perpetuals holds here too.",
        "A key for perpetuals alone may not ask for the account's name.",
    ),
)
_BYBIT: Final = ExchangeFacts(
    exchange="bybit",
    title="Bybit",
    markets="spot and linear perpetuals of a unified account",
    least="BTC/USDT",
    stops="held: on spot in a list of their own, on the last price",
    attached_stops="none: a stop is placed once its entry has filled",
    sandbox="the test network, with keys of its own",
    batch_spot=10,
    batch_swap=20,
    dead_man_switch="none that can be used: Bybit's watches a WebSocket",
    learned=(
        "An order is acknowledged before it is matched: it is looked up.",
        "A stop on spot that comes too late waits for the price to come back.",
        "A cancel does not tell an order that has ended from one that never was.",
        "The history forgets after a day what never traded.",
    ),
)

KNOWN: Final = {facts.exchange: facts for facts in (_OKX, _BINANCE, _BINANCE_USDM, _BYBIT)}
"""By ccxt's id. Of any other exchange only ccxt's unified calls are used."""


def certification_line(exchange: str, *, here: Sequence[Certified] = (), version: str) -> str:
    """How far an exchange was tried, in one line; `here` are certifications on this machine, `version` agentctl's."""
    facts = KNOWN.get(exchange)
    certifications = [*(facts.certified if facts else ()), *(each for each in here if each.exchange == exchange)]
    if not certifications and facts is None:
        return f"{exchange}: never tried, not even against an exchange double"
    if not certifications:
        return f"{exchange}: tested against the exchange double only, never against a real account"
    real = [each for each in certifications if each.where == "real account"]
    best = max(real or certifications, key=lambda each: each.on)
    where = "on a real account" if real else "in its sandbox"
    other = "" if best.version == version else f", which is not this one ({version})"
    never = "" if real else ", never on a real account"
    return f"{exchange}: certified {where} on {best.on} by version {best.version}{other}{never}"
