"""A run with money hears its exchange between bars, over real sockets, and `doctor` sees how it hears."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from builders.money import Desk, a_desk
from builders.processes import Agentctl

pytestmark = pytest.mark.slow
"""Real sockets, and five seconds at least between two looks."""

BTC = "BTC/USDT"
RUN = ["run", "--live", "--market", "okx", "--symbols", BTC, "--timeframe", "1h", "--policy", "thin.toml"]
THIN = 'extends = "conservative"\nname = "thin"\n[depth]\nshare_of_touch = 1000\n'
"""The book of the double shows less than the desk enters."""
EAGER = """
[desk.signal]
threshold = "0.1"
[desk.risk]
min_conviction = "0.2"
reenter_after_bars = 9
"""


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Desk]:
    with a_desk(tmp_path, monkeypatch, capsys, settings=EAGER, timeframe="1h") as opened:
        (tmp_path / "thin.toml").write_text(THIN)
        yield opened


def once(is_so: Callable[[], bool], then: Callable[[], None]) -> threading.Thread:
    def wait() -> None:
        while not is_so():
            time.sleep(0.05)
        then()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


def test_a_target_that_is_reached_within_the_hour_is_taken_at_once(desk: Desk) -> None:
    engine = desk.double.engine

    def climb() -> None:
        price = engine.fills[0].price * Decimal("1.2")
        engine.set_touch(BTC, bid=price, ask=price + 1, size=Decimal(900))

    desk("arm", "okx", "--for", "8h", "--reason", "a trial")
    thread = once(lambda: any(stop.client_order_id for stop in engine.stops), climb)
    begun = time.monotonic()
    code, out, err = desk(*RUN, "--cycles", "2", "--json")
    assert code == 0, err
    assert not thread.is_alive()
    assert time.monotonic() - begun < 120
    entry, exit = engine.orders
    assert (entry.new.side, exit.new.side, exit.open) == ("buy", "sell", False)
    assert json.loads(out)["cycles"] == 2
    assert desk("replay", "--run", "last")[0] == 0
    assert desk("reconcile")[0] == 0


def test_doctor_shows_how_a_run_hears_its_exchange_while_it_does(desk: Desk) -> None:
    desk("arm", "okx", "--for", "8h", "--reason", "a trial")
    running = Agentctl(*RUN, "--cycles", "500", folder=desk.folder)
    try:
        found = _running(desk)
        deadline = time.monotonic() + 60
        while "streams 2 of 2 live" not in found and time.monotonic() < deadline:
            time.sleep(1)
            found = _running(desk)
        assert "breaker closed; 1" in found
        assert "streams 2 of 2 live, 0 gaps, 0 reconnects" in found
    finally:
        running.send(signal.SIGINT)
        running.end()
    assert _running(desk) == ""


def _running(desk: Desk) -> str:
    findings = json.loads(desk("doctor", "--json")[1])
    return "".join(finding["found"] for finding in findings if finding["check"] == "running")
