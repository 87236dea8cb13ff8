"""What a venue does to the desk's own perpetuals: funding and liquidation are its results, booked once and proven."""

from __future__ import annotations

from decimal import Decimal

import pytest

from builders.memory import a_cycle, a_header, a_proposal, at, trade
from domain.errors import LedgerBroken
from domain.portfolio import Portfolio
from domain.statement import ExternalEvent, funding, liquidation
from memory import Archive, Database, Fault, Ledger
from memory.ledger.audit import account_faults
from memory.ledger.state_at import stand_at
from memory.verify import verify

SWAP = "BTC/USDT:USDT"
PAID = funding(SWAP, cash=Decimal("-0.3"), rate=Decimal("0.0015"), at=at(20))
GOT = funding(SWAP, cash=Decimal("0.05"), rate=Decimal("-0.00025"), at=at(40))
LIQUIDATED = liquidation(SWAP, quantity=Decimal(-2), price=Decimal(80), fee=Decimal("1.5"), at=at(45))


async def a_ledger(database: Database) -> Ledger:
    ledger = Ledger(database, account="r1", run_id="r1")
    await ledger.open(currency="USDT", start_cash=Decimal(10_000))
    return ledger


async def books(ledger: Ledger, *, mark: str = "100") -> Portfolio:
    return await ledger.portfolio(marks={SWAP: Decimal(mark)}, as_of=at(60))


async def faults(database: Database) -> list[Fault]:
    async with database.reading() as connection:
        return await account_faults(connection, "r1")


async def enter(ledger: Ledger, *, side: str = "buy") -> None:
    """Two at 100, for a fee of 0.2, at minute 6."""
    stop = Decimal(90) if side == "buy" else Decimal(110)
    await trade(ledger, a_proposal(symbol=SWAP, side=side, stop_price=stop, target_price=None))


async def test_funding_is_realised_by_the_position_and_brought_in_by_nobody(database: Database) -> None:
    ledger = await a_ledger(database)
    await enter(ledger)
    assert await ledger.book_external([PAID, GOT], cycle=2)
    found = await books(ledger)
    position = found.positions[SWAP]
    assert (position.quantity, position.realized, position.funding) == (2, Decimal("-0.25"), Decimal("-0.25"))
    assert (found.realized, found.contributed) == (Decimal("-0.25"), 0)
    assert found.equity == found.start_cash + found.realized + found.unrealized - found.fees
    assert await ledger.holdings() == {}
    await ledger.check()
    await ledger.recheck()


async def test_funding_comes_in_any_number_of_times_and_counts_once(database: Database) -> None:
    ledger = await a_ledger(database)
    await enter(ledger)
    for events in ([PAID], [PAID, GOT], [GOT, PAID]):
        await ledger.book_external(events, cycle=2)
    assert not await ledger.book_external([PAID], cycle=3)
    assert (await books(ledger)).realized == Decimal("-0.25")
    other = PAID.model_copy(update={"cash": Decimal("-0.4")})
    with pytest.raises(LedgerBroken, match="comes again with other content"):
        await ledger.book_external([other], cycle=3)
    await ledger.check()


async def test_a_trade_is_closed_net_of_the_funding_between(database: Database) -> None:
    ledger = await a_ledger(database)
    before = funding(SWAP, cash=Decimal(-9), rate=Decimal(1), at=at(6))  # as it was entered: nothing was held before
    await enter(ledger)
    await ledger.book_external([before, PAID], cycle=1)
    exit = a_proposal(cycle=9, as_of=at(45), symbol=SWAP, side="sell", stop_price=None, target_price=None)
    await trade(ledger, exit, price="110")
    late = funding(SWAP, cash=Decimal(-7), rate=Decimal(1), at=at(50))
    await ledger.book_external([GOT, late], cycle=9)
    (episode,) = await ledger.closed_trades(cycle=9)
    assert (episode.profit, episode.fees, episode.funding) == (
        20 - Decimal("0.4") - Decimal("0.25"),
        Decimal("0.4"),
        0 - Decimal("0.25"),
    )
    assert episode.cause is None
    await ledger.check()


