"""What others do on the account: booked once, beside the desk's own, under the seal, and proven."""

from __future__ import annotations

from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from builders.memory import a_cycle, a_fill, a_header, a_proposal, a_report, admit, an_admission, an_event, at, claim
from builders.memory import trade as trade_whole
from domain.errors import LedgerBroken
from domain.instrument import Instrument
from domain.order import Commission, OrderState
from domain.statement import Expected, ExternalEvent, adoption
from memory import Archive, Database, Fault, Ledger
from memory.ledger.audit import account_faults
from memory.store.schema import accounts, cycles, external_events, fills, holdings, with_digest
from memory.verify import verify

SWAP = "BTC/USDT:USDT"
NO_INSTRUMENTS: dict[str, Instrument] = {}


async def a_ledger(database: Database, *, opening: tuple[ExternalEvent, ...] = ()) -> Ledger:
    ledger = Ledger(database, account="r1", run_id="r1")
    await ledger.open(currency="USDT", start_cash=Decimal(10_000), opening=opening)
    return ledger


async def cash(ledger: Ledger) -> Decimal:
    return (await ledger.portfolio(marks={}, as_of=at(0))).cash


async def expected(ledger: Ledger) -> Expected:
    return await ledger.expected(instruments=NO_INSTRUMENTS)


async def faults(database: Database) -> list[Fault]:
    async with database.reading() as connection:
        return await account_faults(connection, "r1")


async def trade(ledger: Ledger, *, cycle: int = 1, fill: dict[str, Any] | None = None, **over: Any) -> None:
    """One order, whole, with what its fill should be like."""
    proposal = a_proposal(cycle=cycle, as_of=at(5 * cycle), **over)
    admission = an_admission(proposal)
    await admit(ledger, admission, cycle=cycle, at=at(5 * cycle))
    await claim(ledger, admission.ticket, cycle=cycle, at=at(5 * cycle))
    filled = a_fill(proposal, **{"fee": Decimal(0), **(fill or {})})
    await ledger.record(a_report(proposal, state=OrderState.FILLED, fills=[filled]), cycle=cycle)


async def test_an_account_opens_with_what_it_holds_and_opens_so_once(database: Database) -> None:
    held = an_event("opening:BTC", kind="opening", asset="BTC", quantity=Decimal("0.5"))
    ledger = await a_ledger(database, opening=(held,))
    again = an_event("opening:BTC", kind="opening", asset="BTC", quantity=Decimal(7))
    await ledger.open(currency="USDT", start_cash=Decimal(10_000), opening=(again,))
    assert await ledger.holdings() == {"BTC": Decimal("0.5")}
    assert await ledger.external() == (held,)
    await ledger.check()


async def test_events_in_any_order_and_again_come_to_the_same(database: Database) -> None:
    ledger = await a_ledger(database)
    events = [
        an_event("transfer:1", asset="USDT", quantity=Decimal(0), cash=Decimal("250.5")),
        an_event("trade:1", kind="trade", asset="BTC", quantity=Decimal(1), cash=Decimal("-100.1"), price=Decimal(100)),
        an_event("funding:1", kind="funding", asset=SWAP, quantity=Decimal(0), cash=Decimal("-0.4")),
    ]
    assert await ledger.book_external(events[:2], cycle=1)
    for order in permutations(events):
        await ledger.book_external(order, cycle=2)
    assert not await ledger.book_external(events, cycle=3)
    assert not await ledger.book_external([], cycle=3)
    assert await cash(ledger) == Decimal(10_000) + Decimal("250.5") - Decimal("100.1") - Decimal("0.4")
    assert await ledger.holdings() == {"BTC": Decimal(1)}
    await ledger.check()


