"""What a certification comes to: one row a step, whether it passed, and what it left behind."""

from __future__ import annotations

from typing import Final, Literal, Protocol, get_args

from domain.value import Instant, Symbol, Value

Step = Literal[
    "connection",
    "clock",
    "key",
    "instrument",
    "far limit",
    "find by id",
    "list",
    "cancel",
    "entry",
    "fill",
    "stop",
    "find stop",
    "amend stop",
    "cancel stop",
    "exit",
    "clean up",
    "fee",
    "reconcile",
]

STEPS: Final[tuple[Step, ...]] = tuple(step for step in get_args(Step) if step != "clean up")
"""All that must pass, in their order. `clean up` is among them only where something was left to clean up."""

ABOUT: Final[dict[Step, str]] = {
    "connection": "the exchange answers, at this host",
    "clock": "its clock and ours agree",
    "key": "the key may trade and may not withdraw",
    "instrument": "its grid, its least sizes, and what the least order costs",
    "far limit": "a limit order far below the market is taken, and rests",
    "find by id": "another process finds that order by our own id",
    "list": "it is among the open orders",
    "cancel": "it is cancelled, and is listed no more",
    "entry": "the least entry fills within its bound",
    "fill": "its trades are those of the order",
    "stop": "a protective stop is taken, and waits",
    "find stop": "another process finds the stop, and it is listed",
    "amend stop": "the stop is replaced by another, and only that one waits",
    "cancel stop": "the stop is cancelled, and is listed no more",
    "exit": "what was bought is sold by an order that only reduces",
    "clean up": "what the steps left open is cancelled and sold",
    "fee": "the fees are not above those that the instrument states",
    "reconcile": "the balances are what trades and fees make of those before",
}

Result = Literal["pass", "fail", "not run"]


class StepResult(Value):
    """One row of the table."""

    step: Step
    result: Result
    sent: str = ""
    """What went to the exchange, in words."""
    answered: str = ""
    """What it answered; of a step that failed, why."""
    elapsed_ms: int = 0


class Certification(Value):
    """A certification from its first step to its end."""

    run_id: str = ""
    """The run under which its orders are in the ledger; empty where nothing was sent."""
    exchange: str
    account: str = ""
    symbol: Symbol
    where: str
    """The host that it talked to, in words."""
    sandbox: bool
    version: str
    at: Instant
    steps: tuple[StepResult, ...]
    interrupted: bool = False
    left: tuple[str, ...] = ()
    """What is left at the exchange, and what to type: empty where nothing is."""
    stays: str = ""
    """What was bought and is too little to be sold, and so stays in the account."""

    @property
    def passed(self) -> bool:
        """Whether every step passed and nothing is left."""
        results = {row.step: row.result for row in self.steps}
        return not self.left and all(results.get(step) == "pass" for step in STEPS)

    @property
    def unreached(self) -> bool:
        """Whether the exchange did not even answer."""
        return bool(self.steps) and (self.steps[0].step, self.steps[0].result) == ("connection", "fail")


class Watch(Protocol):
    """Sees a certification while it goes on."""

    def began(self, step: Step) -> None: ...

    def ended(self, row: StepResult) -> None: ...
