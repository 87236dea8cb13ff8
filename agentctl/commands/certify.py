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
class CertifyRequest:
    """The options as given."""

    exchange: str
    symbol: str | None
    most: str | None
    real: bool
    recording: Path | None


def certify_command(request: CertifyRequest, *, db: str | None, as_json: bool) -> None:
    """Exit code 0 when every step passed, 3 when one failed, 5 when the exchange does not answer, 130 when it was
    interrupted.
    """
    require_own_packages()
    settings = load(db=db)
    require_tradable(request.exchange)
    require_untraced(os.environ, allowed=settings.live.allow_tracing)
    symbol = _symbol(request)
    _require_asked_for_money(request, settings)
    path = request.recording or recording_path(settings.data_dir, request.exchange, on=datetime.now(UTC).date())
    if path.exists():
        raise UsageError(f"{path} is there already", remedy="Name another file: --recording FILE")
    try:
        certification = asyncio.run(_certify(request, settings, symbol=symbol, most=_most(request.most), path=path))
    except asyncio.CancelledError:  # what is left was said where it was left
        sys.exit(INTERRUPTED)
    certified = _keep(certification, settings)
    if as_json:
        print_json(
            Reported(passed=certification.passed, certified=certified, recording=str(path), certification=certification)
        )
    else:
        _show(certification)
    for line in _parting(certification, settings, certified=certified, path=path):
        warn(line)
    if certification.interrupted:
        sys.exit(INTERRUPTED)
    if not certification.passed:
        sys.exit(ServiceUnavailable.exit_code if certification.unreached else Refused.exit_code)


async def _certify(
    request: CertifyRequest, settings: Settings, *, symbol: str, most: Decimal | None, path: Path
) -> Certification:
    wall, stop = WallClock(), Stop()
    recorder = Recorder(wall)
    async with AsyncExitStack() as stack:
        at = await stack.enter_async_context(
            certifying(request.exchange, symbol=symbol, settings=settings, listen=recorder)
        )
        database = await stack.enter_async_context(await Database.open(settings.database_url))
        armed = await Armings(database).in_force(request.exchange, at=wall.now())
        bench = Bench(
            exchange=request.exchange,
            desk=at.desk,
            witness=at.witness,
            database=database,
            wall=wall,
            sleep=asyncio.sleep,
            where=at.where,
            sandbox=at.venue.destination.sandbox,
            operator=Operator(
                request.exchange,
                where=at.where,
                line=line_of(request.exchange, settings.data_dir),
                armed=armed,
                confirmed=lambda: _heed_signals(stop, working),
            ),
            watch=Progress(recorder),
            stop=stop,
            notice=warn,
        )
        now = wall.now()
        working = asyncio.create_task(certify(bench, symbol=symbol, most=most, run_id=new_run_id(now)))
        certification: Certification | None = None
        try:
            certification = await working
        finally:
            _record(recorder, at, certification, symbol=symbol, path=path, started_at=now)
        return certification


def _record(
    recorder: Recorder,
    at: Certifying,
    certification: Certification | None,
    *,
    symbol: str,
    path: Path,
    started_at: datetime,
) -> None:
    """Keep what went over the wire, also of a certification that did not come to its end."""
    base, _, quote = symbol.partition("/")
    account = certification.account.partition(":")[2] if certification else ""
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
        results={row.step: row.result for row in certification.steps} if certification else {},
        calls=tuple(recorder.calls(owner)),
    ).write(path)


def _symbol(request: CertifyRequest) -> str:
    if request.symbol is not None:
        if not re.fullmatch(SYMBOL_FORM, request.symbol):
            raise UsageError(f"--symbol {visible(repr(request.symbol))} is no symbol{meant_symbol(request.symbol)}")
        return request.symbol
    if request.exchange not in KNOWN:
        raise UsageError(f"no usual symbol of {request.exchange} is known", remedy="Choose: --symbol BTC/USDT")
    return KNOWN[request.exchange].least


def _most(text: str | None) -> Decimal | None:
    try:
        most = None if text is None else Decimal(text)
    except InvalidOperation:
        most = Decimal("nan")
    if most is not None and not (most.is_finite() and most > 0):
        raise UsageError(f"--most {text!r} is no amount", remedy="Write --most 20")
    return most


def _require_asked_for_money(request: CertifyRequest, settings: Settings) -> None:
    """Real money only where that was asked for in so many words."""
    if not request.real and not settings.at_exchange(request.exchange).sandbox:
        raise UsageError(
            f"exchanges.{request.exchange}.sandbox is not set: this would trade with real money",
            remedy=f"Set sandbox = true under [exchanges.{request.exchange}], with keys of the sandbox; or add --real",
        )


def _keep(certification: Certification, settings: Settings) -> bool:
    """A certification counts where every step passed at the exchange's own address."""
    if not certification.passed or settings.at_exchange(certification.exchange).base_url is not None:
        return False
    keep_certified(
        settings.data_dir,
        Certified(
            exchange=certification.exchange,
            on=certification.at.date(),
            version=certification.version,
            where="sandbox" if certification.sandbox else "real account",
            symbol=certification.symbol,
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


def _show(certification: Certification) -> None:
    rows = [
        (row.step, _RESULTS[row.result], str(row.elapsed_ms) if row.result != "not run" else "", row.sent, row.answered)
        for row in certification.steps
    ]
    print_table(
        f"{certification.symbol} on {certification.account or certification.exchange}, {certification.where}",
        ("step", "", "ms", "sent", "answered"),
        rows,
        right=("ms",),
    )


_RESULTS: Final = {"pass": "pass", "fail": "FAILED", "not run": "not run"}


def _parting(certification: Certification, settings: Settings, *, certified: bool, path: Path) -> Sequence[str]:
    """The last lines: what is left, what stays, where the recording is, and what it comes to."""
    lines = [f"LEFT: {line}" for line in certification.left]
    if certification.stays:
        lines.append(f"{certification.stays} is too little to be sold, and stays in the account")
    lines.append(f"recorded in {path}, without keys, account or other balances")
    if certification.interrupted:
        lines.append("interrupted: not certified" + ("" if certification.left else "; nothing is left open"))
    elif not certification.passed:
        first = next((row.step for row in certification.steps if row.result == "fail"), "a step was not run")
        lines.append(f"NOT certified: {first}")
    elif certified:
        lines.append(line_of(certification.exchange, settings.data_dir))
    else:
        lines.append(
            f"every step passed. It is not kept as a certification: exchanges.{certification.exchange}.base_url puts "
            "another address in place of the exchange's own"
        )
    return lines
