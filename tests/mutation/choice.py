"""Which mutants a sampled run tries: as many of every room, drawn from a seed."""

from __future__ import annotations

import random
from collections.abc import Container, Iterator, Sequence
from itertools import zip_longest
from pathlib import Path

from mutation.mutants import Changes, Mutant

LEFT_OUT = ("memory/store/migrations",)
"""An instrument of the tests, and what was run once on old files."""
_DRAWS = 50
"""For each mutant wanted: a small room has few, and some are drawn twice."""


def sample(
    root: Path, *, rooms: Sequence[str], count: int, seed: int, argued: Container[tuple[str, str, str]]
) -> list[Mutant]:
    """`count` mutants, spread evenly over `rooms` and in turns, so that any beginning of the list is spread too.

    A file is drawn by its length, then one of its changes. Not drawn: mutants that are `argued` equivalent.
    """
    shares = [count // len(rooms) + (index < count % len(rooms)) for index in range(len(rooms))]
    drawn = [_drawn(root, room, share, seed, argued) for room, share in zip(rooms, shares, strict=True)]
    return [mutant for turn in zip_longest(*drawn) for mutant in turn if mutant is not None]


def _drawn(root: Path, room: str, count: int, seed: int, argued: Container[tuple[str, str, str]]) -> Iterator[Mutant]:
    draw = random.Random(f"{seed} {room}")
    files = [file for file in sorted((root / room).rglob("*.py")) if not _is_left_out(root, file)]
    lengths = [file.stat().st_size for file in files]
    read: dict[Path, Changes] = {}
    names: set[tuple[str, str, str]] = set()
    for _ in range(count * _DRAWS if any(lengths) else 0):
        if len(names) == count:
            return
        (file,) = draw.choices(files, lengths)
        changes = read.setdefault(file, Changes(root, file)) if file not in read else read[file]
        mutant = changes.mutant(draw.randrange(len(changes))) if len(changes) else None
        if mutant is not None and mutant.name not in names and mutant.name not in argued:
            names.add(mutant.name)
            yield mutant


def _is_left_out(root: Path, file: Path) -> bool:
    return file.relative_to(root).as_posix().startswith(LEFT_OUT)