async def test_an_id_with_other_content_breaks_the_ledger_and_books_nothing(database: Database) -> None:
    ledger = await a_ledger(database)
    await ledger.book_external([an_event()], cycle=1)
    with pytest.raises(LedgerBroken, match="transfer:1"):
        await ledger.book_external([an_event("transfer:2"), an_event(quantity=Decimal(4))], cycle=1)
    assert [event.id for event in await ledger.external()] == ["transfer:1"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"asset": "USDT", "quantity": Decimal(5)},
        {"kind": "adoption"},
        {"kind": "adoption", "price": Decimal(5), "quantity": Decimal(0)},
        {"kind": "adoption", "price": Decimal(5), "cash": Decimal(15)},
        {"kind": "adoption", "price": Decimal(5), "asset": SWAP},
        {"kind": "adoption", "price": Decimal(5), "asset": "USDT"},
    ],
)
async def test_an_event_that_would_bring_the_books_apart_is_not_booked(
    database: Database, wrong: dict[str, Any]
) -> None:
    ledger = await a_ledger(database)
    with pytest.raises(LedgerBroken, match="transfer:1"):
        await ledger.book_external([an_event(**wrong)], cycle=1)
    assert await ledger.external() == ()


async def test_events_are_listed_by_cycle_by_time_and_by_number(database: Database) -> None:
    ledger = await a_ledger(database)
    late = an_event("t2", at=at(9).replace(microsecond=500))
    await ledger.book_external([an_event("t1", at=at(9))], cycle=1)
    await ledger.book_external([late, an_event("t3", at=at(2))], cycle=2)
    assert [event.id for event in await ledger.external()] == ["t1", "t2", "t3"]
    assert [event.id for event in await ledger.external(cycle=2)] == ["t2", "t3"]
    assert [event.id for event in await ledger.external(since=at(9))] == ["t1", "t2"]
    assert await ledger.external(since=late.at) == (late,)
    assert [event.id for event in await ledger.external(limit=2)] == ["t2", "t3"]


async def test_adopted_coins_are_the_desks_to_sell_and_worth_what_they_were_taken_over_at(database: Database) -> None:
    ledger = await a_ledger(database)
    await ledger.book_external([an_event(asset="BTC", quantity=Decimal(3))], cycle=1)
    taken = adoption("BTC", quantity=Decimal(2), price=Decimal(90), id="adoption:1", at=at(5))
    assert await ledger.book_external([taken], cycle=1)
    assert not await ledger.book_external([taken], cycle=1)
    assert await ledger.holdings() == {"BTC": Decimal(1)}
    portfolio = await ledger.portfolio(marks={"BTC/USDT": Decimal(100)}, as_of=at(9))
    assert (portfolio.cash, portfolio.contributed, portfolio.unrealized) == (10_000, 180, 20)
    assert portfolio.equity == portfolio.start_cash + portfolio.contributed + portfolio.unrealized
    await trade(ledger, cycle=2, side="sell", fill={"price": Decimal(100)})
    (episode,) = await ledger.closed_trades(cycle=2)
    assert (episode.direction, episode.opened_at, episode.profit) == ("long", at(5), 20)
    assert (await expected(ledger)).balances == {"USDT": Decimal(10_200), "BTC": Decimal(1)}
    await ledger.check()


async def test_a_swap_is_adopted_at_its_entry_and_leaves_the_wallet_as_it_is(database: Database) -> None:
    ledger = await a_ledger(database)
    by_hand = an_event("trade:1", kind="trade", asset=SWAP, quantity=Decimal(-2), cash=Decimal(-1))
    await ledger.book_external([by_hand], cycle=1)
    before = await expected(ledger)
    taken = adoption(SWAP, quantity=Decimal(-2), price=Decimal(100), id="adoption:1", at=at(5))
    await ledger.book_external([taken], cycle=1)
    assert await expected(ledger) == before
    portfolio = await ledger.portfolio(marks={SWAP: Decimal(90)}, as_of=at(9))
    assert (portfolio.contributed, portfolio.equity) == (-1, 10_019)
    await trade(ledger, cycle=2, symbol=SWAP, fill={"price": Decimal(90)})
    assert (await expected(ledger)).balances == {"USDT": Decimal(10_019)}
    await ledger.check()


