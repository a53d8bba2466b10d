"""The JSON Schema of a fleet file, by which editors complete, explain and check it while it is written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from .spec import Fleet

Schema = dict[str, Any]

_GAP: Schema = {"type": "string", "pattern": r"\$\{[A-Za-z_][A-Za-z0-9_]*\}"}
_ABOUT = ("title", "description", "default", "examples")
_WITH_GAPS = "WithGaps"
_INCLUDE: Schema = {
    "title": "Include",
    "description": "Further files of this fleet: paths or patterns, from the folder of this file on. Their entries add "
    "up; anything else stands in one file.",
    "type": "array",
    "items": {"type": "string", "minLength": 1},
    "default": [],
    "examples": [["clusters.yaml", "teams/*.yaml"]],
}


def fleet_file_schema() -> Schema:
    """The schema (draft 2020-12) of one file of a fleet.

    It is the model's, but for what only holds of files: they include others, none of them need be a whole fleet, and
    the entries of templates have gaps.
    """
    schema = Fleet.model_json_schema()
    definitions: dict[str, Schema] = schema["$defs"]
    schema["properties"]["clusters"].pop("minItems")
    for part in ("vaults", "identities", "workloads"):
        entry = str(schema["properties"][part]["items"]["$ref"])
        definitions["Template"]["properties"][part]["items"] = {"$ref": entry + _WITH_GAPS}
        for name in list(_reachable(entry.rpartition("/")[2], definitions)):
            definitions[name + _WITH_GAPS] = _with_gaps(definitions[name])
    properties = {"include": _INCLUDE, **schema["properties"]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Fleet file",
        "description": "A fleet of Kubernetes clusters, vaults, Entra identities and workloads, or a part of one.",
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        "$defs": dict(sorted(definitions.items())),
    }


def fleet_file_schema_text() -> str:
    """The schema as its file holds it."""
    return json.dumps(fleet_file_schema(), indent=2, ensure_ascii=False) + "\n"


def _reachable(name: str, definitions: dict[str, Schema]) -> Iterator[str]:
    """A definition and all those that it refers to, directly or not."""
    yield name
    for reference in _references(definitions[name]):
        yield from _reachable(reference, definitions)


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"].rpartition("/")[2]
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def _with_gaps(node: Schema) -> Schema:
    """The same where any value may be, or hold, ``${parameter}``, and defaults may bring what is missing."""
    if "$ref" in node:
        return {**node, "$ref": node["$ref"] + _WITH_GAPS}
    if node.get("type") == "object":
        filled = {key: value for key, value in node.items() if key != "required"}
        if "properties" in node:
            filled["properties"] = {name: _with_gaps(value) for name, value in node["properties"].items()}
        if isinstance(node.get("additionalProperties"), dict):
            filled["additionalProperties"] = _with_gaps(node["additionalProperties"])
        return filled
    about = {key: value for key, value in node.items() if key in _ABOUT}
    plain = {key: value for key, value in node.items() if key not in _ABOUT}
    if "anyOf" in plain:
        return {**about, "anyOf": [*map(_with_gaps, plain["anyOf"]), _GAP]}
    if "items" in plain:
        plain["items"] = _with_gaps(plain["items"])
    return {**about, "anyOf": [plain, _GAP]}
