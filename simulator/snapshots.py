"""The whole state of a simulation as one JSON document, taken and put back while it is served."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from .azure.cluster_operations import attach
from .azure.state import AzureState
from .kubernetes.cluster import Cluster, ClusterState

if TYPE_CHECKING:
    from .simulation import Simulation

_AZURE = TypeAdapter(AzureState)
_CLUSTERS = TypeAdapter(dict[str, ClusterState])


class NotASnapshot(ValueError):
    """The document is not one that :func:`taken` made."""


def taken(simulation: Simulation) -> dict[str, Any]:
    """Everything there is, secrets among it, as values that JSON can hold."""
    clusters = {key: cluster.state for key, cluster in simulation.clusters.items()}
    return {
        "azure": _AZURE.dump_python(simulation.azure, mode="json"),
        "clusters": _CLUSTERS.dump_python(clusters, mode="json"),
    }


async def put_back(simulation: Simulation, snapshot: Any) -> None:
    """Make the simulation what it was: what exists now ends, pods too, what existed then runs again.

    Raises :class:`NotASnapshot`, and then nothing was changed.
    """
    try:
        azure = _AZURE.validate_python(snapshot["azure"])
        clusters = _CLUSTERS.validate_python(snapshot["clusters"])
    except (ValidationError, KeyError, TypeError) as error:
        message = "this is not a snapshot of a simulated cloud"
        raise NotASnapshot(message) from error
    for cluster in simulation.clusters.values():
        await cluster.stop()
    simulation.clusters.clear()
    azure.writing.clear()
    simulation.azure = azure
    for key, state in clusters.items():
        simulation.clusters[key] = Cluster(state, simulation.clock)
        await attach(simulation, simulation.clusters[key])


def write(path: Path, snapshot: dict[str, Any]) -> None:
    """Keep a snapshot in a file that its owner alone may read. Raises OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(snapshot, file)


def read(path: Path) -> dict[str, Any]:
    """What :func:`write` kept, its members not checked yet. Raises OSError, or :class:`NotASnapshot`."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        kept = None
    if not isinstance(kept, dict):
        message = f"{path} is not a snapshot of a simulated cloud"
        raise NotASnapshot(message)
    return kept
