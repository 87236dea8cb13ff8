"""A live desk: what stands between a person's wish to trade with money and the first cycle that may."""

from __future__ import annotations

import re
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final, Protocol

from domain.clearance import Check
from domain.clock import Clock
from domain.digest import canonical
from domain.errors import NotTold, Refused, UsageError
from domain.instrument import Instrument
from domain.money import ZERO
from domain.order import OrderState
from domain.statement import ExternalEvent, Statement, adoption, is_swap
from domain.venue import AccountVenue, BatchVenue, Suspends
from graphs.session.clocks import RunningClock
from graphs.session.session import RunSettings
from graphs.session.trading_day import day_start, lookback, week_start
from memory.archive.archive import Archive
from memory.ledger.ledger import Ledger
from memory.ledger.prior_runs import done_before
from memory.operators.armings import Armings
from memory.store.database import Database
from memory.store.records import RunHeader
from policy import TicketOffice

TICKET_TTL_S: Final = 60
CERTIFY: Final = "certify"
"""The graph of a run that certifies a venue: its steps are fixed (`graphs.certification`), and nothing decides."""
_TRIES: Final = 3
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_OURS: Final = re.compile(r"^a[cx][0-9a-f]{30}$")
"""The client order ids that proposals have, and stops that were attached to their orders."""


class OpenVenue(Protocol):
    """How an account at an exchange is opened by the exchange's name. Nothing is asked of it yet."""

    def __call__(
        self,
        spec: str,
        *,
        symbols: Sequence[str],
        currency: str,
        check: Check,
        clock: Clock,
    ) -> AccountVenue: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveDesk:
    """A venue with an account, the office whose tickets it takes, and the clock of both."""

    venue: AccountVenue
    office: TicketOffice
    clock: RunningClock

    @classmethod
    def at(cls, spec: str, *, symbols: Sequence[str], currency: str, opener: OpenVenue, wall: Clock) -> LiveDesk:
        clock = RunningClock(wall, at=_EPOCH)
        office = TicketOffice(secrets.token_bytes(32), ttl_s=TICKET_TTL_S)
        venue = opener(spec, symbols=symbols, currency=currency, check=office.check, clock=clock)
        return cls(venue=venue, office=office, clock=clock)


async def account_of(desk: LiveDesk, *, exchange: str) -> str:
    """The venue's name of the account, as `okx:123`. Raises `Refused` for a key that may do too much or too little."""
    rights = await desk.venue.rights()
    if rights.withdraw:
        raise Refused(
            f"the key for {exchange} may withdraw: whoever gets hold of it can empty the account",
            remedy="Make a key at the exchange that may read and trade, and nothing else",
        )
    if rights.trade is False:
        raise Refused(f"the key for {exchange} may not trade", remedy="Allow trading for it at the exchange")
    return f"{exchange}:{rights.account}" if rights.account else exchange


async def went_live(
    header: RunHeader,
    desk: LiveDesk,
    *,
    database: Database,
    adopt: Sequence[str],
    at: datetime,
    take: Callable[[str], Awaitable[None]] | None = None,
) -> RunHeader:
    """`opened_live`, where a person has armed the exchange. Raises `Refused` where nobody has."""
    if await Armings(database).in_force(header.exchange, at=at) is None:
        raise Refused(
            f"nobody has armed {header.exchange}",
            remedy=f"agentctl arm {header.exchange} --for 8h --reason TEXT, then run it again",
        )
    return await opened_live(header, desk, database=database, adopt=adopt, take=take)


async def opened_live(
    header: RunHeader,
    desk: LiveDesk,
    *,
    database: Database,
    adopt: Sequence[str] = (),
    take: Callable[[str], Awaitable[None]] | None = None,
) -> RunHeader:
    """`header` for a run with money: opened with what the account holds now. Nothing is written yet.

    What is held besides cash stays the owner's own, but for the symbols in `adopt`, which the desk manages from now
    on, spot at its price now and swaps at their entry price. `take` holds the account before it is looked at: what
    another run of it did after that would be in no books. Raises `Refused` where the key may withdraw, an earlier run
    of the account has orders out or somebody trades on it this very moment, and `UsageError` for an adoption of what
    is not held.
    """
    account = await account_of(desk, exchange=header.exchange)
    if take is not None:
        await take(account)
    earlier = await _settled(account, database)
    await desk.venue.prepare()
    opened_at, statement = await _quiet_moment(header, desk)
    if out := [o.client_order_id for o in statement.open_orders if _OURS.match(o.client_order_id)]:
        raise Refused(
            f"{len(out)} orders of another run are open at {account}, as {out[0]}",
            remedy="Resume that run, or cancel them at the exchange",
        )
    instruments = await desk.venue.instruments()
    settings = RunSettings.model_validate_json(header.settings)
    mine = {symbol: instruments[symbol] for symbol in header.symbols}
    opening = _opening(statement, mine, adopt=adopt, prices=await _prices(desk, adopt))
    day = settings.policy.day
    since = (day_start(opened_at, day), week_start(opened_at, day))
    counted_alike = [run for run in earlier if run.currency == header.currency]
    return header.model_copy(
        update={
            "mode": "live",
            "account": account,
            "opened_at": opened_at,
            "start_cash": statement.balances.get(header.currency, ZERO),
            "opening": opening,
            "before": await done_before(
                counted_alike, database, since=since, closed_since=opened_at - lookback(settings.policy)
            ),
            "batch": desk.venue.batch if isinstance(desk.venue, BatchVenue) else 0,
            "venue_stops": tuple(symbol for symbol in header.symbols if desk.venue.holds_stops(symbol)),
            "attaches": tuple(symbol for symbol in header.symbols if desk.venue.attaches_stops(symbol)),
            "settings": canonical(settings.model_copy(update={"instruments": mine})),
        }
    )


