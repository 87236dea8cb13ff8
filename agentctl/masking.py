"""Masking: what a log may not say, taken out of a JSON document, with a list of what was taken."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

from domain.errors import UsageError

MASK: Final = "***"

_LOOKS_SECRET: Final = re.compile(
    r"\b(?:sk|pk|rk|xai|gsk|ghp|AKIA|AIza|Bearer)[-_ ]?[\w*.-]{8,}"  # keys and tokens as providers make them
    r"|\beyJ[\w-]{8,}\.[\w-]+"  # a signed web token
    r"|-----BEGIN [A-Z ]*PRIVATE KEY"
    r"|://[^/\s:@]+:[^/\s@]+@"  # a password in a URL
    r"|\b(?:api_?key|password|passwd|secret|token)\b\s*[=:]\s*\S+",
    re.ASCII | re.IGNORECASE,
)


def masked(
    document: Mapping[str, object], *, pointers: Collection[str], secrets: Sequence[str]
) -> tuple[dict[str, object], tuple[str, ...]]:
    """`document` with `***` at the JSON pointers, and in place of every text that holds a secret or looks like one.

    Also returns the pointers (RFC 6901) of what was taken out, in the order of the document. Raises
    `UsageError` for a pointer that doesn't begin with a slash.
    """
    for pointer in pointers:
        if not pointer.startswith("/"):
            raise UsageError(f"{pointer!r} is no JSON pointer", remedy="Write /input/proposal/rationale")
    taken: list[str] = []

    def without(value: object, at: str) -> object:
        if at in pointers or (isinstance(value, str) and _secret(value, secrets)):
            taken.append(at)
            return MASK
        if isinstance(value, Mapping):
            return {key: without(each, f"{at}/{_escaped(str(key))}") for key, each in value.items()}
        if isinstance(value, list):
            return [without(each, f"{at}/{n}") for n, each in enumerate(value)]
        return value

    clean = {key: without(value, f"/{_escaped(key)}") for key, value in document.items()}
    return clean, tuple(taken)


def key_values(names: Mapping[str, Sequence[str]], environ: Mapping[str, str]) -> Iterator[str]:
    """What `environ` holds under the `names` of the providers' key variables."""
    return (environ[name] for each in names.values() for name in each if environ.get(name))


def _secret(text: str, secrets: Sequence[str]) -> bool:
    return any(secret in text for secret in secrets) or _LOOKS_SECRET.search(text) is not None


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
