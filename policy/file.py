"""The policy file: TOML text to a `Policy`, or every problem in it at once; and back. Reading files is the caller's."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from domain.digest import plain
from domain.errors import PolicyFileError
from domain.text import visible
from domain.value import Symbol, Value
from policy.layers import EXTENDS, WITHOUT, Layer, Read, layers, merged, stated_by
from policy.limits.conduct import AgentName, Clock
from policy.policy import Policy, PolicyName

_LONGEST_VALUE = 60
"""Characters of a wrong value that are shown."""

_NO_PLACE = ("[key]", "literal[")
"""Parts of pydantic's paths that stand for no place in the file."""

_SECTION = "a section of settings"
_NUMBER = "a number"
_EXPECTED: Final[Mapping[str, str]] = {
    "model_type": _SECTION,
    "dict_type": "a table of settings",
    "frozen_set_type": "a list",
    "string_type": "text in quotes",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "decimal_type": _NUMBER,
    "decimal_parsing": _NUMBER,
    "finite_number": _NUMBER,
}
"""Where pydantic's own words speak of classes."""

_BOUNDS: Final[Mapping[str, tuple[str, str]]] = {
    "less_than_equal": ("le", "at most"),
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
}


def _pattern(annotated: object) -> str:
    (pattern,) = (p for meta in get_args(annotated)[1:] for p in _patterns(meta))
    return pattern


def _patterns(meta: object) -> list[str]:
    """Of a `StringConstraints`, or of a `Field`, which keeps its constraints in a list."""
    inner = [getattr(each, "pattern", None) for each in (meta, *getattr(meta, "metadata", ()))]
    return [pattern for pattern in inner if isinstance(pattern, str)]


_FORMS: Final[Mapping[str, str]] = {
    _pattern(Symbol): "a symbol such as BTC/USDT",
    _pattern(PolicyName): "a name in small letters such as my-policy",
    _pattern(AgentName): "an agent's name such as risk",
    _pattern(Clock): "a time of day such as 09:30",
}


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """A policy, and the names of the files that it extends, the nearest first."""

    policy: Policy
    extends: tuple[str, ...]


def parse_policy(text: str, *, source: str, knows_zone: Callable[[str], bool] | None = None) -> Policy:
    """The policy that `text` states by itself; see `parse_file`."""
    return parse_file(text, source=source, knows_zone=knows_zone).policy


def parse_file(
    text: str, *, source: str, knows_zone: Callable[[str], bool] | None = None, read: Read | None = None
) -> PolicyFile:
    """The policy that `text` states, laid over what it extends, which `read` reads. `source` names it in errors.

    `knows_zone` tells whether a time zone is known where the policy is to be used; without it none is doubted.
    Raises `PolicyFileError` with one line per problem, by file: where, what was expected, what was found.
    """
    stack = layers(text, source=source, read=read)
    stated = merged(stack)
    policy: Policy | None = None
    try:
        policy = Policy.model_validate(stated)
    except ValidationError as error:
        for path, line in _lines(error.errors(include_url=False)):
            stated_by(path, stack).problems.append(line)
    zone = policy.day.time_zone if policy else _stated_zone(stated)
    if knows_zone is not None and zone is not None and not knows_zone(zone):
        line = f"day.time_zone: expected a time zone known here such as America/New_York, not {_as_written(zone)}"
        stated_by(("day", "time_zone"), stack).problems.append(line)
    if policy is None or any(layer.problems for layer in stack):
        raise PolicyFileError("\n".join(_report(stack)))
    return PolicyFile(policy=policy, extends=tuple(layer.source for layer in stack[1:]))


def _report(stack: Sequence[Layer]) -> Iterator[str]:
    for layer in stack:
        if count := len(layer.problems):
            extended = "" if layer is stack[0] else f", which {stack[0].source} extends,"
            yield f"{layer.source}{extended} has {count} problem{'s' if count > 1 else ''}:"
            yield from (f"  {line}" for line in layer.problems)


