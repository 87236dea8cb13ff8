"""Certifications that passed on this machine: one file in the data folder, besides what the package itself says."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import date
from importlib.metadata import version
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from domain.errors import UsageError
from memory.store.private import private_file, private_folder
from venues.exchange.account.known import Certified, certification_line
from venues.files.text_file import read_text

_FILE = "certified.json"
_RECORDINGS = "certifications"
_CERTIFIED: TypeAdapter[tuple[Certified, ...]] = TypeAdapter(tuple[Certified, ...])


def certified_in(data_dir: Path) -> Sequence[Certified]:
    """Those of a data folder. Raises `UsageError` for a file that can't be understood."""
    path = data_dir / _FILE
    try:
        text = read_text(path)
    except FileNotFoundError:
        return ()
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} can't be read: {error}", remedy="Mend it, or delete it") from None
    try:
        return _CERTIFIED.validate_json(text)
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise UsageError(
            f"{path} can't be understood: {where}: {error.errors()[0]['msg']}", remedy="Mend it, or delete it"
        ) from None


def keep_certified(data_dir: Path, certified: Certified) -> None:
    """Add one; of an exchange and a place the newest stays."""
    others = [c for c in certified_in(data_dir) if (c.exchange, c.where) != (certified.exchange, certified.where)]
    path = data_dir / _FILE
    try:
        private_folder(data_dir)
        beside = path.with_suffix(".new")
        with suppress(FileNotFoundError):
            beside.unlink()
        private_file(beside)
        beside.write_bytes(_CERTIFIED.dump_json((*others, certified), indent=1))
        beside.replace(path)
    except OSError as error:
        raise UsageError(f"{path} can't be written: {error.strerror}", remedy="Look at the data folder") from None


def line_of(exchange: str, data_dir: Path) -> str:
    """How far `exchange` was tried, by the package and by this machine."""
    return certification_line(exchange, here=certified_in(data_dir), version=version("agentctl"))


def recording_path(data_dir: Path, exchange: str, *, on: date) -> Path:
    """Where the next recording of an exchange goes: a name that is free, in a folder that is there."""
    folder = data_dir / _RECORDINGS
    try:
        private_folder(folder)
    except OSError as error:
        raise UsageError(f"{folder} can't be made: {error.strerror}", remedy="Look at the data folder") from None
    paths = (folder / f"{exchange}-{on}{'' if n == 1 else f'-{n}'}.json" for n in range(1, 1_000))
    return next(path for path in paths if not path.exists())
