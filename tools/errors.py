"""What a tool may say went wrong: whether asking again can help.

AgentctlError
├── ToolRetry     1   ask again, perhaps with other parameters: it may help
└── ToolFailed    1   it will not help
"""

from __future__ import annotations

from domain.errors import AgentctlError


class ToolRetry(AgentctlError):
    """The tool could not answer this time; the same or a corrected call may succeed."""


class ToolFailed(AgentctlError):
    """The tool cannot answer, and asking again will not change that."""