@pytest.mark.parametrize("side", ["buy", "sell"])
async def test_a_liquidation_closes_the_position_at_its_price_for_its_fee(database: Database, side: str) -> None:
    ledger = await a_ledger(database)
    await enter(ledger, side=side)
    sign = 1 if side == "buy" else -1
    price = Decimal(100 - 20 * sign)
    closed = liquidation(SWAP, quantity=Decimal(-2 * sign), price=price, fee=Decimal("1.5"), at=at(45))
    await ledger.book_external([PAID, closed], cycle=2)
    found = await books(ledger)
    assert found.positions == {}
    assert (found.cash, found.fees, found.realized) == (
        10_000 - 40 - Decimal("1.7") - Decimal("0.3"),
        Decimal("1.7"),
        -40 - Decimal("0.3"),
    )
    assert (found.contributed, await ledger.holdings()) == (0, {})
    (episode,) = await ledger.closed_trades(cycle=2)
    assert (episode.cause, episode.direction) == ("liquidation", "long" if side == "buy" else "short")
    assert (episode.profit, episode.fees, episode.closed_at) == (-42, Decimal("1.7"), at(45))
    await ledger.check()


@pytest.mark.parametrize(
    "wrong",
    [
        liquidation(SWAP, quantity=Decimal(-3), price=Decimal(80), fee=Decimal(1), at=at(45)),
        liquidation(SWAP, quantity=Decimal(1), price=Decimal(80), fee=Decimal(1), at=at(45)),
        liquidation(SWAP, quantity=Decimal(-1), price=Decimal(80), fee=Decimal(-1), at=at(45)),
        liquidation("BTC/USDT", quantity=Decimal(-1), price=Decimal(80), fee=Decimal(1), at=at(45)),
        LIQUIDATED.model_copy(update={"price": None}),
        LIQUIDATED.model_copy(update={"quantity": Decimal(0)}),
        PAID.model_copy(update={"quantity": Decimal(1)}),
    ],
)
async def test_what_would_bring_the_books_apart_is_not_booked(database: Database, wrong: ExternalEvent) -> None:
    ledger = await a_ledger(database)
    await enter(ledger)
    with pytest.raises(LedgerBroken):
        await ledger.book_external([wrong], cycle=2)
    assert await ledger.external() == ()
    await ledger.check()


async def test_what_the_rows_say_of_it_is_proven(database: Database) -> None:
    from sqlalchemy import update

    from memory.store.schema import external_events, with_digest

    ledger = await a_ledger(database)
    await enter(ledger)
    await ledger.book_external([PAID, LIQUIDATED], cycle=2)
    assert await faults(database) == []
    async with database.transaction() as connection:
        row = (
            (await connection.execute(external_events.select().where(external_events.c.id == PAID.id))).mappings().one()
        )
        changed = with_digest(external_events, {**row, "cash": Decimal("-0.2")})
        await connection.execute(update(external_events).where(external_events.c.id == PAID.id).values(changed))
    assert {fault.table for fault in await faults(database)} == {"accounts", "positions"}


async def test_a_run_stands_at_a_cycle_with_what_was_settled_before_it(database: Database) -> None:
    archive, ledger = Archive(database), await a_ledger(database)
    await archive.begin_run(a_header())
    await enter(ledger)
    await archive.close_cycle("r1", a_cycle(0), timings={})
    for cycle, events in ((1, [PAID]), (2, [LIQUIDATED])):
        await ledger.book_external(events, cycle=cycle)
        await archive.close_cycle("r1", a_cycle(cycle), timings={})
    assert await verify(database, "r1") == ()
    async with await Database.in_memory() as into:
        await stand_at(database, into, a_header(), recorded="r1", cycle=2)
        then = Ledger(into, account="r1", run_id="r1")
        await then.check()
        position = (await books(then)).positions[SWAP]
        assert (position.quantity, position.funding) == (2, Decimal("-0.3"))
        assert (await books(then)).contributed == 0
