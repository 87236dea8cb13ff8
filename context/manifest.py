"""The manifest: which items a context was made of, as lists of digests that many contexts share.

From one context to the next a few items of hundreds change. So their digests are not one list: the
SHA-256 of an item's id says, three bits a level, in which of eight lists its digest belongs, down to
lists of at most `MOST` items. With an item only the lists on the way to it change, and a new item moves
no other. The lists depend on what there is, and not on the order in which it came.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from domain.digest import canonical, sha256
from domain.value import Digest, Value

MOST: Final = 32
"""Items in one list; a longer one is cut into eight."""

_BITS: Final = 3

_BEGINNINGS: Final = ('{"items":', '{"lists":')
"""Nothing else that is archived begins so, and most of it need not be parsed to see that it is no list."""


class Listing(Value):
    """One list of a manifest: of items, or of further lists."""

    items: tuple[Digest, ...] = ()
    lists: tuple[Digest, ...] = ()


def manifest(items: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """The digest of the list to begin at, and every list by its digest. `items` are digests by item id."""
    bodies: dict[str, str] = {}
    places = [(int(sha256(item_id), 16), items[item_id]) for item_id in sorted(items)]
    return _list(places, bodies), bodies


def _list(places: list[tuple[int, str]], bodies: dict[str, str]) -> str:
    """Put the list of these items, and those below it, into `bodies`, and return its digest."""
    if len(places) <= MOST:
        body = canonical({"items": [item for _, item in places]})
    else:
        parts: list[list[tuple[int, str]]] = [[] for _ in range(1 << _BITS)]
        for place, item in places:
            parts[place % len(parts)].append((place >> _BITS, item))
        body = canonical({"lists": [_list(part, bodies) for part in parts if part]})
    key = sha256(body)
    bodies[key] = body
    return key


def listing(body: str) -> Listing | None:
    """What an archived text lists; `None` when it is no list of a manifest."""
    if not body.startswith(_BEGINNINGS):
        return None
    try:
        return Listing.model_validate_json(body)
    except ValueError:
        return None
