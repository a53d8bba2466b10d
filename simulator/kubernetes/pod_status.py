"""What the kubelet reports of a pod and its containers."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from simulator.provenance import Provenance, rule

from . import conditions
from .encoding import timestamp

Json = dict[str, Any]


@dataclass
class ContainerStatus:
    """The state of one container, as far as it is reported."""

    spec: Json
    state: Json = field(default_factory=lambda: {"waiting": {"reason": "PodInitializing"}})
    last_state: Json = field(default_factory=dict)
    restarts: int = 0
    started: bool = False
    ready: bool = False
    identifier: str = ""

    @classmethod
    def resumed(cls, spec: Json, reported: Json | None) -> ContainerStatus:
        """The status to begin with; a container that ran before the simulator was restarted counts as restarted."""
        if reported is None:
            return cls(spec)
        ran = "running" in reported["state"]
        return cls(spec, last_state=reported["lastState"], restarts=reported["restartCount"] + ran)

    @property
    def name(self) -> str:
        """The container's name."""
        return str(self.spec["name"])

    @property
    def exit_code(self) -> int | None:
        """How it ended, None while it has not."""
        code = self.state.get("terminated", {}).get("exitCode")
        return None if code is None else int(code)

    def wait(self, reason: str, message: str = "") -> None:
        """It is not running, for this reason."""
        self.state = {"waiting": {"reason": reason} | ({"message": message} if message else {})}
        self.started = self.ready = False

    def run(self, now: datetime) -> None:
        """It is running, though not yet started up."""
        self.state = {"running": {"startedAt": timestamp(now)}}
        self.identifier = f"containerd://{secrets.token_hex(32)}"

    def end(self, code: int, now: datetime, *, reason: str = "", message: str = "") -> None:
        """It has ended. A negative code is the signal that ended it, as in :mod:`subprocess`."""
        began = self.state.get("running", {}).get("startedAt", timestamp(now))
        code = 128 - code if code < 0 else code
        ended: Json = {"exitCode": code, "reason": reason or ("Error" if code else "Completed")}
        ended |= {"message": message} if message else {}
        ended |= {"startedAt": began, "finishedAt": timestamp(now), "containerID": self.identifier}
        self.state = {"terminated": ended}
        self.started = self.ready = False

    def back_off(self, reason: str, message: str) -> None:
        """It has ended and will be started again later."""
        self.last_state = self.state
        self.restarts += 1
        self.wait(reason, message)

    def report(self) -> Json:
        """The entry of ``containerStatuses``."""
        image = self.spec.get("image", "")
        status = {
            "name": self.name,
            "state": self.state,
            "lastState": self.last_state,
            "ready": self.ready,
            "restartCount": self.restarts,
            "image": image,
            "imageID": image if self.identifier else "",
            "started": self.started,
        }
        return status | ({"containerID": self.identifier} if self.identifier else {})


@rule("kubernetes", "phase and conditions of a pod", Provenance.DOCUMENTED, "Kubernetes, Pod Lifecycle")
def pod_status(
    before: Json,
    address: Json,
    init: list[ContainerStatus],
    containers: list[ContainerStatus],
    now: datetime,
    policy: str,
) -> Json:
    """The pod's status; ``address`` is its hostIP, podIP and the like, ``before`` the status reported last.

    ``policy`` is its restartPolicy: what will be restarted has not ended the pod.
    """
    initialized = all(status.exit_code == 0 or status.started for status in init)
    ready = bool(containers) and all(status.ready for status in (*containers, *_sidecars(init)))
    phase, known = _phase(init, containers, policy), before.get("conditions", [])
    not_ready = "PodCompleted" if phase == "Succeeded" else "ContainersNotReady"
    for kind, holds, reason in (
        ("PodReadyToStartContainers", True, ""),
        ("Initialized", initialized, "ContainersNotInitialized"),
        ("Ready", ready, not_ready),
        ("ContainersReady", ready, not_ready),
    ):
        condition: Json = {"type": kind, "status": "True" if holds else "False", "lastProbeTime": None}
        condition |= {} if holds else {"reason": reason}
        known = conditions.put(known, condition, timestamp(now))
    reports = {"initContainerStatuses": [status.report() for status in init]} if init else {}
    return {
        **before,
        **address,
        "phase": phase,
        "conditions": known,
        "startTime": before.get("startTime", timestamp(now)),
        **reports,
        "containerStatuses": [status.report() for status in containers],
    }


def _sidecars(init: list[ContainerStatus]) -> list[ContainerStatus]:
    return [status for status in init if status.spec.get("restartPolicy") == "Always"]


def _phase(init: list[ContainerStatus], containers: list[ContainerStatus], policy: str) -> str:
    codes = [status.exit_code for status in containers]
    if policy == "Never" and any(status.exit_code for status in init):
        return "Failed"
    if codes and all(code is not None for code in codes):
        if not any(codes) and policy != "Always":
            return "Succeeded"
        if policy == "Never":
            return "Failed"
    begun = any("waiting" not in status.state or status.restarts for status in containers)
    return "Running" if begun else "Pending"
