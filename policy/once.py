"""A property that is worked out when it is first asked for, and kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class once(Generic[T]):  # noqa: N801 - a decorator, named as `property` is
    """`functools.cached_property` without its lock, which costs more than most of what is kept here.

    What raises is not kept, and raises again. In `__dict__` the value hides this descriptor.
    """

    def __init__(self, work: Callable[[Any], T]) -> None:
        self._work = work
        self._name = work.__name__
        self.__doc__ = work.__doc__

    def __get__(self, instance: object, owner: type) -> T:
        value = instance.__dict__[self._name] = self._work(instance)
        return value
