"""The reference of the gate as a page: every check with its rule and source, and what each profile sets for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from inspect import cleandoc
from typing import Final

from policy.check import Check
from policy.file import written
from policy.limits import Section, Soft, Tighter
from policy.policy import Policy
from policy.tightness import SECTIONS, tighter

_HEAD: Final = """\
# The policy

Every order that an agent proposes is judged by all of these checks, and every finding is recorded. One refusal refuses
the order; one review stops it until a person decides. What is unknown, stale or can't be computed is refused, and so is
whatever a policy sets no limit for. Checks for entries alone pass by an order that can only reduce a position.

A person's yes is for one order and for the breach that they were shown: at the second look it may be larger by 5 % of
the number shown then, as markets move meanwhile. Nobody is asked about an order that is refused for what is unknown.

Untrusted text (headlines, and whatever is worked out from them: their tone, a detector on it) can stop, shrink or delay
an order that venue data supports, and brings about none that it does not. An entry, and an exit because a thesis
turned, needs detectors that say the same by venue data alone in the same cycle (`SUPPORT`), whatever a model says or
cites; and a model's conviction sizes an entry no further than the strength of what they say. News alone may have a
symbol researched, which costs tokens.

This page is generated from the checks and the profiles: `agentctl policy reference > docs/policy.md`.

Shares are parts of one: 0.1 is ten per cent. Where nothing else is shown, a check is `enabled`, a breach of its limit
comes to `on_breach = "deny"`, and it warns from `warn_at = 0.8` of its limit on. `tighter` is the direction in which a
setting refuses more. A policy file has a section for each of those named below;
`agentctl policy schema` describes it to an editor, `agentctl policy check FILE` finds every mistake at once, and
`agentctl policy diff A B` says which of two is tighter, and where.

A file with `extends = "conservative"`, or the path of another file from its own folder, states only what differs from
that. The keys of a section that it states are laid over those of the section below; a value takes the place of a value,
also of a list or a table. `without = ["position", "max_notional.absolute"]` first takes sections and keys of that away;
a section that is away refuses what needs it, as in any file. The name is never inherited, and the digest is
that of the policy that comes of it, whatever files it was stated in. At most eight files make one policy.
"""

_CITED: Final = """\
## Sources

| cited as | is |
|---|---|
| SEC 15c3-5 | 17 CFR 240.15c3-5, risk management controls for brokers or dealers with market access |
| RTS 6 | Commission Delegated Regulation (EU) 2017/589, organisational requirements of firms in algorithmic trading |
| FIA | FIA, Best Practices For Automated Trading Risk Controls And System Safety, July 2024 |
| Regulation SHO | 17 CFR 242.200-204, short sales |
| proprietary firms' rules | what firms that fund traders commonly ask: daily loss, drawdown, size, stops |
| DESIGN | the rules of this house |
"""

_USUAL: Final[Mapping[str, object]] = {"enabled": True, "warn_at": Decimal("0.8"), "on_breach": "deny"}
"""What many sections have, shown where a profile sets it otherwise."""

_DIRECTIONS: Final[Mapping[Tighter, str]] = {
    Tighter.LOWER: "lower",
    Tighter.HIGHER: "higher",
    Tighter.FEWER: "fewer",
    Tighter.MORE: "more",
    Tighter.TRUE: "true",
    Tighter.FALSE: "false",
    Tighter.LATER: "warn, review, deny",
    Tighter.NEITHER: "",
}


def reference(checks: Iterable[Check], profiles: Sequence[Policy]) -> str:
    """The whole page in Markdown: the same bytes for the same checks and profiles."""
    ordered = sorted(checks, key=lambda check: check.code)
    judged = {check.section for check in ordered}
    parts = [_HEAD, _overview(ordered), "## The checks\n"]
    parts += [_check(check, profiles) for check in ordered]
    parts += ["## Sections that are not of one check\n"]
    parts += [_section(name, kind, profiles) for name, kind in SECTIONS.items() if name not in judged]
    return "\n".join([*parts, _CITED])


def _overview(checks: Sequence[Check]) -> str:
    rows = [
        (
            f"[{check.code}](#{check.code.lower()})",
            check.rule.__name__.replace("_", " "),
            "entries" if check.entry_only else "every order",
            "yes" if check.waivable else "",
        )
        for check in checks
    ]
    return _table(("code", "name", "judges", "a person may let it stand"), rows)


def _check(check: Check, profiles: Sequence[Policy]) -> str:
    about = "Entries only." if check.entry_only else "Every order."
    lines = [f"### {check.code}\n", f"{cleandoc(check.refuses)}\n", f"{about} Source: {check.source}.\n"]
    if check.section is not None:
        lines.append(_settings(check.section, SECTIONS[check.section], profiles))
    return "\n".join(lines)


def _section(name: str, kind: type[Section], profiles: Sequence[Policy]) -> str:
    return "\n".join([f"### {name}\n", f"{cleandoc(kind.__doc__ or '')}\n", _settings(name, kind, profiles)])


def _settings(name: str, kind: type[Section], profiles: Sequence[Policy]) -> str:
    """What every profile sets in a section, with the direction that refuses more; no columns where none has it."""
    having = [profile for profile in profiles if getattr(profile, name) is not None]
    columns, alone = (profiles, "") if having else ((), f"No shipped profile has a section [{name}].\n\n")
    fields = sorted(kind.model_fields, key=lambda field: field in _USUAL)
    rows = [
        (
            f"`{name}.{field}`",
            _DIRECTIONS[direction] if (direction := tighter(kind, field)) is not None else "",
            *(_value(getattr(profile, name), field) for profile in columns),
        )
        for field in fields
        if field not in _USUAL or any(_worth_showing(getattr(profile, name), field) for profile in columns)
    ]
    return alone + _table(("setting", "tighter", *(profile.name for profile in columns)), rows)


def _worth_showing(section: Section | None, field: str) -> bool:
    return field not in _USUAL or (section is not None and getattr(section, field) != _USUAL[field])


def _value(section: Section | None, field: str) -> str:
    if section is None:
        return "missing"
    if isinstance(section, Soft) and not section.enabled and field != "enabled":
        return "off"
    return written(getattr(section, field)).replace("|", "\\|")


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
