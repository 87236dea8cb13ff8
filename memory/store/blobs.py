"""Texts, each kept once under its digest, and what the lists among them name in turn."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from context.manifest import listing
from memory.store.schema import blobs

_AT_ONCE = 500
"""Digests in one question: far below the bounds on parameters."""


def in_parts(digests: Collection[str]) -> Iterator[list[str]]:
    """As many as one question takes at a time, in order."""
    wanted = sorted(digests)
    for start in range(0, len(wanted), _AT_ONCE):
        yield wanted[start : start + _AT_ONCE]


async def texts_at(connection: AsyncConnection, digests: Collection[str]) -> dict[str, str]:
    """The texts under `digests`, without those that are missing."""
    found: dict[str, str] = {}
    for part in in_parts(digests):
        rows = await connection.execute(select(blobs.c.digest, blobs.c.body).where(blobs.c.digest.in_(part)))
        found.update((digest, body) for digest, body in rows)
    return found


async def texts_under(connection: AsyncConnection, digests: Collection[str]) -> dict[str, str]:
    """The texts under `digests` and all that lists among them name, without those that are missing."""
    found: dict[str, str] = {}
    wanted = set(digests)
    while wanted:
        level = await texts_at(connection, wanted)
        found |= level
        wanted = {name for body in level.values() for name in named_by(body)} - found.keys()
    return found


async def named_under(connection: AsyncConnection, digests: Collection[str]) -> set[str]:
    """`digests` and all that lists under them name. Of the texts, only the lists are read below the first level."""
    named = set(digests)
    wanted = set(digests)
    while wanted:
        found = [listing(body) for body in (await texts_at(connection, wanted)).values()]
        named.update(item for each in found if each for item in each.items)
        wanted = {below for each in found if each for below in each.lists} - named
        named |= wanted
    return named


def named_by(body: str) -> tuple[str, ...]:
    """The digests that a text names; none when it is no list."""
    found = listing(body)
    return (*found.items, *found.lists) if found else ()
