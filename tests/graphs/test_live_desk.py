"""Before a cycle may trade with money: somebody armed the desk, the key is harmless, the account is at rest."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from builders.account_venue import SPOT, SWAP, ScriptedAccount
from builders.markets import an_order
from builders.memory import a_cycle, a_header, a_proposal, admit, an_admission, claim, some_figures
from builders.policy import an_instrument
from builders.runs import options
from builders.sessions import BTC, ETH, NOW, a_live_desk, a_live_session
from domain.decision import Ticket
from domain.digest import canonical
from domain.errors import Refused, UsageError
from domain.order import OrderRequest
from domain.statement import KeyRights, Statement
from domain.venue import Outcome
from graphs import prepare
from graphs.runs.open_live import account_of, require_same, went_live
from memory import Archive, Database, Ledger
from memory.operators.armings import Armings
from memory.store.records import RunHeader


@pytest.fixture
async def database() -> AsyncIterator[Database]:
    """One in which the market is armed for an hour."""
    async with await Database.in_memory() as opened:
        await Armings(opened).arm("sim", until=NOW + timedelta(hours=1), by="Ada", reason="a trial", at=NOW)
        yield opened


def an_account(kind: type[ScriptedAccount] = ScriptedAccount, **over: Any) -> ScriptedAccount:
    account = kind(instruments_={s: an_instrument(s) for s in (BTC, ETH, SWAP)}, **over)
    account.wallet["USDT"] = Decimal(10_000)
    return account


async def live(
    account: ScriptedAccount,
    database: Database,
    *,
    adopt: Sequence[str] = (),
    symbols: Sequence[str] = (BTC, ETH),
    minutes: int = 0,
) -> RunHeader:
    header, _, _ = await prepare(options(symbols=(BTC, ETH)), run_id="r2", at=NOW)
    asked = header.model_copy(update={"symbols": tuple(symbols)})
    return await went_live(
        asked, a_live_desk(account), database=database, adopt=adopt, at=NOW + timedelta(minutes=minutes)
    )


async def test_a_live_run_begins_with_what_the_account_holds(database: Database) -> None:
    account = an_account()
    account.deposit("3", "BTC")
    account.deposit("9", "DOGE")
    account.at += timedelta(seconds=1)
    header = await live(account, database)
    assert (header.mode, header.account, header.start_cash) == ("live", "sim:7", Decimal(10_000))
    assert [(e.id, e.kind, e.asset, e.quantity) for e in header.opening] == [
        ("opening:BTC", "opening", "BTC", Decimal(3))
    ]
    assert (header.opened_at, header.venue_stops, header.batch) == (account.at, (BTC, ETH), 0)


@pytest.mark.parametrize("minutes", [60, 61])
async def test_an_arming_that_has_ended_is_none(database: Database, minutes: int) -> None:
    account = an_account()
    with pytest.raises(Refused, match="nobody has armed sim") as refused:
        await live(account, database, minutes=minutes)
    assert "agentctl arm sim --for 8h" in str(refused.value.remedy)
    assert account.asked == [], "nothing is asked of the account of one who may not trade on it"


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (KeyRights(account="7", trade=True, withdraw=True), "may withdraw"),
        (KeyRights(account="7", trade=False, withdraw=False), "may not trade"),
    ],
)
async def test_a_key_that_may_too_much_or_too_little_is_refused(database: Database, key: KeyRights, said: str) -> None:
    with pytest.raises(Refused, match=said):
        await live(an_account(key=key), database)


async def test_what_an_exchange_does_not_tell_of_a_key_is_not_held_against_it() -> None:
    quiet = an_account(key=KeyRights(account="", trade=None, withdraw=None))
    assert await account_of(a_live_desk(quiet), exchange="okx") == "okx"


@pytest.mark.parametrize(("theirs", "refused"), [("ac" + "0" * 30, True), ("ac0", False), ("x1", False)])
async def test_orders_of_another_run_that_are_open_are_a_reason_not_to_begin(
    database: Database, theirs: str, refused: bool
) -> None:
    account = an_account()
    account.takes(an_order(limit="50", symbol=BTC, id=theirs))
    if not refused:
        assert (await live(account, database)).mode == "live"
        return
    with pytest.raises(Refused, match=f"1 orders of another run are open at sim:7, as {theirs}"):
        await live(account, database)


async def test_an_account_with_a_run_that_has_orders_out_takes_no_other() -> None:
    account = an_account()
    async with a_live_session(account) as session:
        admission = an_admission(a_proposal())
        ledger = Ledger(session.database, account="r1", run_id="r1")
        await admit(ledger, admission)
        assert await claim(ledger, admission.ticket)
        with pytest.raises(Refused, match="r1 has 1 orders out at sim:7") as refused:
            await live(account, session.database)
        assert refused.value.remedy == "agentctl run --live --resume r1 settles them"
        other = an_account(key=KeyRights(account="8", trade=True, withdraw=False))
        assert (await live(other, session.database)).account == "sim:8"


async def test_what_earlier_runs_of_the_account_lost_today_is_not_forgiven(database: Database) -> None:
    archive, account = Archive(database), an_account()
    today = account.at.replace(hour=0, minute=0, second=0, microsecond=0)
    for name, over in [
        ("mine", {}),
        ("on paper", {"mode": "paper", "account": ""}),
        ("another's", {"account": "sim:8"}),
        ("in euro", {"currency": "EUR"}),
    ]:
        header = a_header(run_id=name, **{"mode": "live", "account": "sim:7", "created_at": NOW} | over)
        await archive.begin_run(header)
        for cycle, (minute, equity) in enumerate([(-5, "9950"), (5, "9800")], start=1):
            figures = some_figures(equity=Decimal(equity))
            as_of = today + timedelta(minutes=minute)
            await archive.close_cycle(name, a_cycle(cycle, as_of=as_of, figures=figures), timings={})
    header = await live(account, database)
    assert header.before is not None
    monday = today - timedelta(days=today.weekday())
    assert [(loss.since, loss.amount) for loss in header.before.losses] == [
        (monday, Decimal(200)),
        (today, Decimal(150)),
    ]
    assert not (await live(an_account(key=KeyRights(account="9", trade=True, withdraw=False)), database)).before


async def test_an_account_that_is_traded_on_this_very_moment_is_not_opened(database: Database) -> None:
    class Lively(ScriptedAccount):
        """Somebody trades on it whenever one looks."""

        async def statement(self) -> Statement:
            self.by_hand("buy", "1", "100")
            return await super().statement()

    account = an_account(Lively)
    with pytest.raises(Refused, match="traded on by somebody else this very moment"):
        await live(account, database)
    assert account.asked.count("statement") == 3


async def test_what_moved_while_the_account_was_read_is_read_again(database: Database) -> None:
    class Moved(ScriptedAccount):
        """A deposit arrives at the first look."""

        async def statement(self) -> Statement:
            if not self._transfers:
                self.deposit("5", "BTC")
            return await super().statement()

    account = an_account(Moved)
    header = await live(account, database)
    assert [(e.asset, e.quantity) for e in header.opening] == [("BTC", Decimal(5))]
    assert header.opened_at == account.at


@pytest.mark.parametrize("untold", ["", "no right to read"])
async def test_an_account_of_which_no_deposit_is_told_is_opened(database: Database, untold: str) -> None:
    assert (await live(an_account(untold=untold), database)).mode == "live"


@pytest.mark.parametrize(("adopt", "said"), [(SWAP, "it is not among --symbols"), (ETH, "the account holds none")])
async def test_what_is_not_there_can_not_be_adopted(database: Database, adopt: str, said: str) -> None:
    account = an_account()
    account.deposit("5", "BTC")
    with pytest.raises(UsageError, match=said):
        await live(account, database, adopt=[adopt])


async def test_spot_is_adopted_at_its_price_now_and_a_swap_at_its_entry_price(database: Database) -> None:
    account = an_account()
    account.deposit("5", "BTC")
    account.marks[BTC] = Decimal(130)
    account.by_hand("sell", "2", "40", symbol=SWAP)
    account.marks[SWAP] = Decimal(44)
    account.at += timedelta(seconds=1)
    header = await live(account, database, adopt=[SPOT, SWAP], symbols=[BTC, SWAP])
    taken = {e.asset: e for e in header.opening if e.kind == "adoption"}
    assert {asset: (e.price, e.quantity, e.cash) for asset, e in taken.items()} == {
        "BTC": (Decimal(130), Decimal(-5), Decimal(0)),
        SWAP: (Decimal(40), Decimal(2), Decimal(80)),
    }
    assert len(header.opening) == 4, "each was found beside before it was taken over"


async def test_the_keys_of_another_account_do_not_go_on_with_a_run(database: Database) -> None:
    header = await live(an_account(), database)
    await require_same(header, a_live_desk(an_account()))
    other = an_account(key=KeyRights(account="8", trade=True, withdraw=False))
    with pytest.raises(Refused, match="r2 trades on sim:7, and the keys are of sim:8"):
        await require_same(header, a_live_desk(other))
    risky = an_account(key=KeyRights(account="7", trade=True, withdraw=True))
    with pytest.raises(Refused, match="may withdraw"):
        await require_same(header, a_live_desk(risky))


async def test_the_header_says_how_many_orders_share_a_request_where_any_do(database: Database) -> None:
    class InBatches(ScriptedAccount):
        batch = 7

        async def submit_all(self, orders: Sequence[tuple[OrderRequest, Ticket]]) -> Sequence[Outcome]:
            raise NotImplementedError

    header, plain = await live(an_account(InBatches), database), await live(an_account(), database)
    assert header.batch == 7
    assert header.config_digest != header.model_copy(update={"batch": 0}).config_digest
    assert '"batch"' not in canonical(plain)


async def test_nothing_of_a_run_that_was_refused_is_written(database: Database) -> None:
    account = an_account(key=KeyRights(account="7", trade=True, withdraw=True))
    with pytest.raises(Refused):
        await live(account, database)
    assert await Archive(database).runs(limit=None) == ()
