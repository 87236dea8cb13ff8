"""ccxt's object of one exchange and its one HTTP session.

ccxt is imported when an exchange is chosen, never before: a run on the simulation does without it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from domain.errors import UsageError
from venues.exchange.numbers import as_sent

_KINDS: Mapping[str, Sequence[str]] = {
    "okx": ("spot", "swap"),
    "binance": ("spot", "linear"),
    "bybit": ("spot", "linear"),
}
"""Which markets are loaded where an exchange lists kinds that can't be traded here: options are thousands."""

_HOST = re.compile(r"^(http|ws)s?://[^/]+")

_LARGE = ("okx", "binance", "bybit", "kraken", "coinbase", "gate", "kucoin", "bitget")


def exchange_class(exchange: str) -> type[Any]:
    """ccxt's class, with numbers as they are sent. Raises `UsageError` for an exchange that ccxt does not know."""
    import ccxt.async_support as ccxt

    if exchange not in ccxt.exchanges:
        near = get_close_matches(exchange.lower(), ccxt.exchanges, n=3)
        raise UsageError(
            f"the market {exchange!r} is not known",
            remedy=(f"Did you mean {' or '.join(near)}? " if near else "")
            + f"Known are sim, file:PATH and {len(ccxt.exchanges)} exchanges of ccxt, such as {', '.join(_LARGE)}",
        )
    return as_sent(getattr(ccxt, exchange))


REFUSED = frozenset(
    {
        "AccountNotEnabled",
        "AccountSuspended",
        "ArgumentsRequired",
        "AuthenticationError",
        "BadRequest",
        "BadSymbol",
        "ContractUnavailable",
        "InsufficientFunds",
        "InvalidOrder",
        "ManualInteractionNeeded",
        "MarginModeAlreadySet",
        "MarketClosed",
        "NoChange",
        "NotSupported",
        "OperationRejected",
        "OrderImmediatelyFillable",
        "OrderNotFillable",
        "PermissionDenied",
        "RestrictedLocation",
    }
)
"""ccxt's errors that say why an exchange would not: by name, so that ccxt need not be imported to read this.

A bare `ExchangeError` is not one of them: it stands for every code that ccxt does not know.
"""

_KEYS = frozenset({"AccountNotEnabled", "AccountSuspended", "AuthenticationError", "PermissionDenied"})
_PLACE = "RestrictedLocation"


def refuses_keys(name: str) -> bool:
    """Whether ccxt's error of that name is about the keys, or what they may."""
    return name in _KEYS


def remedy_of(name: str, exchange: str) -> str:
    """What to do about ccxt's error of that name, which asking again does not help."""
    if name == "AuthenticationError":
        return f"Check the key, the secret and the passphrase for {exchange}, and whether they are of the sandbox"
    if refuses_keys(name):
        return f"Let the key do this at {exchange}, and from this address; see that the account is enabled for it"
    if name == _PLACE:
        return f"{exchange} does not serve this place: choose another exchange"
    return "Asked again it says the same: see what it says is wrong"


class Connection:
    """ccxt's object of one exchange, and its one HTTP session.

    `settings` are ccxt's own; `base_url` stands in for its host.
    """

    def __init__(
        self,
        client: type[Any],
        exchange: str,
        *,
        settings: Mapping[str, object] | None = None,
        base_url: str | None = None,
    ) -> None:
        config = dict(settings or {})
        kinds = {"fetchMarkets": {"types": list(_KINDS[exchange])}} if exchange in _KINDS else {}
        options = config.pop("options", {})
        self.ccxt: Any = client(
            {
                "aiohttp_trust_env": True,
                "options": {**kinds, **(options if isinstance(options, dict) else {})},
                **config,
            }
        )
        if base_url is not None:
            move(self.ccxt, base_url)

    @property
    def opened(self) -> bool:
        return self.ccxt.session is not None

    async def open(self) -> None:
        if self.opened:
            return
        self.ccxt.own_session = True
        self.ccxt.open()
        # ccxt asks several things at once and goes away at the first failure: what is left of the others would
        # open connections of its own again, that nobody closes.
        self.ccxt.own_session = False

    async def aclose(self) -> None:
        """May be opened again."""
        if not self.opened:
            return
        try:
            await self.ccxt.session.close()
        finally:
            await self.ccxt.close()


def move(ccxt: Any, base_url: str) -> None:
    """Have ccxt's object ask another host, over WebSockets too."""
    ccxt.urls["api"] = _moved(ccxt.urls["api"], base_url.rstrip("/"))


def _moved(urls: object, base: str) -> object:
    if isinstance(urls, Mapping):
        return {name: _moved(url, base) for name, url in urls.items()}
    return _HOST.sub(lambda match: base.replace("http", match[1], 1), urls) if isinstance(urls, str) else urls
