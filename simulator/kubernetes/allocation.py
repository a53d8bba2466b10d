"""Addresses of services: given out once, kept through updates."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

from simulator.provenance import Provenance, rule

if TYPE_CHECKING:
    from .cluster import Cluster

Json = dict[str, Any]

SERVICE_RANGE = ipaddress.ip_network("10.0.0.0/16")
"""The service CIDR that AKS uses unless told otherwise."""


@rule("kubernetes", "a service gets an address of its range", Provenance.RECORDED, "server-side-apply.yaml defaults")
def allocate(cluster: Cluster, obj: Json) -> None:
    """Give a new Service its address, in place; other kinds are left alone."""
    if obj["kind"] != "Service" or obj["spec"]["type"] == "ExternalName":
        return
    spec = obj["spec"]
    if not spec.get("clusterIP"):
        spec["clusterIP"] = _free(cluster)
    headless = spec["clusterIP"] == "None"
    spec["clusterIPs"] = [spec["clusterIP"]]
    dual = headless and not spec.get("selector")
    spec["ipFamilies"] = ["IPv4", "IPv6"] if dual else ["IPv4"]
    spec["ipFamilyPolicy"] = "RequireDualStack" if dual else "SingleStack"


def _free(cluster: Cluster) -> str:
    taken = {service["spec"].get("clusterIP") for service in cluster.store.list("services")}
    hosts = SERVICE_RANGE.hosts()
    return next(str(address) for address in hosts if str(address) not in taken)


def keep(live: Json, new: Json) -> None:
    """Carry a Service's address over an update that leaves it out, in place."""
    if new["kind"] == "Service":
        for name in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
            if name in live["spec"]:
                new["spec"].setdefault(name, live["spec"][name])
