"""What comes back from a tool call: a value, or a named failure that is a value too."""

from __future__ import annotations

from typing import Generic, Literal, Self, TypeVar

from pydantic import model_validator

from domain.errors import AgentctlError, ServiceUnavailable, SymbolUnknown
from domain.text import visible
from domain.value import Value


class ToolRetry(AgentctlError):
    """The tool could not answer this time; the same or a corrected call may succeed."""


class ToolFailed(AgentctlError):
    """The tool cannot answer, and asking again will not change that."""


R = TypeVar("R", bound=Value)

Failure = Literal[
    "invalid",  # the parameters do not fit
    "unknown_symbol",
    "rate_limited",  # no turn within the time that the tool has
    "open_circuit",  # it failed too often; it is left alone for a while
    "timeout",
    "unavailable",  # the service behind it did not answer
    "try_again",  # the tool said that asking again may help, and it did not within its attempts
    "failed",  # the tool said that asking again will not help
    "crashed",  # a defect in the tool
]

UNANSWERED = frozenset[Failure]({"timeout", "unavailable", "try_again"})
"""Failures that speak of the service and not of the question: these open a circuit."""


class ToolResult(Value, Generic[R]):
    """`value`, or `failure` with an `error` to read. The error is untrusted text, made safe to show."""

    name: str
    value: R | None = None
    failure: Failure | None = None
    error: str = ""

    @property
    def ok(self) -> bool:
        return self.failure is None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.value is None) == (self.failure is None):
            raise ValueError("a tool result has either a value or a failure")
        return self


def failure_of(error: Exception) -> Failure:
    """The name of what went wrong."""
    match error:
        case SymbolUnknown():
            return "unknown_symbol"
        case TimeoutError():
            return "timeout"
        case ServiceUnavailable():
            return "unavailable"
        case ToolRetry():
            return "try_again"
        case AgentctlError():
            return "failed"
    return "crashed"


def words_of(error: Exception) -> str:
    """One visible line. An error that is not ours, or says nothing, is shown with its type."""
    text = str(error)
    if not text or not isinstance(error, AgentctlError | TimeoutError):
        text = f"{type(error).__name__}: {text}".rstrip(": ")
    return visible(text, limit=300)
