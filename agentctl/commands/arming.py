"""`agentctl arm` and `disarm`: a person's leave to trade with money, for a while, at one exchange."""

from __future__ import annotations

from datetime import UTC, datetime

from agentctl.archive import reading, wait
from agentctl.certified import line_of
from agentctl.output import print_json
from agentctl.person import named
from agentctl.question import when
from agentctl.settings import load
from agentctl.whereto import describe, require_private
from domain.candle import Timeframe
from domain.errors import UsageError
from memory.operators.armings import Armings
from memory.store.database import Database
from policy.account import Arming
from venues.exchange.account import destination_of


def arm(exchange: str, *, duration: str, reason: str, by: str | None, db: str | None, as_json: bool) -> None:
    """Raises `UsageError` for an exchange that nobody knows, a duration that is none or too long."""
    if exchange == "sim" or ":" in exchange:
        raise UsageError(f"{exchange} is no exchange", remedy="Name one as ccxt does, such as okx")
    settings = load(db=db)
    require_private(settings, exchange)
    # A name that is mistyped arms nothing, and would be found out at the first refusal only.
    at = settings.at_exchange(exchange)
    where = destination_of(exchange, sandbox=at.sandbox, base_url=at.base_url)
    certification = line_of(exchange, settings.data_dir)
    who, now = named(by), datetime.now(UTC)
    try:
        until = now + Timeframe(duration).length
    except UsageError:
        raise UsageError(f"--for {duration!r} is no time", remedy="Write --for 30m, 8h or 2d") from None

    async def work() -> Arming:
        async with await Database.open(settings.database_url) as database:
            return await Armings(database).arm(exchange, until=until, by=who, reason=reason, at=now)

    arming = wait(work())
    if as_json:
        destination = {"hosts": where.hosts, "sandbox": where.sandbox, "certification": certification}
        print_json({"exchange": exchange, **arming.model_dump(), **destination})
    else:
        print(f"{exchange} is armed by {arming.by} until {when(arming.until)}: runs with --live may enter there")
        print(
            f"by the settings of this folder they trade on {describe(where, exchange, moved=at.base_url is not None)}"
        )
        print(certification)
        print(f"agentctl disarm {exchange} --reason TEXT ends it; what is held then can still be left")


def disarm(exchange: str, *, reason: str, by: str | None, db: str | None, as_json: bool) -> None:
    """Raises `Refused` where nothing is armed."""
    who = named(by)

    async def work() -> None:
        async with reading(db) as database:
            await Armings(database).disarm(exchange, by=who, reason=reason, at=datetime.now(UTC))

    wait(work())
    if as_json:
        print_json({"exchange": exchange, "armed": False, "by": who})
    else:
        print(f"{exchange} is not armed any more: nothing is entered there, and what is held can be left")
