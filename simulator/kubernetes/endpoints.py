"""Which pods stand behind a service: its Endpoints and its EndpointSlice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.provenance import Provenance, rule

if TYPE_CHECKING:
    from .cluster import Cluster

Json = dict[str, Any]

_SLICES = "endpointslices.discovery.k8s.io"


def react(cluster: Cluster, change: str, resource: str, obj: Json) -> None:
    """Bring the endpoints of the services that a change concerns up to date."""
    metadata = obj["metadata"]
    if resource == "services":
        if change == "DELETED":
            cluster.remove("endpoints", metadata["name"], metadata["namespace"])
        else:
            _update(cluster, obj)
    elif resource == "pods":
        for service in cluster.list("services", metadata["namespace"]):
            if _selects(service, obj):
                _update(cluster, service)


def _selects(service: Json, pod: Json) -> bool:
    selector = service["spec"].get("selector")
    labels = pod["metadata"].get("labels") or {}
    return bool(selector) and all(labels.get(name) == value for name, value in selector.items())


def is_ready(pod: Json) -> bool:
    """Whether the pod takes traffic: its Ready condition holds and it is not being deleted."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    ready = any(item.get("type") == "Ready" and item.get("status") == "True" for item in conditions)
    return ready and "deletionTimestamp" not in pod["metadata"]


@rule("kubernetes", "a service's endpoints", Provenance.RECORDED, "kubernetes/lifecycle.yaml service_endpoints")
def _update(cluster: Cluster, service: Json) -> None:
    metadata = service["metadata"]
    name, namespace = metadata["name"], metadata["namespace"]
    if not service["spec"].get("selector") or cluster.store.get("services", namespace, name) is None:
        return
    pods = [
        pod
        for pod in cluster.list("pods", namespace)
        if _selects(service, pod) and (pod.get("status") or {}).get("podIP")
    ]
    ports = _ports(service, pods)
    _write_endpoints(cluster, service, pods, ports)
    _write_slice(cluster, service, pods, ports)


def _write_endpoints(cluster: Cluster, service: Json, pods: list[Json], ports: list[Json]) -> None:
    metadata = service["metadata"]
    subset: Json = {}
    for field, wanted in (("addresses", True), ("notReadyAddresses", False)):
        if addresses := [_address(pod) for pod in pods if is_ready(pod) == wanted]:
            subset[field] = addresses
    obj: Json = {"metadata": {"name": metadata["name"], "namespace": metadata["namespace"]}}
    if labels := metadata.get("labels"):
        obj["metadata"]["labels"] = labels
    if subset:
        obj["subsets"] = [subset | {"ports": ports}]
    cluster.write("endpoints", obj)


def _address(pod: Json) -> Json:
    metadata = pod["metadata"]
    target = {"kind": "Pod", "namespace": metadata["namespace"], "name": metadata["name"], "uid": metadata["uid"]}
    address: Json = {"ip": pod["status"]["podIP"], "targetRef": target}
    if node := pod["spec"].get("nodeName"):
        address["nodeName"] = node
    return address


def _ports(service: Json, pods: list[Json]) -> list[Json]:
    ports = []
    for port in service["spec"].get("ports") or ():
        number = _number(port["targetPort"], pods)
        if number is not None:
            named = {"name": port["name"]} if port.get("name") else {}
            ports.append(named | {"port": number, "protocol": port["protocol"]})
    return ports


def _number(target: Any, pods: list[Json]) -> int | None:
    """The port number that a service's target stands for; a name is looked up in the pods' containers."""
    if isinstance(target, int):
        return target
    for pod in pods:
        for container in pod["spec"]["containers"]:
            for port in container.get("ports") or ():
                if port.get("name") == target:
                    return int(port["containerPort"])
    return None


def _write_slice(cluster: Cluster, service: Json, pods: list[Json], ports: list[Json]) -> None:
    metadata = service["metadata"]
    labels = {"kubernetes.io/service-name": metadata["name"]}
    existing = [
        item["metadata"]["name"]
        for item in cluster.list(_SLICES, metadata["namespace"])
        if (item["metadata"].get("labels") or {}).get("kubernetes.io/service-name") == metadata["name"]
    ]
    suffix = "".join(cluster.random.choices("bcdfghjklmnpqrstvwxz2456789", k=5))
    owner = {
        "apiVersion": "v1",
        "kind": "Service",
        "name": metadata["name"],
        "uid": metadata["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
    obj = {
        "metadata": {
            "name": existing[0] if existing else f"{metadata['name']}-{suffix}",
            "namespace": metadata["namespace"],
            "labels": labels,
            "ownerReferences": [owner],
        },
        "addressType": "IPv4",
        "endpoints": [_endpoint(pod) for pod in pods],
        "ports": ports,
    }
    cluster.write(_SLICES, obj)


def _endpoint(pod: Json) -> Json:
    address = _address(pod)
    ready = is_ready(pod)
    terminating = "deletionTimestamp" in pod["metadata"]
    conditions = {"ready": ready, "serving": ready, "terminating": terminating}
    return {"addresses": [address.pop("ip")], "conditions": conditions, **address}
