"""What the API server refuses in a service and in what stands behind one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from simulator.provenance import Provenance, rule

from . import validation_names as names
from .errors import Cause

Json = dict[str, Any]
Causes = Iterator[Cause]


def service(obj: Json) -> Causes:
    """What is wrong with a Service."""
    spec = obj["spec"]
    if spec["type"] != "ExternalName" and spec.get("clusterIP") != "None" and not spec.get("ports"):
        yield Cause.required("spec.ports")
    for index, port in enumerate(spec.get("ports") or ()):
        yield from names.port(f"spec.ports[{index}].port", port.get("port", 0))


@rule("kubernetes", "what an address must have", Provenance.DOCUMENTED, "Kubernetes API reference, EndpointAddress")
def endpoints(obj: Json) -> Causes:
    """What is wrong with Endpoints."""
    for index, subset in enumerate(obj.get("subsets") or ()):
        field = f"subsets[{index}]"
        for part in ("addresses", "notReadyAddresses"):
            for number, address in enumerate(subset.get(part) or ()):
                yield from names.address(f"{field}.{part}[{number}].ip", address.get("ip", ""))
        for number, port in enumerate(subset.get("ports") or ()):
            yield from names.port(f"{field}.ports[{number}].port", port.get("port", 0))


def endpoint_slice(obj: Json) -> Causes:
    """What is wrong with an EndpointSlice."""
    if not obj.get("addressType"):
        yield Cause.required("addressType")
    for index, endpoint in enumerate(obj.get("endpoints") or ()):
        if not endpoint.get("addresses"):
            yield Cause.required(f"endpoints[{index}].addresses", "must contain at least 1 address")
