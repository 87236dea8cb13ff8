"""Everything that is kept: runs, tape, snapshots, verdicts, orders, fills, equity.

Imports `policy`, `context` and `domain`.
"""

from memory.archive.archive import Archive
from memory.archive.tape import Recording, Tape
from memory.ledger.gate_transaction import Admission, Admissions, Standing
from memory.ledger.ledger import Ledger
from memory.ledger.orders import OrderRecord
from memory.operators.approvals import Approval, Approvals
from memory.operators.audit_log import Act, Acts
from memory.operators.controls import Control, Controls
from memory.store.database import Database
from memory.store.fault import Fault
from memory.store.records import (
    ClosedCycle,
    CycleRecord,
    Figures,
    RunHeader,
    RunRecord,
    SnapshotRecord,
    Step,
    VerdictRecord,
)

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
