"""Policies from files: the packaged profile, or one of the operator's."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from domain.errors import NotFound, PolicyFileError
from policy import Policy, parse_policy

DEFAULT_PROFILE = "conservative"


def policy_in_effect(path: Path | None) -> Policy:
    """The policy in `path`, or the packaged default.

    Raises `NotFound` for a missing file and `PolicyFileError` for one that can't be used.
    """
    if path is None:
        text = (files("policy") / "profiles" / f"{DEFAULT_PROFILE}.toml").read_text("utf-8")
        return parse_policy(text, source=DEFAULT_PROFILE)
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        raise NotFound(f"there is no policy file {path}", remedy="Check --policy") from None
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyFileError(
            f"the policy file {path} can't be read: {error}", remedy="It must be TOML in UTF-8"
        ) from None
    return parse_policy(text, source=str(path))
