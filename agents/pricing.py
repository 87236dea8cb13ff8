"""What a model costs: as it was set, nothing for one's own server, or as LiteLLM's list has it; else it is unknown."""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from agents.providers import KEYLESS, provider_of
from domain.money import ZERO, reading
from domain.value import NonNegative, Value

_MILLION = Decimal(1_000_000)
_LIST = "model_prices_and_context_window_backup.json"
_LOCAL = (".local", ".lan", ".internal", ".home.arpa", ".localhost")
"""Names that the public network does not give out."""


class Price(Value):
    """US dollars for a million tokens, in and out."""

    input: NonNegative
    output: NonNegative

    def of(self, *, input_tokens: int, output_tokens: int) -> Decimal:
        """What so many tokens cost."""
        return (self.input * input_tokens + self.output * output_tokens) / _MILLION


Prices = Mapping[str, Price]
"""By the model's name, as it was set."""

FREE = Price(input=ZERO, output=ZERO)


def price_of(
    model: str, *, price: Price | None = None, base_url: str | None = None, environ: Mapping[str, str] = os.environ
) -> Price | None:
    """The most that a token of `model` costs; `None` where nobody knows, which is not nothing.

    LiteLLM takes a model that it does not know for free with some providers, so its list is looked at here. Raises
    `UsageError` for an unknown provider.
    """
    provider = provider_of(model)
    if price is not None:
        return price
    if provider in KEYLESS or _at_home(base_url or _address(provider, environ)):
        return FREE
    if base_url is not None:
        return None  # who serves the model there asks for what he likes
    return _listed(provider, model)


def _address(provider: str, environ: Mapping[str, str]) -> str:
    """Where the environment sends LiteLLM instead of to the provider."""
    names = (f"{provider.upper()}_{end}" for end in ("BASE_URL", "API_BASE"))
    return next((environ[name] for name in names if environ.get(name)), "")


def _at_home(address: str) -> bool:
    """Whether `address` is on this machine or in a network of one's own."""
    host = (urlsplit(address).hostname or "").rstrip(".") if "//" in address else ""
    try:
        ip = ip_address(host)
    except ValueError:
        return bool(host) and ("." not in host or host.endswith(_LOCAL))
    return ip.is_loopback or ip.is_private or ip.is_link_local


def _listed(provider: str, model: str) -> Price | None:
    """As LiteLLM lists it: under its whole name, or under its own where the same provider serves it."""
    for name in (model, model.partition("/")[2]):
        entry = _list().get(name)
        served_by = str(entry.get("litellm_provider", "")) if entry else ""
        if entry and served_by.removeprefix("text-completion-").startswith(provider):
            return _dearest(entry)
    return None


def _dearest(entry: Mapping[str, object]) -> Price | None:
    """The dearest of an entry's tiers: long prompts cost more a token."""
    rates = {}
    for side in ("input", "output"):
        base = f"{side}_cost_per_token"
        tiers = [entry.get(base), *(v for k, v in entry.items() if _tier(k, base))]
        if side == "output":
            tiers.append(entry.get("output_cost_per_reasoning_token"))
        prices = [reading(float(each)) for each in tiers if isinstance(each, int | float)]
        known = [each * _MILLION for each in prices if each is not None and each >= 0]
        if not isinstance(entry.get(base), int | float) or not known:
            return None
        rates[side] = max(known)
    return Price(input=rates["input"], output=rates["output"])


def _tier(key: str, base: str) -> bool:
    return key.startswith(f"{base}_above_") and key.endswith("_tokens")


@cache
def _list() -> Mapping[str, Mapping[str, object]]:
    """LiteLLM's list, read without importing it; empty where it is not installed."""
    spec = importlib.util.find_spec("litellm")
    if spec is None or not spec.submodule_search_locations:
        return {}
    try:
        listed = json.loads(Path(spec.submodule_search_locations[0], _LIST).read_bytes())
    except (OSError, ValueError):
        return {}
    return listed if isinstance(listed, dict) else {}