def _stated_zone(stated: Mapping[str, object]) -> str | None:
    """The time zone of a policy that has other problems, where it names any."""
    day = stated.get("day")
    zone = day.get("time_zone") if isinstance(day, dict) else None
    return zone if isinstance(zone, str) else None


def toml(policy: Policy) -> str:
    """`policy` as a file that states every setting in effect; `parse_policy` gives the same one back."""
    lines = [f"name = {written(policy.name)}"]
    for name in Policy.model_fields:
        section = getattr(policy, name)
        if isinstance(section, Value):
            lines += ["", f"[{name}]"]
            lines += [f"{key} = {written(value)}" for key, value in section if value is not None]
    return "\n".join(lines) + "\n"


def written(value: object) -> str:
    """One setting as TOML writes it; `unset` for none, which TOML leaves out."""
    if value is None:
        return "unset"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, Set):
        return f"[{', '.join(sorted(written(each) for each in value))}]"
    if isinstance(value, Value):
        value = {key: each for key, each in value if each is not None}
    if isinstance(value, Mapping):
        pairs = (f"{key if str(key).isidentifier() else json.dumps(key)} = {written(value[key])}" for key in value)
        return f"{{ {', '.join(pairs)} }}" if value else "{}"
    return str(value)


def _lines(problems: Sequence[ErrorDetails]) -> list[tuple[tuple[str, ...], str]]:
    """One line a problem, with its path. Pydantic names each kind that a value could have been of its own."""
    places: dict[tuple[str, ...], list[ErrorDetails]] = {}
    for problem in problems:
        path = tuple(part for each in problem["loc"] if not (part := str(each)).startswith(_NO_PLACE))
        places.setdefault(path, []).append(problem)
    return [(path, _line(path, errors)) for path, errors in places.items()]


def _line(path: tuple[str, ...], problems: Sequence[ErrorDetails]) -> str:
    where, problem = visible(".".join(path), limit=_LONGEST_VALUE), problems[0]
    if problem["type"] == "missing":
        return f"{where}: is missing"
    if problem["type"] == "extra_forbidden":
        return f"{where}: unknown key{_nearest(path)}"
    if problem["type"] == "value_error":
        return f"{where}: {problem['msg'].removeprefix('Value error, ')}"
    expected = ", or ".join(dict.fromkeys(_expected(each) for each in problems))
    return f"{where}: expected {expected}, not {_as_written(problem['input'])}"


def _expected(problem: ErrorDetails) -> str:
    kind, context = problem["type"], problem.get("ctx", {})
    if kind in _BOUNDS:
        key, words = _BOUNDS[kind]
        hint = " (ten per cent is 0.1)" if (key, context[key]) == ("le", 1) else ""
        return f"{words} {context[key]}{hint}"
    if kind == "literal_error":
        return str(context["expected"])
    if kind == "string_pattern_mismatch":
        return _FORMS.get(context["pattern"], f"text like {context['pattern']}")
    return _EXPECTED.get(kind) or problem["msg"].removeprefix("Input should be ")


def _as_written(value: object) -> str:
    """As it stands in the file, so that it can be found there; of a table or a list only that it is one."""
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list"
    text = written(value) if isinstance(value, bool) else repr(value) if isinstance(value, str) else str(value)
    return visible(text, limit=_LONGEST_VALUE)


def _nearest(path: Sequence[str]) -> str:
    """The keys that could stand there, the most alike alone where one is."""
    known = sorted([*_section(path[:-1]).model_fields, *(() if path[:-1] else (EXTENDS, WITHOUT))])
    alike = difflib.get_close_matches(path[-1], known, n=1)
    return f"; did you mean {alike[0]}?" if alike else f"; known are {', '.join(known)}"


def _section(path: Sequence[str]) -> type[Value]:
    section: type[Value] = Policy
    for name in path:
        annotation = section.model_fields[name].annotation
        section = next(kind for kind in (*get_args(annotation), annotation) if _is_section(kind))
    return section


def _is_section(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, Value)
