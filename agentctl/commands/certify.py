"""`agentctl doctor --exchange EXCHANGE --certify`: an exchange tried out step by step, with the least orders."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Final

from agentctl.archive import new_run_id
from agentctl.certified import keep_certified, line_of, recording_path
from agentctl.clashes import require_own_packages
from agentctl.money import Certifying, certifying, require_tradable, typed
from agentctl.output import INTERRUPTED, print_json, print_table, warn
from agentctl.person import named
from agentctl.settings import Settings, load
from agentctl.tracing import require_untraced
from domain.digest import plain
from domain.errors import Refused, ServiceUnavailable, UsageError
from domain.symbols import meant_symbol
from domain.text import visible
from domain.value import SYMBOL_FORM, Value
from graphs.certification import ABOUT, Bench, Certification, Intent, Step, StepResult, certify
from graphs.session.clocks import WallClock
from graphs.session.eras import this_version
from memory.operators.armings import Armings
from memory.store.database import Database
from policy.account import Arming
from venues.exchange.account.known import KNOWN, Certified
from venues.exchange.account.recording import Recorder, Recording
from venues.exchange.account.scrubbing import Owner

AUTHORIZED_FOR: Final = timedelta(minutes=15)
"""How long what an operator typed holds: a certification takes a minute or two."""
_STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Reported(Value):
    """What is printed with `--json`."""

    passed: bool
    certified: bool
    """Whether it was kept as a certification of the exchange."""
    recording: str
    certification: Certification


@dataclass
class Asked:
    """The options as given."""

    exchange: str
    symbol: str | None
    most: str | None
    real: bool
    recording: Path | None


def certify_command(asked: Asked, *, db: str | None, as_json: bool) -> None:
    """Exit code 0 when every step passed, 3 when one failed, 5 when the exchange does not answer, 130 when it was
    interrupted.
    """
    require_own_packages()
    settings = load(db=db)
    require_tradable(asked.exchange)
    require_untraced(os.environ, allowed=settings.live.allow_tracing)
    symbol = _symbol(asked)
    _require_asked_for_money(asked, settings)
    path = asked.recording or recording_path(settings.data_dir, asked.exchange, on=datetime.now(UTC).date())
    if path.exists():
        raise UsageError(f"{path} is there already", remedy="Name another file: --recording FILE")
    try:
        found = asyncio.run(_certify(asked, settings, symbol=symbol, most=_most(asked.most), path=path))
    except asyncio.CancelledError:  # what is left was said where it was left
        sys.exit(INTERRUPTED)
    kept = _keep(found, settings)
    if as_json:
        print_json(Reported(passed=found.passed, certified=kept, recording=str(path), certification=found))
    else:
        _show(found)
    for line in _parting(found, settings, kept=kept, path=path):
        warn(line)
    if found.interrupted:
        sys.exit(INTERRUPTED)
    if not found.passed:
        sys.exit(ServiceUnavailable.exit_code if found.unreached else Refused.exit_code)


async def _certify(asked: Asked, settings: Settings, *, symbol: str, most: Decimal | None, path: Path) -> Certification:
    wall, stop = WallClock(), Stop()
    recorder = Recorder(wall)
    async with AsyncExitStack() as stack:
        at = await stack.enter_async_context(
            certifying(asked.exchange, symbol=symbol, settings=settings, listen=recorder)
        )
        database = await stack.enter_async_context(await Database.open(settings.database_url))
        armed = await Armings(database).in_force(asked.exchange, at=wall.now())
        bench = Bench(
            exchange=asked.exchange,
            desk=at.desk,
            witness=at.witness,
            database=database,
            wall=wall,
            sleep=asyncio.sleep,
            where=at.where,
            sandbox=at.venue.destination.sandbox,
            operator=Operator(
                asked.exchange,
                where=at.where,
                line=line_of(asked.exchange, settings.data_dir),
                armed=armed,
                confirmed=lambda: _heed_signals(stop, working),
            ),
            watch=Progress(recorder),
            stop=stop,
            notice=warn,
        )
        now = wall.now()
        working = asyncio.create_task(certify(bench, symbol=symbol, most=most, run_id=new_run_id(now)))
        found: Certification | None = None
        try:
            found = await working
        finally:
            _record(recorder, at, found, symbol=symbol, path=path, started_at=now)
        return found


def _record(
    recorder: Recorder, at: Certifying, found: Certification | None, *, symbol: str, path: Path, started_at: datetime
) -> None:
    """Keep what went over the wire, also of a certification that did not come to its end."""
    base, _, quote = symbol.partition("/")
    account = found.account.partition(":")[2] if found else ""
    owner = Owner(
        secrets=(*at.keys.words(), account),
        market_ids=at.venue.market_ids,
        currencies=frozenset({base, quote.partition(":")[0]}),
    )
    Recording(
        exchange=at.venue.name,
        symbol=symbol,
        sandbox=at.venue.destination.sandbox,
        version=this_version(),
        started_at=started_at,
        results={row.step: row.result for row in found.steps} if found else {},
        calls=tuple(recorder.calls(owner)),
    ).write(path)


def _symbol(asked: Asked) -> str:
    if asked.symbol is not None:
        if not re.fullmatch(SYMBOL_FORM, asked.symbol):
            raise UsageError(f"--symbol {visible(repr(asked.symbol))} is no symbol{meant_symbol(asked.symbol)}")
        return asked.symbol
    if asked.exchange not in KNOWN:
        raise UsageError(f"no usual symbol of {asked.exchange} is known", remedy="Choose: --symbol BTC/USDT")
    return KNOWN[asked.exchange].least


def _most(text: str | None) -> Decimal | None:
    try:
        most = None if text is None else Decimal(text)
    except InvalidOperation:
        most = Decimal("nan")
    if most is not None and not (most.is_finite() and most > 0):
        raise UsageError(f"--most {text!r} is no amount", remedy="Write --most 20")
    return most


def _require_asked_for_money(asked: Asked, settings: Settings) -> None:
    """Real money only where that was asked for in so many words."""
    if not asked.real and not settings.at_exchange(asked.exchange).sandbox:
        raise UsageError(
            f"exchanges.{asked.exchange}.sandbox is not set: this would trade with real money",
            remedy=f"Set sandbox = true under [exchanges.{asked.exchange}], with keys of the sandbox; or add --real",
        )


def _keep(found: Certification, settings: Settings) -> bool:
    """A certification counts where every step passed at the exchange's own address."""
    if not found.passed or settings.at_exchange(found.exchange).base_url is not None:
        return False
    keep_certified(
        settings.data_dir,
        Certified(
            exchange=found.exchange,
            on=found.at.date(),
            version=found.version,
            where="sandbox" if found.sandbox else "real account",
            symbol=found.symbol,
        ),
    )
    return True


