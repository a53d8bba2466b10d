"""Pods that are older than what they should have been given: found by their owner, and made anew by its restart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from clients.errors import Invalid
from clients.kubernetes import Kubernetes, path_of
from clients.session import Clients
from clients.waiting import DISRUPTION_SECONDS, ROLLOUT_SECONDS, DeadlineError
from fleet import disruption, restarting, running
from fleet.changes import Change
from fleet.observed import Found, Observation
from fleet.resources import Rollout, RunningPod
from fleet.spec import Cluster, Fleet
from fleet.webhook_contract import USE

from .webhook import probe_pod

Json = dict[str, Any]

_ASKING = f"{USE}=true"
_TRIED = ("name", "image", "env", "resources")
"""What of a container is tried: what the webhook and a quota look at, without volumes that a dry run lacks."""


async def observe(clients: Clients, fleet: Fleet, cluster: Cluster) -> Observation:
    """By owner, the fleet's running pods that ask for the webhook; one list of the cluster."""
    accounts = {
        (workload.namespace, workload.service_account)
        for workload in fleet.workloads
        if cluster.name in workload.clusters
    }
    if not accounts:
        return Observation()
    kubernetes = await clients.cluster(cluster)
    owners: Mapping[tuple[str, ...], list[RunningPod]] = defaultdict(list)
    for pod in await kubernetes.list(path_of("Pod"), labelSelector=_ASKING):
        namespace, account = pod["metadata"]["namespace"], running.account_of(pod)
        has = running.reading(pod)
        if has is not None and running.runs(pod) and (namespace, account) in accounts:
            owners[namespace, account, *running.owner_of(pod)].append(has)
    return Observation(
        found=tuple(
            Found(
                resource=Rollout(
                    cluster=cluster.name,
                    namespace=namespace,
                    service_account=account,
                    owner_kind=kind,
                    name=name,
                    pods=tuple(pods),
                )
            )
            for (namespace, account, kind, name), pods in owners.items()
        )
    )


async def ensure(clients: Clients, fleet: Fleet, change: Change) -> dict[str, str]:
    """Restart the owner, one of all the fleet's at a time, once budgets let a pod go; then wait until all are new.

    Nothing is restarted where no pod is of before any more, and where new pods would be like the old ones.
    """
    wanted = change.resource
    assert isinstance(wanted, Rollout)
    kubernetes = await clients.cluster(fleet.cluster(wanted.cluster))
    async with clients.writing(f"rollouts of {fleet.name}"):
        await _Restart(clients, kubernetes, wanted).make()
    return {}


