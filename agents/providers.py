"""Who serves a model, by its name, and which environment variable holds the key."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pydantic import SecretStr

from domain.errors import UsageError

KEYS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "openai": ("OPENAI_API_KEY",),
        "anthropic": ("ANTHROPIC_API_KEY",),
        "gemini": ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
        "xai": ("XAI_API_KEY",),
        "deepseek": ("DEEPSEEK_API_KEY",),
        "mistral": ("MISTRAL_API_KEY",),
        "groq": ("GROQ_API_KEY",),
        "openrouter": ("OPENROUTER_API_KEY",),
    }
)
"""Providers that need one key, and where it is looked for, first found first."""

KEYLESS = frozenset({"ollama", "ollama_chat", "lm_studio", "hosted_vllm", "llamafile"})
"""Servers of one's own."""

ELSEWHERE = frozenset({"azure", "azure_ai", "bedrock", "vertex_ai", "databricks", "watsonx", "together_ai", "cohere"})
"""Providers whose credentials LiteLLM gathers by itself."""


def provider_of(model: str) -> str:
    """The part before the slash. Raises `UsageError` when it names no provider that we know."""
    provider, slash, name = model.partition("/")
    if slash and name and provider in {*KEYS, *KEYLESS, *ELSEWHERE}:
        return provider
    raise UsageError(
        f"model {model!r} names no provider that we know",
        remedy=f"Write rules, or PROVIDER/MODEL like openai/gpt-5-mini, with one of {', '.join(KEYS)}",
    )


def key_for(model: str, environ: Mapping[str, str]) -> SecretStr | None:
    """The provider's key in `environ`, if there is one."""
    keys = (environ[name] for name in KEYS.get(provider_of(model), ()) if environ.get(name))
    return next((SecretStr(each) for each in keys), None)


def require_key(model: str, environ: Mapping[str, str]) -> None:
    """Raise `UsageError` naming the variable when the provider needs a key that `environ` lacks."""
    names = KEYS.get(provider_of(model), ())
    if names and key_for(model, environ) is None:
        raise UsageError(
            f"{model} needs a key, and {' or '.join(names)} is not set", remedy=f"Set {names[0]}, or use --model rules"
        )
