"""The simulated market's weather: which phase it is in, and what all symbols feel together.

Only uniform random numbers, sums, products and square roots are used, which every machine computes
alike; logarithms and sines differ in the last bit between platforms.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

_SQRT_3 = math.sqrt(3.0)


def noise(random: Random) -> float:
    """About normal, with mean 0 and deviation 1, never beyond 3.5: the sum of four uniform numbers."""
    return (random.random() + random.random() + random.random() + random.random() - 2.0) * _SQRT_3


@dataclass(frozen=True, slots=True)
class Phase:
    """A kind of weather, in returns per bar of five minutes."""

    name: str
    drift: float
    volatility: float
    shortest_bars: int
    longest_bars: int
    activity: float
    """Volume as a multiple of the usual."""


CALM = Phase("calm", 0.0, 0.0006, 12, 36, 0.8)
RISING = Phase("rising", 0.0016, 0.0011, 14, 40, 1.2)
FALLING = Phase("falling", -0.0016, 0.0012, 14, 36, 1.2)
VOLATILE = Phase("volatile", 0.0, 0.0030, 8, 24, 1.8)
CRASH = Phase("crash", -0.0090, 0.0040, 4, 8, 4.0)
RECOVERY = Phase("recovery", 0.0035, 0.0026, 8, 16, 2.0)

_ORDINARY = (CALM, RISING, FALLING, VOLATILE)
_WEIGHTS = (28, 28, 26, 12)
_CRASH_PART = 0.06


@dataclass(frozen=True, slots=True)
class Weather:
    """One bar's weather: the phase, and the return of the common factor in it."""

    phase: Phase
    factor: float


def weather(seed: int) -> Iterator[Weather]:
    """Bar after bar without end: the same for every symbol of a seed. A crash is followed by a recovery."""
    random = Random(f"{seed}/weather")
    phase = CALM
    while True:
        for _ in range(random.randint(phase.shortest_bars, phase.longest_bars)):
            yield Weather(phase, phase.drift + phase.volatility * noise(random))
        phase = _next(phase, random)


def _next(phase: Phase, random: Random) -> Phase:
    if phase is CRASH:
        return RECOVERY
    if random.random() < _CRASH_PART:
        return CRASH
    others = [(kind, weight) for kind, weight in zip(_ORDINARY, _WEIGHTS, strict=True) if kind is not phase]
    return random.choices([kind for kind, _ in others], [weight for _, weight in others])[0]
