"""What-if: every archived proposal of a run judged again, on the facts of its time, by another policy."""

from __future__ import annotations

from domain.decision import Outcome
from domain.value import Digest, Symbol, Value
from graphs.archive.verdicts import archived_facts
from graphs.archive.verified_run import whole_run
from memory.archive.archive import Archive
from memory.store.database import Database
from policy import Policy, PolicyEngine, Verdict


class VerdictChange(Value):
    """One proposal that the other policy answers otherwise. The reasons are those of each refusal."""

    cycle: int
    symbol: Symbol
    client_order_id: str
    was: Outcome
    would_be: Outcome
    because: tuple[str, ...]
    """The reasons of the other policy, or, where it allows, those it no longer has."""


class WhatIfReport(Value):
    """`judged` proposals, of which `changes` would have gone otherwise."""

    run_id: str
    policy: str
    policy_digest: Digest
    judged: int
    allowed_then: int
    allowed_now: int
    changes: tuple[VerdictChange, ...]


async def judge_again(run_id: str, policy: Policy, *, database: Database) -> WhatIfReport:
    """Each verdict on its own: what an allowed order would have led to later is not played on.

    The run is verified first. Raises `NotFound` for an unknown run and `Refused` for one that was changed.
    """
    archive = Archive(database)
    header = (await whole_run(run_id, database=database)).header
    engine = PolicyEngine(policy)
    records = await archive.verdicts(header.run_id)
    changes: list[VerdictChange] = []
    allowed = 0
    for record in records:
        facts = archived_facts((await archive.blobs([record.facts]))[record.facts], key=record.facts)
        then = Verdict.model_validate_json(record.verdict)
        now = engine.evaluate(record.proposal, facts)
        allowed += now.outcome == "allow"
        if now.outcome != then.outcome:
            changes.append(
                VerdictChange(
                    cycle=record.cycle,
                    symbol=record.symbol,
                    client_order_id=record.client_order_id,
                    was=then.outcome,
                    would_be=now.outcome,
                    because=now.reasons or tuple(f"no longer {reason}" for reason in then.reasons),
                )
            )
    return WhatIfReport(
        run_id=header.run_id,
        policy=policy.name,
        policy_digest=engine.digest,
        judged=len(records),
        allowed_then=sum(record.outcome == "allow" for record in records),
        allowed_now=allowed,
        changes=tuple(changes),
    )
