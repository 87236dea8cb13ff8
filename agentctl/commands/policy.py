"""`agentctl policy`: policies as files. What they say, what is wrong with them, and how they differ."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from agentctl.archive import find_run, reading, wait
from agentctl.output import print_json, print_table
from agentctl.settings import load
from domain.errors import Refused
from domain.text import visible
from graphs.archive.verdicts import Comparison, compare_policies
from graphs.session.profiles import PROFILES, policy_file, policy_in_effect, profile
from policy import CHECKS, Policy
from policy.difference import Change, changes
from policy.file import PolicyFile, toml
from policy.reference import reference
from policy.tightness import loosened

_MOST_ROWS = 40
_VALUE_CHARS = 200


def show_policy(path: Path | None, *, as_json: bool) -> None:
    """Every setting in effect, as a policy file would state it."""
    file = policy_file(path or load().policy)
    policy = file.policy
    if as_json:
        print_json({"digest": policy.digest, "extends": file.extends, "policy": policy})
    else:
        extends = f"# extends {', '.join(file.extends)}\n" if file.extends else ""
        print(f"# digest {policy.digest}\n{extends}{toml(policy)}", end="")


def check_policy(path: Path, *, as_json: bool) -> None:
    """Every problem at once, which is exit code 2; else how the policy differs from the one in effect."""
    file, usual = policy_file(path), policy_in_effect(load().policy)
    policy = file.policy
    differences, looser = changes(usual, policy), loosened(policy, than=usual)
    if as_json:
        report = {"policy": policy.name, "digest": policy.digest, "extends": file.extends, "compared_to": usual.name}
        return print_json({**report, "changes": differences, "loosened": looser})
    print(f"{path} is a policy: {policy.name}, digest {policy.digest[:12]}{_extending(file)}")
    if not differences:
        print(f"it sets what {usual.name} does, which is in effect by default")
        return None
    _change_table(differences, usual, policy)
    return print(f"{len(looser)} of {len(differences)} settings that differ may refuse less than {usual.name} does")


def diff_policies(left: Path, right: Path, *, run: str | None, db: str | None, as_json: bool) -> None:
    """Exit code 3 when they differ in any setting."""
    files = policy_file(left), policy_file(right)
    one, other = (file.policy for file in files)
    differences = changes(one, other)
    judged = None if run is None else wait(_compared(run, one, other, db))
    if as_json:
        named = dict(zip(("left", "right"), map(_named, files), strict=True))
        print_json({**named, "changes": differences, "judged": judged})
    else:
        for file in files:
            if file.extends:
                print(f"{file.policy.name}{_extending(file)}")
        if differences:
            _change_table(differences, one, other)
        else:
            print(f"{one.name} and {other.name} set the same")
        if judged is not None:
            _judged_table(judged, one, other)
    if differences:
        sys.exit(Refused.exit_code)


async def _compared(run: str, one: Policy, other: Policy, db: str | None) -> Comparison:
    async with reading(db) as database:
        run_id = (await find_run(database, run)).header.run_id
        return await compare_policies(run_id, one, other, database=database)


def _named(file: PolicyFile) -> dict[str, object]:
    return {"name": file.policy.name, "digest": file.policy.digest, "extends": file.extends}


def _extending(file: PolicyFile) -> str:
    return f", extends {', '.join(file.extends)}" if file.extends else ""


def _change_table(differences: Sequence[Change], one: Policy, other: Policy) -> None:
    rows = [
        (each.path, visible(each.left, limit=_VALUE_CHARS), visible(each.right, limit=_VALUE_CHARS), each.right_is)
        for each in differences
    ]
    columns = ("setting", one.name, other.name, f"{other.name} is")
    print_table("settings that differ", columns, rows)


def _judged_table(judged: Comparison, one: Policy, other: Policy) -> None:
    print(
        f"of {judged.judged} proposals of {judged.run_id}, {one.name} allows {judged.left_allows} and {other.name} "
        f"{judged.right_allows}; {len(judged.disagreements)} verdicts change"
    )
    rows = [
        (str(d.cycle), d.symbol, d.left, d.right, "; ".join(d.right_because or d.left_because))
        for d in judged.disagreements
    ]
    if rows:
        columns = ("cycle", "symbol", one.name, other.name, "because")
        print_table("verdicts that change", columns, rows[:_MOST_ROWS], right=("cycle",))
        if len(rows) > _MOST_ROWS:
            print(f"{len(rows) - _MOST_ROWS} more: --json shows all")


def show_policy_schema() -> None:
    from agentctl.policy_schema import policy_schema

    print_json(policy_schema())


def show_reference() -> None:
    """The page `docs/policy.md`."""
    print(reference(CHECKS, [profile(name) for name in PROFILES]), end="")
