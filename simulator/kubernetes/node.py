"""The one node of a simulated cluster: scheduler and kubelet in one."""

from __future__ import annotations

import asyncio
import logging
import shutil
import zlib
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulator.copying import copied
from simulator.provenance import Provenance, rule
from simulator.routing import Refusal

from . import conditions
from .command_streams import Wanted
from .container_commands import NotRunningError, Running
from .context import Options
from .encoding import timestamp
from .pod_environment import MissingReferenceError
from .pod_volumes import Volumes, make_private
from .pods import PodRun
from .recorder import Recorder
from .tokens import request_token

if TYPE_CHECKING:
    from simulator.simulation import Simulation

    from .cluster import Cluster

Json = dict[str, Any]

logger = logging.getLogger(__name__)

_HOST_IP = "10.224.0.4"
_TICK_SECONDS = 1.0


class Node:
    """Runs the pods of a cluster. Its pods end with it."""

    def __init__(self, cluster: Cluster, simulation: Simulation) -> None:
        self._cluster = cluster
        self._simulation = simulation
        self._directory = simulation.directory.absolute() / "pods" / cluster.state.name
        self._scheduler = Recorder(cluster, "default-scheduler", "kube-scheduler")
        self._kubelet = Recorder(cluster, "kubelet", "kubelet")
        self._changes = cluster.subscribe()
        cluster.pod_log = self.log
        cluster.pod_command = self.command
        self._runs: dict[str, PodRun] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._finishing: set[str] = set()
        """Pods whose processes are being ended; changed meanwhile, they still stay until that is done."""
        self._addresses = 0
        pool = zlib.crc32(cluster.state.name.encode()) % 100_000_000
        self._name = f"aks-nodepool1-{pool:08}-vmss000000"

    async def run(self) -> None:
        """Run pods until cancelled; then end them all."""
        shutil.rmtree(self._directory, ignore_errors=True)
        make_private(self._directory)
        self._register()
        try:
            for pod in self._cluster.list("pods"):
                self._see("ADDED", pod)
            while True:
                await self._next()
        finally:
            runs, self._runs = self._runs, {}
            await asyncio.gather(*(run.end() for run in runs.values()), *self._ending)
            shutil.rmtree(self._directory, ignore_errors=True)

    def log(self, namespace: str, pod: str, container: str) -> bytes:
        """What a container has printed since it was last started; nothing for one that never ran."""
        run = self._run_of(namespace, pod)
        path = run.log_file(container) if run else Path()
        return path.read_bytes() if path.is_file() else b""

    def command(self, namespace: str, pod: str, container: str, wanted: Wanted) -> AbstractAsyncContextManager[Running]:
        """A command in a running container, as :meth:`PodRun.command` has it."""
        run = self._run_of(namespace, pod)
        if run is None:
            raise NotRunningError(pod)
        return run.command(container, wanted)

    def _run_of(self, namespace: str, pod: str) -> PodRun | None:
        found = self._cluster.get("pods", pod, namespace)
        return self._runs.get(found["metadata"]["uid"]) if found else None

    async def _next(self) -> None:
        """Take in one change of the cluster, or wait a moment while there is none. One pod's trouble is its own."""
        try:
            async with asyncio.timeout(_TICK_SECONDS):
                change = await self._changes.get()
        except TimeoutError:
            change = None
        try:
            if change is not None:
                self._take_in(*change)
            self._renew_tokens()
        except Exception:
            logger.exception("the node of cluster %s could not take in a change", self._cluster.state.name)

    def _take_in(self, kind: str, resource: str, obj: Json) -> None:
        if resource == "pods":
            self._see(kind, obj)
        elif resource in ("secrets", "configmaps"):
            self._look_again(obj["metadata"]["namespace"])
        elif resource == "mutatingwebhookconfigurations.admissionregistration.k8s.io":
            self._look_again(None)

    def _renew_tokens(self) -> None:
        now = self._cluster.clock.now()
        for run in self._runs.values():
            if run.volumes.refresh_at is not None and run.volumes.refresh_at <= now:
                run.look_again()

    def _look_again(self, namespace: str | None) -> None:
        for run in self._runs.values():
            if namespace in (None, run.pod["metadata"]["namespace"]):
                run.look_again()

    def _see(self, kind: str, pod: Json) -> None:
        uid = pod["metadata"]["uid"]
        leaving = kind == "DELETED" or "deletionTimestamp" in pod["metadata"]
        if leaving:
            if (run := self._runs.pop(uid, None)) is not None:
                self._finishing.add(uid)
                self._in_background(self._finish(run))
            elif kind != "DELETED" and pod["spec"].get("nodeName") and uid not in self._finishing:
                self._remove(pod)
        elif uid not in self._runs and pod.get("status", {}).get("phase") not in ("Succeeded", "Failed"):
            self._begin(pod)

    def _in_background(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _finish(self, run: PodRun) -> None:
        self._kubelet.note(run.pod, "Killing", "Stopping containers")
        try:
            await run.end()
        finally:
            self._finishing.discard(run.pod["metadata"]["uid"])
            self._remove(run.pod)

    def _remove(self, pod: Json) -> None:
        metadata = pod["metadata"]
        found = self._cluster.get("pods", metadata["name"], metadata["namespace"])
        if found is not None and found["metadata"]["uid"] == metadata["uid"]:
            self._cluster.remove("pods", metadata["name"], metadata["namespace"])

    def _begin(self, pod: Json) -> None:
        metadata = pod["metadata"]
        bound = self._bind(pod)
        directory = self._directory / metadata["uid"]
        make_private(directory)
        volumes = Volumes(self._cluster, bound, directory, self._issue_token)
        run = PodRun(self._cluster, self._simulation, self._kubelet, bound, volumes, self._address())
        self._runs[metadata["uid"]] = run
        run.begin()

    @rule("kubernetes", "projected tokens are bound to the pod", Provenance.DOCUMENTED, "Kubernetes, projected volumes")
    def _issue_token(self, pod: Json, audience: str, seconds: int) -> str:
        metadata = pod["metadata"]
        reference = {"apiVersion": "v1", "kind": "Pod", "name": metadata["name"], "uid": metadata["uid"]}
        spec: Json = {"boundObjectRef": reference, "expirationSeconds": seconds}
        spec |= {"audiences": [audience]} if audience else {}
        account, options = pod["spec"]["serviceAccountName"], Options(manager="kubelet")
        try:
            answer = request_token(self._cluster, metadata["namespace"], account, {"spec": spec}, options)
        except Refusal as refusal:
            raise MissingReferenceError(f"failed to fetch token: {refusal.message}") from refusal
        return str(answer["status"]["token"])

    @rule("kubernetes", "every pod fits the one node", Provenance.ASSUMED, "no scheduler was recorded")
    def _bind(self, pod: Json) -> Json:
        if pod["spec"].get("nodeName"):
            return pod
        bound = copied(pod)
        bound["spec"]["nodeName"] = self._name
        status = bound.setdefault("status", {})
        scheduled = {"type": "PodScheduled", "status": "True", "lastProbeTime": None}
        now = timestamp(self._cluster.clock.now())
        status["conditions"] = conditions.put(status.get("conditions", []), scheduled, now)
        stored = self._cluster.write("pods", bound, manager="kube-scheduler")
        place = f"{pod['metadata']['namespace']}/{pod['metadata']['name']} to {self._name}"
        self._scheduler.note(stored, "Scheduled", f"Successfully assigned {place}")
        return stored

    def _address(self) -> Json:
        self._addresses += 1
        pod_ip = f"10.244.{self._addresses // 250}.{self._addresses % 250 + 2}"
        return {"hostIP": _HOST_IP, "hostIPs": [{"ip": _HOST_IP}], "podIP": pod_ip, "podIPs": [{"ip": pod_ip}]}

    def _register(self) -> None:
        """The Node object, so that it can be listed and tokens can name it."""
        if self._cluster.get("nodes", self._name):
            return
        now = timestamp(self._cluster.clock.now())
        ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "lastHeartbeatTime": now}
        ready |= {"lastTransitionTime": now, "message": "kubelet is posting ready status"}
        info = {"kubeletVersion": self._cluster.state.version, "operatingSystem": "linux", "architecture": "amd64"}
        labels = {"kubernetes.io/os": "linux", "kubernetes.io/hostname": self._name, "agentpool": "nodepool1"}
        addresses = [{"type": "InternalIP", "address": _HOST_IP}, {"type": "Hostname", "address": self._name}]
        node = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": self._name, "labels": labels},
            "spec": {},
            "status": {"conditions": [ready], "addresses": addresses, "nodeInfo": info},
        }
        self._cluster.write("nodes", node, manager="kubelet")
