"""Pods that are older than what they should have been given, where nobody asked for a restart or none would help."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping

from . import running
from .changes import Hold
from .findings import Finding
from .grouping import Grouping
from .observed import Found, Observed
from .resources import Rollout, RunningPod, pods_of
from .spec import Fleet
from .wanted import Wanted

_FEW = 5
"""Pods to name."""
_ADVICE: Mapping[str, str] = {
    "Pod": "nobody makes it anew: delete it, and make it again as it was made: {command}",
    "Job": "a Job's pods are made once: let it end, for the next run is given what is right (a CronJob's by itself), "
    "or delete the Job and run it again: kubectl -n {namespace} delete job {name}",
    "ReplicaSet": "it makes new pods, but none before old ones go: delete them one by one: {command}",
    "ReplicationController": "it makes new pods, but none before old ones go: delete them one by one: {command}",
}
_OTHER = "have {kind} {name} make its pods anew by its own means, or delete them one by one: {command}"


def heals(item: Wanted, *, heal: bool) -> bool:
    """Whether these pods are to be made anew by us: that was asked for, and a restart of their owner does it."""
    return heal and isinstance(item.resource, Rollout) and item.resource.restartable


def findings(
    items: Iterable[Wanted],
    there: Mapping[str, Found | None],
    held: Container[str],
    grouping: Grouping,
    *,
    heal: bool,
) -> Iterator[Finding]:
    """A finding for every owner of pods of before that is not healed. ``there`` is what was found, by key.

    ``held`` are keys of what is left alone: what pods should be given that hang on it is not known.
    """
    for item in items:
        wanted, found = item.resource, there[item.resource.key]
        if not isinstance(wanted, Rollout) or found is None or heals(item, heal=heal):
            continue
        if any(needed in held for needed in item.needs):
            continue
        assert isinstance(found.resource, Rollout)
        if stale := wanted.stale(found.resource.pods):
            yield _finding(wanted, found.resource, stale, grouping.of(wanted))


def is_of_pods(finding: Finding) -> bool:
    """Whether a plan's finding is about pods, and not about something that nobody wants any more."""
    return finding.key.startswith(("rollout:", "pods:"))


def unseen(fleet: Fleet, observed: Observed) -> Iterator[tuple[str, str]]:
    """Clusters whose pods alone could not be looked at, each with the reason."""
    for cluster in fleet.clusters:
        reason = observed.reason_unseen(pods_of(cluster.name))
        if reason and not observed.reason_unseen(f"kubernetes:{cluster.name}"):
            yield cluster.name, reason


def unseen_holds(fleet: Fleet, observed: Observed) -> Iterator[Hold]:
    """What was asked for and cannot be done where pods cannot be seen."""
    for cluster, reason in unseen(fleet, observed):
        yield Hold(key=pods_of(cluster), reason=reason, group=f"cluster:{cluster}")


def unseen_findings(fleet: Fleet, observed: Observed) -> Iterator[Finding]:
    """What is not told where pods cannot be seen."""
    for cluster, reason in unseen(fleet, observed):
        yield Finding(
            key=pods_of(cluster),
            what=f"the pods of cluster {cluster} could not be looked at: {reason.rstrip('.')}",
            danger="those that are older than what they should have been given are not told of",
            advice="let the operator list pods in that cluster",
            prunable=False,
            group=f"cluster:{cluster}",
        )


def _finding(wanted: Rollout, found: Rollout, stale: tuple[RunningPod, ...], group: str) -> Finding:
    names = [pod.name for pod in stale]
    shown = ", ".join(names[:_FEW]) + (f" and {len(names) - _FEW} more" if len(names) > _FEW else "")
    has = "; ".join(dict.fromkeys(_has(pod, pod.of_before(wanted.client_id, wanted.tenant_id)) for pod in stale))
    bare = all(not pod.given for pod in stale)
    return Finding(
        key=wanted.key,
        what=f"{len(stale)} of {len(found.pods)} running pods of {wanted.title} are older than what they should have "
        f"been given: {shown}, with {has}",
        danger="they cannot sign in" if bare else "they sign in as who they were before, if at all",
        advice=_advice(wanted, names),
        prunable=False,
        group=group,
    )


def _has(pod: RunningPod, fields: Iterable[str]) -> str:
    words = {
        "given": "nothing of what the webhook injects",
        "client_id": f"the client id {pod.client_id}" if pod.client_id else "no client id",
        "tenant_id": f"the tenant {pod.tenant_id}" if pod.tenant_id else "no tenant",
    }
    return " and ".join(words[field] for field in fields)


def _advice(wanted: Rollout, pods: list[str]) -> str:
    command = running.anew(wanted.namespace, wanted.owner_kind, wanted.name, *pods[:_FEW])
    if wanted.restartable:
        return f"--heal restarts their owner and proves the chain anew; by hand: {command}"
    text = _ADVICE.get(wanted.owner_kind, _OTHER)
    return text.format(kind=wanted.owner_kind, name=wanted.name, namespace=wanted.namespace, command=command)
