"""Typed tools that agents call, and the call path around them.

Imports `policy`, `context`, `venues` and `domain`.
"""

from tools.tool import Tool, tool
from tools.toolbox import Toolbox

__all__ = ["Tool", "Toolbox", "tool"]
