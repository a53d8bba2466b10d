"""A started cluster whose pods really run, and the few things that tests do with it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from simulator.kubernetes import workloads
from simulator.kubernetes.cluster import Cluster
from simulator.simulation import Simulation
from simulator.webhook import backend

Json = dict[str, Any]


class Running:
    """A cluster with its simulation."""

    def __init__(self, cluster: Cluster, simulation: Simulation) -> None:
        self.cluster = cluster
        self.simulation = simulation

    async def start(self) -> None:
        self.cluster.controllers.append(partial(workloads.run, simulation=self.simulation))
        backend.attach(self.cluster, self.simulation)
        await self.cluster.start()

    async def until(self, holds: Callable[[], Any], what: str, *, seconds: float = 8.0) -> Any:
        """Wait until ``holds`` answers something true, looking again at every change; that answer."""
        changes = self.cluster.subscribe()
        try:
            async with asyncio.timeout(seconds):
                while not (answer := holds()):
                    await changes.get()
                return answer
        except TimeoutError:
            pytest.fail(f"never: {what}")

    async def namespace(self, name: str) -> None:
        self.cluster.write("namespaces", {"metadata": {"name": name}})
        await self.until(lambda: self.cluster.get("serviceaccounts", "default", name), "default account")

    async def pod(self, name: str = "p", namespace: str = "default", labels: Json | None = None, **spec: Any) -> Json:
        spec.setdefault("containers", [{"name": "app", "image": "nginx"}])
        body = {"metadata": {"name": name, "labels": labels or {}}, "spec": spec}
        return await self.cluster.create("pods", body, namespace=namespace)

    async def phase(self, phase: str, name: str = "p", namespace: str = "default") -> Json:
        def reached() -> Json | None:
            pod = self.cluster.get("pods", name, namespace)
            return pod if pod and pod["status"]["phase"] == phase else None

        pod: Json = await self.until(reached, f"pod {name} in phase {phase}")
        return pod

    def log(self, name: str = "p", container: str = "app", namespace: str = "default") -> str:
        assert self.cluster.pod_log is not None
        return self.cluster.pod_log(namespace, name, container).decode()

    def events(self, reason: str) -> list[Json]:
        return [event for event in self.cluster.list("events") if event["reason"] == reason]


def script(code: str, **more: Any) -> Json:
    """A container that runs Python code as a process."""
    return {
        "name": "app",
        "image": "registry.example/workload-identity-demo:1",
        "command": ["python3", "-c", code],
    } | more
