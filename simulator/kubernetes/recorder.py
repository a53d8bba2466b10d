"""Events that controllers leave for people to read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.provenance import Provenance, rule

from .encoding import timestamp

if TYPE_CHECKING:
    from .cluster import Cluster


class Recorder:
    """Writes the events of one component, such as ``replicaset-controller``; repeated ones are counted up."""

    def __init__(self, cluster: Cluster, component: str, manager: str = "kube-controller-manager") -> None:
        self._cluster = cluster
        self._component = component
        self._manager = manager
        self._names: dict[tuple[str, str, str], str] = {}

    @rule("kubernetes", "events of controllers", Provenance.RECORDED, "kubernetes/lifecycle.yaml events")
    def note(self, obj: dict[str, Any], reason: str, message: str, *, kind: str = "Normal") -> None:
        """Say ``message`` about ``obj``; ``kind`` is Normal or Warning. The same words again only raise the count."""
        namespace = obj["metadata"]["namespace"]
        place = self._cluster.get("namespaces", namespace)
        if place is None or "deletionTimestamp" in place["metadata"]:
            return
        said = (obj["metadata"]["uid"], reason, message)
        earlier = self._cluster.get("events", self._names.get(said, ""), namespace)
        now = timestamp(self._cluster.clock.now())
        if earlier is not None:
            again = earlier | {"count": earlier["count"] + 1, "lastTimestamp": now}
            self._cluster.write("events", again, manager=self._manager)
            return
        self._names[said] = self._free_name(obj["metadata"]["name"], namespace)
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": self._names[said], "namespace": namespace},
            "involvedObject": {
                "kind": obj["kind"],
                "namespace": namespace,
                "name": obj["metadata"]["name"],
                "uid": obj["metadata"]["uid"],
                "apiVersion": obj["apiVersion"],
                "resourceVersion": obj["metadata"]["resourceVersion"],
            },
            "reason": reason,
            "message": message,
            "source": {"component": self._component},
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
            "type": kind,
            "eventTime": None,
            "reportingComponent": self._component,
            "reportingInstance": "",
        }
        self._cluster.write("events", event, manager=self._manager)

    def _free_name(self, name: str, namespace: str) -> str:
        """``<object>.<nanoseconds in hexadecimal>``, counted on while that is taken."""
        number = int(self._cluster.clock.seconds() * 1_000_000_000)
        while self._cluster.get("events", f"{name}.{number:016x}", namespace):
            number += 1
        return f"{name}.{number:016x}"
