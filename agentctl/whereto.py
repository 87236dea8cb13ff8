"""Which host a command talks to with keys, in words, and what must not carry keys or orders."""

from __future__ import annotations

from agentctl.settings import Settings
from domain.errors import UsageError
from venues.exchange.account.destination import Destination, is_loopback


def describe(where: Destination, exchange: str, *, moved: bool) -> str:
    """`moved`: a base URL stands in for the exchange's own address."""
    hosts = " and ".join(where.hosts)
    money = f"in {exchange}'s sandbox, without real money" if where.sandbox else "with real money"
    if not moved:
        return f"{hosts}, {money}"
    here = " on this machine" if where.on_this_machine else ""
    sandbox = ", in sandbox mode" if where.sandbox else ""
    return f"{hosts}{here}, which exchanges.{exchange}.base_url puts in place of {exchange}'s own address{sandbox}"


def require_private(settings: Settings, exchange: str) -> None:
    """Raises `UsageError` for a base URL over which keys and orders can be read and changed on the way."""
    base_url = settings.at_exchange(exchange).base_url
    if base_url is None or base_url.startswith("https://") or is_loopback(base_url):
        return
    raise UsageError(
        f"exchanges.{exchange}.base_url has no TLS: keys, prices and orders could be read and changed on the way",
        remedy="Write https://, or the address of a double on this machine (http://127.0.0.1:PORT)",
    )
