"""What the command line costs before it does anything."""

from __future__ import annotations

import subprocess
import sys


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys\n"
        "from agentctl.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'litellm', 'ccxt', 'pandas', 'numpy', 'langgraph', 'sqlalchemy'}\n"
        "heavy |= {'pydantic', 'alembic', 'tiktoken', 'rich'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert "Usage" in done.stdout
