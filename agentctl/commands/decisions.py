"""`agentctl policy explain`, `log` and `eval`: what the gate decided, why, and what it would decide."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from agentctl.archive import LAST, find_run, reading, wait
from agentctl.masking import key_values, masked
from agentctl.output import json_text, print_json, print_table
from agentctl.settings import load
from agents.providers import KEYS
from domain.decision import Proposal
from domain.digest import jsonable, plain
from domain.errors import NotFound, Refused, UsageError
from domain.text import reveal
from domain.value import Value
from graphs.archive.verdicts import Decided, decisions_of, explained, last_of
from graphs.session.profiles import policy_in_effect
from memory.archive.verdicts import find_verdict
from memory.store.database import Database
from memory.store.records import VerdictRecord
from policy import Facts, PolicyEngine, Verdict
from policy.explain import Explanation, Spoken
from venues.files.text_file import read_text

T = TypeVar("T", bound=Value)

_MOST_FACTS = 10_000_000
"""Bytes of facts: those of a large account have a returns history for each symbol."""

RATIONALE = "/input/proposal/rationale"
"""Free text, masked where nothing else is asked for."""


def explain_verdict(verdict: str, *, run: str | None, db: str | None, as_json: bool) -> None:
    """Every check with its numbers, the rule behind each refusal, and what would have passed."""

    async def work() -> Explanation:
        async with reading(db) as database:
            return await explained(await _record_of(database, verdict, run), database=database)

    explanation = wait(work())
    if as_json:
        print_json(
            {
                **dict(explanation),
                "refused_by": explanation.refused_by,
                "would_have_passed": explanation.would_have_passed,
            }
        )
    else:
        _show(explanation)


async def _record_of(database: Database, verdict: str, run: str | None) -> VerdictRecord:
    run_id = (await find_run(database, run)).header.run_id if run or verdict == LAST else None
    if verdict == LAST and run_id is not None:
        return await last_of(run_id, database=database)
    return await find_verdict(database, verdict, run_id=run_id)


def _show(explanation: Explanation) -> None:
    verdict = explanation.verdict
    print(f"{verdict.outcome} {verdict.symbol} {verdict.client_order_id}, verdict {verdict.digest[:12]}")
    _finding_table(verdict)
    for spoken in explanation.refused_by:
        _rule(spoken)
    print(reveal(explanation.would_have_passed))
    if not explanation.still_so:
        print("note: the checks of this version judge it otherwise than those that gave the verdict")


def _finding_table(verdict: Verdict) -> None:
    rows = [
        (f.code, f.outcome, *("" if n is None else plain(n) for n in (f.observed, f.limit)), f.unit, f.message)
        for f in verdict.findings
    ]
    columns = ("check", "outcome", "observed", "limit", "unit", "message")
    print_table("findings", columns, rows, right=("observed", "limit"))


def _rule(spoken: Spoken) -> None:
    """What refused, in the words of its rule."""
    print(reveal(f"{spoken.finding.code}: {spoken.finding.message}"))
    lines = [" ".join(spoken.rule.split())] if spoken.rule else []
    lines += [f"source: {spoken.source}"] if spoken.source else []
    lines += [f"its limits stand in [{spoken.section}]"] if spoken.section else []
    lines += ["a person may let it stand for one order"] if spoken.waivable else []
    for line in lines:
        print(f"  {line}")


def show_log(run: str | None, *, masks: Sequence[str], db: str | None, as_json: bool) -> None:
    """One decision a line, masked: at `masks` instead of the rationale where any are given, and secrets always."""
    secrets = tuple(key_values(KEYS, os.environ))
    pointers = frozenset(masks or (RATIONALE,))

    async def work() -> list[Decided]:
        async with reading(db) as database:
            run_id = (await find_run(database, run)).header.run_id
            return [decided async for decided in decisions_of(run_id, database=database)]

    masked({}, pointers=pointers, secrets=())  # says what is wrong with a pointer before anything is printed
    decisions = wait(work())
    if as_json:
        for decided in decisions:
            line, erased = masked(_line(decided), pointers=pointers, secrets=secrets)
            print(json_text({**line, "erased": erased}))
        return
    rows = [
        (
            str(d.cycle),
            f"{d.facts.now:%Y-%m-%d %H:%M:%S}",
            d.verdict.digest[:12],
            d.proposal.symbol,
            f"{d.proposal.side} {plain(d.proposal.quantity)}",
            d.verdict.outcome,
            ", ".join(f.code for f in d.verdict.findings if f.outcome in ("deny", "review")),
        )
        for d in decisions
    ]
    columns = ("cycle", "time", "verdict", "symbol", "order", "outcome", "refused by")
    print_table("decisions of the gate", columns, rows, right=("cycle",))


def _line(decided: Decided) -> dict[str, object]:
    """The shape of OPA's decision log: an id, the input, the result, and what both rest on."""
    verdict = decided.verdict
    line = {
        "decision_id": verdict.digest,
        "run_id": decided.run_id,
        "cycle": decided.cycle,
        "n": decided.n,
        "timestamp": decided.facts.now,
        "policy_digest": verdict.policy_digest,
        "facts_digest": verdict.facts_digest,
        "input": {"proposal": decided.proposal},
        "result": verdict,
    }
    return {name: jsonable(value) for name, value in line.items()}


def evaluate(*, proposal: Path, facts: Path, policy: Path | None, as_json: bool) -> None:
    """Judge one proposal. Exit code 0 for allow, 3 for deny and review."""
    engine = PolicyEngine(policy_in_effect(policy or load().policy))
    verdict = engine.evaluate(_read(Proposal, proposal, "proposal"), _read(Facts, facts, "facts"))
    if as_json:
        print_json(verdict)
    else:
        print(f"{verdict.outcome} {verdict.symbol} {verdict.client_order_id} by {engine.policy.name}")
        _finding_table(verdict)
    if verdict.outcome != "allow":
        sys.exit(Refused.exit_code)


def _read(kind: type[T], path: Path, noun: str) -> T:
    """Raises `NotFound` for a missing file and `UsageError` naming every field that does not fit."""
    try:
        return kind.model_validate_json(read_text(path, most=_MOST_FACTS))
    except FileNotFoundError:
        raise NotFound(f"there is no {noun} file {path}", remedy=f"Check --{noun}") from None
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, e['loc'])) or 'the whole'}: {e['msg']}" for e in error.errors()]
        raise UsageError(
            f"{path} is no {noun}: {'; '.join(problems)}", remedy="Write it as agentctl policy log --json shows it"
        ) from None
    except (OSError, ValueError) as error:
        raise UsageError(f"the {noun} file {path} can't be read: {error}", remedy="It must be JSON in UTF-8") from None
