"""Texts that many contexts share, found through lists: none is lost to pruning, and each is under verification."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select, update

from builders.memory import START, a_cycle, a_header
from context.manifest import manifest
from domain.digest import digest, sha256
from memory import Archive, Database
from memory.archive.pruning import prune_snapshots
from memory.store.blobs import named_under, texts_under
from memory.store.schema import blobs, snapshots
from memory.verify import verify

ITEMS = 60
"""Enough for lists of lists."""

BOOK = {f"item-{n}": f"text {n}" for n in range(ITEMS)}


def archived(archive: Archive, run_id: str, *, cycle: int, book: dict[str, str]) -> str:
    """Note a snapshot of items given as texts by id; returns the manifest's digest."""
    root, lists = manifest({item_id: archive.note_blob(text) for item_id, text in book.items()})
    for body in lists.values():
        archive.note_blob(body)
    named = digest([run_id, cycle])
    archive.note_snapshot(
        run_id, cycle=cycle, subject="BTC/USDT", id=named, previous=None, body={"root": root}, blobs=[root]
    )
    return root


async def closed(database: Database, run_id: str, books: list[dict[str, str]]) -> list[str]:
    """A run with a snapshot a cycle."""
    archive = Archive(database)
    await archive.begin_run(a_header(run_id=run_id, mode="live"))
    roots = []
    for n, book in enumerate(books, start=1):
        roots.append(archived(archive, run_id, cycle=n, book=book))
        await archive.close_cycle(run_id, a_cycle(n), timings={})
    return roots


async def stored(database: Database) -> set[str]:
    async with database.reading() as connection:
        return set(await connection.scalars(select(blobs.c.digest)))


CHANGES = st.dictionaries(st.sampled_from(sorted(BOOK)), st.sampled_from(["a", "b"]), max_size=5)
BOOKS = st.lists(CHANGES | CHANGES.map(lambda changes: BOOK | changes), min_size=1, max_size=4)


@settings(max_examples=25)
@given(BOOKS, BOOKS, st.integers(0, 5))
def test_pruning_one_run_drops_what_nothing_rests_on_and_not_one_text_more(
    mine: list[dict[str, str]], other: list[dict[str, str]], before_cycle: int
) -> None:
    async def check() -> None:
        async with await Database.in_memory() as database:
            roots = await closed(database, "mine", mine) + await closed(database, "other", other)
            kept = roots[max(0, before_cycle - 1) :] if before_cycle <= len(mine) else roots[len(mine) :]
            await prune_snapshots(database, "mine", before_cycle=before_cycle, at=START)
            async with database.reading() as connection:
                needed = await named_under(connection, kept)
                assert needed == (await texts_under(connection, kept)).keys()
            assert needed == await stored(database)
            assert await verify(database, "mine") == await verify(database, "other") == ()

    asyncio.run(check())


async def test_texts_are_read_through_all_their_lists(database: Database) -> None:
    (root,) = await closed(database, "r1", [BOOK])
    found = await Archive(database).blobs_under([root])
    assert set(BOOK.values()) < set(found.values())
    assert found.keys() == await stored(database)


async def test_a_book_that_changes_in_one_item_stores_little_anew(database: Database) -> None:
    await closed(database, "r1", [BOOK])
    before = await stored(database)
    await closed(database, "r2", [BOOK | {"item-7": "changed"}])
    assert len(await stored(database) - before) == 3  # the item, its list, and the list of lists


async def each_text(database: Database) -> list[tuple[str, str]]:
    async with database.reading() as connection:
        return [(key, body) for key, body in await connection.execute(select(blobs.c.digest, blobs.c.body))]


async def test_a_changed_text_of_any_level_is_found_and_named(database: Database) -> None:
    await closed(database, "r1", [BOOK])
    for key, body in await each_text(database):
        for at in (0, len(body) // 2, len(body) - 1):
            other = body[:at] + chr(ord(body[at]) ^ 1) + body[at + 1 :]
            async with database.transaction() as connection:
                await connection.execute(update(blobs).where(blobs.c.digest == key).values(body=other))
            assert any(fault.table == "blobs" and key in fault.key for fault in await verify(database, "r1"))
        async with database.transaction() as connection:
            await connection.execute(update(blobs).where(blobs.c.digest == key).values(body=body))
    assert await verify(database, "r1") == ()


async def test_a_missing_text_of_any_level_is_found_and_named(database: Database) -> None:
    await closed(database, "r1", [BOOK])
    for key, body in await each_text(database):
        async with database.transaction() as connection:
            await connection.execute(delete(blobs).where(blobs.c.digest == key))
        assert f"blobs digest={key}: is missing" in [str(fault) for fault in await verify(database, "r1")]
        Archive(database).note_blob(body)
        await database.flush()
    assert await verify(database, "r1") == ()


@pytest.mark.parametrize("listed", ["{}", "not a list at all", '{"items":["x"]}'])
async def test_a_text_that_is_no_list_names_nothing(database: Database, listed: str) -> None:
    archive = Archive(database)
    await archive.begin_run(a_header())
    key = archive.note_blob(listed)
    await database.flush()
    assert await archive.blobs_under([key, sha256("never noted")]) == {key: listed}


async def test_pruning_waits_for_whoever_is_just_coming_to_rest_on_a_text(database: Database, place: str) -> None:
    await closed(database, "r1", [BOOK])
    async with await Database.open(place) as elsewhere:
        archive = Archive(elsewhere)
        await archive.begin_run(a_header(run_id="r2", mode="live"))
        archived(archive, "r2", cycle=1, book=BOOK)
        async with elsewhere.transaction():
            pruning = asyncio.create_task(prune_snapshots(database, "r1", before_cycle=2, at=START))
            done, _ = await asyncio.wait({pruning}, timeout=0.2)
            assert not done
        gone = await pruning
        await archive.close_cycle("r2", a_cycle(1), timings={})
    assert (gone.snapshots, gone.texts) == (1, 0)
    assert await verify(database, "r2") == ()


async def test_a_pruned_snapshot_keeps_its_place_and_points_at_nothing(database: Database) -> None:
    await closed(database, "r1", [BOOK])
    await prune_snapshots(database, "r1", before_cycle=2, at=START)
    async with database.reading() as connection:
        row = (await connection.execute(select(snapshots))).mappings().one()
    assert (row["body"], row["blobs"], len(row["digest"])) == ("", "[]", 64)
