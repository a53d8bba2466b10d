"""The scale subresource of workloads: their number of replicas, as a kind of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from simulator.provenance import Provenance, rule

from . import registry, schema
from .context import Options
from .errors import bad_request
from .resources import Resource

if TYPE_CHECKING:
    from .cluster import Cluster

Json = dict[str, Any]


@rule("kubernetes", "the Scale of a workload", Provenance.RECORDED, "kubernetes/lifecycle.yaml scale_subresource")
def of(obj: Json) -> Json:
    """The Scale of a workload."""
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    selector = obj["spec"].get("selector") or {}
    labels = selector if obj["kind"] == "ReplicationController" else selector.get("matchLabels") or {}
    status: Json = {"replicas": (obj.get("status") or {}).get("replicas", 0)}
    if labels:
        status["selector"] = ",".join(f"{name}={value}" for name, value in sorted(labels.items()))
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {name: obj["metadata"][name] for name in kept if name in obj["metadata"]},
        "spec": {"replicas": obj["spec"].get("replicas", 0)},
        "status": status,
    }


async def change(
    cluster: Cluster, resource: Resource, namespace: str, name: str, edit: Callable[[Json], Json], options: Options
) -> Json:
    """Set the number of replicas to what ``edit`` makes of the Scale. Returns the new Scale."""

    def scaled(obj: Json) -> Json:
        wanted = edit(of(obj))
        if complaint := schema.type_complaint("Scale", wanted):
            raise bad_request(f'Scale in version "v1" cannot be handled as a Scale: {complaint}')
        replicas = (wanted.get("spec") or {}).get("replicas", 0)
        return obj | {"spec": obj["spec"] | {"replicas": replicas}}

    return of(await registry.update(cluster, resource, namespace, name, scaled, options))
