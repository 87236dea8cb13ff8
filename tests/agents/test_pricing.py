"""What a model costs: an unknown price is unknown, and one's own server is free."""

from __future__ import annotations

from decimal import Decimal

import pytest

from agents.pricing import FREE, Price, price_of
from domain.errors import UsageError

SET = Price(input=Decimal("1.25"), output=Decimal(10))


@pytest.mark.parametrize(
    "name",
    [
        "openai/gpt-5-mini",
        "anthropic/claude-haiku-4-5",
        "gemini/gemini-2.5-pro",
        "deepseek/deepseek-chat",
        "mistral/mistral-large-latest",
        "vertex_ai/gemini-2.5-pro",
        "azure/gpt-5",
        "bedrock/anthropic.claude-haiku-4-5-20251001-v1:0",
    ],
)
def test_a_listed_price_is_above_nothing(name: str) -> None:
    price = price_of(name, environ={})
    assert price is not None
    assert 0 < price.input < price.output < 100


def test_the_dearest_tier_is_the_price() -> None:
    assert price_of("gemini/gemini-2.5-pro", environ={}) == Price(input=Decimal("2.5"), output=Decimal(15))


@pytest.mark.parametrize(
    "name",
    [
        "openai/gpt-9",
        "anthropic/claude-99",
        "openrouter/nobody/nothing",
        "deepseek/deepseek-v99",
        "azure/my-deployment",
        "groq/gpt-5-mini",  # listed, and served by somebody else
        "openrouter/gpt-5-mini",
    ],
)
def test_a_price_that_no_list_has_is_unknown_and_can_be_set(name: str) -> None:
    assert price_of(name, environ={}) is None
    assert price_of(name, price=SET, environ={}) == SET


@pytest.mark.parametrize(
    "name", ["lm_studio/qwen", "ollama/llama3", "ollama_chat/x", "hosted_vllm/mine", "llamafile/mine"]
)
def test_a_server_of_ones_own_costs_nothing(name: str) -> None:
    assert price_of(name, environ={}) == FREE
    assert price_of(name, price=SET, environ={}) == SET


@pytest.mark.parametrize(
    ("address", "home"),
    [
        ("http://127.0.0.1:8000/v1", True),
        ("http://localhost:1234/v1", True),
        ("http://[::1]:8000", True),
        ("http://192.168.1.5/v1", True),
        ("http://10.0.0.7:8080", True),
        ("http://172.16.0.1", True),
        ("http://gpu:8000/v1", True),
        ("https://llm.lan/v1", True),
        ("https://api.example.com/v1", False),
        ("http://8.8.8.8/v1", False),
        ("http://172.32.0.1", False),
        ("https://10.0.0.7.example.com", False),
        ("https://localhost.example.com", False),
    ],
)
def test_an_address_at_home_costs_nothing_and_another_is_unknown(address: str, home: bool) -> None:
    price = FREE if home else None
    assert price_of("openai/gpt-5-mini", base_url=address, environ={}) == price
    assert price_of("openai/gpt-9", environ={"OPENAI_API_BASE": address}) == price
    assert price_of("openai/gpt-9", environ={"OPENAI_BASE_URL": address}) == price


def test_what_tokens_cost() -> None:
    assert SET.of(input_tokens=1_000_000, output_tokens=100_000) == Decimal("2.25")
    assert FREE.of(input_tokens=5, output_tokens=5) == 0


def test_an_unknown_provider_has_no_price() -> None:
    with pytest.raises(UsageError):
        price_of("gpt-5-mini", price=SET, environ={})
