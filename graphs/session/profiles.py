"""Policies from files: the packaged profiles, or one of the operator's."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from domain.errors import NotFound, PolicyFileError
from policy import Policy
from policy.file import PolicyFile, parse_file
from venues.files.text_file import read_text

DEFAULT_PROFILE: Final = "conservative"

PROFILES: Final = (DEFAULT_PROFILE, "standard", "prop-firm", "paper-lab")
"""Packaged with the gate. The default first."""


def profile(name: str) -> Policy:
    """One of `PROFILES`."""
    return _parsed(_shipped(name), source=name).policy


def policy_in_effect(path: Path | None) -> Policy:
    """The policy of `policy_file`."""
    return policy_file(path).policy


def policy_file(path: Path | None) -> PolicyFile:
    """The profile of that name, the policy in that file, or the default profile when none is asked for.

    A profile's name means the profile; `./standard.toml` or a path with a folder is always a file. Raises
    `NotFound` for a missing file and `PolicyFileError` for one that can't be used.
    """
    name = DEFAULT_PROFILE if path is None else str(path)
    if path is None or name in PROFILES:
        return _parsed(_shipped(name), source=name)
    try:
        text = _text(path)
    except FileNotFoundError:
        raise NotFound(
            f"there is no policy file {path}", remedy=f"Name a file, or one of {', '.join(PROFILES)}"
        ) from None
    return _parsed(text, source=os.path.normpath(path))


def _extended(name: str, by: str) -> tuple[str, str]:
    """What the file `by` extends: a profile, or a file named from the folder of `by`."""
    if name in PROFILES:
        return name, _shipped(name)
    path = Path(os.path.normpath(Path(by).parent / name))
    try:
        return str(path), _text(path)
    except FileNotFoundError:
        raise PolicyFileError(
            f"{by} extends {name!r}, and there is no file {path}",
            remedy=f"Name a file from its folder, or one of {', '.join(PROFILES)}",
        ) from None


def _shipped(name: str) -> str:
    return (files("policy") / "profiles" / f"{name}.toml").read_text("utf-8")


def _text(path: Path) -> str:
    """Raises `FileNotFoundError`, and `PolicyFileError` for what can't be read."""
    try:
        return read_text(path)
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        raise PolicyFileError(
            f"the policy file {path} can't be read: {error}", remedy="It must be TOML in UTF-8"
        ) from None


def _parsed(text: str, *, source: str) -> PolicyFile:
    """Besides the form: the time zone is one that this machine knows, for what counts by days can't be told else."""
    return parse_file(text, source=source, knows_zone=_known_here, read=_extended)


def _known_here(zone: str) -> bool:
    try:
        ZoneInfo(zone)
    except (OSError, ValueError, LookupError):
        return False
    return True
