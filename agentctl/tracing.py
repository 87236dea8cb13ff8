"""Environment variables with which libraries below us send prompts, answers or a run's state to somebody else.

Names and values as the installed langsmith, langchain-core and litellm read them. Keys and addresses alone switch
nothing on.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Final

from domain.errors import Refused

_LANGSMITH: Final = "LangSmith: the whole state of every cycle"
_SWITCHES: Final[Mapping[str, str]] = {
    "LANGSMITH_TRACING_V2": _LANGSMITH,
    "LANGCHAIN_TRACING_V2": _LANGSMITH,
    "LANGSMITH_TRACING": _LANGSMITH,
    "LANGCHAIN_TRACING": _LANGSMITH,
    "USE_LITELLM_PROXY": "a LiteLLM proxy: every prompt",
    "LITELLM_LENS_URL": "LiteLLM Lens: every prompt and answer",
}
_OFF: Final = frozenset({"", "0", "false", "no", "off"})
_CALLBACKS: Final = (
    "callbacks",
    "input_callback",
    "success_callback",
    "failure_callback",
    "service_callback",
    "_async_success_callback",
    "_async_failure_callback",
)
_LOCAL: Final = frozenset({"cache"})
"""Callbacks that litellm gives itself and that stay in this process."""
_IDLE: Final = (
    "LANGSMITH_API_KEY",
    "LANGCHAIN_API_KEY",
    "LANGSMITH_ENDPOINT",
    "LANGCHAIN_ENDPOINT",
    "LANGSMITH_RUNS_ENDPOINTS",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "LANGFUSE_SECRET_KEY",
)
"""Where to and with what key, for what is not switched on by them."""


def switched_on(environ: Mapping[str, str]) -> Sequence[str]:
    """What sends elsewhere, each with where and what: variables, and callbacks that somebody gave to litellm."""
    variables = [
        f"{name} sends to {where}"
        for name, where in _SWITCHES.items()
        if environ.get(name, "").strip().lower() not in _OFF
    ]
    litellm = sys.modules.get("litellm")  # not imported for this: it takes seconds
    callbacks = [name for name in _CALLBACKS if set(map(str, getattr(litellm, name, ()) or ())) - _LOCAL]
    return [*variables, *(f"litellm.{name} hears every prompt and answer" for name in callbacks)]


def idle(environ: Mapping[str, str]) -> Sequence[str]:
    """Variables that would be used if something was switched on."""
    return [name for name in _IDLE if environ.get(name)]


def require_untraced(environ: Mapping[str, str], *, allowed: bool) -> None:
    """Raises `Refused` where a live run would send what it knows elsewhere and nobody said that it may."""
    if not allowed and (senders := switched_on(environ)):
        raise Refused(
            f"a live run tells nobody what it does, and {'; '.join(senders)}",
            remedy="Unset it, or set allow_tracing = true under [live]",
        )
