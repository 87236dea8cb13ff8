"""Which of two policies refuses less, setting by setting, told from the direction that every setting carries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple, assert_never, get_args

from policy.file import written
from policy.limits import Section, Soft, Tighter
from policy.limits.order import QuantityLimits
from policy.limits.section import Breach
from policy.policy import Policy

_BREACHES: Final = get_args(Breach)
"""From the mildest to the strictest."""

_OPEN_WHEN_MISSING: Final = frozenset({"escalation"})
"""Sections without which nothing acts. Without any other, what needs it is refused."""


def _section(annotation: object) -> type[Section] | None:
    kinds = (annotation, *get_args(annotation))
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Section)), None)


SECTIONS: Final[Mapping[str, type[Section]]] = {
    name: kind for name, field in Policy.model_fields.items() if (kind := _section(field.annotation)) is not None
}
"""The sections of a policy by their names."""


class Pair(NamedTuple):
    """One setting in which two policies differ. Each side may refuse less in it, both in part, or neither.

    `path` names a whole section where one policy has none, and a key where the setting is a table.
    """

    path: str
    first: object
    second: object
    first_refuses_less: bool
    second_refuses_less: bool


def tighter(section: type[Section], name: str) -> Tighter | None:
    """The direction of a setting; none for one that only says when or how things are counted."""
    return next((each for each in section.model_fields[name].metadata if isinstance(each, Tighter)), None)


def differing(first: Policy, second: Policy) -> Iterator[Pair]:
    """Every setting in which the policies differ, in the order of the sections. Names are not settings."""
    for name, kind in SECTIONS.items():
        mine, other = getattr(first, name), getattr(second, name)
        if mine == other:
            continue
        if mine is None or other is None:
            opens = name in _OPEN_WHEN_MISSING
            yield Pair(name, mine, other, (mine is None) == opens, (other is None) == opens)
        else:
            yield from _within(name, kind, mine, other)


def loosened(policy: Policy, *, than: Policy) -> tuple[str, ...]:
    """Every setting in which `policy` refuses less than `than`, with both values; none when it only tightens.

    What has no direction, as where a day begins, counts: moving it may forgive a loss.
    """
    pairs = (pair for pair in differing(than, policy) if pair.second_refuses_less)
    return tuple(f"{pair.path}: {written(pair.second)}, not {written(pair.first)}" for pair in pairs)


def _within(section: str, kind: type[Section], first: Section, second: Section) -> Iterator[Pair]:
    for name in kind.model_fields:
        mine, other, direction = getattr(first, name), getattr(second, name), _direction(name, first, second)
        path = f"{section}.{name}"
        if mine == other:
            continue
        if isinstance(mine, Mapping):
            yield from _keys(path, _Table.of(first, name), _Table.of(second, name), direction)
        else:
            yield Pair(path, mine, other, _less(mine, other, direction), _less(other, mine, direction))


def _direction(name: str, *sections: Section) -> Tighter | None:
    """Of a setting of two sections of one kind."""
    if name != "enabled" and any(isinstance(each, Soft) and not each.enabled for each in sections):
        return Tighter.NEITHER  # what is turned off says nothing by its other settings
    if name in ("share_of_bar_volume", "per_symbol") and any(
        isinstance(each, QuantityLimits) and each.share_of_bar_volume is None for each in sections
    ):
        return None  # what neither of these two bounds is refused, so that another limit may let more in
    return tighter(type(sections[0]), name)


class _Table(NamedTuple):
    """A setting by keys. Where it holds exceptions, as `x_of` does to `x`, `rule` is `x`.

    Several exceptions may fit one instrument, and the lowest counts: one that is added replaces the
    rule at most, and one that is taken away may leave any of the others in force.
    """

    values: Mapping[str, Any]
    rule: Any

    @classmethod
    def of(cls, section: Section, name: str) -> _Table:
        rule = getattr(section, name.removesuffix("_of")) if name.endswith("_of") else None
        return cls(getattr(section, name), rule)

    def with_it(self, key: str) -> Any:
        return self.values.get(key, self.rule)

    def without_it(self, key: str) -> Any:
        if key in self.values or self.rule is None:
            return self.values.get(key)
        return max(self.rule, *self.values.values()) if self.values else self.rule


def _keys(path: str, first: _Table, second: _Table, direction: Tighter | None) -> Iterator[Pair]:
    for key in sorted({*first.values, *second.values}):
        mine, other = first.values.get(key), second.values.get(key)
        if mine != other:
            first_less = _less(first.without_it(key), second.with_it(key), direction)
            second_less = _less(second.without_it(key), first.with_it(key), direction)
            yield Pair(f"{path}.{key}", mine, other, first_less, second_less)


def _less(value: Any, than: Any, direction: Tighter | None) -> bool:
    """Whether `value` refuses less than `than`, and in doubt it does. What is unset sets no limit."""
    if direction is None:
        return True
    if direction is Tighter.NEITHER:
        return False
    if value is None or than is None:
        return value is not than and value is None
    match direction:
        case Tighter.LOWER:
            return bool(value > than)
        case Tighter.HIGHER:
            return bool(value < than)
        case Tighter.FEWER:
            return not value <= than
        case Tighter.MORE:
            return not value >= than
        case Tighter.TRUE:
            return not value
        case Tighter.FALSE:
            return bool(value)
        case Tighter.LATER:
            return _BREACHES.index(value) < _BREACHES.index(than)
    assert_never(direction)
