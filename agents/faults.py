"""What a provider's error means: its kind, and whether the same request can ever succeed."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import Literal, get_args

from domain.text import visible

Kind = Literal[
    "auth",
    "quota",
    "rate_limit",
    "too_large",
    "context_length",
    "not_found",
    "bad_request",
    "timeout",
    "unavailable",
    "no_server",
]

KINDS: frozenset[str] = frozenset(get_args(Kind))

RETRYABLE = frozenset[Kind]({"rate_limit", "timeout", "unavailable", "no_server"})

_LOOKS_SECRET = re.compile(r"\b(?:sk|pk|rk|xai|gsk|AIza|Bearer)[-_ ]?[\w*.-]{8,}|(?<=key=)[^&\s]+", re.ASCII)

_MESSAGE = re.compile(r'"(?:message|error)"\s*:\s*"((?:[^"\\]|\\.)+)"')


def fault_of(error: Exception) -> Kind:
    """Sort an error of LiteLLM, by status first and words second: providers disagree on both.

    Some 429s say that this one request is larger than a minute's allowance, and some that the account
    is empty: those never succeed by asking again. A bad key is HTTP 400 at xAI and Google.
    """
    status, words = getattr(error, "status_code", None), str(error).lower()
    if _unconnected(error):
        return "no_server"
    if isinstance(error, TimeoutError) or status == 408 or type(error).__name__ == "Timeout":
        return "timeout"
    if _says(words, "insufficient balance", "insufficient_quota", "exceeded your current quota") or status == 402:
        return "quota"
    if status == 429:
        return "too_large" if _says(words, "request too large") or _told_not_to_retry(error) else "rate_limit"
    if type(error).__name__ == "ContextWindowExceededError":
        return "context_length"
    if status in (401, 403) or _says(words, "incorrect api key", "api key not valid", "api_key_invalid"):
        return "auth"
    if status == 404:
        return "not_found"
    if isinstance(status, int) and 400 <= status < 500:
        return "bad_request"
    return "unavailable"


def may_be_billed(error: Exception, kind: Kind) -> bool:
    """Whether the provider may have worked on a request that failed: it was sent, and its answer never came whole."""
    if _unconnected(error):
        return False
    names = {type(each).__name__ for each in _chain(error)}
    return kind == "timeout" or bool(names & {"ReadError", "ReadTimeout", "RemoteProtocolError"})


def _unconnected(error: Exception) -> bool:
    """Whether nobody was there to take the request. The names are httpx's."""
    return any(type(each).__name__ in ("ConnectError", "ConnectTimeout", "PoolTimeout") for each in _chain(error))


def retry_after_s(error: Exception) -> float | None:
    """How long the provider says to wait; a moment instead of a span counts from the moment of its answer."""
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    headers = {**headers, **(getattr(error, "litellm_response_headers", None) or {})}
    by_name = {str(name).lower(): str(value) for name, value in headers.items()}
    for name, unit in (("retry-after-ms", 1_000), ("retry-after", 1)):
        with suppress(KeyError, ValueError):
            span_s = float(by_name[name]) / unit
            if math.isfinite(span_s):
                return max(0.0, span_s)
    with suppress(KeyError, ValueError, TypeError):
        until, at = (parsedate_to_datetime(by_name[name]) for name in ("retry-after", "date"))
        return max(0.0, (until - at).total_seconds())
    return None


def _chain(error: BaseException) -> list[BaseException]:
    """An error with those that led to it."""
    chain: list[BaseException] = []
    while error not in chain:
        chain.append(error)
        error = error.__cause__ or error.__context__ or error
    return chain


def words_of(error: Exception) -> str:
    """The provider's own message where the error quotes one, else the error's text, else its type."""
    text = str(error)
    quoted = _MESSAGE.search(text)
    return (quoted[1] if quoted else text.rpartition("Exception - ")[2]) or type(error).__name__


def masked(text: str, secrets: Sequence[str] = ()) -> str:
    """`text` in one visible line, without `secrets` and without what looks like a key."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "***")
    return visible(_LOOKS_SECRET.sub("***", text), limit=300)


def _says(words: str, *phrases: str) -> bool:
    return any(phrase in words for phrase in phrases)


def _told_not_to_retry(error: Exception) -> bool:
    headers = getattr(error, "litellm_response_headers", None) or {}
    return str(headers.get("x-should-retry", "")).lower() == "false"
