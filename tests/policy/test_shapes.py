"""What the policy's values are made of: each field, its bounds, its default, as archives and policy files have them.

Facts, verdicts and consents are read again years later. A change of a shape that is meant is written down by
`python tests/policy/test_shapes.py`; look at what it changes.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import pkgutil
import sys
from collections.abc import Iterator
from decimal import (
    ROUND_DOWN,
    ROUND_HALF_EVEN,
    ROUND_UP,
    DefaultContext,
    DivisionByZero,
    Inexact,
    InvalidOperation,
    Overflow,
)
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.json_schema import models_json_schema

import policy
from policy.check import Check
from policy.limits import Section, Tighter
from policy.ruling import Ruling
from policy.verdict import Finding

WRITTEN = Path(__file__).with_name("shapes.json")
FRESH = "python tests/policy/test_shapes.py writes it down"


def modules() -> Iterator[Any]:
    for found in pkgutil.walk_packages(policy.__path__, "policy."):
        yield importlib.import_module(found.name)


def models() -> dict[str, type[BaseModel]]:
    return {
        f"{module.__name__}.{name}": thing
        for module in modules()
        for name, thing in vars(module).items()
        if isinstance(thing, type) and issubclass(thing, BaseModel) and thing.__module__ == module.__name__
    }


def shapes() -> dict[str, Any]:
    """The JSON Schema of each model; with it which fields are left out of JSON while they say nothing."""
    _, schema = models_json_schema([(model, "validation") for model in models().values()])
    told: dict[str, Any] = {**schema["$defs"], "Finding": TypeAdapter(Finding).json_schema()}
    for model in models().values():
        told[model.__name__]["absent"] = {
            field: getattr(info.exclude_if, "__name__", None)
            for field, info in model.model_fields.items()
            if info.exclude_if is not None
        }
    return json.loads(json.dumps(told), object_hook=_settled)  # type: ignore[no-any-return]


def _settled(found: dict[str, Any]) -> dict[str, Any]:
    """With the sets among its defaults in one order: they have none of their own."""
    return {**found, "default": _in_order(found["default"])} if "default" in found else found


def _in_order(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _in_order(inner) for name, inner in value.items()}
    return sorted(map(_in_order, value), key=str) if isinstance(value, list) else value


SHAPES = shapes()


@pytest.mark.parametrize("name", sorted(SHAPES))
def test_a_shape_is_as_it_was_written_down(name: str) -> None:
    assert SHAPES[name] == json.loads(WRITTEN.read_text("utf-8")).get(name), FRESH


def test_nothing_is_written_down_that_is_gone() -> None:
    assert json.loads(WRITTEN.read_text("utf-8")).keys() == SHAPES.keys(), FRESH


@pytest.mark.parametrize("name", list(models()))
def test_what_a_field_is_when_it_is_not_given_is_something_it_may_be(name: str) -> None:
    for info in models()[name].model_fields.values():
        if not info.is_required():
            default = info.get_default(call_default_factory=True, validated_data={})
            adapter: TypeAdapter[Any] = TypeAdapter(info.rebuild_annotation())
            assert adapter.validate_python(default) == default


SECTIONS = {name: model for name, model in models().items() if issubclass(model, Section)}


@pytest.mark.parametrize("name", list(SECTIONS))
def test_a_whole_number_or_a_switch_is_not_taken_from_text(name: str) -> None:
    for info in SECTIONS[name].model_fields.values():
        adapter: TypeAdapter[Any] = TypeAdapter(info.rebuild_annotation())
        schema = adapter.json_schema()
        kinds = {schema.get("type"), *(choice.get("type") for choice in schema.get("anyOf", ()))}
        for kind, text in (("integer", "100"), ("boolean", "true")):
            if kind in kinds:
                with pytest.raises(ValidationError):
                    adapter.validate_python(text)


@pytest.mark.parametrize("kind", [Check, Finding])
def test_what_is_no_model_can_not_be_changed_either(kind: type) -> None:
    one = kind(**{field.name: None for field in dataclasses.fields(kind)})
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.code = "OTHER"
    with pytest.raises((AttributeError, TypeError)):
        object.__setattr__(one, "other", 1)


def test_directions_are_said_in_the_words_of_the_published_schema() -> None:
    assert [direction.value for direction in Tighter] == [
        "a lower number",
        "a higher number",
        "fewer entries; unset stands for all",
        "more entries",
        "true",
        "false",
        "the later word of warn, review, deny",
        "it only warns",
    ]


def test_a_ruling_compares_nothing_unless_it_says_so() -> None:
    assert Ruling("pass", "fine") == ("pass", "fine", None, None, "", False)


@pytest.fixture
def other_defaults() -> Iterator[None]:
    """Decimal's defaults as a caller may have changed them, down to the last."""
    kept = DefaultContext.copy()
    DefaultContext.prec, DefaultContext.rounding, DefaultContext.clamp = 5, ROUND_UP, 1
    DefaultContext.Emin, DefaultContext.Emax = -5, 5
    for trap in DefaultContext.traps:
        DefaultContext.traps[trap] = not DefaultContext.traps[trap]
    yield
    for name in ("prec", "rounding", "clamp", "Emin", "Emax"):
        setattr(DefaultContext, name, getattr(kept, name))
    DefaultContext.traps.update(kept.traps)


@pytest.mark.parametrize(
    ("name", "rounding", "traps"),
    [
        ("EXACT", ROUND_HALF_EVEN, {Inexact, InvalidOperation, DivisionByZero, Overflow}),
        ("DOWN", ROUND_DOWN, {InvalidOperation, DivisionByZero, Overflow}),
    ],
)
@pytest.mark.usefixtures("other_defaults")
def test_the_arithmetic_is_the_gates_own_in_every_detail(name: str, rounding: str, traps: set[type]) -> None:
    context = getattr(imported_anew("policy.exact"), name)
    assert (context.prec, context.rounding, context.clamp) == (100, rounding, 0)
    assert (context.Emin, context.Emax) == (-999_999, 999_999)
    assert {trap for trap, is_set in context.traps.items() if is_set} == traps


def imported_anew(name: str) -> Any:
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    WRITTEN.write_text(json.dumps(SHAPES, indent=1, sort_keys=True) + "\n", "utf-8")
    sys.stdout.write(f"{len(SHAPES)} shapes are in {WRITTEN.name}\n")
