"""What a simulated cloud has come to, without what differs between any two runs.

Ids that stand for something are replaced by what they stand for, so that a reference to the wrong object shows; all
other ids, instants, keys and tokens are replaced by their kind. Collections become sorted lists: an object too many or
too few shows, and so does any field of any object.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from simulator.simulation import Simulation
from tasks.webhook import INSTALLED

Json = dict[str, Any]

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)?")
_HASH = re.compile(r"\b([0-9a-f]{64}|[0-9a-f]{32}|[0-9a-f]{16})\b")
"""Of a container, of a secret's version, and of a federated credential's name, which follows from the drawn issuer."""
_ADDRESS = re.compile(r"\b10\.\d+\.\d+\.\d+\b")
_MOUNTED = re.compile(r"(?<=^kube-api-access-)[a-z0-9]{5}$")

_NO_STATE = frozenset({"operations", "signing_key", "writing"})
"""Of Azure: the log of past operations, the key of the tokens, and who is writing at this very instant."""
_LOGS = frozenset({"events"})
"""Of Kubernetes: what happened, not what is."""
_DRAWN = frozenset(
    {
        "caBundle",
        "created",
        "query",
        "resourceUID",
        "resourceVersion",
        "settles_at",
        "updated",
    }
)
"""Fields whose values are drawn or counted by the service: keys, times in seconds, revisions."""


def final_state(simulation: Simulation) -> Json:
    """All of Azure, Entra, Key Vault and the clusters, comparable between two clouds."""
    azure = {name: value for name, value in asdict(simulation.azure).items() if name not in _NO_STATE}
    clusters = {key: cluster.state.objects for key, cluster in simulation.clusters.items()}
    names = dict(_names(azure, clusters))
    names |= {cluster.state.fqdn.split(".")[0]: f"<host of {key}>" for key, cluster in simulation.clusters.items()}
    plain = _Plain(names)
    state: Json = {name: plain.collection(value) for name, value in azure.items()}
    for key, objects in clusters.items():
        for resource, items in objects.items():
            if resource not in _LOGS and items:
                state[f"{key.rpartition('/')[2]} {resource}"] = plain.collection(
                    {name: _released(item) or _without_values(_unnoted(item)) for name, item in items.items()}
                )
    return state


def differences(one: Json, other: Json) -> list[str]:
    """Where two states differ, readable."""
    return list(_compare("", one, other))


def plain_path(path: str) -> str:
    """A request's path without ids."""
    return _HASH.sub("HASH", _UUID.sub("UUID", path))


def _names(azure: Json, clusters: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What each id and each generated name stands for."""
    for application in azure["applications"].values():
        name = application["body"]["displayName"]
        yield application["body"]["id"], f"<object id of {name}>"
        yield application["body"]["appId"], f"<client id of {name}>"
    for principal in azure["service_principals"].values():
        yield principal["body"]["id"], f"<principal id of {principal['body']['displayName']}>"
    for objects in clusters.values():
        for items in objects.values():
            for item in items.values():
                metadata = item["metadata"]
                service = (metadata.get("labels") or {}).get("kubernetes.io/service-name")
                if generated := metadata.get("generateName") or (service and f"{service}-"):
                    yield metadata["name"], f"{generated}<random>"


def _released(item: Json) -> Json | None:
    """Helm keeps a release as a compressed blob with instants inside: its name and status tell."""
    labels = item["metadata"].get("labels") or {}
    if labels.get("owner") != "helm":
        return None
    return {"release": labels["name"], "status": labels["status"]}


def _unnoted(item: Json) -> Json:
    """Without the note that a chart is wholly installed: a run that dies before it writes it costs a look at Helm."""
    metadata = item["metadata"]
    annotations = metadata.get("annotations") or {}
    if INSTALLED not in annotations:
        return item
    entries = [entry for entry in metadata["managedFields"] if INSTALLED not in json.dumps(entry["fieldsV1"])]
    kept = {name: value for name, value in annotations.items() if name != INSTALLED}
    return {**item, "metadata": {**metadata, "annotations": kept, "managedFields": entries}}


def _without_values(item: Json) -> Json:
    """A Kubernetes Secret by the names of its values: they are keys and certificates."""
    if item.get("kind") != "Secret":
        return item
    return {**item, "data": sorted(item.get("data") or {})}


class _Plain:
    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names
        generated = sorted((name for name in names if not _UUID.fullmatch(name)), key=len, reverse=True)
        self._generated = re.compile("|".join(map(re.escape, generated)) or "(?!)")

    def collection(self, value: Any) -> Any:
        """A collection by key becomes a sorted list of its values; all else stays what it is."""
        if not isinstance(value, dict):
            return self.value(value)
        return sorted((self.value(item) for item in value.values()), key=_text)

    def value(self, value: Any) -> Any:
        if isinstance(value, dict):
            pairs = [(self.value(key), self.value(item)) for key, item in value.items() if key not in _DRAWN]
            plain = dict(sorted(pairs, key=_text))
            assert len(plain) == len(pairs), f"two keys are alike: {pairs}"
            return plain
        if isinstance(value, list | tuple):
            items = [self.value(item) for item in value]
            return sorted(items, key=_text) if items and isinstance(items[0], dict) else items
        if isinstance(value, str):
            value = self._generated.sub(lambda found: self._names[found.group()], value)
            value = _UUID.sub(lambda found: self._names.get(found.group(), "<uuid>"), value)
            value = _ADDRESS.sub("<address>", _MOUNTED.sub("<random>", value))
            return _HASH.sub("<hash>", _INSTANT.sub("<instant>", value))
        return value if isinstance(value, bool | int | float | None) else "<instant>"


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _compare(where: str, one: Any, other: Any) -> Iterator[str]:
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted({*one, *other}):
            if key not in one or key not in other:
                yield f"{where}/{key}: only {'before' if key in one else 'after'}: {one.get(key, other.get(key))}"
            else:
                yield from _compare(f"{where}/{key}", one[key], other[key])
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, pair in enumerate(zip(one, other, strict=True)):
            yield from _compare(f"{where}[{index}]", *pair)
    elif one != other:
        yield f"{where}: {one!r} != {other!r}"
