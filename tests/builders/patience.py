"""Waiting in tests for what another thread or task does: as short as it takes, and never for good."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

T = TypeVar("T")

PATIENCE_S = 5.0
"""For what must come."""
A_WHILE_S = 0.1
"""For what must not."""
_STEP_S = 0.002


async def soon(coming: Awaitable[T]) -> T:
    """What comes. Raises `TimeoutError` when it doesn't."""
    return await asyncio.wait_for(coming, PATIENCE_S)


async def never(coming: Awaitable[object]) -> None:
    """Fails the test when it comes after all."""
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(coming, A_WHILE_S)


async def until(condition: Callable[[], object]) -> None:
    """Once `condition` is true. Fails the test when it never is."""
    for _ in range(int(PATIENCE_S / _STEP_S)):
        if condition():
            return
        await asyncio.sleep(_STEP_S)
    pytest.fail("it never was")
