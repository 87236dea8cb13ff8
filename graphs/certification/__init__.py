"""Certification: a venue tried out with the least orders there are, step by step, by the very path that live runs take.

`certify` runs it, `Bench` is where, `Certification` is what it comes to.
"""

from graphs.certification.bench import Bench, Operator, Stop
from graphs.certification.certify import certify
from graphs.certification.reading import Intent
from graphs.certification.report import ABOUT, STEPS, Certification, Step, StepResult, Watch

__all__ = [
    "ABOUT",
    "STEPS",
    "Bench",
    "Certification",
    "Intent",
    "Operator",
    "Step",
    "StepResult",
    "Stop",
    "Watch",
    "certify",
]
