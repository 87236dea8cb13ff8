"""What the options of `agentctl run` set beside its settings, and what they change in a run that goes on.

A run keeps what it recorded. `--model`, `--policy`, `--prompt` and `--set` change one thing each; `--reload` takes what
agentctl.toml and the AGENTCTL_* variables say now.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from agentctl.lane_tables import laid_over
from agentctl.settings import CONFIG_FILE, Settings
from agents.settings import DeskSettings
from context import LaneSettings
from context.lane import Lane
from domain.errors import AgentctlError, NotFound, UsageError
from graphs.session.eras import Change, Changes, SettingChange, era_changes, this_version
from graphs.session.profiles import policy_in_effect
from graphs.session.session import RunSettings
from memory.store.records import Era, RunHeader
from venues.files.text_file import read_text

_MOST_NAMED: Final = 6
_LINES: Final = 12
_DESK: Final = frozenset(DeskSettings.model_fields)

Tree = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeOptions:
    """The options that may change something in a run that goes on; `None` and empty are not given."""

    model: str | None = None
    policy: Path | None = None
    prompt: Path | None = None
    sets: tuple[str, ...] = ()
    reload: bool = False

    @property
    def tree(self) -> Tree:
        """`sets` and the prompt as tables of agentctl.toml. Raises `UsageError` for what is no `PATH=VALUE`."""
        tree: Tree = {}
        for each in self.sets:
            path, value = _parsed(each)
            _put(tree, path, value)
        if self.prompt is not None:
            _put(tree, ("desk", "research", "instructions"), prompt_text(self.prompt))
        return tree

    def changes(self, era: Era, settings: Settings) -> Changes:
        """What becomes otherwise than in `era`. Raises `UsageError` and what a policy file raises."""
        base = _reloaded(settings, era) if self.reload else Changes()
        recorded, tree = RunSettings.model_validate_json(era.settings), self.tree
        desk, lanes = base.desk or recorded.desk, base.lanes or recorded.lanes
        return Changes(
            model=self.model or base.model,
            policy=policy_in_effect(self.policy) if self.policy else base.policy,
            desk=_desk(desk, tree["desk"]) if "desk" in tree else base.desk,
            lanes=_lanes(lanes, tree["lanes"]) if "lanes" in tree else base.lanes,
            prices=(settings.prices or None) if self.model or self.reload else None,
        )


def differing(settings: Settings, era: Era) -> tuple[SettingChange, ...]:
    """What --reload would change, where agentctl.toml and the variables state something else than `era`.

    Nothing where all that differs is what they don't speak of, as what `--set` set; and where the policy that they
    name can't be read: it is not asked for.
    """
    with suppress(AgentctlError):
        changed = _reloaded(settings, era).applied(era, from_cycle=era.from_cycle, written_by=this_version())
        stated = tuple(_stated(settings.model_dump(exclude_unset=True)))
        differences = era_changes(era, changed)
        return differences if any(f"{each.setting}.".startswith(stated) for each in differences) else ()
    return ()


def _stated(tree: Tree, *, under: str = "") -> Iterator[str]:
    """The path of each setting in `tree`, with a dot behind it."""
    for name, value in tree.items():
        path = f"{under}{name}."
        if isinstance(value, dict):
            yield from _stated(value, under=path)
        else:
            yield path


def hint(differences: Sequence[SettingChange]) -> str:
    """What `differing` found, in a sentence."""
    named = ", ".join(f"{each}" for each in differences[:_MOST_NAMED])
    more = f" and {len(differences) - _MOST_NAMED} more" if len(differences) > _MOST_NAMED else ""
    return f"{CONFIG_FILE} differs from the run's settings in {named}{more}; add --reload to take it"


def planned(header: RunHeader, change: Change | None) -> RunHeader:
    """The header as it will be with `change`: what a person reads before a live run goes on."""
    era = None if change is None else change.begun(header, from_cycle=header.last_era.from_cycle)
    return header if era is None else header.model_copy(update={"eras": (*header.eras, era)})


def changed_in_words(before: RunHeader, after: RunHeader) -> tuple[str, ...]:
    """What is otherwise in a run that goes on, a line each."""
    if after.last_era == before.last_era:
        return ()
    changes = era_changes(before.last_era, after.last_era, written_by=before.version)
    more = [f"and {len(changes) - _LINES} settings more"] if len(changes) > _LINES else []
    return (*(str(change) for change in changes[:_LINES]), *more)


def _reloaded(settings: Settings, era: Era) -> Changes:
    """Model, policy and prompt have options of their own, and change only where the file or a variable names them."""
    fields_set = settings.model_fields_set
    desk = settings.desk
    if "instructions" not in desk.research.model_fields_set:
        prompt = RunSettings.model_validate_json(era.settings).desk.research.instructions
        desk = desk.model_copy(update={"research": desk.research.model_copy(update={"instructions": prompt})})
    return Changes(
        model=settings.model if "model" in fields_set else None,
        policy=policy_in_effect(settings.policy) if "policy" in fields_set else None,
        desk=desk,
        lanes=settings.lane_settings,
        prices=settings.prices or None,
    )


def _parsed(text: str) -> tuple[tuple[str, ...], str]:
    name, equals, value = text.partition("=")
    path = tuple(part.strip() for part in name.split("."))
    if path[0] in _DESK:
        path = ("desk", *path)
    if not equals or len(path) < 3 or path[0] not in ("desk", "lanes"):
        raise UsageError(
            f"--set {text}: expected a setting of the desk or of a lane",
            remedy="Write --set risk.stop_atr=3 or --set lanes.news-sentiment.state=muted",
        )
    return path, value.strip()


def _put(tree: Tree, path: Sequence[str], value: str) -> None:
    for name in path[:-1]:
        tree = tree.setdefault(name, {})
    tree[path[-1]] = value


def _desk(desk: DeskSettings, tree: Tree) -> DeskSettings:
    try:
        return DeskSettings.model_validate(laid_over(desk.model_dump(), tree))
    except ValidationError as error:
        raise _unfit(error, under="desk") from None


def _lanes(settings: LaneSettings, tree: Tree) -> LaneSettings:
    lanes = {lane.id: lane for lane in settings.lanes}
    try:
        for id, table in tree.items():
            below = lanes[id].model_dump() if id in lanes else {}
            lanes[id] = Lane.model_validate(laid_over(below, table) | {"id": id})
        return LaneSettings(lanes=tuple(lanes.values()))
    except ValidationError as error:
        raise _unfit(error, under="lanes") from None


def _unfit(error: ValidationError, *, under: str) -> UsageError:
    problems = "; ".join(f"{'.'.join((under, *map(str, e['loc'])))}: {e['msg']}" for e in error.errors())
    return UsageError(f"--set: {problems}", remedy=f"agentctl config schema says what {CONFIG_FILE} and --set take")


def prompt_text(path: Path) -> str:
    """What a prompt file says. Raises `NotFound`, and `UsageError` for one that is empty or no text."""
    try:
        text = read_text(path).strip()
    except FileNotFoundError:
        raise NotFound(f"there is no prompt file {path}", remedy="Check --prompt") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"the prompt file {path} can't be read: {error}", remedy="It must be text in UTF-8") from None
    if not text:
        raise UsageError(f"the prompt file {path} is empty", remedy="Write what the model is asked to do into it")
    return text
