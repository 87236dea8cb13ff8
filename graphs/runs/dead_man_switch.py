"""The heartbeat of a live desk: the venue's dead-man switch is armed again and again, until the desk stops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress

from domain.clock import Sleep
from domain.errors import AgentctlError
from domain.venue import AccountVenue


@asynccontextmanager
async def heartbeat(
    venue: AccountVenue,
    *,
    timeout_s: int,
    sleep: Sleep,
    tell: Callable[[str], None],
    ensure_lease: Callable[[], None] = lambda: None,
) -> AsyncGenerator[None]:
    """While entered, resting orders are cancelled by the venue `timeout_s` after the last sign of life.

    Stops that the venue holds are not among them at the exchanges we know. Left in order, the switch is disarmed:
    then a person decides. Left by an error, it goes off. A venue without such a switch is said once. `ensure_lease`
    raises where the account may be another process's by now: then the switch is left to that one.
    """
    beating = asyncio.create_task(_beat(venue, timeout_s=timeout_s, sleep=sleep, tell=tell, ensure_lease=ensure_lease))
    try:
        yield
    finally:
        beating.cancel()
        with suppress(asyncio.CancelledError):
            await beating
    with suppress(AgentctlError):  # then it goes off, which is what it is for
        await venue.keep_alive(timeout_s=0)


async def _beat(
    venue: AccountVenue, *, timeout_s: int, sleep: Sleep, tell: Callable[[str], None], ensure_lease: Callable[[], None]
) -> None:
    silent = False
    while True:
        try:
            ensure_lease()
            if not await venue.keep_alive(timeout_s=timeout_s):
                tell("the venue has no dead-man switch: orders that rest stay when this process dies")
                return
            silent = False
        except AgentctlError as error:
            if not silent:
                tell(f"the dead-man switch could not be set: {error.message}")
            silent = True
        await sleep(timeout_s / 3)
