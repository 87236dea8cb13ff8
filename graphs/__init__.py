"""LangGraph state machines: they wire agents, gate and ledger, run them, and replay what ran.

Imports every floor below.
"""

from graphs.archive.result import RunResult
from graphs.runs.open import GRAPHS, playback, prepare, resume, start
from graphs.runs.paper_desk import PaperDesk
from graphs.runs.replay import ReplayReport, replay_run
from graphs.runs.runner import Runner, Stop
from graphs.session.options import RunOptions
from graphs.session.profiles import policy_in_effect
from graphs.trading.graph import build

__all__ = [
    "GRAPHS",
    "PaperDesk",
    "ReplayReport",
    "RunOptions",
    "RunResult",
    "Runner",
    "Stop",
    "build",
    "playback",
    "policy_in_effect",
    "prepare",
    "replay_run",
    "resume",
    "start",
]
