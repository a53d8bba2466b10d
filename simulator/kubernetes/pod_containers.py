"""Which container of a pod a request means."""

from __future__ import annotations

from typing import Any

from simulator.provenance import Provenance, rule

from .errors import bad_request

Json = dict[str, Any]


@rule("kubernetes", "several containers: one must be named", Provenance.RECORDED, "client-traffic.yaml exec errors")
def container_of(pod: Json, name: str) -> str:
    """The container of this name, or without a name the only one. Refuses with 400 what is not clear."""
    spec, pod_name = pod["spec"], pod["metadata"]["name"]
    apps, inits = (_names(spec.get(part)) for part in ("containers", "initContainers"))
    if name:
        if name not in (*apps, *inits):
            raise bad_request(f"container {name} is not valid for pod {pod_name}")
        return name
    if len(apps) > 1:
        choice = f"[{' '.join(apps)}]" + (f" or one of the init containers: [{' '.join(inits)}]" if inits else "")
        raise bad_request(f"a container name must be specified for pod {pod_name}, choose one of: {choice}")
    return apps[0]


def _names(containers: list[Json] | None) -> list[str]:
    return [str(container["name"]) for container in containers or ()]
