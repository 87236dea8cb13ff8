"""`agentctl doctor --exchange okx --certify`, as an operator types it, on an exchange of this machine."""

from __future__ import annotations

import io
import json
import signal
import stat
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from agentctl.certified import certified_in, keep_certified, line_of
from agentctl.cli import main
from builders.money import Desk, a_desk
from builders.processes import Agentctl
from domain.errors import UsageError
from exchange_double.faults import ExitRefused
from exchange_double.stops import StopStatus
from exchange_double.wire import Operation
from venues.exchange.account.known import Certified
from venues.exchange.account.recording import Recording

CERTIFY = ["doctor", "--exchange", "okx", "--certify", "--real"]
ARM = ["arm", "okx", "--for", "15m", "--reason", "a certification"]
NEVER = "okx: tested against the exchange double only, never against a real account"
slow = pytest.mark.slow
"""ccxt spaces its requests here as it does for people."""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Desk]:
    with a_desk(tmp_path, monkeypatch, capsys) as opened:
        yield opened


def left_at(desk: Desk) -> tuple[list[str], bool]:
    """Orders and stops that wait at the exchange, and whether more of what was bought is held than can't be sold."""
    engine = desk.double.engine
    waiting = [order.new.client_order_id for order in engine.orders if order.open]
    waiting += [stop.client_order_id for stop in engine.stops if stop.status is StopStatus.WAITING]
    held = engine.funds().balances.get("BTC")
    return waiting, held is not None and held.cash >= engine.listings["BTC/USDT"].min_size


# What it is asked with.


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["doctor", "--certify"], "--certify is of one exchange. Write --exchange okx --certify"),
        (["doctor", "--exchange", "okx", "--certify", "--model", "rules"], "--certify is of one exchange"),
        (["doctor", "--exchange", "okx", "--most", "5"], "are of a certification. Add --certify"),
        (["doctor", "--exchange", "sim", "--certify"], "sim takes no orders"),
        ([*CERTIFY, "--most", "much"], "--most 'much' is no amount"),
        ([*CERTIFY, "--most", "-1"], "--most '-1' is no amount"),
        (CERTIFY[:-1], "exchanges.okx.sandbox is not set: this would trade with real money. Set sandbox = true"),
        ([*CERTIFY, "--symbol", "BTCUSDT"], "--symbol 'BTCUSDT' is no symbol; did you mean BTC/USDT"),
    ],
)
def test_what_is_asked_wrongly_is_said_in_one_line(desk: Desk, argv: list[str], said: str) -> None:
    code, out, err = desk(*argv)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert said in err
    assert list(desk.double.journal) == [], "and the exchange is not asked"


def test_without_a_key_nothing_is_certified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("OKX_API_KEY", "OKX_API_SECRET", "AGENTCTL_SECRETS_FILE"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SystemExit) as ended:
        main(CERTIFY)
    assert (ended.value.code, "trading on okx needs a key" in capsys.readouterr().err) == (2, True)
    assert list(tmp_path.iterdir()) == []


# What an operator confirms.


@slow
def test_an_operator_types_the_account_and_sees_every_step(desk: Desk) -> None:
    desk.monkeypatch.setattr("sys.stdin", Terminal("okx:1\n"))
    code, out, err = desk(*CERTIFY, "--json")
    reported = json.loads(out)
    assert (code, reported["passed"], reported["certified"]) == (0, True, False), err
    assert {row["result"] for row in reported["certification"]["steps"]} == {"pass"}
    for words in ("CERTIFY: BTC/USDT on okx:1", "  orders go to 127.0.0.1:", f"  {NEVER}", "Type okx:1 to go on: "):
        assert words in err
    assert "It is not kept as a certification: exchanges.okx.base_url puts another address" in err
    assert certified_in(desk.folder / ".agentctl") == ()
    path = Path(reported["recording"])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert Recording.read(path).results["reconcile"] == "pass"
    text = path.read_text()
    assert [word for word in ("double-key", "double-secret", "double-passphrase", "127.0.0.1") if word in text] == []
    assert left_at(desk) == ([], False)
    run_id = reported["certification"]["run_id"]
    assert desk("reconcile")[0] == 0
    assert desk("snapshots", "verify")[0] == 0
    for command in (["run", "--live", "--resume", "last"], ["replay", "--run", "last"]):
        code, _, err = desk(*command)
        assert (code, f"{run_id} is a certification of okx: its steps are fixed" in err) == (2, True)


@slow
def test_what_is_typed_otherwise_sends_nothing(desk: Desk) -> None:
    desk.monkeypatch.setattr("sys.stdin", Terminal("yes\n"))
    code, _, err = desk(*CERTIFY)
    assert (code, "error: nothing was sent. Type okx:1 to certify okx" in err) == (2, True)
    assert list(desk.double.engine.orders) == []


