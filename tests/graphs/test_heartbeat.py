"""The dead-man switch of a venue is set again and again while a desk lives, and left alone when it died."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

import pytest

from builders.account_venue import ScriptedAccount
from graphs.runs.dead_man_switch import heartbeat


@dataclass
class Beats:
    """A venue, sleeps that end when the test says so, and what was told."""

    venue: ScriptedAccount = field(default_factory=ScriptedAccount)
    slept: list[float] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    _up: asyncio.Event = field(default_factory=asyncio.Event)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self._up.clear()
        await self._up.wait()

    async def pass_by(self, times: int = 1) -> None:
        for _ in range(times):
            for _ in range(5):
                await asyncio.sleep(0)
            self._up.set()
        for _ in range(5):
            await asyncio.sleep(0)

    def beating(self) -> AbstractAsyncContextManager[None]:
        return heartbeat(self.venue, timeout_s=60, sleep=self.sleep, tell=self.told.append)


async def test_the_switch_is_set_three_times_before_it_would_go_off_and_disarmed_at_the_end() -> None:
    beats = Beats()
    async with beats.beating():
        await beats.pass_by(3)
        assert beats.venue.signs_of_life == [60] * 4
        assert set(beats.slept) == {20}
    assert beats.venue.signs_of_life == [60] * 4 + [0]
    assert beats.told == []


async def test_a_venue_without_a_switch_is_said_once_and_asked_no_more() -> None:
    beats = Beats(ScriptedAccount(dead_man=False))
    async with beats.beating():
        await beats.pass_by(3)
        assert (beats.venue.signs_of_life, beats.slept) == ([60], [])
    assert beats.told == ["the venue has no dead-man switch: orders that rest stay when this process dies"]


async def test_an_outage_is_said_once_and_does_not_end_the_beating() -> None:
    beats = Beats()
    beats.venue.silent.add("keep_alive")
    async with beats.beating():
        await beats.pass_by(2)
        beats.venue.silent.clear()
        await beats.pass_by()
        beats.venue.silent.add("keep_alive")
        await beats.pass_by(2)
        assert len(beats.venue.signs_of_life) == 6
    assert beats.told == ["the dead-man switch could not be set: the keep_alive"] * 2


async def test_a_switch_that_can_not_be_disarmed_is_left_to_go_off() -> None:
    beats = Beats()
    async with beats.beating():
        await beats.pass_by()
        beats.venue.silent.add("keep_alive")
    assert beats.venue.signs_of_life[-1] == 0


async def test_a_desk_that_ends_by_an_error_leaves_the_switch_armed() -> None:
    """Nobody looks after its orders any more, which is what the switch is for."""
    beats = Beats()

    async def desk() -> None:
        async with beats.beating():
            await beats.pass_by()
            raise RuntimeError("the desk broke")

    with pytest.raises(RuntimeError, match="the desk broke"):
        await desk()
    assert set(beats.venue.signs_of_life) == {60}
    before = len(beats.venue.signs_of_life)
    await beats.pass_by(2)
    assert len(beats.venue.signs_of_life) == before
