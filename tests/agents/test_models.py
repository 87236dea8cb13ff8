"""A language model by the name that it has on the command line."""

from __future__ import annotations

import os

import pytest

from agents.gateway import LiteLLMModel
from agents.models import open_model
from agents.rules import RulesModel
from domain.errors import UsageError


@pytest.mark.parametrize("asking", [True, False])
def test_the_rules_need_no_key(asking: bool) -> None:
    assert isinstance(open_model("rules", asking=asking), RulesModel)


def test_a_provider_and_its_model_are_reached_through_litellm() -> None:
    model = open_model("openai/gpt-5-mini", asking=False)
    assert isinstance(model, LiteLLMModel)
    assert (model.name, model.paid) == ("openai/gpt-5-mini", True)


@pytest.mark.parametrize("asking", [True, False])
def test_an_unknown_name_is_wrong_usage_whether_it_is_asked_or_not(asking: bool) -> None:
    with pytest.raises(UsageError, match="names no provider that we know"):
        open_model("gpt-17", asking=asking)


@pytest.mark.skipif("GROQ_API_KEY" in os.environ, reason="this machine has the key")
def test_a_missing_key_is_found_before_the_run_and_a_replay_needs_none() -> None:
    with pytest.raises(UsageError, match="GROQ_API_KEY is not set"):
        open_model("groq/llama", asking=True)
    assert open_model("groq/llama", asking=False).name == "groq/llama"


def test_a_server_of_ones_own_needs_no_key() -> None:
    assert open_model("ollama/llama3", asking=True).name == "ollama/llama3"