@pytest.mark.parametrize(("held", "adopted"), [("3", "3.1"), ("3", "-1"), ("-3", "-3.1"), ("-3", "1")])
async def test_no_more_is_adopted_than_is_held(database: Database, held: str, adopted: str) -> None:
    ledger = await a_ledger(database, opening=(an_event(asset="BTC", quantity=Decimal(held)),))
    event = adoption("BTC", quantity=Decimal(adopted), price=Decimal(90), id="a", at=at(5))
    with pytest.raises(LedgerBroken, match=f"more BTC than is held: {held}"):
        await ledger.book_external([event], cycle=1)
    assert await ledger.holdings() == {"BTC": Decimal(held)}


async def test_a_swap_sold_by_hand_closes_the_desks_own_at_the_price_of_that_sale(database: Database) -> None:
    ledger = await a_ledger(database)
    await trade(ledger, symbol=SWAP)
    held = (await ledger.portfolio(marks={}, as_of=at(5))).positions[SWAP]
    wallet = (await expected(ledger)).balances["USDT"]
    by_hand = an_event(kind="trade", asset=SWAP, quantity=Decimal(-1))
    taking = adoption(SWAP, quantity=Decimal(-1), price=Decimal(90), id="a", at=at(6))
    await ledger.book_external([by_hand, taking], cycle=1)
    left = (await ledger.portfolio(marks={}, as_of=at(6))).positions[SWAP]
    assert held.average_price is not None
    assert (left.quantity, left.realized) == (held.quantity - 1, 90 - held.average_price)
    assert (await expected(ledger)).balances["USDT"] == wallet + 90 - held.average_price
    assert await ledger.holdings() == {}
    await ledger.check()


async def test_a_statement_must_show_the_wallet_of_swaps_and_every_coin(database: Database) -> None:
    held = an_event("opening:BTC", kind="opening", asset="BTC", quantity=Decimal("0.5"))
    ledger = await a_ledger(database, opening=(held, an_event("o2", kind="opening", asset=SWAP, quantity=Decimal(1))))
    await trade(ledger, cycle=1, fill={"fee_base": Decimal("0.002")})
    await trade(ledger, cycle=2, symbol=SWAP, fill={"fee": Decimal("0.1")})
    assert await expected(ledger) == Expected(
        balances={"USDT": Decimal("9799.9"), "BTC": Decimal("2.498")}, positions={SWAP: Decimal(3)}
    )
    await trade(ledger, cycle=3, symbol=SWAP, side="sell", quantity=Decimal(1), fill={"price": Decimal(110)})
    assert await expected(ledger) == Expected(
        balances={"USDT": Decimal("9809.9"), "BTC": Decimal("2.498")}, positions={SWAP: Decimal(2)}, rounded="USDT"
    )


async def hear_of_swaps(ledger: Ledger, *made: tuple[str, str, str, int]) -> None:
    """Fills of a swap as (side, quantity, price, minute), heard of in this order."""
    for cycle, (side, quantity, price, minute) in enumerate(made, start=1):
        fill = {"price": Decimal(price), "at": at(minute)}
        await trade(ledger, cycle=cycle, symbol=SWAP, side=side, quantity=Decimal(quantity), fill=fill)


async def test_the_wallet_follows_the_order_in_which_the_venue_traded_a_swap(database: Database) -> None:
    ledger = await a_ledger(database)
    await hear_of_swaps(ledger, ("buy", "1", "100", 1), ("buy", "1", "110", 3), ("sell", "0.5", "120", 2))
    assert (await ledger.portfolio(marks={}, as_of=at(9))).realized == Decimal("7.5")
    assert (await expected(ledger)).balances == {"USDT": Decimal(10_010)}


async def test_a_fill_of_a_trade_that_was_thought_over_is_put_where_it_belongs(database: Database) -> None:
    ledger = await a_ledger(database)
    before = (("buy", "3", "90", 0), ("sell", "3", "90", 1))
    await hear_of_swaps(ledger, *before, ("buy", "1", "100", 2), ("sell", "1", "120", 4), ("sell", "0.2", "115", 3))
    assert (await expected(ledger)).balances == {"USDT": Decimal(10_019)}


