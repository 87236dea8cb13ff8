"""A certification on an exchange of this machine: the double, or what one has said before."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

from builders.exchanges import FAST
from builders.live import LiveStage
from domain.clearance import Check
from domain.clock import Clock, Sleep
from domain.venue import AccountVenue
from exchange_double.recorded import RecordedExchange
from graphs.certification import Bench, Certification, Intent, Step, StepResult, certify
from graphs.runs.open_live import LiveDesk
from memory import Database
from policy.account import Arming
from venues.exchange.account import ExchangeKeys, ExchangeVenue
from venues.exchange.account.recording import Recorder, Recording
from venues.exchange.account.scrubbing import Owner

KEYS = ExchangeKeys(api_key="double-key", secret="double-secret", password="double-passphrase")


@dataclass
class Ada:
    """Confirms whatever she is asked, and remembers it."""

    wall: Clock
    intents: list[Intent] = field(default_factory=list)
    cleaned: list[str] = field(default_factory=list)

    def confirm(self, intent: Intent) -> Arming:
        self.intents.append(intent)
        return self._arming()

    def confirm_cleaning(self, account: str, runs: Sequence[str]) -> Arming:
        self.cleaned += runs
        return self._arming()

    def _arming(self) -> Arming:
        return Arming(by="Ada", until=self.wall.now() + timedelta(minutes=15))


@dataclass
class Watcher:
    """Sees every row; `before` is called as a step begins."""

    recorder: Recorder
    before: Callable[[Step], None] = lambda step: None
    rows: list[StepResult] = field(default_factory=list)

    def began(self, step: Step) -> None:
        self.recorder.step = step
        self.before(step)

    def ended(self, row: StepResult) -> None:
        self.rows.append(row)


@dataclass
class Stopping:
    requested: bool = False


class Room(Protocol):
    """A place with a clock and an address."""

    url: str

    def now(self) -> datetime: ...


@dataclass
class Trials:
    """Certifications on one exchange, each with a connection of its own, as processes have."""

    exchange: str
    symbol: str
    url: str
    wall: Clock
    sleep: Sleep
    client: dict[str, object] = field(default_factory=dict)
    stop: Stopping = field(default_factory=Stopping)
    before: Callable[[Step], None] = lambda step: None
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.operator = Ada(self.wall)
        self.recorder = Recorder(self.wall)

    @classmethod
    def on(cls, live: LiveStage) -> Trials:
        return cls(
            exchange=live.exchange,
            symbol=live.symbols[0],
            url=live.stage.double.url,
            wall=live.stage.wall,
            sleep=live.stage.wall.sleep,
            client=dict(FAST),
        )

    def venue(self, spec: str, *, symbols: Sequence[str], currency: str, check: Check, clock: Clock) -> ExchangeVenue:
        return ExchangeVenue(
            spec,
            keys=KEYS,
            symbols=symbols,
            currency=currency,
            check=check,
            wall=clock,
            sleep=self.sleep,
            base_url=self.url,
            settings={"timeout_on_exit": 0, "verify": False, **self.client},
            listen=self.recorder,
        )

    @asynccontextmanager
    async def bench(self, database: Database) -> AsyncIterator[Bench]:
        desk = self._desk()
        witness: AccountVenue = self._desk().venue
        try:
            yield Bench(
                exchange=self.exchange,
                desk=desk,
                witness=witness,
                database=database,
                wall=self.wall,
                sleep=self.sleep,
                where="this machine",
                sandbox=False,
                operator=self.operator,
                watch=Watcher(self.recorder, before=self.before),
                stop=self.stop,
                notice=self.said.append,
            )
        finally:
            await desk.venue.aclose()
            await witness.aclose()

    def _desk(self) -> LiveDesk:
        return LiveDesk.at(self.exchange, symbols=(self.symbol,), currency="USDT", opener=self.venue, wall=self.wall)

    async def certify(self, database: Database, *, run_id: str = "c1", most: Decimal | None = None) -> Certification:
        async with self.bench(database) as bench:
            return await certify(bench, symbol=self.symbol, most=most, run_id=run_id)

    def recording(self, certification: Certification) -> Recording:
        """What went over the wire so far, as the command line keeps it."""
        return Recording(
            exchange=self.exchange,
            symbol=self.symbol,
            sandbox=False,
            version=certification.version,
            started_at=certification.at,
            results={row.step: row.result for row in certification.steps},
            calls=tuple(self.recorder.calls(self.owner)),
        )

    @property
    def owner(self) -> Owner:
        ids = {"BTC-USDT", "BTC-USDT-SWAP"} if self.exchange == "okx" else {"BTCUSDT"}
        return Owner(secrets=KEYS.words(), market_ids=frozenset(ids), currencies=frozenset({"BTC", "USDT"}))


def replayed(recording: Recording, exchange: RecordedExchange) -> Trials:
    """The same certification against what was recorded of it."""
    return Trials(
        exchange=recording.exchange,
        symbol=recording.symbol,
        url=exchange.url,
        wall=exchange,
        sleep=exchange.sleep,
        client=dict(FAST),
    )


def results(certification: Certification) -> dict[str, str]:
    """By step."""
    return {row.step: row.result for row in certification.steps}
