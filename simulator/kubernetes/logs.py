"""What containers print: as it is now, or followed until the container ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any

from starlette.responses import Response, StreamingResponse

from simulator.provenance import Provenance, rule

from .pod_containers import container_of

if TYPE_CHECKING:
    from .cluster import Cluster

Json = dict[str, Any]

_LOOK_SECONDS = 0.1
"""Real seconds between two looks at what a container that is followed has printed."""


@rule("kubernetes", "logs of a pod's container", Provenance.RECORDED, "kubernetes/client-traffic.yaml logs")
def answer(cluster: Cluster, pod: Json, query: Mapping[str, str]) -> Response:
    """The log of the container that the query names, cut and followed as it asks."""
    container = container_of(pod, query.get("container", ""))
    if not pod["spec"].get("nodeName") or cluster.pod_log is None:
        return Response(status_code=204)
    text = _read(cluster, pod, container)
    printed = len(text)
    if (lines := query.get("tailLines", "")).isdecimal():
        text = b"".join(text.splitlines(keepends=True)[-int(lines) :]) if int(lines) else b""
    if (limit := query.get("limitBytes", "")).isdecimal():
        text = text[: int(limit)]
    if query.get("follow") == "true" and not limit:
        return StreamingResponse(_followed(cluster, pod, container, text, printed), media_type="text/plain")
    return Response(text, media_type="text/plain")


def _read(cluster: Cluster, pod: Json, container: str) -> bytes:
    assert cluster.pod_log is not None
    return cluster.pod_log(pod["metadata"]["namespace"], pod["metadata"]["name"], container)


@rule("kubernetes", "a followed log ends with its container", Provenance.DOCUMENTED, "kubectl logs --follow")
async def _followed(cluster: Cluster, pod: Json, container: str, first: bytes, printed: int) -> AsyncIterator[bytes]:
    """What was printed, and then what is, until the container ends or is started anew."""
    yield first
    while True:
        running = _is_running(cluster, pod, container)
        text = _read(cluster, pod, container)
        if len(text) < printed:
            return
        if len(text) > printed:
            yield text[printed:]
            printed = len(text)
        if not running:
            return
        await asyncio.sleep(_LOOK_SECONDS)


def _is_running(cluster: Cluster, pod: Json, container: str) -> bool:
    metadata = pod["metadata"]
    now = cluster.store.get("pods", metadata["namespace"], metadata["name"])
    if now is None or now["metadata"]["uid"] != metadata["uid"]:
        return False
    status = now.get("status") or {}
    parts = (*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ()))
    return any(part["name"] == container and "running" in (part.get("state") or {}) for part in parts)