async def test_a_commission_in_a_third_coin_leaves_what_is_held_of_it(database: Database) -> None:
    ledger = await a_ledger(database, opening=(an_event("o", kind="opening", asset="BNB", quantity=Decimal(1)),))
    coin = Commission(currency="BNB", amount=Decimal("0.001"))
    await trade(ledger, fill={"commission": coin})
    (fill,) = await ledger.fills()
    assert fill.commission == coin
    assert await ledger.holdings() == {"BNB": Decimal("0.999")}
    assert (await ledger.portfolio(marks={}, as_of=at(9))).fees == 0
    await ledger.check()


async def test_a_fee_in_base_is_kept_and_counts_in_the_order_and_the_account(database: Database) -> None:
    ledger = await a_ledger(database)
    await trade(ledger, fill={"fee_base": Decimal("0.002"), "fee": Decimal(1)})
    (fill,), (order,) = await ledger.fills(), await ledger.orders()
    portfolio = await ledger.portfolio(marks={"BTC/USDT": Decimal(100)}, as_of=at(9))
    assert (fill.fee_base, order.fee, portfolio.fees) == (Decimal("0.002"), Decimal("1.2"), Decimal("1.2"))
    assert (portfolio.cash, portfolio.quantity("BTC/USDT")) == (Decimal(9_799), Decimal("1.998"))
    await ledger.check()


async def test_events_are_under_the_seal_of_their_cycle(database: Database) -> None:
    archive = Archive(database)
    await archive.begin_run(a_header())
    ledger = await a_ledger(database)
    await ledger.book_external([an_event()], cycle=1)
    await archive.close_cycle("r1", a_cycle(1), timings={})
    assert await verify(database, "r1") == ()
    async with database.transaction() as connection:
        row = dict((await connection.execute(select(external_events))).mappings().one())
        changed = with_digest(external_events, row | {"note": "another"})
        await connection.execute(update(external_events).values(note=changed["note"], digest=changed["digest"]))
    (fault,) = await verify(database, "r1")
    assert str(fault) == "external_events cycle=1 id=transfer:1: is not the row that was sealed"


async def test_a_cycle_without_events_is_sealed_as_it_always_was(database: Database) -> None:
    await Archive(database).begin_run(a_header())
    await trade_whole(await a_ledger(database), a_proposal())
    await Archive(database).close_cycle("r1", a_cycle(1), timings={})
    async with database.reading() as connection:
        rows = await connection.scalar(select(cycles.c.rows))
        columns = (await connection.execute(select(fills))).mappings().one()
    assert "external" not in str(rows)
    assert (columns["fee_base"], columns["commission"]) == (None, None)


async def test_events_of_an_account_that_is_not_there_are_named(database: Database) -> None:
    await Archive(database).begin_run(a_header())
    ledger = await a_ledger(database)
    await ledger.book_external([an_event()], cycle=1)
    async with database.transaction() as connection:
        await connection.execute(update(external_events).values(account="another"))
    assert {(fault.table, fault.key) for fault in await verify(database, "r1")} >= {
        ("external_events", "id=transfer:1"),
        ("holdings", "asset=ETH"),
    }


async def a_full_account(database: Database) -> Ledger:
    """A trade with a commission, what was opened with, a transfer of cash, and an adoption in between."""
    ledger = await a_ledger(database, opening=(an_event("o", kind="opening", asset="BTC", quantity=Decimal(5)),))
    await trade(ledger, fill={"commission": Commission(currency="BNB", amount=Decimal(1))})
    await ledger.book_external([an_event("t", asset="USDT", quantity=Decimal(0), cash=Decimal(7))], cycle=1)
    taken = adoption("BTC", quantity=Decimal(1), price=Decimal(110), id="a", at=at(5))
    await ledger.book_external([taken], cycle=1)
    await trade(ledger, cycle=2, side="sell")
    assert await faults(database) == []
    return ledger


@pytest.mark.parametrize(
    ("id", "named"),
    [
        ("o", {("fills", ""), ("holdings", "asset=BTC")}),
        ("t", {("external_events", "id=a"), ("accounts", "account=r1")}),
        ("a", {("fills", ""), ("holdings", "asset=BTC"), ("positions", "symbol=BTC/USDT")}),
    ],
)
async def test_a_missing_event_is_missed(database: Database, id: str, named: set[tuple[str, str]]) -> None:
    await a_full_account(database)
    async with database.transaction() as connection:
        await connection.execute(delete(external_events).where(external_events.c.id == id))
    found = {(fault.table, "" if fault.table == "fills" else fault.key) for fault in await faults(database)}
    assert found >= named


