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
    ordered = sorted(digests)
    for start in range(0, len(ordered), _AT_ONCE):
        yield ordered[start : start + _AT_ONCE]


async def texts_at(connection: AsyncConnection, digests: Collection[str]) -> dict[str, str]:
    """The texts under `digests`, without those that are missing."""
    texts: dict[str, str] = {}
    for part in in_parts(digests):
        rows = await connection.execute(select(blobs.c.digest, blobs.c.body).where(blobs.c.digest.in_(part)))
        texts.update((digest, body) for digest, body in rows)
    return texts


async def texts_under(connection: AsyncConnection, digests: Collection[str]) -> dict[str, str]:
    """The texts under `digests` and all that lists among them name, without those that are missing."""
    texts: dict[str, str] = {}
    pending = set(digests)
    while pending:
        level = await texts_at(connection, pending)
        texts |= level
        pending = {name for body in level.values() for name in named_by(body)} - texts.keys()
    return texts


async def named_under(connection: AsyncConnection, digests: Collection[str]) -> set[str]:
    """`digests` and all that lists under them name. Of the texts, only the lists are read below the first level."""
    named = set(digests)
    pending = set(digests)
    while pending:
        listings = [listing(body) for body in (await texts_at(connection, pending)).values()]
        named.update(item for each in listings if each for item in each.items)
        pending = {below for each in listings if each for below in each.lists} - named
        named |= pending
    return named


def named_by(body: str) -> tuple[str, ...]:
    """The digests that a text names; none when it is no list."""
    content = listing(body)
    return (*content.items, *content.lists) if content else ()
