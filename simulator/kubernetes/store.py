"""What is stored in a cluster: objects under one revision counter, and the recent history of their changes."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simulator.provenance import Provenance, rule

from .kinds import arranged

if TYPE_CHECKING:
    from .cluster import ClusterState

Json = dict[str, Any]

HISTORY = 20_000
"""Changes remembered for watches and paged lists."""


class Compacted(Exception):
    """The revision asked for is older than the remembered history."""


@dataclass(frozen=True, slots=True)
class Change:
    """One write. ``object`` is the new state (for DELETED the last one), ``previous`` what was there before."""

    revision: int
    type: str
    """ADDED, MODIFIED or DELETED."""
    resource: str
    key: str
    object: Json
    previous: Json | None


def key_of(namespace: str, name: str) -> str:
    """How an object is filed under its resource: ``namespace/name``, with an empty namespace for cluster scope."""
    return f"{namespace}/{name}"


def _order(key: str) -> list[str]:
    return key.split("/", 1)


class Store:
    """Objects are never changed in place: every write files a new one, so what was handed out stays as it was."""

    def __init__(self, state: ClusterState) -> None:
        self._state = state
        self._oldest = state.revision
        self._history: deque[Change] = deque(maxlen=HISTORY)
        self._listeners: list[Callable[[Change], None]] = []
        self._field_sets: dict[str, Json] = {}

    @property
    def revision(self) -> int:
        """The revision of the latest write."""
        return self._state.revision

    def listen(self, listener: Callable[[Change], None]) -> Callable[[], None]:
        """Call ``listener`` with every change from now on; the answer ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def get(self, resource: str, namespace: str, name: str) -> Json | None:
        """The stored object, to be read only, or None."""
        return self._state.objects.get(resource, {}).get(key_of(namespace, name))

    def list(self, resource: str, namespace: str = "") -> list[Json]:
        """The stored objects by namespace and name; of all namespaces when none is given. To be read only."""
        return _in_order(self._state.objects.get(resource, {}), namespace)

    def every(self) -> Sequence[tuple[str, Json]]:
        """Every stored object with its resource key, in no order."""
        return [(resource, obj) for resource, objects in self._state.objects.items() for obj in objects.values()]

    def at(self, revision: int, resource: str, namespace: str = "") -> Sequence[Json]:
        """What :meth:`list` answered at an earlier revision. Raises :class:`Compacted` when that is forgotten."""
        objects = dict(self._state.objects.get(resource, {}))
        for change in reversed(self.since(revision)):
            if change.resource != resource:
                continue
            if change.previous is None:
                objects.pop(change.key, None)
            else:
                objects[change.key] = change.previous
        return _in_order(objects, namespace)

    def since(self, revision: int) -> Sequence[Change]:
        """The changes after a revision, oldest first. Raises :class:`Compacted` when some are forgotten."""
        if revision < self._oldest:
            raise Compacted
        newer: list[Change] = []
        for change in reversed(self._history):
            if change.revision <= revision:
                break
            newer.append(change)
        return newer[::-1]

    @rule("kubernetes", "one revision counter for all resources", Provenance.RECORDED, "watch.yaml resource_version")
    def put(self, resource: str, obj: Json) -> Json:
        """File an object under its name and stamp it with the next revision. Returns what is stored now."""
        metadata = obj["metadata"]
        objects = self._state.objects.setdefault(resource, {})
        key = key_of(metadata.get("namespace", ""), metadata["name"])
        previous = objects.get(key)
        stored = self._stamped(obj)
        objects[key] = stored
        self._tell("MODIFIED" if previous else "ADDED", resource, key, stored, previous)
        return stored

    def delete(self, resource: str, obj: Json) -> Json:
        """Remove an object. Returns its last state, stamped with the revision of the deletion."""
        metadata = obj["metadata"]
        key = key_of(metadata.get("namespace", ""), metadata["name"])
        previous = self._state.objects[resource].pop(key)
        last = self._stamped(obj)
        self._tell("DELETED", resource, key, last, previous)
        return last

    def _stamped(self, obj: Json) -> Json:
        self._state.revision += 1
        stamped = obj["metadata"] | {"resourceVersion": str(self._state.revision)}
        if entries := stamped.get("managedFields"):
            stamped["managedFields"] = [self._shared(entry) for entry in entries]
        return arranged(obj | {"metadata": stamped})

    def _shared(self, entry: Json) -> Json:
        """An entry whose set of fields is held once for all objects: thousands have the same one."""
        fields = entry.get("fieldsV1")
        if fields is None:
            return entry
        return entry | {"fieldsV1": self._field_sets.setdefault(json.dumps(fields), fields)}

    def _tell(self, kind: str, resource: str, key: str, obj: Json, previous: Json | None) -> None:
        if len(self._history) == HISTORY:
            self._oldest = self._history[0].revision
        change = Change(self._state.revision, kind, resource, key, obj, previous)
        self._history.append(change)
        for listener in tuple(self._listeners):
            listener(change)


def _in_order(objects: dict[str, Json], namespace: str) -> list[Json]:
    prefix = f"{namespace}/" if namespace else ""
    return [objects[key] for key in sorted(objects, key=_order) if key.startswith(prefix)]