async def require_same(header: RunHeader, desk: LiveDesk) -> None:
    """Raises `Refused` when the keys at hand are another account's than the run's.

    A symbol of the run that is not traded any more is no reason: the others are looked after.
    """
    if isinstance(desk.venue, Suspends):
        desk.venue.expect(RunSettings.model_validate_json(header.settings).instruments)
    account = await account_of(desk, exchange=header.exchange)
    if account != header.account:
        raise Refused(f"{header.run_id} trades on {header.account}, and the keys are of {account}")
    await desk.venue.prepare()


async def _quiet_moment(header: RunHeader, desk: LiveDesk) -> tuple[datetime, Statement]:
    """A statement and a moment by the venue's clock before it, since which nothing happened on the account.

    What came later than that moment is then in no balance of the statement, and is booked when it is found.
    """
    for _ in range(_TRIES):
        opened_at = await desk.venue.time() or desk.clock.now()
        statement = await desk.venue.statement()
        moments = [t.at for symbol in header.symbols for t in await desk.venue.trades(symbol, since=opened_at)]
        with suppress(NotTold):
            moments += [transfer.at for transfer in await desk.venue.transfers(since=opened_at) or ()]
        if all(at <= opened_at for at in moments):
            return opened_at, statement
    raise Refused("the account is traded on by somebody else this very moment", remedy="Try again when it is quiet")


async def _settled(account: str, database: Database) -> Sequence[RunHeader]:
    """The account's earlier runs. It has one at a time: what an earlier one has out is only known to that one."""
    headers = [record.header for record in await Archive(database).runs(limit=None)]
    earlier = [header for header in headers if header.account == account]
    for run in earlier:
        out = await Ledger(database, account=run.run_id, run_id=run.run_id).orders(working_only=True)
        if out:
            doubt = any(order.state is OrderState.UNKNOWN for order in out)
            raise Refused(
                f"{run.run_id} has {len(out)} orders out at {account}" + (", some of them in doubt" if doubt else ""),
                remedy=f"{settling(run)} settles them",
            )
    return earlier


def settling(run: RunHeader) -> str:
    """The command that learns what became of the orders of a live run that was left, and sees to them."""
    if run.graph == CERTIFY:
        return f"agentctl doctor --exchange {run.exchange} --certify"
    return f"agentctl run --live --resume {run.run_id}"


def require_decided(run: RunHeader) -> None:
    """Raises `UsageError` for a certification: it can't be gone on with, forked or decided again."""
    if run.graph == CERTIFY:
        raise UsageError(
            f"{run.run_id} is a certification of {run.exchange}: its steps are fixed, and nothing decided them",
            remedy=f"What it did: agentctl orders --run {run.run_id}. Again: {settling(run)}",
        )


async def _prices(desk: LiveDesk, symbols: Sequence[str]) -> Mapping[str, Decimal]:
    """At which what is held is taken over: a swap's entry price, so that its wallet comes out right; spot's middle."""
    if not symbols:
        return {}
    positions = (await desk.venue.portfolio()).positions
    averages = {
        symbol: positions[symbol].average_price for symbol in symbols if symbol in positions and is_swap(symbol)
    }
    return {symbol: averages.get(symbol) or (await desk.venue.quote(symbol)).mid for symbol in symbols}


def _opening(
    statement: Statement,
    instruments: Mapping[str, Instrument],
    *,
    adopt: Sequence[str],
    prices: Mapping[str, Decimal],
) -> tuple[ExternalEvent, ...]:
    balances = {i.base: statement.balances.get(i.base, ZERO) for i in instruments.values() if i.kind == "spot"}
    balances |= {s: statement.positions.get(s, ZERO) for s, i in instruments.items() if i.kind == "swap"}
    events = [
        ExternalEvent(id=f"opening:{asset}", kind="opening", asset=asset, quantity=amount, at=statement.at)
        for asset, amount in sorted(balances.items())
        if amount
    ]
    for symbol in adopt:
        if symbol not in instruments:
            raise UsageError(f"--adopt {symbol}: it is not among --symbols", remedy="Add it there")
        asset = symbol if instruments[symbol].kind == "swap" else instruments[symbol].base
        if not balances[asset]:
            raise UsageError(f"--adopt {symbol}: the account holds none", remedy="Leave it out")
        id, price = f"adoption:opening:{asset}", prices[symbol]
        events.append(adoption(asset, quantity=balances[asset], price=price, id=id, at=statement.at))
    return tuple(events)
