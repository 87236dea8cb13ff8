"""Effects: everything that is not computed, through one door that can be recorded and played back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from pydantic import TypeAdapter

from domain.clock import Clock
from domain.digest import canonical

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """What an effect returned, not recorded yet."""

    value: T
    keep: Callable[[], None]
    """Record it, with the transaction that is open. Of an answer that was played back there is nothing to do."""


class Effects(Protocol):
    """Bound to one (run, cycle, node, subject). Calls are numbered in the order they are made.

    An effect whose number is on the tape is played back and not performed, so a node that runs
    again repeats nothing. What is returned has always been through its recorded form: live and
    replay see the same value.
    """

    async def once(
        self,
        name: str,
        request: object,
        *,
        returns: TypeAdapter[T],
        perform: Callable[[], Awaitable[T]],
        durable: bool = False,
    ) -> T:
        """Perform and record, or play back.

        `request` is what was asked, in canonical form on the tape; playback with another request
        raises `ReplayDiverged`. `durable` commits before returning: for what was paid for or can't be
        asked again.
        """
        ...

    async def answer(
        self, name: str, request: object, *, returns: TypeAdapter[T], perform: Callable[[], Awaitable[T]]
    ) -> Answer[T]:
        """As `once`, and left to the caller to record: with what is booked of it, or not at all."""
        ...

    def now(self) -> datetime:
        """The clock, as an effect: recorded and played back like the others."""
        ...


def through(value: T, returns: TypeAdapter[T]) -> tuple[str, T]:
    """The recorded form of `value`, and the value that comes back from it."""
    body = canonical(value)
    return body, returns.validate_json(body)


class Unrecorded:
    """Effects that are performed and not kept: notebooks and unit tests."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def once(
        self,
        name: str,
        request: object,
        *,
        returns: TypeAdapter[T],
        perform: Callable[[], Awaitable[T]],
        durable: bool = False,
    ) -> T:
        return through(await perform(), returns)[1]

    async def answer(
        self, name: str, request: object, *, returns: TypeAdapter[T], perform: Callable[[], Awaitable[T]]
    ) -> Answer[T]:
        return Answer(through(await perform(), returns)[1], keep=_discard)

    def now(self) -> datetime:
        return self._clock.now()


def _discard() -> None:
    """Where nothing is recorded."""