async def test_the_last_event_is_missed_too_though_it_leaves_no_gap(database: Database) -> None:
    ledger = await a_ledger(database)
    await ledger.book_external([an_event()], cycle=1)
    async with database.transaction() as connection:
        await connection.execute(delete(external_events))
    assert [str(fault) for fault in await faults(database)] == [
        "holdings asset=ETH: quantity is 3, and what others did and commissions make 0"
    ]


@pytest.mark.parametrize("name", ["cash", "realized", "fees", "contributed"])
async def test_a_sum_with_a_fitting_digest_is_still_found(database: Database, name: str) -> None:
    await a_full_account(database)
    async with database.transaction() as connection:
        row = dict((await connection.execute(select(accounts))).mappings().one())
        changed = with_digest(accounts, row | {name: Decimal(123)})
        await connection.execute(update(accounts).values(changed))
    (fault,) = await faults(database)
    assert (fault.table, fault.field) == ("accounts", name)


async def test_a_holding_with_a_fitting_digest_is_still_found(database: Database) -> None:
    await a_full_account(database)
    async with database.transaction() as connection:
        row = with_digest(holdings, {"account": "r1", "asset": "BTC", "quantity": Decimal(9)})
        await connection.execute(update(holdings).where(holdings.c.asset == "BTC").values(row))
        await connection.execute(delete(holdings).where(holdings.c.asset == "BNB"))
    assert [(fault.key, fault.what) for fault in await faults(database)] == [
        ("asset=BNB", "is missing"),
        ("asset=BTC", "is 9, and what others did and commissions make 4"),
    ]


async def test_what_an_adoption_says_was_held_is_proven(database: Database) -> None:
    await a_full_account(database)
    async with database.transaction() as connection:
        row = dict(
            (await connection.execute(select(external_events).where(external_events.c.id == "a"))).mappings().one()
        )
        row = with_digest(external_events, row | {"held": Decimal(9)})
        await connection.execute(update(external_events).where(external_events.c.id == "a").values(row))
    assert [str(fault) for fault in await faults(database)] == [
        "external_events id=a: says 9 is held after it, and the fills make 3"
    ]


async def test_a_look_upon_the_last_one_sees_what_was_booked_since(database: Database) -> None:
    ledger = await a_full_account(database)
    await ledger.recheck()
    await ledger.book_external([an_event("later")], cycle=3)
    await trade(ledger, cycle=3)
    await ledger.recheck()
    await trade(ledger, cycle=4, side="sell")
    async with database.transaction() as connection:
        await connection.execute(delete(fills).where(fills.c.cycle == 4))
    with pytest.raises(LedgerBroken):
        await ledger.recheck()
    with pytest.raises(LedgerBroken):  # what is wrong is not taken as proven
        await ledger.recheck()


async def test_a_look_upon_the_last_one_misses_no_sum_and_no_new_row(database: Database) -> None:
    ledger = await a_full_account(database)
    await ledger.check()
    for table, changed in ((accounts, {"cash": Decimal(1)}), (holdings, {"quantity": Decimal(1)})):
        async with database.transaction() as connection:
            rows = [dict(row) for row in (await connection.execute(select(table))).mappings()]
            key = table.c.asset == "BTC" if table is holdings else table.c.account == "r1"
            (row,) = [row for row in rows if row.get("asset", "BTC") == "BTC"]
            await connection.execute(update(table).where(key).values(with_digest(table, row | changed)))
        with pytest.raises(LedgerBroken, match=table.name):
            await ledger.recheck()
        async with database.transaction() as connection:
            await connection.execute(update(table).where(key).values(row))
        await ledger.check()
    await ledger.book_external([an_event("later")], cycle=3)
    async with database.transaction() as connection:
        await connection.execute(update(external_events).where(external_events.c.id == "later").values(note="other"))
    with pytest.raises(LedgerBroken, match="id=later"):
        await ledger.recheck()
