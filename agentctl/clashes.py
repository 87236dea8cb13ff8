"""Our packages have plain names, and other distributions use some of them: say so before an odd import does."""

from __future__ import annotations

from importlib.metadata import packages_distributions
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from domain.errors import UsageError

PACKAGES: Final = ("agentctl", "agents", "context", "domain", "graphs", "memory", "policy", "tools")

_REMEDY: Final = "Install agentctl into an environment of its own, as the README says"


def require_own_packages() -> None:
    """Raises `UsageError` naming each package that does not lie where this one does."""
    home = Path(__file__).resolve().parents[1]
    astray = [name for name in PACKAGES if _home(name) != home]
    if astray:
        raise UsageError(f"other packages hide ours: {', '.join(astray)} come from elsewhere", remedy=_REMEDY)


def _home(name: str) -> Path | None:
    spec = find_spec(name)
    return Path(spec.origin).resolve().parents[1] if spec and spec.origin else None


def foreign_owners() -> dict[str, list[str]]:
    """Each of our package names that another installed distribution owns too, with who that is."""
    owners = packages_distributions()
    foreign = {name: sorted({o for o in owners.get(name, []) if o.lower() != "agentctl"}) for name in PACKAGES}
    return {name: others for name, others in foreign.items() if others}
