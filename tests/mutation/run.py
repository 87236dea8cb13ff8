"""Mutation testing of `policy/`: `python tests/mutation/run.py [FILE ...]`.

Works on a copy of the tree. Fails when a mutant survives that `docs/mutants.md` doesn't argue equivalent,
and when one that it argues about is noticed after all, or is gone.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sys
import tempfile
import time
from collections import Counter, defaultdict
from itertools import count
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
LIST = REPOSITORY / "docs" / "mutants.md"
_ENTRY = re.compile(
    r"^### `(?P<path>[^`]+)`(?: · `(?P<where>[^`]+)`)?\n+```diff\n(?P<diff>.*?)\n```\n+(?P<why>\S.*?)$", re.M | re.S
)
_LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "data", "node_modules")
_LATE = ("test_profiles.py", "test_proof.py", "test_properties.py")
"""Slow to import or to run: tried on what survives the others."""
_PAGE = "tests/docs/test_policy_docs.py"
"""Holds the page that `policy/reference.py` writes, and so most of what stands outside of functions."""
_SHAPES = "test_shapes.py"
"""Holds what stands in classes."""
_NEXT = ("test_policy_file.py", "test_tightness.py", "test_checks.py")
"""Quick, and notice most of the rest."""


def argued() -> set[tuple[str, str, str]]:
    """The names of the mutants that the list argues equivalent."""
    text = LIST.read_text() if LIST.exists() else ""
    return {(found["path"], found["where"] or "", found["diff"]) for found in _ENTRY.finditer(text)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("paths", nargs="*", default=["policy"], help="files or folders; all of policy/ when none")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--results", type=Path, help="keep the outcomes here, as JSON")
    parser.add_argument("--again", type=Path, help="only what survived in these results")
    parser.add_argument("--only", choices=("in-place", "imported"), help="half of the work: what a change is made to")
    given = parser.parse_args()
    os.nice(10)
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        root = Path(folder).resolve() / "tree"
        shutil.copytree(REPOSITORY, root, ignore=_LEFT_OUT)
        os.chdir(root)
        sys.path[:0] = [str(root), str(root / "tests")]
        return _campaign(root, given, start)


def _campaign(root: Path, given: argparse.Namespace, start: float) -> int:
    from mutation.mutants import Mutant, mutants_of
    from mutation.trial import Outcome, prepare, try_imported, try_in_place

    prepare()
    mutants: list[Mutant] = []
    for path in given.paths:
        for file in sorted((root / path).rglob("*.py")) if (root / path).is_dir() else [root / path]:
            mutants += mutants_of(root, file)
    if given.again:
        kept = {tuple(name) for name in json.loads(given.again.read_text())["survived"]}
        mutants = [mutant for mutant in mutants if mutant.name in kept]
    print(f"{len(mutants)} mutants, made in {time.monotonic() - start:.0f} s", flush=True)

    tried = count(1)

    def tell(outcome: Outcome) -> None:
        if (number := next(tried)) % 100 == 0:
            print(f"{number} tried, {time.monotonic() - start:.0f} s", flush=True)
        if outcome.result != "killed":
            mutant = outcome.mutant
            print(f"{outcome.result}: {mutant.path}:{mutant.lines.start} {mutant.where}\n{mutant.diff}", flush=True)

    early = [str(file) for file in sorted(Path("tests/policy").glob("test_*.py")) if file.name not in _LATE]
    shapes, *following = (str(Path("tests/policy") / name) for name in (_SHAPES, *_NEXT))
    others = [file for file in early if file not in (shapes, *following)]
    groups = ([shapes], [_PAGE], following, others, [str(Path("tests/policy") / name) for name in _LATE])
    inside = [mutant for mutant in mutants if mutant.in_function and given.only != "imported"]
    suite, outcomes = try_in_place(inside, root, files=[*early, _PAGE], workers=given.workers, tell=tell)
    if suite.failed:
        print("these tests fail without a mutant:", *suite.failed, sep="\n  ")
        return 2
    print(f"in place: {time.monotonic() - start:.0f} s", flush=True)
    if given.only != "in-place":
        left = [mutant for mutant in mutants if not mutant.in_function]
        left += [outcome.mutant for outcome in outcomes if outcome.result == "survived"]
        outcomes = [outcome for outcome in outcomes if outcome.result != "survived"]
        outcomes += try_imported(left, root, suite=suite, files=groups, workers=given.workers, tell=tell)
    return _report(outcomes, given, seconds=time.monotonic() - start)


def _report(outcomes: list, given: argparse.Namespace, *, seconds: float) -> int:  # type: ignore[type-arg]
    listed = argued()
    survived = {outcome.mutant.name: outcome.mutant for outcome in outcomes if outcome.result == "survived"}
    tried = {outcome.mutant.name for outcome in outcomes}
    table: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for outcome in outcomes:
        equivalent = outcome.result == "survived" and outcome.mutant.name in listed
        table[outcome.mutant.path]["argued" if equivalent else outcome.result] += 1
    columns = ("killed", "timeout", "argued", "survived")
    print(f"{'':40}" + "".join(f"{column:>10}" for column in columns))
    for path, counts in sorted(table.items()):
        print(f"{path:40}" + "".join(f"{counts[column]:>10}" for column in columns))
    total = sum(table.values(), Counter())
    print(f"{'all':40}" + "".join(f"{total[column]:>10}" for column in columns))
    left = [mutant for name, mutant in survived.items() if name not in listed]
    stale = [] if given.again else [name for name in listed if name[0] in table and name not in survived]
    for mutant in left:
        print(f"\nsurvived: {mutant.path}:{mutant.lines.start} {mutant.where}\n{mutant.diff}")
    for path, where, diff in stale:
        state = "noticed by a test" if (path, where, diff) in tried else "no mutant any more"
        print(f"\nlisted in {LIST.name}, but {state}: {path} {where}\n{diff}")
    if given.results:
        given.results.write_text(json.dumps({"survived": [mutant.name for mutant in left]}, indent=1))
    print(f"\n{len(outcomes)} mutants in {seconds:.0f} s: {len(left)} survivors not argued equivalent")
    return 1 if left or stale else 0


if __name__ == "__main__":
    raise SystemExit(main())
