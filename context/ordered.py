"""Values kept in the order of their keys."""

from __future__ import annotations

from bisect import bisect_left
from typing import Generic, TypeVar

from context.entry import Age, Order

Key = TypeVar("Key", str, Age, Order)
Held = TypeVar("Held")


class Ordered(Generic[Key, Held]):
    """Values in the order of their keys, which are unique. One more or one less costs a bisection."""

    __slots__ = ("keys", "values")

    def __init__(self) -> None:
        self.keys: list[Key] = []
        self.values: list[Held] = []

    def at(self, key: Key) -> int:
        """Where the value of `key` stands, or would stand."""
        if not self.keys or self.keys[-1] < key:  # what comes sorted goes to the end
            return len(self.keys)
        return bisect_left(self.keys, key)

    def get(self, key: Key) -> Held | None:
        at = self.at(key)
        return self.values[at] if at < len(self.keys) and self.keys[at] == key else None

    def insert(self, key: Key, value: Held) -> int:
        at = self.at(key)
        self.keys.insert(at, key)
        self.values.insert(at, value)
        return at

    def remove(self, key: Key) -> int:
        at = self.at(key)
        del self.keys[at], self.values[at]
        return at
