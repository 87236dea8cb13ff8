"""`agentctl` with money, on an exchange of this machine whose time is the machine's."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from agentctl.cli import main
from builders.exchanges import Stage
from domain.candle import Timeframe
from exchange_double.served import ServedDouble, okx_double
from exchange_double.wire import Credentials
from graphs.session.clocks import WallClock

SYMBOLS = ("BTC/USDT", "ETH/USDT")


class Machine(WallClock):
    """The machine's clock, as a stage asks for it."""

    @property
    def at(self) -> datetime:
        return self.now()


@dataclass
class Desk:
    double: ServedDouble
    folder: Path
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *argv: str) -> tuple[int, str, str]:
        """Exit code, stdout and stderr of a command."""
        self.capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(list(argv))
        told = self.capsys.readouterr()
        return int(ended.value.code or 0), told.out, told.err


@contextmanager
def a_desk(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    permissions: Sequence[str] = ("read_only", "trade"),
    settings: str = "",
    timeframe: str = "5m",
) -> Iterator[Desk]:
    clock = Machine()
    credentials = Credentials(permissions=tuple(permissions))
    with okx_double(clock=clock, credentials=credentials) as double:
        bases = {symbol: Decimal(600) for symbol in SYMBOLS}
        Stage(double, clock, clock, SYMBOLS, Timeframe(timeframe), bases).show()  # type: ignore[arg-type]
        for name, value in (("KEY", credentials.key), ("SECRET", credentials.secret)):
            monkeypatch.setenv(f"OKX_API_{name}", value)
        monkeypatch.setenv("OKX_API_PASSWORD", credentials.passphrase)
        # A machine that is busy is no fault.
        unhurried = '[desk.reading]\ncycle_s = "600"\nread_s = "60"\n'
        (folder / "agentctl.toml").write_text(f'[exchanges.okx]\nbase_url = "{double.url}"\n{unhurried}{settings}')
        monkeypatch.chdir(folder)
        monkeypatch.setattr("sys.stdin", io.StringIO())
        yield Desk(double, folder, monkeypatch, capsys)


@contextmanager
def a_second_exchange(desk: Desk, *, price: int) -> Iterator[None]:
    """`myokx`, which speaks as OKX does and shows the desk's symbols at a price of its own."""
    clock = Machine()
    with okx_double(clock=clock) as double:
        bases = {symbol: Decimal(price) for symbol in SYMBOLS}
        Stage(double, clock, clock, SYMBOLS, Timeframe("5m"), bases).show()  # type: ignore[arg-type]
        with (desk.folder / "agentctl.toml").open("a") as settings:
            settings.write(f'[exchanges.myokx]\nbase_url = "{double.url}"\n')
        yield
