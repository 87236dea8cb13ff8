"""Policy files that extend others: what each states, laid over what is below it, and whose a problem is."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from domain import toml
from domain.errors import PolicyFileError
from domain.text import visible

EXTENDS: Final = "extends"
"""A shipped profile's name, or a path from the file's own folder: what the file states is laid over that."""

WITHOUT: Final = "without"
"""Sections, or keys as `section.key`, of what is extended that the file takes away before it states its own."""

MOST_FILES: Final = 8
"""Of one policy, each extended by the one before it."""

Read = Callable[[str, str], tuple[str, str]]
"""What a file extends, and the name of that file, to the name and the text of what it extends."""


@dataclass(frozen=True, slots=True)
class Layer:
    """What one file states, and what is wrong with how it extends another."""

    source: str
    stated: Mapping[str, Any]
    without: tuple[str, ...] = ()
    problems: list[str] = field(default_factory=list)


def layers(text: str, *, source: str, read: Read | None) -> tuple[Layer, ...]:
    """The file and what it extends, the file itself first.

    Raises `PolicyFileError` where one is not TOML, extends what can't be read, itself, or too many.
    """
    stack: list[Layer] = []
    while True:
        stated = _loads(text, source=source)
        if stack:
            stated.pop("name", None)  # a policy has a name of its own
        layer, base = _layer(stated, source=source)
        stack.append(layer)
        if base is None:
            return tuple(stack)
        if read is None:
            raise PolicyFileError(f"{source} extends {base!r}, and no file is read here")
        source, text = read(base, source)
        chain = " -> ".join([*(each.source for each in stack), source])
        if source in {each.source for each in stack}:
            raise PolicyFileError(f"{source} extends itself: {chain}", remedy="Take one of these extends out")
        if len(stack) == MOST_FILES:
            raise PolicyFileError(f"more than {MOST_FILES} policy files extend each other: {chain}")


def merged(stack: Sequence[Layer]) -> dict[str, Any]:
    """What the files state together: each section's keys over those of the section below.

    What `without` names and nothing below states is added to the problems of its layer.
    """
    together: dict[str, Any] = {}
    for layer in reversed(stack):
        for path in layer.without:
            if not _removed(together, path):
                layer.problems.append(f"{WITHOUT}: nothing below states {visible(path)}{_alike(path, together)}")
        for name, value in layer.stated.items():
            below = together.get(name)
            together[name] = below | value if isinstance(below, dict) and isinstance(value, dict) else value
    return together


def stated_by(path: Sequence[str], stack: Sequence[Layer]) -> Layer:
    """The uppermost file that states `path`, or the nearest part of it; the first where none states any."""
    for end in range(len(path), 0, -1):
        for layer in stack:
            if _states(layer, path[:end]):
                return layer
    return stack[0]


def _loads(text: str, *, source: str) -> dict[str, Any]:
    try:
        return toml.loads(text, parse_float=_number)
    except tomllib.TOMLDecodeError as error:
        raise PolicyFileError(f"{source} is not TOML: {error}") from error
    except ValueError as error:
        raise PolicyFileError(f"{source} {str(error).removeprefix('it ')}") from error


def _number(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent beyond any decimal
        return Decimal("NaN")


def _layer(stated: dict[str, Any], *, source: str) -> tuple[Layer, str | None]:
    """The file, and what it extends."""
    problems: list[str] = []
    base, without = stated.pop(EXTENDS, None), stated.pop(WITHOUT, None)
    if base is not None and not (isinstance(base, str) and base):
        problems.append(f"{EXTENDS}: expected a profile's name or a path in quotes, not {visible(str(base))}")
        base = None
    listed = isinstance(without, list) and all(isinstance(each, str) for each in without)
    if without is not None and not listed:
        problems.append(
            f"{WITHOUT}: expected a list of sections or of keys as section.key, not {visible(str(without))}"
        )
    elif without and base is None and not problems:
        problems.append(f"{WITHOUT}: is for files that extend another")
    return Layer(source, stated, tuple(without) if listed and base is not None else (), problems), base


def _removed(together: dict[str, Any], path: str) -> bool:
    section, dot, key = path.partition(".")
    if not dot:
        return together.pop(section, None) is not None
    below = together.get(section)
    if not isinstance(below, dict) or key not in below:
        return False
    together[section] = {name: value for name, value in below.items() if name != key}
    return True


def _alike(path: str, together: Mapping[str, Any]) -> str:
    alike = difflib.get_close_matches(path, list(_paths(together)), n=1)
    return f"; did you mean {alike[0]}?" if alike else ""


def _paths(together: Mapping[str, Any]) -> Iterator[str]:
    for section, below in together.items():
        yield section
        yield from (f"{section}.{key}" for key in below) if isinstance(below, dict) else ()


def _states(layer: Layer, path: Sequence[str]) -> bool:
    if ".".join(path) in layer.without:
        return True
    value: Any = layer.stated
    for part in path:
        if not isinstance(value, dict):
            return True  # within a list, or in place of a table
        if part not in value:
            return False
        value = value[part]
    return True
