"""Language models by the name they have on the command line."""

from __future__ import annotations

from agents.model import LanguageModel
from agents.rules import RulesModel


def open_model(name: str, *, asking: bool) -> LanguageModel:
    """`rules`, or a model as LiteLLM names it: `openai/gpt-5-mini`.

    `asking` says that the model will be asked, and so needs its key; a replay never asks. Raises
    `UsageError` for an unknown name, and for a missing key by the name of its variable.
    """
    if name == "rules":
        return RulesModel()
    from agents.gateway import LiteLLMModel

    model = LiteLLMModel(name)
    if asking:
        model.check()
    return model
