"""The life of one pod, from its volumes to the end of its processes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulator.provenance import Provenance, rule
from simulator.webhook import manager
from simulator.webhook.settings import StartupFailure

from .command_streams import Wanted
from .container_commands import Inside, NotRunningError, Running
from .container_commands import start as start_command
from .pod_environment import MissingReferenceError, environment_of
from .pod_processes import command_of, mount_paths, process_environment, start, stop
from .pod_status import ContainerStatus, pod_status
from .recorder import Recorder

if TYPE_CHECKING:
    from simulator.simulation import Simulation

    from .cluster import Cluster
    from .pod_volumes import Volumes

Json = dict[str, Any]

logger = logging.getLogger(__name__)

_POLL_SECONDS = 0.05
_FIRST_BACK_OFF, _LONGEST_BACK_OFF = 10.0, 300.0


def previous_log(container: str) -> str:
    """The name under which the log of a container's life before this one is kept; no container can have it."""
    return f"{container}.previous"


@dataclass
class PodRun:
    """A pod on its node. ``end`` must be awaited for every run that was begun."""

    cluster: Cluster
    simulation: Simulation
    events: Recorder
    pod: Json
    volumes: Volumes
    address: Json
    """What the status says of where it runs: hostIP, podIP, and so on."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when something that the pod may be waiting for has changed."""
    _init: list[ContainerStatus] = field(default_factory=list)
    _containers: list[ContainerStatus] = field(default_factory=list)
    _inside: dict[str, Inside] = field(default_factory=dict)
    """The containers whose process is up, by name."""
    _commands: dict[str, set[Running]] = field(default_factory=dict)
    """What else was started in them, by container."""
    _task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Start living."""
        status, spec = self.pod.get("status", {}), self.pod["spec"]
        self._init = _statuses(spec.get("initContainers", []), status.get("initContainerStatuses", []))
        self._containers = _statuses(spec["containers"], status.get("containerStatuses", []))
        for container in (*self._init, *(() if self._init else self._containers)):
            container.wait("ContainerCreating")
        self._task = asyncio.create_task(self._live(), name=f"pod {self.pod['metadata']['name']}")
        self._task.add_done_callback(_report)

    async def end(self) -> None:
        """Stop its processes and remove its files."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self.volumes.remove()

    def log_file(self, container: str) -> Path:
        """Where a container's output goes."""
        return self.volumes.directory / f"{container}.log"

    def look_again(self) -> None:
        """Renew the files of the volumes and the containers' readiness after a change elsewhere in the cluster."""
        self.changed.set()
        if any(status.started for status in (*self._init, *self._containers)):
            self._write_volumes()
            self._probe()

    @asynccontextmanager
    async def command(self, container: str, wanted: Wanted) -> AsyncIterator[Running]:
        """A command in a running container; it ends with the context, or with the container.

        Raises :class:`NotRunningError`, or NotExecutableError where it cannot be started.
        """
        states = {status.name: status.state for status in (*self._init, *self._containers)}
        if "running" not in states.get(container, {}):
            raise NotRunningError(container)
        running = await start_command(wanted, self._inside.get(container))
        self._commands.setdefault(container, set()).add(running)
        try:
            yield running
        finally:
            self._commands[container].discard(running)
            await running.end()

    async def _live(self) -> None:
        self._publish()
        while (problem := self._write_volumes()) is not None:
            volumes = f"MountVolume.SetUp failed: {problem}"
            self.events.note(self.pod, "FailedMount", volumes, kind="Warning")
            await self._change()
        policy = self.pod["spec"].get("restartPolicy", "Always")
        async with asyncio.TaskGroup() as group:
            for status in self._init:
                if status.spec.get("restartPolicy") == "Always":
                    group.create_task(self._keep(status, "Always"))
                elif await self._keep(status, "OnFailure" if policy == "Always" else policy, once=True):
                    return
            for status in self._containers:
                group.create_task(self._keep(status, policy))

    async def _keep(self, status: ContainerStatus, policy: str, *, once: bool = False) -> int:
        """Run a container, again and again as the restart policy wants; the last exit code.

        ``once`` is for init containers: one that runs nothing here counts as done.
        """
        delay = 0.0
        while True:
            code = await self._run(status, once=once)
            if policy == "Never" or (policy == "OnFailure" and code == 0):
                return code
            await self._back_off(status, delay)
            delay = min(max(delay * 2, _FIRST_BACK_OFF), _LONGEST_BACK_OFF)

    @rule(
        "kubernetes",
        "crash loop back-off of 10 s doubling to 5 min",
        Provenance.DOCUMENTED,
        "Kubernetes, Pod Lifecycle",
    )
    async def _back_off(self, status: ContainerStatus, delay: float) -> None:
        metadata = self.pod["metadata"]
        pod = f"{metadata['name']}_{metadata['namespace']}({metadata['uid']})"
        words = f"back-off {delay:.0f}s restarting failed container={status.name} pod={pod}"
        status.back_off("CrashLoopBackOff", words)
        if delay:
            warning = f"Back-off restarting failed container {status.name} in pod {pod}"
            self.events.note(self.pod, "BackOff", warning, kind="Warning")
        self._publish()
        await self._until(self.cluster.clock.now() + timedelta(seconds=delay / self.simulation.weather.speed))

    async def _run(self, status: ContainerStatus, *, once: bool) -> int:
        """Run a container until it ends; its exit code."""
        variables = await self._variables(status)
        root = self.volumes.mount(status.spec)
        log = self.log_file(status.name)
        if log.exists():
            log.replace(self.log_file(previous_log(status.name)))
        if (failure := self._refusal_to_start(status, variables)) is not None:
            log.write_text(f"{failure}\n")
            return self._ended(status, failure.exit_code)
        command = command_of(status.spec)
        if command is None:
            log.touch()
            return await self._declare(status, once=once)
        environment = process_environment(self.simulation, variables, status.spec, root)
        try:
            process = await start(command, environment, root, log)
        except OSError as error:
            return self._ended(status, 128, reason="StartError", message=str(error))
        try:
            self._inside[status.name] = Inside(environment, root, mount_paths(status.spec))
            self._running(status)
            self._started(status)
            return self._ended(status, await process.wait())
        finally:
            del self._inside[status.name]
            commands = self._commands.get(status.name, ())
            await asyncio.gather(stop(process), *(command.end() for command in commands))

    async def _declare(self, status: ContainerStatus, *, once: bool) -> int:
        """What an image does that the simulator does not run: an init container is done, any other one just runs."""
        self._running(status)
        if once:
            return self._ended(status, 0)
        if manager.is_manager(status.spec):
            await self._until(self.simulation.weather.after("webhook_start"))
        self._started(status)
        await asyncio.Event().wait()
        raise AssertionError("nothing ends it but its cancellation")

    async def _variables(self, status: ContainerStatus) -> dict[str, str]:
        """The container's variables, as soon as everything that they refer to is there."""
        while True:
            try:
                return environment_of(self.cluster, self._current() or self.pod, status.spec)
            except MissingReferenceError as missing:
                status.wait("CreateContainerConfigError", str(missing))
                self.events.note(self.pod, "Failed", f"Error: {missing}", kind="Warning")
                self._publish()
                await self._change()

    def _refusal_to_start(self, status: ContainerStatus, variables: dict[str, str]) -> StartupFailure | None:
        return manager.refusal_to_start(status.spec, variables) if manager.is_manager(status.spec) else None

    def _running(self, status: ContainerStatus) -> None:
        status.run(self.cluster.clock.now())
        self.events.note(self.pod, "Started", f"Started container {status.name}")
        self._publish()

    def _started(self, status: ContainerStatus) -> None:
        status.started = True
        self._publish()
        self._probe()

    def _ended(self, status: ContainerStatus, code: int, **why: str) -> int:
        status.end(code, self.cluster.clock.now(), **why)
        self._publish()
        return code

    def _probe(self) -> None:
        """Ask the started containers whether they are ready; only the webhook's may say no."""
        for status in (*self._init, *self._containers):
            ready = not manager.is_manager(status.spec) or manager.is_ready(self.cluster, self.pod)
            status.ready = status.started and ready
        self._publish()

    def _write_volumes(self) -> str | None:
        """Bring the files up to date; what is missing for that, or None."""
        try:
            self.volumes.write()
        except MissingReferenceError as missing:
            return str(missing)
        return None

    def _current(self) -> Json | None:
        """The pod as it is stored now, None if it is gone."""
        metadata = self.pod["metadata"]
        found = self.cluster.get("pods", metadata["name"], metadata["namespace"])
        return found if found is not None and found["metadata"]["uid"] == metadata["uid"] else None

    def _publish(self) -> None:
        """Report the status."""
        if (found := self._current()) is None:
            return
        now, policy = self.cluster.clock.now(), self.pod["spec"].get("restartPolicy", "Always")
        status = pod_status(found.get("status", {}), self.address, self._init, self._containers, now, policy)
        self.cluster.write("pods", found | {"status": status}, manager="kubelet")

    async def _change(self) -> None:
        self.changed.clear()
        await self.changed.wait()

    async def _until(self, instant: datetime) -> None:
        """Wait for an instant of the simulator's clock, which may be stepped at any time."""
        while self.cluster.clock.now() < instant:  # noqa: ASYNC110 - a clock tells nobody that it was stepped
            await asyncio.sleep(_POLL_SECONDS)


def _report(task: asyncio.Task[None]) -> None:
    """Log what should not have happened: nobody waits for a pod's task before the pod is deleted."""
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.error("%s ended", task.get_name(), exc_info=error)


def _statuses(containers: list[Json], reported: list[Json]) -> list[ContainerStatus]:
    by_name = {report["name"]: report for report in reported}
    return [ContainerStatus.resumed(container, by_name.get(container["name"])) for container in containers]
