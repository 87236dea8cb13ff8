"""`agentctl config`: the settings in effect and their schema. A password in a database URL is not shown."""

from __future__ import annotations

from agentctl.output import print_json, print_table
from agentctl.settings import Settings, load
from memory.store.url import Address


def show_config(*, as_json: bool) -> None:
    settings = load()
    document = settings.model_dump(mode="json") | {"db": str(Address.parse(settings.database_url))}
    if as_json:
        return print_json(document)
    return print_table("settings in effect", ("setting", "value"), [(k, str(v)) for k, v in _flat(document)])


def show_schema() -> None:
    print_json(Settings.model_json_schema())


def _flat(settings: dict[str, object], prefix: str = "") -> list[tuple[str, object]]:
    rows: list[tuple[str, object]] = []
    for name, value in settings.items():
        if isinstance(value, dict):
            rows += _flat(value, f"{prefix}{name}.")
        else:
            rows.append((prefix + name, "" if value is None else value))
    return rows
