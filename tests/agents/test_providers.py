"""Whose model it is, and where its key is looked for."""

from __future__ import annotations

import pytest

from agents.providers import key_for, provider_of, require_key
from domain.errors import UsageError


@pytest.mark.parametrize("name", ["", "gpt-5-mini", "openai/", "/gpt-5-mini", "oepnai/gpt-5-mini"])
def test_a_model_without_a_known_provider_is_wrong_usage(name: str) -> None:
    with pytest.raises(UsageError, match="openai/gpt-5-mini"):
        provider_of(name)


def test_the_first_variable_that_is_set_holds_the_key() -> None:
    key = key_for("gemini/gemini-2.5-flash", {"GEMINI_API_KEY": "", "GOOGLE_API_KEY": "g"})
    assert key is not None
    assert key.get_secret_value() == "g"


def test_a_missing_key_names_its_variable() -> None:
    with pytest.raises(UsageError, match="openai/gpt-5-mini needs a key, and OPENAI_API_KEY is not set"):
        require_key("openai/gpt-5-mini", {})


@pytest.mark.parametrize("name", ["ollama/llama3", "bedrock/claude"])
def test_a_provider_without_one_key_is_not_asked_for_it(name: str) -> None:
    require_key(name, {})
