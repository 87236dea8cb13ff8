"""Language models by the name they have on the command line."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from agents.model import LanguageModel
from agents.pricing import Prices
from agents.rules import RulesModel

RULES: Final = "rules"
"""Needs no key, and spends no tokens: it reads what a context states, and its length is counted for its budget only."""


def open_model(name: str, *, asking: bool, prices: Prices = MappingProxyType({})) -> LanguageModel:
    """`rules`, or a model as LiteLLM names it: `openai/gpt-5-mini`.

    `asking` says that the model will be asked, and so needs its key; a replay never asks. `prices`
    are those that were set. Raises `UsageError` for an unknown name, and for a missing key by the name of its variable.
    """
    if name == RULES:
        return RulesModel()
    from agents.gateway import LiteLLMModel

    model = LiteLLMModel(name, price=prices.get(name))
    if asking:
        model.check()
    return model
