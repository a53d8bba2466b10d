"""The chain as a whole: which module answers for which kind of object, and one look at all of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial

from clients.errors import UNREACHABLE, CloudError
from clients.session import Clients
from fleet.changes import Action, Change
from fleet.leftovers import strangers
from fleet.observed import Observation, Observed, Unknown
from fleet.resources import Outputs, RoleAssignment, pods_of
from fleet.spec import Cluster, Fleet

from . import (
    access,
    applications,
    clusters,
    features,
    federation,
    managed_identities,
    principals,
    rollouts,
    service_accounts,
    vaults,
    webhook,
    workloads,
)

Ensure = Callable[[Clients, Fleet, Change], Awaitable[dict[str, str]]]
Remove = Callable[[Clients, Fleet, Change], Awaitable[None]]


@dataclass(frozen=True)
class Link:
    """A kind of object: the word for making it so, and who does that, takes it away, and takes our marks off."""

    verb: str
    ensure: Ensure
    remove: Remove | None = None
    release: Remove | None = None


LINKS: Mapping[str, Link] = {
    "feature": Link("register feature", features.ensure),
    "cluster": Link("set up cluster", clusters.ensure),
    "webhook": Link("install webhook on", webhook.ensure, webhook.remove),
    "vault": Link("prepare vault", vaults.ensure, vaults.remove, vaults.release),
    "secret": Link("write secret", vaults.ensure_secret),
    "application": Link("register application", applications.ensure, applications.remove, applications.release),
    "service-principal": Link("add service principal of", applications.ensure_principal),
    "managed-identity": Link(
        "create managed identity", managed_identities.ensure, managed_identities.remove, managed_identities.release
    ),
    "federated-credential": Link("federate", federation.ensure, federation.remove),
    "role-assignment": Link("assign role", access.ensure, access.remove),
    "access-policy": Link("allow", access.ensure_policy, access.remove_policy),
    "namespace": Link("create namespace", service_accounts.ensure_namespace, service_accounts.remove_namespace),
    "service-account": Link("annotate", service_accounts.ensure, service_accounts.remove, service_accounts.release),
    "deployment": Link("deploy", workloads.ensure, workloads.remove, workloads.release),
    "rollout": Link("restart", rollouts.ensure),
}
"""Every kind of :data:`~fleet.resources.AnyResource`."""


def title(change: Change) -> str:
    """What a change does, in words: the name of its task run."""
    kind = change.resource.kind
    verbs = {Action.DELETE: f"remove {kind}", Action.RELEASE: f"release {kind}"}
    return f"{verbs.get(change.action, LINKS[kind].verb)} {change.resource.title}"


async def apply(clients: Clients, fleet: Fleet, change: Change, outputs: Outputs) -> dict[str, str]:
    """Carry out one change, its references resolved by what earlier changes told; returns its own outputs."""
    resolved = change.resolved(outputs)
    link = LINKS[change.resource.kind]
    if not change.takes_away:
        return await link.ensure(clients, fleet, resolved)
    take = link.release if change.action is Action.RELEASE else link.remove
    if take is not None and not _is_in_use(resolved, outputs):
        await take(clients, fleet, resolved)
    return {}


def _is_in_use(change: Change, outputs: Outputs) -> bool:
    """Whether a role is of a principal that a change of this run found after all, which a copy did not know before."""
    assignment = change.resource
    return isinstance(assignment, RoleAssignment) and any(
        told.get("principal_id") == assignment.principal_id for told in outputs.values()
    )


Look = Callable[[], Awaitable[Observation]]


def looks(clients: Clients, fleet: Fleet, *, beyond: bool = False, pods: bool = False) -> dict[str, Look]:
    """The observations that make up the whole picture, by what they look through. They may run at the same time.

    Looking ``beyond`` finds all that carries the fleet's mark and is not, or no longer, in its file. That costs some
    requests in every cluster, and one for each managed identity of that kind; without it only what the lists tell that
    are read anyway is found.
    """
    whole: dict[str, Callable[[Clients, Fleet], Awaitable[Observation]]] = {
        "features": features.observe,
        "clusters": clusters.observe,
        "vaults": _vaults_and_secrets,
        "directory": partial(applications.observe, beyond=beyond),
        "managed-identities": partial(managed_identities.observe, beyond=beyond),
        "roles": partial(access.observe, beyond=beyond),
    }
    found: dict[str, Look] = {
        through: partial(_guarded, through, partial(observe, clients, fleet)) for through, observe in whole.items()
    }
    for cluster in fleet.clusters:
        through = f"kubernetes:{cluster.name}"
        found[through] = partial(_guarded, through, partial(_inside, clients, fleet, cluster, beyond))
        if pods:
            through = pods_of(cluster.name)
            found[through] = partial(_guarded, through, partial(rollouts.observe, clients, fleet, cluster))
    return found


def second_looks(clients: Clients, observed: Observed) -> dict[str, Look]:
    """What is to be looked at after the first look: nothing, unless somebody unknown has access to our vaults."""
    unknown = strangers(observed)
    if not unknown:
        return {}
    return {"principals": partial(_guarded, "principals", partial(principals.observe, clients, unknown))}


async def _inside(clients: Clients, fleet: Fleet, cluster: Cluster, beyond: bool) -> Observation:
    parts = await asyncio.gather(
        webhook.observe(clients, fleet, cluster),
        service_accounts.observe(clients, fleet, cluster, beyond=beyond),
        workloads.observe(clients, fleet, cluster, beyond=beyond),
    )
    return Observation.together(parts)


async def _vaults_and_secrets(clients: Clients, fleet: Fleet) -> Observation:
    seen = await vaults.observe(clients, fleet)
    return Observation.together([seen, await vaults.observe_secrets(clients, fleet, seen)])


async def _guarded(through: str, look: Look) -> Observation:
    """What cannot be observed is unknown; the other links are looked at all the same."""
    try:
        return await look()
    except CloudError as error:
        failed = Unknown(through=through, reason=str(error), unreachable=error.code == UNREACHABLE)
        return Observation(unknown=(failed,))
