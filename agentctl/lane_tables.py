"""Lanes as an operator sets them: a table an id, and in it only what is to be otherwise than by default."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, GetJsonSchemaHandler, PlainSerializer
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from context import DEFAULT_LANES
from context.lane import Lane, LaneId


def default_tables() -> dict[str, Lane]:
    """The five default lanes by id."""
    return {lane.id: lane for lane in DEFAULT_LANES.lanes}


def _over_defaults(tables: object) -> object:
    """Each table laid over the default lane of its name; a new name is a new lane, after the others.

    Raises `ValueError` for what is no table of tables.
    """
    if not isinstance(tables, Mapping):
        raise ValueError("lanes are tables by id: write [lanes.ID]")
    lanes: dict[str, object] = dict(default_tables())
    for id, table in tables.items():
        if isinstance(table, Lane):
            lanes[id] = table
            continue
        if not isinstance(table, Mapping):
            raise ValueError(f"{id} is no table: write [lanes.ID] with an id for a name")
        if "id" in table:
            raise ValueError(f"{id}: the name of the table is the id of the lane; leave id out")
        default = default_tables().get(id)
        lanes[id] = {"id": id} | laid_over(default.model_dump() if default else {}, table)
    return lanes


def laid_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Tables with what `above` says in place of what `below` does, table by table."""
    merged = dict(below)
    for name, value in above.items():
        under = merged.get(name)
        if isinstance(under, Mapping) and isinstance(value, Mapping):
            merged[name] = laid_over(under, value)
        else:
            merged[name] = value
    return merged


def _as_tables(lanes: Mapping[str, Lane]) -> dict[str, dict[str, Any]]:
    return {id: lane.model_dump(mode="json", exclude={"id"}) for id, lane in lanes.items()}


class _TableSchema:
    """The JSON Schema of a table: a lane's without the id, which is its name."""

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        lane = handler.resolve_ref_schema(handler(Lane.__pydantic_core_schema__))
        fields = {name: field for name, field in lane["properties"].items() if name != "id"}
        table = {key: value for key, value in lane.items() if key != "required"} | {"properties": fields}
        return {"type": "object", "additionalProperties": table}


LaneTables = Annotated[
    Mapping[LaneId, Lane], BeforeValidator(_over_defaults), PlainSerializer(_as_tables), _TableSchema
]
