"""Arming is a person's leave for a while, kept as an act: it ends by itself, and nobody can write it in."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import delete, insert, select, update

from builders.memory import at
from domain.errors import Refused, UsageError
from memory import Acts, Database
from memory.operators.armings import LONGEST, Armings
from memory.store.schema import acts, with_digest
from policy.account import Arming


async def arm(
    database: Database,
    venue: str = "okx",
    *,
    until: int = 60,
    minute: int = 0,
    by: str = "Ada",
    reason: str = "a trial",
) -> Arming:
    return await Armings(database).arm(venue, until=at(until), by=by, reason=reason, at=at(minute))


async def disarm(database: Database, venue: str = "okx", *, minute: int = 10) -> None:
    await Armings(database).disarm(venue, by="Bob", reason="enough", at=at(minute))


async def in_force(database: Database, venue: str = "okx", *, minute: int = 20) -> Arming | None:
    return await Armings(database).in_force(venue, at=at(minute))


async def kinds(database: Database) -> list[tuple[str, str, str, str]]:
    """What was done, the first first; the chain is whole."""
    assert await Acts(database).faults() == ()
    return [(act.kind, act.scope, act.by, act.reason) for act in reversed(await Acts(database).all())]


async def test_nothing_is_armed_that_nobody_armed(database: Database) -> None:
    assert await in_force(database) is None


async def test_an_arming_says_who_until_when_and_why_and_is_of_one_venue(database: Database) -> None:
    given = await arm(database)
    assert given == await in_force(database) == Arming(by="Ada", until=at(60))
    assert await in_force(database, "binance") is None
    assert await kinds(database) == [("arm", "okx", "Ada", "a trial")]


@pytest.mark.parametrize(("minute", "armed"), [(59, True), (60, False), (61, False)])
async def test_it_ends_by_itself(database: Database, minute: int, armed: bool) -> None:
    await arm(database)
    assert (await in_force(database, minute=minute) is not None) == armed


async def test_the_last_word_counts_also_where_it_is_shorter(database: Database) -> None:
    await arm(database, until=600)
    await arm(database, until=30, minute=5)
    assert await in_force(database, minute=29) == Arming(by="Ada", until=at(30))
    assert await in_force(database, minute=31) is None


async def test_disarmed_is_disarmed_until_somebody_arms_it_again(database: Database) -> None:
    await arm(database)
    await arm(database, "binance")
    await disarm(database)
    assert await in_force(database) is None
    assert await in_force(database, "binance") is not None
    await arm(database, minute=15)
    assert await in_force(database) is not None
    assert [kind for kind, *_ in await kinds(database)] == ["arm", "arm", "disarm", "arm"]


@pytest.mark.parametrize("minute", [0, 60])
async def test_what_is_not_armed_can_not_be_disarmed(database: Database, minute: int) -> None:
    if minute:
        await arm(database)
    with pytest.raises(Refused, match="okx is not armed"):
        await disarm(database, minute=minute)
    assert len(await kinds(database)) == bool(minute)


@pytest.mark.parametrize(
    "until", [at(0), at(-1), at(0) + LONGEST + timedelta(seconds=1)], ids=["now", "before", "too long"]
)
async def test_nobody_is_armed_for_no_time_or_for_more_than_a_week(database: Database, until: datetime) -> None:
    with pytest.raises(UsageError, match="7 days at most"):
        await Armings(database).arm("okx", until=until, by="Ada", reason="a trial", at=at(0))
    assert await kinds(database) == []


async def test_a_whole_week_is_the_longest(database: Database) -> None:
    assert timedelta(days=7) == LONGEST
    await Armings(database).arm("okx", until=at(0) + LONGEST, by="Ada", reason="a trial", at=at(0))
    assert await in_force(database, minute=7 * 24 * 60 - 1) is not None


@pytest.mark.parametrize(("by", "reason"), [("", "why"), ("Ada", " \u200b\n")])
async def test_who_arms_and_who_disarms_says_who_and_why(database: Database, by: str, reason: str) -> None:
    with pytest.raises(UsageError, match="is empty"):
        await arm(database, by=by, reason=reason)
    await arm(database)
    with pytest.raises(UsageError, match="is empty"):
        await Armings(database).disarm("okx", by=by, reason=reason, at=at(1))
    assert (await kinds(database), await in_force(database) is not None) == ([("arm", "okx", "Ada", "a trial")], True)


@pytest.mark.parametrize(
    "changed",
    [
        {"body": '{"until":"2026-01-01T00:00:00.000000Z"}'},
        {"by": "Mallory"},
        {"scope": "okx", "kind": "arm"},
    ],
)
async def test_an_arming_that_was_changed_since_arms_nothing(database: Database, changed: dict[str, str]) -> None:
    await arm(database)
    await disarm(database)
    last = update(acts).where(acts.c.n == 1).values(**changed)
    async with database.transaction() as connection:
        await connection.execute(last)
    with pytest.raises(Refused, match=r"acts n=1 was changed"):
        await in_force(database)


async def test_an_arming_that_no_writer_of_ours_can_have_written_arms_nothing(database: Database) -> None:
    await arm(database)
    async with database.transaction() as connection:
        (row,) = (await connection.execute(select(acts))).mappings()
        await connection.execute(delete(acts))
        await connection.execute(insert(acts), [with_digest(acts, {**row, "body": '{"until":"for ever"}'})])
    with pytest.raises(Refused, match="can't be read"):
        await in_force(database)


async def test_an_arming_whose_end_was_taken_out_of_the_acts_is_found(database: Database) -> None:
    """What a run checks at its start, and `doctor` at any time."""
    await arm(database)
    await disarm(database)
    await arm(database, "binance", minute=11)
    async with database.transaction() as connection:
        await connection.execute(delete(acts).where(acts.c.kind == "disarm"))
    assert [str(fault) for fault in await Acts(database).faults()] != []
