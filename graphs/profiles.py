"""Policies from files: the packaged profiles, or one of the operator's."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from domain.errors import NotFound, PolicyFileError
from policy import Policy, parse_policy

DEFAULT_PROFILE: Final = "conservative"

PROFILES: Final = (DEFAULT_PROFILE, "standard", "prop-firm", "paper-lab")
"""Packaged with the gate. The default first."""


def profile(name: str) -> Policy:
    """One of `PROFILES`."""
    text = (files("policy") / "profiles" / f"{name}.toml").read_text("utf-8")
    return _parsed(text, source=name)


def policy_in_effect(asked: Path | None) -> Policy:
    """The profile of that name, the policy in that file, or the default profile when none is asked for.

    A profile's name means the profile; `./standard.toml` or a path with a folder is always a file. Raises
    `NotFound` for a missing file and `PolicyFileError` for one that can't be used.
    """
    name = DEFAULT_PROFILE if asked is None else str(asked)
    if asked is None or name in PROFILES:
        return profile(name)
    try:
        text = asked.read_text("utf-8")
    except FileNotFoundError:
        raise NotFound(
            f"there is no policy file {asked}", remedy=f"Name a file, or one of {', '.join(PROFILES)}"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyFileError(
            f"the policy file {asked} can't be read: {error}", remedy="It must be TOML in UTF-8"
        ) from None
    return _parsed(text, source=str(asked))


def _parsed(text: str, *, source: str) -> Policy:
    """Besides the form: the time zone is one that this machine knows, for what counts by days can't be told else."""
    return parse_policy(text, source=source, knows_zone=_known_here)


def _known_here(zone: str) -> bool:
    try:
        ZoneInfo(zone)
    except (OSError, ValueError, LookupError):
        return False
    return True
