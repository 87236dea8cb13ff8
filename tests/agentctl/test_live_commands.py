"""Trading with money from the command line, on an exchange of this machine whose time is the machine's."""

from __future__ import annotations

import json
import re
import shlex
import signal
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import httpx
import pytest
import respx

from builders.models import an_answer, an_error
from builders.money import SYMBOLS, Desk, a_desk, a_second_exchange
from builders.processes import Agentctl

pytestmark = pytest.mark.slow
"""ccxt spaces its requests here as it does for people."""

ROOT = Path(__file__).parents[2]
LIVE = ["run", "--live", "--market", "okx", "--symbols", ",".join(SYMBOLS), "--timeframe", "5m", "--cycles", "1"]
ARM = ["arm", "okx", "--for", "8h", "--reason", "a trial"]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Desk]:
    with a_desk(tmp_path, monkeypatch, capsys) as opened:
        yield opened


def test_what_the_readme_shows_of_trading_with_money_runs(desk: Desk) -> None:
    (block,) = re.findall(r"```bash\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    commands = [shlex.split(line)[1:] for line in block.splitlines() if line.startswith("agentctl ")]
    assert [command[0] for command in commands] == ["doctor", "arm", "run", "reconcile", "orders", "disarm"]
    for command in commands:
        bounded = [*command, "--cycles", "1"] if command[0] == "run" else [w for w in command if w != "--watch"]
        code, _, err = desk(*bounded)
        assert code == 0, (command, err)


def test_a_run_with_money_needs_a_persons_arming_and_says_what_it_will_do(desk: Desk) -> None:
    code, _, err = desk(*LIVE)
    assert (code, err) == (
        3,
        "error: nobody has armed okx. agentctl arm okx --for 8h --reason TEXT, then run it again\n",
    )
    assert len(desk.double.engine.orders) == 0
    assert desk(*ARM)[0] == 0
    code, _, err = desk(*LIVE)
    assert code == 0
    assert "trades with money on okx:1\n" in err
    assert "it had 100000 USDT when its books were opened" in err


def test_a_key_that_may_withdraw_is_refused_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with a_desk(tmp_path, monkeypatch, capsys, permissions=("read_only", "trade", "withdraw")) as desk:
        assert desk(*ARM)[0] == 0
        code, _, err = desk(*LIVE)
        assert (code, "may withdraw" in err, desk("runs", "list", "--json")[1].strip()) == (3, True, "[]")
        assert desk("doctor", "--venue", "okx")[0] == 3


def test_doctor_says_where_the_money_is_while_there_is_none_to_trade_with(desk: Desk) -> None:
    engine = desk.double.engine
    engine.funding_account |= {"USDT": Decimal("250.50"), "BTC": Decimal(1)}
    assert desk("doctor", "--venue", "okx")[0] == 0, "there is money where it trades"
    engine.deposit("USDT", -100_000)
    code, out, _ = desk("doctor", "--venue", "okx", "--json")
    (found,) = [each["found"] for each in json.loads(out) if each["check"] == "okx"]
    assert (code, found) == (
        3,
        "there is no USDT to trade with, and 250.5 in the funding account. Transfer it to the trading account at okx",
    )
    engine.funding_account["USDT"] = Decimal(0)
    assert desk("doctor", "--venue", "okx")[0] == 0, "there is none anywhere, and nothing to say of it"


@pytest.mark.parametrize(
    ("argv", "code", "said"),
    [
        (["run", "--live"], 2, "--live: sim takes no orders"),
        (["run", "--live", "--market", "okx"], 2, "okx lists too much to trade it all"),
        ([*LIVE, "--cash", "5"], 2, "--cash is of paper"),
        (["run", "--adopt", "BTC/USDT"], 2, "--adopt is of live runs"),
        ([*LIVE[:4], "--symbols", "BTC/USDT,ETH/BTC"], 2, "one account can't trade against BTC, USDT"),
        (
            [*LIVE, "--adopt", "BTCUSDT,ETH/USTD"],
            2,
            "--adopt: 'BTCUSDT' is no symbol; did you mean BTC/USDT?, ETH/USTD",
        ),
        ([*LIVE, "--adopt", "SOL/USDT"], 2, "--adopt: SOL/USDT is not among --symbols"),
        ([*LIVE, "--adopt", " , "], 2, "--adopt names none. Write --adopt BTC/USDT,ETH/USDT"),
        (["arm", "okx", "--for", "8d", "--reason", "x"], 2, "7 days at most"),
        (["arm", "sim", "--for", "8h", "--reason", "x"], 2, "sim is no exchange"),
        (["disarm", "okx", "--reason", "x"], 4, "there is no database"),
    ],
)
def test_what_is_asked_wrongly_is_said_in_one_line(desk: Desk, argv: list[str], code: int, said: str) -> None:
    ended, out, err = desk(*argv)
    assert (ended, out, len(err.splitlines())) == (code, "", 1)
    assert said in err


MODEL = "openai/gpt-5-mini"
ASKED = "https://api.openai.com/v1/chat/completions"
NO_KEY = an_error(401, "Incorrect API key provided")


def a_model(request: httpx.Request) -> httpx.Response:
    """Alive, and of the opinion that everything is to be bought."""
    if "test of the connection" in request.content.decode():
        return an_answer('{"alive": true}')
    symbol = next(symbol for symbol in SYMBOLS if f"quote:{symbol}" in request.content.decode())
    cited = [f"quote:{symbol}", f"indicators:{symbol}"]
    opinion = {"stance": "buy", "conviction": 0.9, "horizon": "swing", "evidence": cited, "rationale": "up"}
    return an_answer(json.dumps(opinion))


def test_a_model_that_cannot_be_asked_ends_a_live_run_before_anything_else(desk: Desk) -> None:
    desk.monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789abcdef")
    assert desk(*ARM)[0] == 0
    with respx.mock() as wire:
        route = wire.post(ASKED).mock(return_value=NO_KEY)
        code, out, err = desk(*LIVE, "--model", MODEL)
    assert (code, out, route.call_count) == (5, "", 1)
    assert err == f"error: {MODEL} can't be asked: auth: Incorrect API key provided. Check its key\n"
    assert list(desk.double.journal) == [], "the exchange was asked nothing"
    assert desk("runs", "list", "--json")[1].strip() == "[]"


def test_a_model_that_is_busy_at_the_start_ends_no_live_run(desk: Desk) -> None:
    desk.monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789abcdef")
    desk(*ARM)
    busy = [an_error(429, "Request too large for a minute", **{"x-should-retry": "false"})]
    with respx.mock() as wire:
        wire.post(ASKED).mock(side_effect=lambda request: busy.pop() if busy else a_model(request))
        code, _, err = desk(*LIVE, "--model", MODEL)
    assert (code, "did not answer a first question: too_large: " in err) == (0, True)


def test_a_run_that_holds_something_goes_on_without_its_model_and_one_that_holds_nothing_ends(desk: Desk) -> None:
    desk.monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789abcdef")
    desk(*ARM)
    eager = ["--set", "signal.threshold=0", "--set", "risk.min_conviction=0.1"]
    with respx.mock() as wire:
        wire.post(ASKED).mock(side_effect=a_model)
        code, out, err = desk(*LIVE, "--model", MODEL, *eager, "--json")
    assert (code, f"{MODEL} answers; asked one short question: 120 tokens at " in err) == (0, True)
    held = json.loads(out)["open_positions"]
    assert held
    with respx.mock() as wire:
        route = wire.post(ASKED).mock(return_value=NO_KEY)
        code, out, err = desk("run", "--live", "--resume", "last", "--cycles", "2", "--json")
        assert (code, route.call_count) == (0, 1), "asked once, and not in the cycle"
        assert f"ALERT: {MODEL} can't be asked: auth: Incorrect API key provided. Reduce-only: no new positions" in err
        assert [position["symbol"] for position in json.loads(out)["open_positions"]] == [p["symbol"] for p in held]
        assert desk("replay", "--run", "last")[0] == 0
        desk("halt", "--level", "flatten", "--reason", "the end")
        assert desk("run", "--live", "--resume", "last", "--cycles", "4", "--json")[0] == 5, "until all is sold"
        route.reset()
        code, _, err = desk("run", "--live", "--resume", "last", "--cycles", "9")
        assert (code, route.call_count) == (5, 1)
    assert "error: openai/gpt-5-mini can't be asked: auth" in err


def test_without_a_key_the_variables_are_named(desk: Desk) -> None:
    desk.monkeypatch.delenv("OKX_API_KEY")
    desk.monkeypatch.delenv("OKX_API_SECRET")
    code, _, err = desk(*LIVE)
    assert (code, "OKX_API_KEY, OKX_API_SECRET" in err) == (2, True)


def test_a_live_run_goes_on_only_when_that_is_said_again(desk: Desk) -> None:
    desk(*ARM)
    desk(*LIVE)
    code, _, err = desk("run", "--resume", "last")
    assert (code, "Say --live too" in err) == (2, True)
    assert desk("run", "--live", "--resume", "last")[0] == 0
    assert desk("replay", "--run", "last")[0] == 0


@pytest.mark.parametrize(("price", "disputed"), [(600, False), (650, True)])
def test_a_second_exchange_checks_the_prices_of_the_one_that_is_traded_on(
    desk: Desk, price: int, disputed: bool
) -> None:
    with a_second_exchange(desk, price=price):
        desk(*ARM)
        code, out, err = desk(*["okx,myokx" if word == "okx" else word for word in LIVE], "--json")
        assert (code, "trades with money on okx:1\n" in err) == (0, True)
        assert ("neither is believed" in " ".join(json.loads(out)["notes"])) is disputed
        assert desk("reconcile")[0] == 0
        assert desk("run", "--live", "--resume", "last", "--cycles", "1")[0] == 0
    assert desk("replay", "--run", "last")[0] == 0


def test_what_is_watched_is_told_as_it_changes_and_ends_with_ctrl_c(desk: Desk) -> None:
    desk(*ARM)
    desk(*LIVE)
    watching = Agentctl("orders", "--watch", "--json", folder=desk.folder)
    first = watching.first_line()
    watching.send(signal.SIGINT)
    assert '"state":"filled"' in first or '"state":"working"' in first
    assert watching.end().code == 130


def test_a_live_run_goes_on_until_it_is_stopped_and_then_says_who_watches_what(desk: Desk) -> None:
    desk(*ARM)
    process = Agentctl(*LIVE[:-2], folder=desk.folder)
    process.wait_for("equity")
    process.send(signal.SIGINT)
    ended = process.end()
    run_id = json.loads(desk("runs", "list", "--json")[1])[0]["run_id"]
    held = json.loads(desk("positions", "--json")[1])["positions"]
    host = desk.double.url.removeprefix("http://")
    assert ended.code == 130
    assert f"orders go to {host} on this machine, which exchanges.okx.base_url puts in place of okx's own" in ended.err
    assert f"go on with: agentctl run --live --resume {run_id}\n" in ended.err
    assert "cycle 0: equity" in ended.err
    assert [line.split()[2] for line in ended.out.splitlines() if line.startswith("still open: ")] == [
        f"{symbol}:" for symbol in held
    ]
    assert ("nobody watches now: " in ended.err) == bool(held)


def test_a_live_run_closes_its_positions_at_the_exchange_where_that_is_asked_for(desk: Desk) -> None:
    desk(*ARM)
    code, out, err = desk(*LIVE, "--on-exit", "flatten", "--json")
    assert (code, "open_positions" in json.loads(out)) == (0, False), err
    assert json.loads(desk("positions", "--json")[1])["positions"] == {}
    orders = json.loads(desk("orders", "--json")[1])["orders"]
    assert {order["side"] for order in orders} == {"buy", "sell"}
    assert [order for order in orders if order["state"] in ("working", "partial", "unknown")] == []
    assert desk("reconcile")[0] == 0
    assert desk("replay", "--run", "last")[0] == 0


def test_arming_says_where_it_is_for(desk: Desk) -> None:
    code, out, _ = desk(*ARM)
    assert (code, "by the settings of this folder they trade on 127.0.0.1:" in out) == (0, True)
    settings = desk.folder / "agentctl.toml"
    settings.write_text(settings.read_text().replace("[exchanges.okx]\n", "[exchanges.okx]\nsandbox = true\n"))
    code, out, err = desk(*ARM, "--json")
    assert code == 0, err
    armed = json.loads(out)
    assert (armed["sandbox"], armed["hosts"]) == (True, [desk.double.url.removeprefix("http://")])


def test_doctor_says_which_host_it_asked(desk: Desk) -> None:
    (found,) = [e["found"] for e in json.loads(desk("doctor", "--venue", "okx", "--json")[1]) if e["check"] == "okx"]
    assert found.startswith(desk.double.url.removeprefix("http://"))
