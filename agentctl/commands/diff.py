"""`agentctl diff`: two runs or two snapshots side by side. Exit code 3 when they differ."""

from __future__ import annotations

import sys
from pathlib import Path

from agentctl.archive import find_run, reading, snapshot_id_of, wait
from agentctl.output import print_json, print_table
from agentctl.page import grid, page, paragraph, write_page
from domain.errors import NotFound, Refused
from graphs.archive.diff import Diff, diff_runs, diff_snapshots

_MOST_ROWS = 40
_COLUMNS = ("cycle", "symbol", "what", "left", "right")


def diff_command(left: str, right: str, *, html: Path | None, db: str | None, as_json: bool) -> None:
    diff = wait(_diff(left, right, db))
    rows = [("" if d.cycle is None else str(d.cycle), d.symbol, d.aspect, d.left, d.right) for d in diff.differences]
    lead = f"{len(rows)} of {diff.compared} things differ between {diff.left} (left) and {diff.right} (right)"
    if html is not None:
        write_page(html, page("agentctl diff", paragraph(lead), grid("differences", _COLUMNS, rows)))
    if as_json:
        print_json(diff)
    else:
        print(lead)
        if rows:
            hidden = len(rows) - _MOST_ROWS
            print_table("differences", _COLUMNS, rows[:_MOST_ROWS], right=("cycle",))
            if hidden > 0:
                print(f"{hidden} more: --json or --html FILE shows all")
    if not diff.same:
        sys.exit(Refused.exit_code)


async def _diff(left: str, right: str, db: str | None) -> Diff:
    """Both are runs, or both are snapshots. Raises `NotFound` for what is neither."""
    async with reading(db) as database:
        try:
            runs = [(await find_run(database, each)).header.run_id for each in (left, right)]
        except NotFound:
            snapshots = [await snapshot_id_of(database, each) for each in (left, right)]
            return await diff_snapshots(*snapshots, database=database)
        return await diff_runs(*runs, database=database)
