"""Archived decisions of the gate, put together again: what was asked, what was known, which policy judged, and how."""

from __future__ import annotations

from collections.abc import AsyncIterator

from domain.decision import Outcome, Proposal
from domain.digest import canonical, sha256
from domain.errors import NotFound, Refused
from domain.value import Symbol, Value
from graphs.session.session import RunSettings
from memory.archive.archive import Archive
from memory.store.database import Database
from memory.store.records import VerdictRecord
from policy import Facts, Policy, PolicyEngine, Verdict
from policy.explain import Explanation, explain

_AT_ONCE = 100
"""Decisions whose facts are read together: a run may have many, and facts are large."""


class Decided(Value):
    """One word of the gate with all that it rests on. `n` above 0: judged again after a person's answer."""

    run_id: str
    cycle: int
    n: int
    proposal: Proposal
    facts: Facts
    verdict: Verdict


class Disagreement(Value):
    """One archived proposal that two policies answer otherwise, with the reasons of each that refuses."""

    cycle: int
    symbol: Symbol
    client_order_id: str
    left: Outcome
    right: Outcome
    left_because: tuple[str, ...]
    right_because: tuple[str, ...]


class Comparison(Value):
    """A run's `judged` proposals by two policies, each on the facts of its time."""

    run_id: str
    judged: int
    left_allows: int
    right_allows: int
    disagreements: tuple[Disagreement, ...]


async def decisions_of(run_id: str, *, database: Database) -> AsyncIterator[Decided]:
    """Every verdict of a run, in the order of its cycles. Raises `Refused` for facts that were changed since."""
    archive = Archive(database)
    records = await archive.verdicts(run_id)
    for start in range(0, len(records), _AT_ONCE):
        part = records[start : start + _AT_ONCE]
        bodies = await archive.blobs([record.facts for record in part])
        for record in part:
            yield _decided(record, bodies[record.facts])


async def last_of(run_id: str, *, database: Database) -> VerdictRecord:
    """The last verdict of a run. Raises `NotFound` when it has none."""
    records = await Archive(database).verdicts(run_id)
    if not records:
        raise NotFound(f"the gate of {run_id} judged nothing", remedy="agentctl runs list shows other runs")
    return records[-1]


async def explained(record: VerdictRecord, *, database: Database) -> Explanation:
    """A verdict explained by the policy that gave it.

    Raises `Refused` for facts that were changed since, and where the run's policy is not the one that judged.
    """
    archive = Archive(database)
    decided = _decided(record, (await archive.blobs([record.facts]))[record.facts])
    era = (await archive.run(record.run_id)).header.era(record.cycle)
    engine = PolicyEngine(RunSettings.model_validate_json(era.settings).policy)
    if engine.digest != decided.verdict.policy_digest:
        raise Refused(
            f"the verdict {record.id[:12]} was given by the policy {decided.verdict.policy_digest[:12]}, "
            f"and {record.run_id} has {engine.digest[:12]}",
            remedy="Use the version that wrote it",
        )
    return explain(decided.verdict, decided.proposal, decided.facts, engine=engine)


async def compare_policies(run_id: str, left: Policy, right: Policy, *, database: Database) -> Comparison:
    """Each proposal on its own: what an order would have led to later is not played on."""
    engines = PolicyEngine(left), PolicyEngine(right)
    judged, allowed = 0, [0, 0]
    disagreements: list[Disagreement] = []
    async for decided in decisions_of(run_id, database=database):
        one, other = (engine.evaluate(decided.proposal, decided.facts) for engine in engines)
        judged += 1
        allowed[0] += one.outcome == "allow"
        allowed[1] += other.outcome == "allow"
        if one.outcome != other.outcome:
            disagreements.append(
                Disagreement(
                    cycle=decided.cycle,
                    symbol=decided.proposal.symbol,
                    client_order_id=decided.proposal.client_order_id,
                    left=one.outcome,
                    right=other.outcome,
                    left_because=one.reasons,
                    right_because=other.reasons,
                )
            )
    return Comparison(
        run_id=run_id,
        judged=judged,
        left_allows=allowed[0],
        right_allows=allowed[1],
        disagreements=tuple(disagreements),
    )


def archived_facts(body: str, *, key: str) -> Facts:
    """The facts kept under `key`. Raises `Refused` when they are not what they were."""
    if sha256(body) != key:
        raise Refused(f"the facts {key} were changed since they were archived")
    facts = Facts.model_validate_json(body)
    if canonical(facts) != body:
        raise Refused(f"the facts {key} can't be read as they once were", remedy="Use the version that wrote them")
    return facts


def _decided(record: VerdictRecord, body: str) -> Decided:
    return Decided(
        run_id=record.run_id,
        cycle=record.cycle,
        n=record.n,
        proposal=record.proposal,
        facts=archived_facts(body, key=record.facts),
        verdict=Verdict.model_validate_json(record.verdict),
    )
