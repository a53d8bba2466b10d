"""The recorded admission cases as test data: see the head of tests/facts/admission.yaml for the format."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

FACTS: dict[str, Any] = yaml.safe_load((Path(__file__).parents[2] / "facts" / "admission.yaml").read_text())

Json = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """One recorded pod and what became of it."""

    id: str
    about: str
    pod: Json
    settings: str = "A"
    namespace: str = "wi"
    denied: str | None = None
    init: list[Json] = field(default_factory=list)
    app: list[Json] = field(default_factory=list)
    volumes: list[Json] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    api: Json = field(default_factory=lambda: {"code": 201, "calls": 1})


def _pod(changes: Json) -> Json:
    pod: Json = {"apiVersion": "v1", "kind": "Pod", **copy.deepcopy(FACTS["default_pod"])}
    for part, members in changes.items():
        pod[part] |= members
        pod[part] = {name: value for name, value in pod[part].items() if value is not None}
    return pod


CASES = [Case(**{**row, "pod": _pod(row.get("pod", {}))}) for row in FACTS["cases"]]


def service_account(namespace: str, name: str) -> Json | None:
    """The recorded service account, None if the recording had none of that name."""
    recorded = FACTS["service_accounts"].get(f"{namespace}/{name}")
    if recorded is None:
        return None
    rest = copy.deepcopy(recorded)
    metadata = {"name": name, "namespace": namespace, "annotations": rest.pop("annotations", {})}
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata | _popped(rest, "labels"), **rest}


def _popped(obj: Json, key: str) -> Json:
    return {key: obj.pop(key)} if key in obj else {}


def containers(pod: Json, given: Json, part: str) -> list[Json]:
    """The containers of ``pod`` in the recording's form; what ``given`` did not have counts as injected."""
    there = {container["name"] for container in given["spec"].get(part, [])}
    form = []
    for container in pod["spec"].get(part, []):
        row = {"name": container["name"]}
        row |= {"env": container["env"]} if container.get("env") else {}
        row |= {"mounts": container["volumeMounts"]} if container.get("volumeMounts") else {}
        if container["name"] not in there:
            row["injected"] = {key: container[key] for key in container if key not in ("env", "volumeMounts")}
        form.append(row)
    return form


def lost(before: Any, after: Any, path: str = "") -> list[str]:
    """JSON pointers to what is in ``before`` but not in ``after``; items of lists are matched by their name."""
    if isinstance(before, dict):
        return [
            pointer
            for key, value in before.items()
            for pointer in (lost(value, after[key], f"{path}/{key}") if key in after else [f"{path}/{key}"])
        ]
    if isinstance(before, list) and before and isinstance(before[0], dict) and "name" in before[0]:
        named = {item["name"]: item for item in after}
        return [p for i, item in enumerate(before) for p in lost(item, named[item["name"]], f"{path}/{i}")]
    return []
