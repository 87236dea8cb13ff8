"""Everything that is kept: runs, tape, snapshots, verdicts, orders, fills, equity.

Imports `policy`, `context` and `domain`.
"""

from memory.admission import Admission
from memory.archive import Archive
from memory.database import Database
from memory.fault import Fault
from memory.ledger import Ledger
from memory.orders import OrderRecord
from memory.records import ClosedCycle, CycleRecord, Figures, RunHeader, RunRecord, SnapshotRecord, Step, VerdictRecord
from memory.tape import Recording, Tape

__all__ = [
    "Admission",
    "Archive",
    "ClosedCycle",
    "CycleRecord",
    "Database",
    "Fault",
    "Figures",
    "Ledger",
    "OrderRecord",
    "Recording",
    "RunHeader",
    "RunRecord",
    "SnapshotRecord",
    "Step",
    "Tape",
    "VerdictRecord",
]
