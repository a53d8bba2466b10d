"""What containers print: as it is now, or followed until the container ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from starlette.datastructures import QueryParams
from starlette.responses import Response, StreamingResponse

from simulator.provenance import Provenance, rule

from . import lists
from .errors import Cause, bad_request, invalid
from .pod_containers import container_of
from .pods import previous_log

if TYPE_CHECKING:
    from .cluster import Cluster

Json = dict[str, Any]

_LOOK_SECONDS = 0.1
"""Real seconds between two looks at what a container that is followed has printed."""


def unserved(query: QueryParams) -> str:
    """A parameter that asks for what is not known here, when a line was printed or where; empty if there is none."""
    if query.get("timestamps", "").lower() in ("true", "1"):
        return "timestamps"
    if query.get("stream", "All") != "All":
        return "stream"
    return next((name for name in ("sinceSeconds", "sinceTime") if query.get(name)), "")


@rule("kubernetes", "logs of a pod's container", Provenance.RECORDED, "kubernetes/client-traffic.yaml logs")
def answer(cluster: Cluster, pod: Json, query: QueryParams) -> Response:
    """The log of the container that the query names, cut and followed as it asks."""
    _check(query)
    container = container_of(pod, query.get("container", ""))
    if not pod["spec"].get("nodeName") or cluster.pod_log is None:
        return Response(status_code=204)
    if query.get("previous") == "true":
        container = _before(pod, container)
    text = read(cluster, pod, container)
    printed = len(text)
    if query.get("tailLines"):
        lines = lists.whole_number(query, "tailLines")
        text = b"".join(text.splitlines(keepends=True)[-lines:]) if lines else b""
    if limit := lists.whole_number(query, "limitBytes"):
        text = text[:limit]
    if query.get("follow") == "true" and not limit:
        return _plain(_followed(cluster, pod, container, text, printed))
    return _plain(_whole(text))


@rule("kubernetes", "a log is text of no told length", Provenance.RECORDED, "kubernetes/client-traffic.yaml logs")
def _plain(text: AsyncIterator[bytes]) -> Response:
    return StreamingResponse(text, headers={"Content-Type": "text/plain"})


async def _whole(text: bytes) -> AsyncIterator[bytes]:
    yield text


@rule("kubernetes", "the log before a restart", Provenance.DOCUMENTED, "kubectl logs --previous")
@rule("kubernetes", "no log before the first restart", Provenance.REPORTED, "kubernetes, kubectl logs --previous")
def _before(pod: Json, container: str) -> str:
    """The name of the log of the container's life before this one. Refuses with 400 where there was none."""
    reports = (pod.get("status") or {}).get("containerStatuses") or ()
    inits = (pod.get("status") or {}).get("initContainerStatuses") or ()
    if not any(report["name"] == container and report.get("lastState") for report in (*reports, *inits)):
        name = pod["metadata"]["name"]
        raise bad_request(f'previous terminated container "{container}" in pod "{name}" not found')
    return previous_log(container)


@rule("kubernetes", "numbers of a log's parameters", Provenance.REPORTED, "kube-apiserver, PodLogOptions")
def _check(query: QueryParams) -> None:
    """Refuse parameters that are no number with 400, and those that are too small with 422."""
    for name, least, why in (
        ("tailLines", 0, "must be greater than or equal to 0"),
        ("limitBytes", 1, "must be greater than 0"),
        ("sinceSeconds", 1, "must be greater than 0"),
    ):
        if query.get(name) and (number := lists.whole_number(query, name)) < least:
            raise invalid("PodLogOptions", "", None, [Cause.invalid(name, str(number), why)])


def read(cluster: Cluster, pod: Json, container: str) -> bytes:
    """What the container has printed since it was last started."""
    assert cluster.pod_log is not None
    return cluster.pod_log(pod["metadata"]["namespace"], pod["metadata"]["name"], container)


async def _followed(cluster: Cluster, pod: Json, container: str, first: bytes, printed: int) -> AsyncIterator[bytes]:
    yield first
    async for text in onward(cluster, pod, container, printed):
        yield text


@rule("kubernetes", "a followed log ends with its container", Provenance.DOCUMENTED, "kubectl logs --follow")
async def onward(cluster: Cluster, pod: Json, container: str, printed: int) -> AsyncIterator[bytes]:
    """What is printed after the first ``printed`` bytes, until the container ends or is started anew."""
    while True:
        running = is_running(cluster, pod, container)
        text = read(cluster, pod, container)
        if len(text) < printed:
            return
        if len(text) > printed:
            yield text[printed:]
            printed = len(text)
        if not running:
            return
        await asyncio.sleep(_LOOK_SECONDS)


def is_running(cluster: Cluster, pod: Json, container: str) -> bool:
    """Whether the container runs, in this very pod."""
    metadata = pod["metadata"]
    now = cluster.store.get("pods", metadata["namespace"], metadata["name"])
    if now is None or now["metadata"]["uid"] != metadata["uid"]:
        return False
    status = now.get("status") or {}
    parts = (*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ()))
    return any(part["name"] == container and "running" in (part.get("state") or {}) for part in parts)