class _Restart:
    """The restart of one owner."""

    def __init__(self, clients: Clients, kubernetes: Kubernetes, wanted: Rollout) -> None:
        self._patience, self._kubernetes, self._wanted = clients.patience, kubernetes, wanted
        self._path = path_of(wanted.owner_kind, wanted.namespace, wanted.name)

    async def make(self) -> None:
        """All of it."""
        if not await self._stale():
            return
        owner = await self._owner()
        if why := restarting.refusal(owner):
            raise Invalid(self._wanted.title, f"a restart would not make its pods anew, for {why}", code="NoRestart")
        if restarting.waits_for(owner) and not restarting.given_up(owner):
            if not restarting.trouble(owner, await self._pods()):
                await self._rolled_out()  # of its newest template, which may be the very restart that is needed
            if not await self._stale():
                return
        await self._refuse_in_vain(owner)
        await self._let_go()
        now = datetime.now(UTC).isoformat(timespec="seconds")
        annotated = {"metadata": {"annotations": {restarting.RESTARTED_AT: now}}}
        await self._kubernetes.merge(self._path, {"spec": {"template": annotated}})
        await self._rolled_out()
        if stale := await self._stale():
            message = f"it was restarted, and {', '.join(stale)} is not as a new pod should be"
            raise Invalid(self._wanted.title, message, code="StillStale", advice=self._look())

    async def _owner(self) -> Json:
        return {**await self._kubernetes.get(self._path), "kind": self._wanted.owner_kind}

    async def _pods(self) -> list[Json]:
        """The owner's pods that are not about to end, oldest first."""
        wanted = self._wanted
        own = [
            pod
            for pod in await self._kubernetes.list(path_of("Pod", wanted.namespace))
            if running.owner_of(pod) == (wanted.owner_kind, wanted.name) and running.runs(pod)
        ]
        return sorted(own, key=lambda pod: str(pod["metadata"].get("creationTimestamp")))

    async def _stale(self) -> list[str]:
        """Names of those of before."""
        own = [pod for pod in await self._pods() if running.account_of(pod) == self._wanted.service_account]
        read = tuple(has for pod in own if (has := running.reading(pod)) is not None)
        return [pod.name for pod in self._wanted.stale(read)]

    async def _refuse_in_vain(self, owner: Json) -> None:
        """By a dry run of a pod of its template. Raises ``Invalid`` where that would be as the old ones are."""
        template, wanted = owner["spec"]["template"], self._wanted
        if running.account_of(template) != wanted.service_account:
            return
        pod = probe_pod(wanted.service_account)
        pod["metadata"] |= {key: template["metadata"].get(key) or {} for key in ("labels", "annotations")}
        secure = pod["spec"]["containers"][0]["securityContext"]
        pod["spec"]["containers"] = [
            {key: one[key] for key in _TRIED if key in one} | {"securityContext": secure}
            for one in template["spec"]["containers"]
        ]
        has = running.reading(await self._kubernetes.try_pod(wanted.namespace, pod))
        if has is None or not (fields := has.of_before(wanted.client_id, wanted.tenant_id)):
            return
        why = (
            "is given nothing by the webhook"
            if "given" in fields
            else f"has another {' and '.join(fields)} all the same"
        )
        message = f"not restarted, for that would be in vain: a new pod of its template {why}"
        advice = (
            f"See whether its template sets AZURE_CLIENT_ID or AZURE_TENANT_ID itself: kubectl -n {wanted.namespace} "
        )
        advice += f"get {wanted.owner_kind.lower()} {wanted.name} -o yaml; workload-identity diagnose tells more"
        raise Invalid(wanted.title, message, code="NoRestart", advice=advice)

    async def _let_go(self) -> None:
        """Wait until every budget of its pods lets one go."""
        path, wanted = path_of("PodDisruptionBudget", self._wanted.namespace), self._wanted
        forbidding = ""

        async def allowed() -> bool | None:
            nonlocal forbidding
            own = disruption.budgets_of(await self._kubernetes.list(path), await self._pods())
            forbidding = next(filter(None, map(disruption.forbids, own)), "")
            return True if not forbidding else None

        try:
            await self._patience.until("a restart that is allowed", allowed, seconds=DISRUPTION_SECONDS)
        except DeadlineError as error:
            message = f"not restarted, for {forbidding}; {error.message}"
            advice = (
                f"kubectl -n {wanted.namespace} get pdb tells more; make room in it, or heal when its pods are well"
            )
            raise DeadlineError(wanted.title, message, code="DisruptionBudget", advice=advice) from error

    async def _rolled_out(self) -> None:
        """Wait until all pods are of the newest template and available. Raises where they do not get there."""
        lack = ""

        async def ended() -> tuple[Json, str] | None:
            nonlocal lack
            owner = await self._owner()
            lack = restarting.waits_for(owner)
            said = restarting.given_up(owner)
            return (owner, said) if said or not lack else None

        try:
            owner, said = await self._patience.until(
                f"the rollout of {self._wanted.title}", ended, seconds=ROLLOUT_SECONDS
            )
        except DeadlineError as error:
            raise await self._stuck(await self._owner(), f"{lack}; {error.message}") from error
        if said:
            raise await self._stuck(owner, said)

    async def _stuck(self, owner: Json, said: str) -> DeadlineError:
        why = restarting.trouble(owner, reversed(await self._pods()))
        message = f"its rollout is stuck: {said}" + (f"; {why}" if why else "")
        return DeadlineError(self._wanted.title, message, code="RolloutStuck", advice=self._look())

    def _look(self) -> str:
        wanted = self._wanted
        return f"kubectl -n {wanted.namespace} describe {wanted.owner_kind.lower()} {wanted.name} tells more"
