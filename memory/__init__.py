"""Everything that is kept: runs, tape, snapshots, verdicts, orders, fills, equity.

Imports `policy`, `context` and `domain`.
"""

from memory.acts import Act, Acts
from memory.admission import Admission
from memory.admissions import Admissions, Standing
from memory.approvals import Approval, Approvals
from memory.archive import Archive
from memory.controls import Control, Controls
from memory.database import Database
from memory.fault import Fault
from memory.ledger import Ledger
from memory.orders import OrderRecord
from memory.records import ClosedCycle, CycleRecord, Figures, RunHeader, RunRecord, SnapshotRecord, Step, VerdictRecord
from memory.tape import Recording, Tape

__all__ = [
    "Act",
    "Acts",
    "Admission",
    "Admissions",
    "Approval",
    "Approvals",
    "Archive",
    "ClosedCycle",
    "Control",
    "Controls",
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
    "Standing",
    "Step",
    "Tape",
    "VerdictRecord",
]
