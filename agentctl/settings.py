"""Settings of the command line: options first, then `AGENTCTL_*` variables, then `agentctl.toml`, then defaults."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from difflib import get_close_matches
from functools import cache
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final, get_args, get_origin

from pydantic import BaseModel, Field, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from agentctl.lane_tables import LaneTables, default_tables
from agentctl.output import warn
from agentctl.paper import PaperSettings
from agents.pricing import Price
from agents.settings import DeskSettings
from context import LaneSettings
from domain import toml
from domain.errors import UsageError
from domain.symbols import meant_symbol
from domain.text import visible
from domain.value import SYMBOL_FORM, Positive, Symbol, Value
from venues.files.text_file import is_there, read_text, require_file

CONFIG_FILE = "agentctl.toml"
_PREFIX: Final = "AGENTCTL_"
_ALIKE: Final = 0.8
"""From how much likeness on a variable is taken for a mistyped one; `difflib.SequenceMatcher.ratio`."""
_INPUT_CHARS = 60
"""Characters of a wrong value that are shown."""


class ArchiveSettings(Value):
    """How much of itself a run leaves behind. What it decides does not depend on it."""

    keep_cycles: int | None = Field(default=None, ge=1)
    """A run keeps the contexts of its last so many cycles, and all of them when this is not set.

    Older ones are pruned as it goes on, as `agentctl snapshots prune` does.
    """


class ExchangeSettings(Value):
    """How an exchange is reached. Keys are not settings: see `agentctl.keys`."""

    sandbox: bool = False
    """Trade in the exchange's own demo environment, with keys of its own."""
    base_url: str | None = Field(default=None, pattern=r"^https?://")
    """Another address than the exchange's: a proxy, or an exchange double."""
    streams: bool = True
    """Hear of prices and own orders between two bars, by WebSocket, where ccxt has it."""


class LiveSettings(Value):
    """What a desk that trades with money does besides. No decision depends on it."""

    dead_man_s: int | None = Field(default=60, ge=10, le=120)
    """The venue cancels resting orders when it hears nothing for so long, where it has such a switch."""
    allow_tracing: bool = False
    """Whether a live run may start while LangSmith or the like is sent what it knows: see `agentctl doctor`."""


class ModelSettings(Value):
    """What is known of a language model here and nowhere else."""

    price: Price | None = None
    """In US dollars for a million tokens, where LiteLLM's list doesn't have it or it is otherwise."""


class _SettingsFile(TomlConfigSettingsSource):
    def _read_file(self, file_path: Path | Traversable) -> dict[str, object]:
        return toml.loads(read_text(Path(str(file_path))))


class Settings(BaseSettings):
    """What a command uses where no option says otherwise. Unknown keys are refused."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, env_nested_delimiter="__", toml_file=CONFIG_FILE, extra="forbid", frozen=True
    )

    data_dir: Path = Path(".agentctl")
    """The project's data folder: database and checkpoints."""
    db: str | None = None
    """Database URL; SQLite in the data folder when not set."""
    market: str = "sim"
    symbols: tuple[Symbol, ...] | None = None
    timeframe: str | None = None
    cycles: int | None = Field(default=None, ge=0, le=1_000_000)
    """How many in all, and 0 for no end. When not set: 60, and on an exchange no end."""
    model: str = "rules"
    models: dict[str, ModelSettings] = Field(default_factory=dict)
    """By the model's name, as LiteLLM names it: `[models."openai/gpt-9"]`."""
    policy: Path | None = None
    """A policy file; the packaged `conservative` profile when not set."""
    seed: int = Field(default=7, ge=0)
    cash: Positive = Decimal(100_000)
    """Paper cash at the start, in the quote currency."""
    paper: PaperSettings = PaperSettings()
    desk: DeskSettings = DeskSettings()
    lanes: LaneTables = Field(default_factory=default_tables)
    """The lanes of the context, by id: what a table `[lanes.ID]` says, over the default lane of that name."""
    archive: ArchiveSettings = ArchiveSettings()
    exchanges: dict[str, ExchangeSettings] = Field(default_factory=dict)
    """By the exchange's name in ccxt."""
    live: LiveSettings = LiveSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, _SettingsFile(settings_cls)

    @property
    def lane_settings(self) -> LaneSettings:
        """The lanes in effect."""
        return LaneSettings(lanes=tuple(self.lanes.values()))

    @property
    def lanes_if_set(self) -> LaneSettings | None:
        """The lanes in effect where any was set, and `None` where nothing speaks of them."""
        return self.lane_settings if "lanes" in self.model_fields_set else None

    def at_exchange(self, exchange: str) -> ExchangeSettings:
        """What is set for it, or what holds where nothing is."""
        return self.exchanges.get(exchange, ExchangeSettings())

    @property
    def prices(self) -> dict[str, Price]:
        """What models cost, by name, where it was set."""
        return {name: each.price for name, each in self.models.items() if each.price is not None}

    @property
    def database_url(self) -> str:
        return self.db or f"sqlite:///{self.data_dir / 'agentctl.db'}"

    @property
    def checkpoints(self) -> Path:
        return self.data_dir / "checkpoints.db"