@dataclass
class Stop:
    requested: bool = False


def _heed_signals(stop: Stop, working: asyncio.Task[Certification]) -> None:
    """The first Ctrl-C ends it after the step that it is in, and cleans up; the second leaves everything as it is."""
    loop = asyncio.get_running_loop()

    def heed() -> None:
        if stop.requested:
            working.cancel()
        elif not working.done():
            stop.requested = True
            warn("stopping after this step, and cleaning up; Ctrl-C again leaves everything as it is")

    for each in _STOPS:
        if each is not signal.SIGHUP or signal.getsignal(each) is not signal.SIG_IGN:  # under nohup it goes on
            loop.add_signal_handler(each, heed)


@dataclass
class Progress:
    """A line a step, on stderr."""

    recorder: Recorder
    failed: list[Step] = field(default_factory=list)

    def began(self, step: Step) -> None:
        self.recorder.step = step

    def ended(self, row: StepResult) -> None:
        why = f": {row.answered}" if row.result == "fail" else ""
        warn(f"{_MARKS[row.result]}  {row.step}, {ABOUT[row.step]}{why}")


_MARKS: Final = {"pass": "pass", "fail": "FAIL", "not run": "    "}


@dataclass(frozen=True)
class Operator:
    """Asks at the terminal; without one an arming that is in force is the operator's word."""

    exchange: str
    where: str
    line: str
    armed: Arming | None
    confirmed: Callable[[], None]
    """Called before anything is sent. Until then Ctrl-C ends it at once, also while an operator reads."""

    def confirm(self, intent: Intent) -> Arming:
        rest = f", and less than {plain(intent.stays)} {intent.currency} may stay unsold" if intent.stays else ""
        for line in (
            f"CERTIFY: {intent.symbol} on {intent.account}",
            f"  orders go to {self.where}",
            f"  {self.line}",
            f"  it buys {plain(intent.quantity)} for at most {plain(intent.notional)} {intent.currency} and sells it "
            f"again; spread and fees are lost{rest}",
            f"  at no time is more than {plain(intent.most)} {intent.currency} in it",
        ):
            warn(line)
        return self._authorized(intent.account)

    def confirm_cleaning(self, account: str, runs: Sequence[str]) -> Arming:
        warn(f"CLEAN UP: {', '.join(runs)} was ended on its way and left orders or a position on {account}")
        warn("  its orders are cancelled, and what it bought is sold")
        return self._authorized(account)

    def _authorized(self, account: str) -> Arming:
        arming = self._arming(account)
        self.confirmed()
        return arming

    def _arming(self, account: str) -> Arming:
        if sys.stdin.isatty():
            if not typed(account):
                raise UsageError("nothing was sent", remedy=f"Type {account} to certify {self.exchange}")
            return Arming(by=named(None), until=datetime.now(UTC) + AUTHORIZED_FOR)
        if self.armed is None:
            raise Refused(
                f"there is no terminal to confirm at, and nobody has armed {self.exchange}",
                remedy=f"agentctl arm {self.exchange} --for 15m --reason TEXT, then run it again",
            )
        return self.armed


def _show(found: Certification) -> None:
    rows = [
        (row.step, _RESULTS[row.result], str(row.elapsed_ms) if row.result != "not run" else "", row.sent, row.answered)
        for row in found.steps
    ]
    print_table(
        f"{found.symbol} on {found.account or found.exchange}, {found.where}",
        ("step", "", "ms", "sent", "answered"),
        rows,
        right=("ms",),
    )


_RESULTS: Final = {"pass": "pass", "fail": "FAILED", "not run": "not run"}


def _parting(found: Certification, settings: Settings, *, kept: bool, path: Path) -> Sequence[str]:
    """The last lines: what is left, what stays, where the recording is, and what it comes to."""
    lines = [f"LEFT: {line}" for line in found.left]
    if found.stays:
        lines.append(f"{found.stays} is too little to be sold, and stays in the account")
    lines.append(f"recorded in {path}, without keys, account or other balances")
    if found.interrupted:
        lines.append("interrupted: not certified" + ("" if found.left else "; nothing is left open"))
    elif not found.passed:
        first = next((row.step for row in found.steps if row.result == "fail"), "a step was not run")
        lines.append(f"NOT certified: {first}")
    elif kept:
        lines.append(line_of(found.exchange, settings.data_dir))
    else:
        lines.append(
            f"every step passed. It is not kept as a certification: exchanges.{found.exchange}.base_url puts another "
            "address in place of the exchange's own"
        )
    return lines
