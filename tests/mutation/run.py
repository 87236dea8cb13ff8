"""Mutation testing: of all of `policy/`, or with `--sample N` of a few mutants of every room.

Works on a copy of the tree. The whole run fails when a mutant survives that `tests/mutation/mutants.md` doesn't argue
equivalent, and when one that it argues about is noticed after all, or is gone. A sampled run reports.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import sys
import tempfile
import time
from collections import Counter, defaultdict
from itertools import count
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
LIST = Path(__file__).parent / "mutants.md"
ROOMS = ("agentctl", "agents", "context", "domain", "graphs", "memory", "policy", "tools")
_ENTRY = re.compile(
    r"^### `(?P<path>[^`]+)`(?: · `(?P<where>[^`]+)`)?\n+```diff\n(?P<diff>.*?)\n```\n+(?P<why>\S.*?)$", re.M | re.S
)
_LATE = ("test_profiles.py", "test_proof.py", "test_properties.py")
"""Slow to import or to run: tried on what survives the others."""
_PAGE = "tests/docs/test_policy_docs.py"
"""Holds the page that `policy/reference.py` writes, and so most of what stands outside of functions."""
_SHAPES = "test_shapes.py"
"""Holds what stands in classes."""
_NEXT = ("test_policy_file.py", "test_tightness.py", "test_checks.py")
"""Quick, and notice most of the rest."""


_NICE = 10
"""Others use the machine too. What is nicer already stays so."""


def argued() -> set[tuple[str, str, str]]:
    """The names of the mutants that the list argues equivalent."""
    text = LIST.read_text() if LIST.exists() else ""
    return {(found["path"], found["where"] or "", found["diff"]) for found in _ENTRY.finditer(text)}


def main() -> int:
    given = _arguments()
    os.nice(max(0, _NICE - os.nice(0)))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started ends too
    start = time.monotonic()
    sys.path.insert(0, str(REPOSITORY / "tests"))
    from mutation.sampled import copy_of

    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        if given.sample is not None:
            return _sampled(Path(folder).resolve(), given, start)
        root = copy_of(REPOSITORY, Path(folder).resolve())
        os.chdir(root)
        sys.path[:0] = [str(root), str(root / "tests")]
        return _campaign(root, given, start)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("paths", nargs="*", help="files or folders of policy/, all of it when none; rooms of a sample")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--results", type=Path, help="keep the survivors here, as JSON")
    parser.add_argument("--again", type=Path, help="only what survived in these results")
    parser.add_argument("--only", choices=("in-place", "imported"), help="half of the work: what a change is made to")
    sampled = parser.add_argument_group("a sampled run over all rooms")
    sampled.add_argument("--sample", type=int, metavar="N", help="how many mutants")
    sampled.add_argument("--seed", type=int, default=0, help="what the sample is drawn from")
    sampled.add_argument("--limit", type=int, default=120, metavar="SECONDS", help="for one mutant")
    sampled.add_argument("--minutes", type=int, default=120, help="after which no mutant is begun")
    sampled.add_argument("--keep", type=Path, metavar="FOLDER", help="where to go on after an interruption")
    sampled.add_argument("--json", action="store_true", help="each trial, on stdout; progress goes to stderr")
    given = parser.parse_args()
    if given.sample is not None and given.sample < 1:
        parser.error(f"--sample is {given.sample}. Give at least 1")
    if given.sample is not None and (unknown := set(given.paths) - set(ROOMS)):
        parser.error(f"{', '.join(sorted(unknown))}: no room. A sample is of: {', '.join(ROOMS)}")
    return given


def _sampled(folder: Path, given: argparse.Namespace, start: float) -> int:
    from mutation.choice import sample
    from mutation.sampled import Measuring, as_json, copy_of, report, try_all

    def tell(text: str) -> None:
        print(f"{time.monotonic() - start:5.0f} s  {text}", file=sys.stderr, flush=True)

    rooms = [room for room in ROOMS if room in given.paths] or list(ROOMS)
    trees = []
    for number in range(given.workers):
        (folder / str(number)).mkdir()
        trees.append(copy_of(REPOSITORY, folder / str(number)))
    mutants = sample(trees[0], rooms=rooms, count=given.sample, seed=given.seed, argued=argued())
    tell(f"{len(mutants)} mutants of {', '.join(rooms)}, seed {given.seed}")
    until = start + 60 * given.minutes
    measured = Measuring(
        root=trees[0],
        rooms=rooms,
        mutants=mutants,
        workers=given.workers,
        until=until,
        kept=given.keep or folder / "measured",
        tell=tell,
    ).run()
    for name in sorted(measured.failed):
        tell(f"fails without a mutant, and is left out: {name}")
    outcomes = []
    for outcome in try_all(trees, mutants, measured, limit_s=given.limit, until=until, tell=tell):
        outcomes.append(outcome)
        tell(f"{len(outcomes)}/{len(mutants)} {outcome}")
    print(as_json(outcomes, seed=given.seed) if given.json else report(outcomes, rooms))
    return 0


def _campaign(root: Path, given: argparse.Namespace, start: float) -> int:
    from mutation.mutants import Mutant, mutants_of
    from mutation.trial import UNFIT, Outcome, prepare, try_imported, try_in_place

    prepare()
    mutants: list[Mutant] = []
    for path in given.paths or ["policy"]:
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
    if inside and all(outcome.result == UNFIT for outcome in outcomes):
        print("no mutant could be put in place: nothing was tried")
        return 2
    print(f"in place: {time.monotonic() - start:.0f} s", flush=True)
    if given.only != "in-place":
        left = [mutant for mutant in mutants if not mutant.in_function]
        left += [outcome.mutant for outcome in outcomes if outcome.result in ("survived", UNFIT)]
        outcomes = [outcome for outcome in outcomes if outcome.result not in ("survived", UNFIT)]
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
    columns = ("killed", "timeout", "argued", "survived", "unfit")
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
