"""Effects performed once, and played back exactly."""

from __future__ import annotations

import asyncio
from datetime import datetime
from decimal import Decimal

import pytest
from pydantic import TypeAdapter
from sqlalchemy import select, update

from builders.memory import Watch, at
from domain.candle import Quote
from domain.effects import Effects
from domain.errors import Refused, ReplayDiverged
from memory import Database, Recording, Tape
from memory.archive.tape import MOMENT
from memory.store.schema import tape

QUOTE = TypeAdapter(Quote)
WORDS = TypeAdapter(str)
INSTANT = TypeAdapter(datetime)


class Outside:
    """Something that answers differently each time it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    async def quote(self) -> Quote:
        self.asked += 1
        return Quote(symbol="BTC/USDT", bid=Decimal(100), ask=Decimal(100) + self.asked, at=at(0))

    async def word(self) -> str:
        self.asked += 1
        return str(self.asked)


async def begun(database: Database, *, cycle: int = 1, recording: Recording | None = None) -> Tape:
    made = Tape(database, run_id="r1", recording=recording)
    await made.begin_cycle(cycle)
    return made


def some_effects(made: Tape, *, cycle: int = 1, subject: str = "BTC/USDT", clock: Watch | None = None) -> Effects:
    return made.effects(cycle=cycle, node="research", subject=subject, clock=clock or Watch())


async def rows(database: Database) -> list[dict[str, object]]:
    await database.flush()
    async with database.reading() as connection:
        found = await connection.execute(select(tape).order_by(tape.c.subject, tape.c.n))
        return [dict(row) for row in found.mappings()]


async def test_an_effect_is_performed_and_comes_back_through_its_recorded_form(database: Database) -> None:
    outside = Outside()
    effects = some_effects(await begun(database))
    quote = await effects.once("quote", {"symbol": "BTC/USDT"}, returns=QUOTE, perform=outside.quote)
    assert (quote.ask, outside.asked) == (Decimal(101), 1)
    assert [(row["n"], row["name"]) for row in await rows(database)] == [(0, "quote")]


async def test_a_node_that_runs_again_in_the_cycle_repeats_nothing(database: Database) -> None:
    outside, made = Outside(), await begun(database)
    first = await some_effects(made).once("quote", None, returns=QUOTE, perform=outside.quote)
    again = await some_effects(made).once("quote", None, returns=QUOTE, perform=outside.quote)
    assert (first, outside.asked) == (again, 1)


async def test_a_run_that_is_resumed_plays_what_was_committed_and_goes_on_from_there(database: Database) -> None:
    outside = Outside()
    effects = some_effects(await begun(database))
    await effects.once("word", 1, returns=WORDS, perform=outside.word, durable=True)
    resumed = some_effects(await begun(database))
    assert await resumed.once("word", 1, returns=WORDS, perform=outside.word) == "1"
    assert await resumed.once("word", 2, returns=WORDS, perform=outside.word) == "2"
    assert len(await rows(database)) == 2


async def test_a_durable_effect_is_committed_before_it_returns(url: str) -> None:
    database, other = await Database.open(url), await Database.open(url)
    effects = some_effects(await begun(database))
    await effects.once("word", 1, returns=WORDS, perform=Outside().word)
    assert await rows(other) == []
    await effects.once("word", 2, returns=WORDS, perform=Outside().word, durable=True)
    assert len(await rows(other)) == 2
    await database.close()
    await other.close()


async def test_calls_are_numbered_when_they_are_made_and_not_when_they_run(database: Database) -> None:
    outside = Outside()
    effects = some_effects(await begun(database))
    calls = [effects.once("word", n, returns=WORDS, perform=outside.word) for n in range(3)]
    answers = [await call for call in reversed(calls)]
    assert answers == ["1", "2", "3"]
    assert [row["body"] for row in await rows(database)] == ['"3"', '"2"', '"1"']


async def test_branches_that_run_at_once_have_numbers_of_their_own(database: Database) -> None:
    made, outside = await begun(database), Outside()

    async def branch(subject: str) -> None:
        effects = some_effects(made, subject=subject)
        await effects.once("word", 0, returns=WORDS, perform=outside.word)
        await asyncio.sleep(0)
        await effects.once("word", 1, returns=WORDS, perform=outside.word)

    await asyncio.gather(branch("BTC/USDT"), branch("ETH/USDT"))
    assert [(row["subject"], row["n"]) for row in await rows(database)] == [
        ("BTC/USDT", 0),
        ("BTC/USDT", 1),
        ("ETH/USDT", 0),
        ("ETH/USDT", 1),
    ]


async def test_the_clock_is_an_effect(database: Database) -> None:
    clock = Watch(1)
    made = await begun(database)
    assert some_effects(made, clock=clock).now() == at(5)
    clock.cycle = 9
    assert some_effects(made, clock=clock).now() == at(5)


async def test_a_replay_performs_nothing_and_leaves_equal_rows(database: Database) -> None:
    outside = Outside()
    effects = some_effects(await begun(database))
    effects.now()
    await effects.once("quote", "x", returns=QUOTE, perform=outside.quote)
    recorded = await rows(database)
    async with await Database.in_memory() as fresh:
        replay = some_effects(await begun(fresh, recording=Recording(database=database, run_id="r1")), clock=Watch(99))
        assert replay.now() == at(5)
        assert (await replay.once("quote", "x", returns=QUOTE, perform=outside.quote)).ask == Decimal(101)
        assert outside.asked == 1
        assert await rows(fresh) == recorded


@pytest.mark.parametrize(
    ("name", "request_", "words"),
    [
        ("word", "x", "which the tape does not hold"),
        ("quote", "x", "where the tape has"),
        ("word", "y", "something else"),
    ],
)
async def test_a_replay_that_asks_otherwise_diverges_and_names_the_call(
    database: Database, name: str, request_: str, words: str
) -> None:
    outside = Outside()
    await some_effects(await begun(database)).once("word", "x", returns=WORDS, perform=outside.word, durable=True)
    async with await Database.in_memory() as fresh:
        effects = some_effects(await begun(fresh, recording=Recording(database=database, run_id="r1")))
        if words == "which the tape does not hold":
            await effects.once("word", "x", returns=WORDS, perform=outside.word)
        with pytest.raises(ReplayDiverged, match=f"(?=.*cycle=1 node=research subject=BTC/USDT n=[01]).*{words}"):
            await effects.once(name, request_, returns=WORDS, perform=outside.word)
    assert outside.asked == 1


async def test_a_tape_that_was_changed_is_not_played(database: Database) -> None:
    effects = some_effects(await begun(database))
    await effects.once("word", 1, returns=WORDS, perform=Outside().word, durable=True)
    async with database.transaction() as connection:
        await connection.execute(update(tape).values(body='"5"'))
    resumed = some_effects(await begun(database))
    with pytest.raises(Refused, match="cycle=1 node=research subject=BTC/USDT n=0"):
        await resumed.once("word", 1, returns=WORDS, perform=Outside().word)


async def test_an_answer_that_no_longer_reads_is_a_divergence(database: Database) -> None:
    outside, made = Outside(), await begun(database)
    await some_effects(made).once("thing", 1, returns=WORDS, perform=outside.word)
    with pytest.raises(ReplayDiverged, match="cannot be read"):
        await some_effects(made).once("thing", 1, returns=QUOTE, perform=outside.quote)


async def test_an_effect_that_raises_is_not_recorded_and_can_be_tried_again(database: Database) -> None:
    async def fail() -> str:
        raise TimeoutError

    made, outside = await begun(database), Outside()
    with pytest.raises(TimeoutError):
        await some_effects(made).once("word", 1, returns=WORDS, perform=fail)
    assert await some_effects(made).once("word", 1, returns=WORDS, perform=outside.word) == "1"


async def test_effects_of_a_cycle_that_was_not_begun_are_a_mistake(database: Database) -> None:
    made = await begun(database)
    made.end_cycle()
    with pytest.raises(ValueError, match="was not begun"):
        some_effects(made)


# The moment of a cycle


async def test_a_live_cycle_is_at_its_moment_whatever_its_clock_read_before_and_after(database: Database) -> None:
    made, clock = await begun(database), Watch(1)

    async def moment() -> datetime:
        return at(5)

    clock.cycle = 2  # ten past: the clock of a live desk goes on within a cycle
    made.effects(cycle=1, node="a node before others", subject="", clock=clock).now()
    await made.effects(cycle=1, node="cycle", subject="", clock=clock).once(
        MOMENT, None, returns=INSTANT, perform=moment, durable=True
    )
    assert await made.begun_at(1) == at(5)
    assert await made.begun_at(2) is None


async def test_a_paper_cycle_is_at_what_its_clock_read(database: Database) -> None:
    made = await begun(database)
    some_effects(made, clock=Watch(3)).now()
    await database.flush()
    assert await made.begun_at(1) == at(15)


async def test_a_cycle_that_did_something_else_first_has_no_moment_yet(database: Database) -> None:
    made = await begun(database)
    await some_effects(made).once("word", 1, returns=WORDS, perform=Outside().word, durable=True)
    assert await made.begun_at(1) is None


async def test_a_moment_that_was_changed_is_no_moment(database: Database) -> None:
    made = await begun(database)

    async def moment() -> datetime:
        return at(5)

    await some_effects(made).once(MOMENT, None, returns=INSTANT, perform=moment, durable=True)
    async with database.transaction() as connection:
        await connection.execute(update(tape).values(body='"2025-01-01T01:00:00.000000Z"'))
    with pytest.raises(Refused, match="cycle=1 node=research"):
        await made.begun_at(1)
