"""Objects of the old set-up: taken away, and made again from what was kept of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from clients.errors import Conflict, Missing
from clients.kubernetes import Kubernetes, api_version_of, path_of
from fleet.migration.leaving import Leaving

from .reading import OLD_KINDS

Json = dict[str, Any]

_BY_THE_SERVER = (
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
)


async def kept(kubernetes: Kubernetes, leaving: Iterable[Leaving]) -> list[Json]:
    """The objects as they could be made again. What has gone meanwhile is not among them."""
    found = []
    for one in leaving:
        try:
            item = await kubernetes.get(path_of(one.kind, one.namespace, one.name))
        except Missing:
            continue
        metadata = {key: value for key, value in item["metadata"].items() if key not in _BY_THE_SERVER}
        rest = {key: value for key, value in item.items() if key not in ("apiVersion", "kind", "metadata", "status")}
        found.append({"apiVersion": api_version_of(one.kind), "kind": one.kind, "metadata": metadata, **rest})
    return found


async def remove(kubernetes: Kubernetes, one: Leaving) -> None:
    """Delete an object. One that is gone already is no error."""
    await kubernetes.delete(path_of(one.kind, one.namespace, one.name))


async def restore(kubernetes: Kubernetes, item: Json) -> bool:
    """Make an object again from what was kept. False where it is there."""
    kind, metadata = item["kind"], item["metadata"]
    try:
        await kubernetes.create(path_of(kind, metadata["namespace"]), item)
    except Conflict:
        return False
    return True


def is_ours_to_restore(item: object) -> bool:
    """Whether a document is what :func:`kept` writes."""
    if not isinstance(item, dict) or item.get("kind") not in OLD_KINDS:
        return False
    metadata = item.get("metadata")
    return isinstance(metadata, dict) and all(isinstance(metadata.get(key), str) for key in ("name", "namespace"))
