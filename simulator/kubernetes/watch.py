"""Watches: changes as a stream of JSON documents, from a revision on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.datastructures import QueryParams

from simulator.provenance import Provenance, doubt, rule

from . import lists, selectors, tables
from .encoding import dump
from .errors import Cause, bad_request, invalid_options, refuse, status_of
from .negotiation import Form
from .resources import Resource
from .selectors import Predicate
from .store import Change, Compacted

if TYPE_CHECKING:
    from .cluster import Cluster

Json = dict[str, Any]

_DEFAULT_SECONDS = 1800.0
_BOOKMARK_SECONDS = 60.0
_END_MARGIN = 1.0
"""A last bookmark comes this many seconds before the end."""


@dataclass(frozen=True)
class Watch:
    """What one watch request asks for. ``revision`` None means: first everything that exists."""

    resource: Resource
    namespace: str
    chosen: Predicate | None
    revision: int | None
    bookmarks: bool
    initial_end: bool
    seconds: float
    form: Form

    @classmethod
    @doubt(
        "kubernetes",
        "what becomes of a watch with a negative timeoutSeconds",
        "400, as for what is no number",
        "kubernetes/watch.yaml watch.timeout tells of bad ones, not which",
    )
    @rule("kubernetes", "watch parameters", Provenance.RECORDED, "kubernetes/watch.yaml watch")
    def of(cls, resource: Resource, namespace: str, query: QueryParams, form: Form) -> Watch:
        """The watch of a request. Refuses bad parameters with 400 or 422."""
        initial = query.get("sendInitialEvents", "").lower() in ("true", "1")
        if initial and query.get("resourceVersionMatch") != "NotOlderThan":
            why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
            raise invalid_options("ListOptions", Cause.forbidden("resourceVersionMatch", why))
        seconds = lists.whole_number(query, "timeoutSeconds")
        if seconds < 0:
            raise bad_request(f"timeoutSeconds: Invalid value: {seconds}: must be greater than or equal to 0")
        revision = lists.version_of(query.get("resourceVersion", ""))
        bookmarks = query.get("allowWatchBookmarks", "").lower() in ("true", "1")
        return cls(
            resource,
            namespace,
            selectors.selection(query.get("labelSelector", ""), query.get("fieldSelector", ""), resource),
            None if initial or not revision else revision,
            bookmarks,
            initial and bookmarks,
            float(seconds) or _DEFAULT_SECONDS,
            form,
        )

    def _visible(self, obj: Json) -> bool:
        return self.chosen is None or self.chosen(obj)

    @rule("kubernetes", "leaving a selector is DELETED", Provenance.RECORDED, "kubernetes/watch.yaml watch.events")
    def event(self, change: Change) -> tuple[str, Json] | None:
        """The event that a change means to this watch: its type and object; None when it does not concern it."""
        if change.resource != self.resource.key:
            return None
        if self.namespace and change.object["metadata"].get("namespace") != self.namespace:
            return None
        before = change.previous is not None and self._visible(change.previous)
        after = change.type != "DELETED" and self._visible(change.object)
        if not before and not after:
            return None
        if before and after:
            return "MODIFIED", change.object
        if after:
            return "ADDED", change.object
        if change.type == "DELETED":
            return "DELETED", change.object
        assert change.previous is not None
        version = {"resourceVersion": change.object["metadata"]["resourceVersion"]}
        return "DELETED", change.previous | {"metadata": change.previous["metadata"] | version}


async def stream(cluster: Cluster, watch: Watch) -> AsyncIterator[bytes]:
    """The documents of a watch, until its time is over or the client goes away."""
    loop = asyncio.get_running_loop()
    ends = loop.time() + watch.seconds
    queue: asyncio.Queue[Change] = asyncio.Queue()
    stop = cluster.store.listen(queue.put_nowait)
    frames = _Frames(cluster, watch)
    try:
        try:
            for frame in _beginning(cluster, watch, frames):
                yield frame
        except Compacted:
            yield frames.expired()
            return
        bookmark_at = _next_bookmark(loop.time(), ends)
        while (now := loop.time()) < ends:
            try:
                async with asyncio.timeout(min(ends, bookmark_at) - now):
                    change = await queue.get()
            except TimeoutError:
                if watch.bookmarks and bookmark_at < ends:
                    yield frames.bookmark()
                bookmark_at = _next_bookmark(loop.time(), ends)
                continue
            if event := watch.event(change):
                yield frames.of(*event)
    finally:
        stop()


def _next_bookmark(now: float, ends: float) -> float:
    last = ends - _END_MARGIN
    return min(now + _BOOKMARK_SECONDS, last) if now < last else ends


def _beginning(cluster: Cluster, watch: Watch, frames: _Frames) -> list[bytes]:
    if watch.revision is not None:
        changes = cluster.store.since(watch.revision)
        return [frames.of(*event) for change in changes if (event := watch.event(change))]
    objects = cluster.store.list(watch.resource.key, watch.namespace)
    first = [frames.of("ADDED", obj) for obj in objects if watch.chosen is None or watch.chosen(obj)]
    return [*first, frames.bookmark(initial=True)] if watch.initial_end else first


class _Frames:
    """Writes events in the form that the watcher accepts."""

    def __init__(self, cluster: Cluster, watch: Watch) -> None:
        self._cluster, self._watch = cluster, watch
        self._headed = False

    def of(self, kind: str, obj: Json) -> bytes:
        """An event with an object."""
        transform = self._watch.form.transform
        if transform == "Table":
            version = {"resourceVersion": obj["metadata"].get("resourceVersion", "")}
            obj = self._table([obj], version)
        elif transform:
            obj = tables.metadata_only(obj)
        return dump({"type": kind, "object": obj})

    def _table(self, objects: list[Json], metadata: Json) -> Json:
        table = tables.table(self._cluster, self._watch.resource, objects, metadata)
        if self._headed:
            table["columnDefinitions"] = None
        self._headed = True
        return table

    def bookmark(self, *, initial: bool = False) -> bytes:
        """How far the watch has come; ``initial``: that all existing objects were sent."""
        metadata: Json = {"resourceVersion": str(self._cluster.store.revision)}
        if initial:
            metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
        resource = self._watch.resource
        obj: Json = {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": metadata}
        if self._watch.form.transform == "Table":
            obj = self._table([], metadata)
        return dump({"type": "BOOKMARK", "object": obj})

    def expired(self) -> bytes:
        """The one event of a watch that begins too long ago."""
        asked, current = self._watch.revision, self._cluster.store.revision
        refusal = refuse(410, "Expired", f"too old resource version: {asked} ({current})")
        return dump({"type": "ERROR", "object": status_of(refusal)})
