"""LangGraph state machines: they wire agents, gate and ledger, run them, and replay what ran.

Imports every floor below.
"""

from graphs.opening import GRAPHS, playback, prepare, resume, start
from graphs.options import RunOptions
from graphs.paper import PaperDesk
from graphs.profiles import policy_in_effect
from graphs.replay import ReplayReport, replay_run
from graphs.result import RunResult
from graphs.runner import Runner, Stop
from graphs.trading import build

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
