"""The pods that an owner keeps running, and what each was given when it was made."""

from __future__ import annotations

from typing import Literal, Self

from fleet.fields import Model

from .base import Difference, Resource, Value

RESTARTABLE = ("Deployment", "StatefulSet", "DaemonSet")
"""Kinds that replace their pods, a few at a time, when their template changes."""


class RunningPod(Model):
    """A pod that asks for the webhook, and what its first container for whom that is meant was given."""

    name: str
    given: bool
    """Whether it has a token to present: the webhook was there when it was made."""
    client_id: str | None = None
    tenant_id: str | None = None

    def of_before(self, client_id: Value | None, tenant_id: str | None) -> tuple[str, ...]:
        """The fields in which a pod that is made now would be another; what is None is not known, and not compared."""
        if not self.given:
            return ("given",)
        pairs = (("client_id", client_id), ("tenant_id", tenant_id))
        return tuple(field for field, value in pairs if value is not None and getattr(self, field) != value)


class Rollout(Resource):
    """The pods of one owner that run as one ServiceAccount. As it shall be, all of them are as new ones."""

    kind: Literal["rollout"] = "rollout"
    cluster: str
    namespace: str
    owner_kind: str
    """As its pods name it: Deployment, StatefulSet, DaemonSet, Job; Pod for pods of nobody."""
    name: str
    service_account: str
    client_id: Value | None = None
    tenant_id: str | None = None
    """What a new pod is given; as found, None."""
    pods: tuple[RunningPod, ...] = ()
    """As found, those that ask for the webhook and run."""

    def stale(self, pods: tuple[RunningPod, ...]) -> tuple[RunningPod, ...]:
        """Those of the pods that are not as a new one would be."""
        return tuple(pod for pod in pods if pod.of_before(self.client_id, self.tenant_id))

    def differences(self, found: Self) -> tuple[Difference, ...]:
        """How many pods are of before, and what a new one is given in place of what they have."""
        stale = self.stale(found.pods)
        if not stale:
            return ()
        count = f"{len(stale)} of {len(found.pods)} as before"
        return (Difference(field="pods", old=count, new="as a new pod"), *self._given(stale))

    def _given(self, stale: tuple[RunningPod, ...]) -> list[Difference]:
        wrong = [(pod, field) for pod in stale for field in pod.of_before(self.client_id, self.tenant_id)]
        told = [Difference(field="given", old=False, new=True)] if any(field == "given" for _, field in wrong) else []
        for name in ("client_id", "tenant_id"):
            if old := sorted({getattr(pod, name) or "none" for pod, field in wrong if field == name}):
                told.append(Difference(field=name, old=", ".join(old), new=getattr(self, name)))
        return told

    @property
    def restartable(self) -> bool:
        """Whether its pods are replaced by a restart of their owner."""
        return self.owner_kind in RESTARTABLE

    @property
    def title(self) -> str:
        return f"{self.owner_kind} {self.namespace}/{self.name} on {self.cluster}"

    @property
    def key(self) -> str:
        account = f"{self.namespace}/{self.service_account}"
        return f"rollout:{self.cluster}/{account}/{self.owner_kind.lower()}/{self.name}"

    @property
    def seen_through(self) -> str:
        return pods_of(self.cluster)


def pods_of(cluster: str) -> str:
    """Through what a cluster's pods are seen: who may not list them sees the rest of it all the same."""
    return f"pods:{cluster}"
