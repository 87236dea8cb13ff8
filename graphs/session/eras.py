"""What decides in a run, and from which cycle on: what a fork or a resume changes, and how two eras differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version

from pydantic import Field

from agents.pricing import Price
from agents.settings import DeskSettings
from context import LaneSettings
from domain.digest import canonical, jsonable
from domain.value import Digest, Instant, Value, absent
from graphs.session.session import RunSettings
from memory.store.records import Era, RunHeader
from policy import Policy


def this_version() -> str:
    """The version of agentctl that decides in this process."""
    return version("agentctl")


class Changes(Value):
    """What is otherwise from a cycle on; `None` stays as it was. Market, costs, instruments and account always do."""

    model: str | None = None
    policy: Policy | None = None
    lanes: LaneSettings | None = None
    desk: DeskSettings | None = None
    prices: Mapping[str, Price] | None = None
    """Of models, beside those that were set before."""

    def applied(self, era: Era, *, from_cycle: int, written_by: str) -> Era:
        """`era` with these changes, as the one that begins in `from_cycle`; `written_by` is the version before it.

        Where nothing changes the settings stay the very text that they were, whatever this version makes of it.
        """
        settings = RunSettings.model_validate_json(era.settings)
        prices = None if self.prices is None else {**settings.prices, **self.prices}
        changes = {"policy": self.policy, "lanes": self.lanes, "desk": self.desk, "prices": prices}
        update = {name: value for name, value in changes.items() if value not in (None, getattr(settings, name))}
        return Era(
            from_cycle=from_cycle,
            model=self.model or era.model,
            settings=canonical(settings.model_copy(update=update)) if update else era.settings,
            version=era.version if written_by == this_version() else this_version(),
        )


NOTHING = Changes()


class Change(Value):
    """What a person changes in a run that goes on: who, when and why."""

    changes: Changes = NOTHING
    by: str
    at: Instant
    reason: str = ""

    def begun(self, header: RunHeader, *, from_cycle: int) -> Era | None:
        """The era that begins in `from_cycle`; `None` where what decides there already decides so."""
        before = header.era(from_cycle)
        era = self.changes.applied(before, from_cycle=from_cycle, written_by=header.version_at(from_cycle))
        if era.digest == before.digest:
            return None
        return era.model_copy(update={"by": self.by, "at": self.at, "reason": self.reason})


class SettingChange(Value):
    """One setting that is not what it was, by its path as in agentctl.toml. What one side has not is empty there."""

    setting: str
    was: str
    now: str

    def __str__(self) -> str:
        return f"{self.setting}: {self.was or 'not set'} -> {self.now or 'not set'}"


class EraLine(Value):
    """One era as it is shown, with what it changed."""

    from_cycle: int
    digest: Digest
    version: str
    model: str
    policy: str
    policy_digest: Digest
    at: Instant | None = Field(default=None, exclude_if=absent)
    by: str = Field(default="", exclude_if=absent)
    reason: str = Field(default="", exclude_if=absent)
    changes: tuple[SettingChange, ...] = ()


def era_lines(header: RunHeader) -> tuple[EraLine, ...]:
    """Every era of a run, the first one too; empty for a run in which nothing ever changed."""
    if not header.eras:
        return ()
    before: Era | None = None
    lines = []
    for place, era in enumerate((header.first_era, *header.eras)):
        then = header.model_copy(update={"eras": header.eras[:place]})
        policy = RunSettings.model_validate_json(era.settings).policy
        lines.append(
            EraLine(
                from_cycle=era.from_cycle,
                digest=era.digest,
                version=then.version_at(era.from_cycle),
                model=era.model,
                policy=policy.name,
                policy_digest=policy.digest,
                at=era.at,
                by=era.by,
                reason=era.reason,
                changes=() if before is None else era_changes(before, era, written_by=header.version),
            )
        )
        before = era
    return tuple(lines)


def era_changes(before: Era, after: Era, *, written_by: str = "") -> tuple[SettingChange, ...]:
    """What differs between two eras; `written_by` is the version of one that names none."""
    old, new = era_settings(before, written_by=written_by), era_settings(after, written_by=written_by)
    names = sorted(old.keys() | new.keys(), key=lambda name: ("." in name, name))
    changes = (SettingChange(setting=name, was=old.get(name, ""), now=new.get(name, "")) for name in names)
    return tuple(change for change in changes if change.was != change.now)


def era_settings(era: Era, *, written_by: str = "") -> Mapping[str, str]:
    """Everything that was set, by its path as in agentctl.toml: `model`, `desk.risk.stop_atr`, `lanes.ID.state`."""
    settings = RunSettings.model_validate_json(era.settings)
    values = {"model": era.model, "version": era.version or written_by}
    values |= _flat({"desk": jsonable(settings.desk), "policy": jsonable(settings.policy)})
    values |= _flat({f"models.{name}.price": jsonable(price) for name, price in settings.prices.items()})
    for lane in settings.lanes.lanes:
        values |= _flat(jsonable(lane.model_dump(exclude={"id"})), under=f"lanes.{lane.id}")
    return {name: value for name, value in values.items() if value}


def _flat(value: object, *, under: str = "") -> dict[str, str]:
    if isinstance(value, Mapping):
        flat: dict[str, str] = {}
        for name, each in value.items():
            flat |= _flat(each, under=f"{under}.{name}" if under else str(name))
        return flat
    if value is None:
        return {}
    return {under: value if isinstance(value, str) else canonical(value)}


class Stretch(Value):
    """Cycles that one version decided, one after the other; or one that it began and another cut short."""

    first: int
    last: int
    version: str
    cut_short: str = ""


def stretches(header: RunHeader, cut_short: Sequence[str]) -> Iterator[Stretch]:
    """A run's closed cycles by the version that decided them; `cut_short` says of each cycle why it was, if it was."""
    begun: Stretch | None = None
    for cycle, cut in enumerate(cut_short):
        decided_by = header.version_at(cycle)
        if begun is not None and not cut and not begun.cut_short and begun.version == decided_by:
            begun = begun.model_copy(update={"last": cycle})
            continue
        if begun is not None:
            yield begun
        begun = Stretch(first=cycle, last=cycle, version=decided_by, cut_short=cut)
    if begun is not None:
        yield begun
