"""The policy file: TOML text to a `Policy`, or every problem in it at once. Reading the file is the caller's."""

from __future__ import annotations

import difflib
import tomllib
from decimal import Decimal, InvalidOperation
from typing import get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from domain.errors import PolicyFileError
from domain.text import visible
from domain.value import Value
from policy.policy import Policy

_SHOWN = 60
"""Characters of a wrong value that are shown."""

_EXPECTED = {"model_type": "expected a section of settings", "frozen_set_type": "expected a list"}
"""Where pydantic's own words speak of classes."""


def parse_policy(text: str, *, source: str) -> Policy:
    """The policy that `text` states. `source` names it in errors.

    Raises `PolicyFileError` with one line per problem: where, what was expected, what was found.
    """
    try:
        stated = tomllib.loads(text, parse_float=_number)
    except tomllib.TOMLDecodeError as error:
        raise PolicyFileError(f"{source} is not TOML: {error}") from error
    except RecursionError as error:
        raise PolicyFileError(f"{source} is nested too deeply") from error
    try:
        return Policy.model_validate(stated)
    except ValidationError as error:
        problems = error.errors(include_url=False)
        lines = [f"{source} has {len(problems)} problem{'s' if len(problems) > 1 else ''}:"]
        lines += [f"  {_line(problem)}" for problem in problems]
        raise PolicyFileError("\n".join(lines)) from error


def _number(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent beyond any decimal
        return Decimal("NaN")


def _line(problem: ErrorDetails) -> str:
    path = [str(part) for part in problem["loc"]]
    where = visible(".".join(path), limit=_SHOWN)
    if problem["type"] == "missing":
        return f"{where}: is missing"
    if problem["type"] == "extra_forbidden":
        return f"{where}: unknown key{_nearest(path)}"
    expected = _EXPECTED.get(problem["type"]) or problem["msg"].removeprefix("Value error, ")
    if isinstance(problem["input"], dict):
        return f"{where}: {expected}"
    return f"{where}: {expected}, not {visible(_as_written(problem['input']), limit=_SHOWN)}"


def _as_written(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value) if isinstance(value, str) else str(value)


def _nearest(path: list[str]) -> str:
    """The keys that could stand there, the most alike alone where one is."""
    known = sorted(_section(path[:-1]).model_fields)
    alike = difflib.get_close_matches(path[-1], known, n=1)
    return f"; did you mean {alike[0]}?" if alike else f"; known are {', '.join(known)}"


def _section(path: list[str]) -> type[Value]:
    found: type[Value] = Policy
    for name in path:
        annotation = found.model_fields[name].annotation
        found = next(kind for kind in (*get_args(annotation), annotation) if _is_section(kind))
    return found


def _is_section(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, Value)