def _problem(error: ErrorDetails) -> str:
    """What is wrong with one field. The value of an unknown key is not repeated: it may be a secret."""
    if error["type"] == "extra_forbidden":
        return f"unknown key{_nearest([str(part) for part in error['loc']])}"
    if error["type"] == "string_pattern_mismatch" and error["ctx"]["pattern"] == SYMBOL_FORM:
        return f"{error['input']!r} is no symbol{meant_symbol(str(error['input']))}"
    return f"{error['msg']} (got {visible(repr(error['input']), limit=_INPUT_CHARS)})"


def _nearest(path: Sequence[str]) -> str:
    """The key that was meant, where one is alike; empty where none is, or nothing is known of the place."""
    section: type[BaseModel] | None = Settings
    parts = iter(path[:-1])
    for part in parts:
        field = section.model_fields.get(part) if section else None
        section = None if field is None else _section(field.annotation)
        if field is not None and get_origin(field.annotation) in (dict, Mapping):  # by names, such as [exchanges.okx]
            next(parts, None)
    alike = get_close_matches(path[-1], section.model_fields, n=1) if section else []
    return f"; did you mean {alike[0]}?" if alike else ""


def _section(annotation: object) -> type[BaseModel] | None:
    kinds = (annotation, *get_args(annotation))
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)


_OTHER_VARIABLES: Final = frozenset({"SECRETS_FILE", "DEBUG", "EVERY_POINT", "TEST_POSTGRES"})
"""Ours that are no settings: where keys are, and switches of the tests."""


@cache
def _variables() -> Mapping[str, str]:
    """Every variable that says something, by its words with one underscore between them."""
    variables = {name: name for name in _OTHER_VARIABLES}

    def walk(section: type[BaseModel], *path: str) -> None:
        for name, field in section.model_fields.items():
            place, below = (*path, name.upper()), _section(field.annotation)
            variables["_".join(place)] = "__".join(place)
            if below is not None and get_origin(field.annotation) not in (dict, Mapping):
                walk(below, *place)

    walk(Settings)
    return variables


def unknown_variables(environ: Mapping[str, str]) -> Mapping[str, str]:
    """Variables that are named as ours are and say nothing, each with the one that is nearest; empty where none is.

    What is wrong below a known first part, as in AGENTCTL_DESK__RSK, is found where its value is read.
    """
    known, unknown = _variables(), dict[str, str]()
    firsts = {whole.partition("__")[0] for whole in known.values()}
    for variable in sorted(environ):
        name = variable.upper().removeprefix(_PREFIX)
        if name == variable.upper() or name.partition("__")[0] in firsts:
            continue
        near = get_close_matches(name.replace("__", "_"), known, n=1, cutoff=_ALIKE)
        unknown[variable] = f"{_PREFIX}{known[near[0]]}" if near else ""
    return unknown


def _require_known_variables() -> None:
    """Raise `UsageError` for a variable that is surely mistyped, as for a key in the file: a run with money must not
    begin with what somebody believes to have changed. One that may be somebody else's is named, once.
    """
    unknown = unknown_variables(os.environ)
    if wrong := {name: near for name, near in unknown.items() if near}:
        raise UsageError(
            "; ".join(f"{name} is no setting" for name in wrong),
            remedy=f"Did you mean {', '.join(wrong.values())}? Rename it, or unset it",
        )
    if unknown:
        _note_once(f"note: {', '.join(unknown)} is no setting, and changes nothing")


@cache
def _note_once(text: str) -> None:
    warn(text)


def load_anyway(*, db: str | None, what: str) -> Settings:
    """The settings in effect, for `what` is needed in an emergency: a mistake in them must not stand in its way.

    It is said, and only what says where the runs of this folder are is then taken from them, as far as it can be read.
    """
    try:
        return load(db=db)
    except UsageError as error:
        warn(f"warning: {error.message}. For {what} only data_dir and db are read from the settings")
    file: dict[str, object] = {}
    with suppress(OSError, ValueError):  # no TOML at all
        file = toml.loads(read_text(Path(CONFIG_FILE)))
    folder = os.environ.get("AGENTCTL_DATA_DIR") or file.get("data_dir") or ".agentctl"
    url = db or os.environ.get("AGENTCTL_DB") or file.get("db")
    return Settings.model_construct(data_dir=Path(str(folder)), db=None if url is None else str(url))


def load(**options: object) -> Settings:
    """The settings in effect; options that are `None` were not given.

    Raises `UsageError` naming every field that does not fit.
    """
    stated = {name: value for name, value in options.items() if value is not None}
    _require_known_variables()
    try:
        if is_there(Path(CONFIG_FILE)):
            require_file(Path(CONFIG_FILE))
        return Settings(**stated)  # type: ignore[arg-type]
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {_problem(e)}" for e in error.errors())
        raise UsageError(
            f"settings: {problems}", remedy=f"Mend the option, AGENTCTL_* variable or {CONFIG_FILE}"
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{CONFIG_FILE}: {error}", remedy="It must be valid TOML") from None
