"""Values built anew from parts of exact types: whatever the original does when it is asked, a copy is what it says.

A frozen model can be changed from outside (`object.__setattr__`, `__dict__`), a subclass can answer anything, and
digests are remembered by object (`domain.digest`). So what stands before a door that costs money is not asked: it is
copied.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from decimal import Decimal
from enum import Enum
from types import NoneType
from typing import Any, Final, Literal, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

from pydantic import AwareDatetime, BaseModel, ValidationError

from domain.digest import digest
from domain.errors import NotCanonical, NotExact
from domain.text import visible

V = TypeVar("V", bound=BaseModel)

_PLAIN: Final[frozenset[type]] = frozenset({str, Decimal, bool, int, NoneType})

_name_of: Final = type.__dict__["__name__"].__get__
"""A class's own name, whatever its metaclass would say."""


def exact(kind: type[V], value: object) -> V:
    """`value` as a `kind` of its own: of exact types all the way down, validated, and with a digest.

    Made of models and dataclasses, tuples, enums, instants, texts, numbers and switches; no method, property or
    comparison of `value` runs. Raises `NotExact` with every fault.
    """
    parts, faults = parts_of(kind, value)
    if not faults:
        try:
            copy = kind.model_validate(parts)
            digest(copy)
        except ValidationError as error:
            faults = faults_in(error)
        except NotCanonical as error:
            faults = {"": error.message}
        else:
            return copy
    raise NotExact(in_words(faults))


def parts_of(kind: type[Any], value: object) -> tuple[dict[str, object], dict[str, str]]:
    """The fields of `value` that are of exact types, and by name what is wrong with others.

    What is wrong with the whole stands under the empty name.
    """
    if type(value) is not kind:
        return {}, {"": f"it is {_of_type(value)}, not {kind.__name__}"}
    parts: dict[str, object] = {}
    faults: dict[str, str] = {}
    declared, fields = _declared[kind], _fields_of(value)
    if fields is None or not declared.keys() >= fields.keys():
        return {}, {"": f"it holds what no {kind.__name__} does"}
    for name, kinds in declared.items():
        if name not in fields:
            faults[name] = "is missing"
            continue
        item = fields[name]
        if id(type(item)) in kinds.plain:
            parts[name] = item
            continue
        try:
            parts[name] = _part(item, kinds)
        except NotExact as fault:
            faults[name] = fault.message
    return parts, faults


def faults_in(error: ValidationError) -> dict[str, str]:
    """What did not validate, by the field's name. Values are not repeated."""
    errors = error.errors(include_url=False, include_context=False, include_input=False)
    return {str(one["loc"][0]) if one["loc"] else "": one["msg"] for one in errors}


def in_words(faults: Mapping[str, str]) -> str:
    return "; ".join(f"{name}: {fault}" if name else fault for name, fault in faults.items())


class _Kinds(NamedTuple):
    """Classes by their `id`, which no metaclass has a say in."""

    plain: frozenset[int]
    """Those of what nobody can change, and that does not lie where it is exactly of its type."""
    others: frozenset[int]


def _part(value: object, kinds: _Kinds) -> object:
    known = id(type(value))
    if known in kinds.plain:
        return value
    if known not in kinds.others:
        raise NotExact(f"is {_of_type(value)}")
    if isinstance(value, datetime):
        if value.tzinfo is not None and type(value.tzinfo) is not timezone:
            raise NotExact(f"has a time zone {_of_type(value.tzinfo)}")
        return value
    if isinstance(value, tuple):
        return tuple([_part(item, kinds) for item in value])
    if isinstance(value, Enum):
        if not any(value is member for member in type(value)):
            raise NotExact(f"is no {type(value).__name__}")
        return value
    parts, faults = parts_of(type(value), value)
    if faults:
        raise NotExact(in_words(faults))
    return parts


def _fields_of(value: object) -> dict[str, object] | None:
    """What an object of a known class holds; `None` where that is not by name."""
    if isinstance(value, BaseModel):
        fields = object.__getattribute__(value, "__dict__")
        return fields if type(fields) is dict and all(type(name) is str for name in fields) else None
    try:
        return {name: getattr(value, name) for name in _declared[type(value)]}
    except (AttributeError, TypeError):  # a field that was never set, or no dataclass
        return None


class _Declared(dict[type, Mapping[str, _Kinds]]):
    """By class and field, the classes that the field's annotation names; each worked out once."""

    def __missing__(self, kind: type[Any]) -> Mapping[str, _Kinds]:
        if issubclass(kind, BaseModel):
            hints = {name: field.annotation for name, field in kind.model_fields.items()}
        else:
            hints = {field.name: get_type_hints(kind)[field.name] for field in dataclasses.fields(kind)}
        return self.setdefault(kind, {name: _kinds(set(_classes(hint))) for name, hint in hints.items()})


_declared: Final = _Declared()


def _kinds(classes: set[type]) -> _Kinds:
    return _Kinds(frozenset(map(id, classes & _PLAIN)), frozenset(map(id, classes - _PLAIN)))


def _classes(annotation: Any) -> Iterator[type]:
    arguments = get_args(annotation)
    if get_origin(annotation) is Literal:
        yield from map(type, arguments)
    elif arguments:
        if isinstance(get_origin(annotation), type):
            yield get_origin(annotation)
        for argument in arguments:
            yield from _classes(argument)
    elif isinstance(annotation, type):
        yield datetime if annotation is AwareDatetime else annotation


def _of_type(value: object) -> str:
    return f"of type {visible(_name_of(type(value)), limit=40)}"
