"""What a person reads before money moves."""

from __future__ import annotations

import io
from datetime import timedelta
from decimal import Decimal

import pytest

from agentctl.changes import changed_in_words, planned
from agentctl.money import agree
from agents.settings import DeskSettings, RiskSettings
from builders.memory import START, a_header, an_event
from builders.runs import busy
from domain.errors import UsageError
from graphs import prepare
from graphs.session.eras import Change, Changes
from graphs.session.profiles import profile
from memory.store.records import Before, EarlierLoss
from policy.account import Arming

HEADER = a_header(
    market="okx",
    account="okx:7",
    opening=(
        an_event("opening:BTC", kind="opening", asset="BTC", quantity=Decimal(3)),
        an_event("adoption:opening:BTC", kind="adoption", asset="BTC", quantity=Decimal(1)),
    ),
    before=Before(losses=(EarlierLoss(since=START, amount=Decimal("120.5")),)),
)
WHERE = "www.okx.com, in okx's sandbox, without real money"
ARMED = Arming(by="Ada", until=START + timedelta(hours=8))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_it_says_what_it_found_what_was_lost_before_and_until_when_it_may_enter(
    capsys: pytest.CaptureFixture[str],
) -> None:
    agree(HEADER, ARMED, where=WHERE)
    said = capsys.readouterr().err
    for words in (
        "LIVE: r1 trades with money on okx:7",
        f"orders go to {WHERE}",
        "it found 3 BTC there, and leaves it alone",
        "of that it manages as its own: 1 BTC",
        "earlier runs of the account lost 120.5 USDT since 2025-01-01 00:00:00 UTC",
        "it may enter until 2025-01-01 08:00:00 UTC, armed by Ada",
    ):
        assert words in said


def test_of_what_there_is_not_it_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    agree(HEADER.model_copy(update={"opening": (), "before": None}), None, where=WHERE)
    said = capsys.readouterr().err
    assert "okx is not armed: no new positions" in said
    assert not any(words in said for words in ("found", "manages", "earlier"))


async def test_what_changes_in_a_run_that_goes_on_is_read_before_and_needs_arming_as_before(
    capsys: pytest.CaptureFixture[str],
) -> None:
    header, _, _ = await prepare(busy(), run_id="r1", at=START)
    header = header.model_copy(update={"market": "okx", "account": "okx:7", "mode": "live"})
    wider = RiskSettings(reenter_after_bars=0, risk_per_trade=Decimal("0.05"))
    changes = Changes(policy=profile("standard"), desk=DeskSettings(risk=wider))
    meant = planned(header, Change(changes=changes, by="Ada", at=START))
    agree(meant, None, where=WHERE, changes=changed_in_words(header, meant))
    said = capsys.readouterr().err
    for words in (
        f"under the policy {profile('standard').digest[:12]}",
        "okx is not armed: no new positions",
        "it changes desk.risk.risk_per_trade: 0.005 -> 0.05",
    ):
        assert words in said


@pytest.mark.parametrize(("typed", "agreed"), [("okx:7\n", True), ("okx:8\n", False), ("\n", False), ("", False)])
def test_at_a_terminal_the_accounts_name_is_typed_or_nothing_begins(
    monkeypatch: pytest.MonkeyPatch, typed: str, agreed: bool
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(typed))
    if agreed:
        agree(HEADER, ARMED, where=WHERE)
        return
    with pytest.raises(UsageError, match="nothing was started"):
        agree(HEADER, ARMED, where=WHERE)