@slow
def test_without_a_terminal_an_arming_is_the_operators_word(desk: Desk) -> None:
    code, _, err = desk(*CERTIFY)
    assert (code, "nobody has armed okx. agentctl arm okx --for 15m" in err) == (3, True)
    assert list(desk.double.engine.orders) == []
    assert desk(*ARM)[0] == 0
    code, out, err = desk(*CERTIFY, "--symbol", "ETH/USDT", "--recording", "eth.json")
    assert (code, "every step passed" in err, (desk.folder / "eth.json").exists()) == (0, True, True)
    assert out.count("│ pass │") == 17
    code, _, err = desk(*CERTIFY, "--recording", "eth.json")
    assert (code, "eth.json is there already" in err) == (2, True)


@slow
def test_a_step_that_fails_ends_it_with_exit_code_3_and_says_what_is_left(desk: Desk) -> None:
    desk(*ARM)
    desk.double.faults.add(ExitRefused(), on=Operation.PLACE, times=None)
    code, _, err = desk(*CERTIFY)
    assert (code, "NOT certified: exit" in err) == (3, True)
    assert "LEFT: 0.00001" in err
    assert "LEFT: agentctl doctor --exchange okx --certify cleans up before it begins" in err
    assert left_at(desk) == ([], True)
    desk.double.faults.clear()
    desk.double.engine.refuses_exits = False
    code, _, err = desk(*CERTIFY)
    assert (code, "CLEAN UP: " in err, left_at(desk)) == (0, True, ([], False))


@slow
@pytest.mark.parametrize("step", ["list", "entry", "amend stop"])
def test_ctrl_c_ends_it_after_the_step_and_leaves_nothing(desk: Desk, step: str) -> None:
    desk(*ARM)
    process = Agentctl(*CERTIFY, folder=desk.folder)
    process.wait_for(f"pass  {step}")
    process.send(signal.SIGINT)
    ended = process.end()
    assert (ended.code, left_at(desk)) == (130, ([], False)), ended.err
    assert "interrupted: not certified; nothing is left open" in ended.err
    assert "not run" in ended.out


@slow
def test_a_second_ctrl_c_leaves_everything_and_says_so_and_the_next_one_cleans_up(desk: Desk) -> None:
    desk(*ARM)
    process = Agentctl(*CERTIFY, folder=desk.folder)
    process.wait_for("pass  find stop")
    process.send(signal.SIGINT)
    process.wait_for("Ctrl-C again leaves everything as it is")
    process.send(signal.SIGINT)
    ended = process.end()
    assert (ended.code, "Traceback" in ended.err, "was bought at okx and is not sold" in ended.err) == (
        130,
        False,
        True,
    )
    assert left_at(desk)[1]
    code, _, err = desk(*CERTIFY)
    assert (code, "nothing is left of it now" in err, left_at(desk)) == (0, True, ([], False)), err


# What is said of it afterwards.


@slow
def test_arming_and_doctor_and_a_live_run_say_how_far_the_exchange_was_tried(desk: Desk) -> None:
    assert NEVER in desk(*ARM)[1]
    found = {e["check"]: e["found"] for e in json.loads(desk("doctor", "--exchange", "okx", "--json")[1])}
    assert found["okx certification"] == NEVER
    keep_certified(desk.folder / ".agentctl", a_certified())
    assert json.loads(desk(*ARM, "--json")[1])["certification"].startswith(
        "okx: certified in its sandbox on 2026-11-30"
    )
    run = ["run", "--live", "--market", "okx", "--symbols", "BTC/USDT", "--timeframe", "5m", "--cycles", "1"]
    assert "  okx: certified in its sandbox on 2026-11-30 by version 0.0.1" in desk(*run)[2]


def a_certified(**over: object) -> Certified:
    given = {"exchange": "okx", "on": date(2026, 11, 30), "version": "0.0.1", "where": "sandbox", "symbol": "BTC/USDT"}
    return Certified.model_validate(given | over)


def test_of_an_exchange_and_a_place_the_newest_certification_is_kept_and_a_real_account_counts_more(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "data"
    assert line_of("okx", folder) == NEVER
    keep_certified(folder, a_certified())
    keep_certified(folder, a_certified(version="0.0.2"))
    assert [each.version for each in certified_in(folder)] == ["0.0.2"]
    assert "in its sandbox on 2026-11-30 by version 0.0.2, which is not this one" in line_of("okx", folder)
    assert line_of("okx", folder).endswith(", never on a real account")
    keep_certified(folder, a_certified(where="real account", on=date(2026, 1, 1)))
    assert line_of("okx", folder).startswith("okx: certified on a real account on 2026-01-01 by version 0.0.1")
    assert line_of("bybit", folder).startswith("bybit: tested against the exchange double only")
    assert line_of("kraken", folder) == "kraken: never tried, not even against an exchange double"
    assert stat.S_IMODE((folder / "certified.json").stat().st_mode) == 0o600


def test_a_file_of_certifications_that_can_not_be_understood_is_named(tmp_path: Path) -> None:
    (tmp_path / "certified.json").write_text('[{"exchange": "okx"}]')
    with pytest.raises(UsageError, match=r"certified.json can't be understood: 0.on: Field required"):
        line_of("okx", tmp_path)
