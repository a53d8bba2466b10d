"""How every workload's chain is, link by link, after a run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum

from .changes import Action, Plan
from .observed import Observed
from .proof import Proof
from .resources import AccessPolicy, Deployment, FederatedIdentityCredential, RoleAssignment, Rollout, ServiceAccount
from .spec import Fleet, Model, Workload
from .wanted import Wanted, wanted


class Status(StrEnum):
    """How a link is, the better the earlier."""

    SOUND = "sound"
    MADE = "made"
    """By this run."""
    MENDED = "mended"
    """By this run: it had drifted."""
    WAITING = "waiting"
    """For a proof, or for what it comes after."""
    HELD = "held"
    """Left alone, for the reason that the plan gives."""
    FAILED = "failed"


_WORSE = list(Status)
_LINKS: Mapping[str, str] = {
    "cluster": "issuer",
    "webhook": "webhook",
    "application": "identity",
    "service-principal": "identity",
    "managed-identity": "identity",
    "federated-credential": "federation",
    "role-assignment": "access",
    "access-policy": "access",
    "vault": "vault",
    "secret": "vault",
    "namespace": "service account",
    "service-account": "service account",
    "deployment": "deployment",
    "rollout": "pods",
}
"""Which link of the chain a kind of object is part of."""
LINKS = tuple(dict.fromkeys(_LINKS.values()))
PROVEN, REFUTED, UNTRIED = "proven", "NOT PROVEN", "not tried"


class ChainHealth(Model):
    """One workload on one cluster."""

    workload: str
    cluster: str
    links: dict[str, Status]
    """By the name of the link, one of :data:`LINKS`; a link that the workload does not have is not in it."""
    proof: str
    """One of :data:`PROVEN`, :data:`REFUTED`, :data:`UNTRIED`."""

    @property
    def is_well(self) -> bool:
        """Nothing of it failed, is held, or is refuted."""
        return self.proof != REFUTED and not {Status.FAILED, Status.HELD} & set(self.links.values())


def health(
    fleet: Fleet,
    observed: Observed,
    plan: Plan,
    failures: Mapping[str, str],
    waiting: Mapping[str, str],
    proofs: Iterable[Proof],
) -> list[ChainHealth]:
    """A row for every workload on every cluster, in the fleet's order.

    ``observed`` is what the run began with, ``plan`` what it planned; ``failures`` and ``waiting`` are by the keys of
    its changes.
    """
    statuses = _statuses(plan, failures, waiting)
    objects = {item.resource.key: item for item in wanted(fleet, observed)}
    of_workload, of_identity = _owned(objects.values())
    tried = {(proof.chain.cluster, proof.chain.namespace, proof.chain.service_account): proof.holds for proof in proofs}
    rows = []
    for workload in fleet.workloads:
        for cluster in workload.clusters:
            place = (cluster, workload.namespace, workload.service_account)
            own = [*of_workload[place], *of_identity[workload.identity], *_checked(fleet, workload)]
            links: dict[str, Status] = {}
            for item in _with_needs(own, objects):
                if link := _LINKS.get(item.resource.kind):
                    status = statuses.get(item.resource.key, Status.SOUND)
                    links[link] = max(links.get(link, Status.SOUND), status, key=_WORSE.index)
            ordered = {link: links[link] for link in LINKS if link in links}
            proof = {True: PROVEN, False: REFUTED}.get(tried.get(place), UNTRIED)  # type: ignore[arg-type]
            rows.append(ChainHealth(workload=str(workload), cluster=cluster, links=ordered, proof=proof))
    return rows


def _statuses(plan: Plan, failures: Mapping[str, str], waiting: Mapping[str, str]) -> dict[str, Status]:
    by_action = {Action.CREATE: Status.MADE, Action.UPDATE: Status.MENDED, Action.RECOVER: Status.MENDED}
    statuses = {change.key: by_action[change.action] for change in plan.changes if not change.takes_away}
    statuses |= {hold.key: Status.HELD for hold in plan.holds}
    statuses |= dict.fromkeys(waiting, Status.WAITING)
    return statuses | dict.fromkeys(failures, Status.FAILED)


_Place = tuple[str, str, str]


def _owned(objects: Iterable[Wanted]) -> tuple[Mapping[_Place, list[str]], Mapping[str, list[str]]]:
    """Keys of what belongs to a workload on a cluster, and of what its identity may do."""
    of_workload: Mapping[_Place, list[str]] = defaultdict(list)
    of_identity: Mapping[str, list[str]] = defaultdict(list)
    for item in objects:
        match item.resource:
            case ServiceAccount(cluster=cluster, namespace=namespace, name=name, key=key):
                of_workload[cluster, namespace, name].append(key)
            case FederatedIdentityCredential() | Deployment() | Rollout() as resource:
                of_workload[resource.cluster, resource.namespace, resource.service_account].append(resource.key)
            case RoleAssignment() | AccessPolicy() as resource:
                of_identity[resource.identity].append(resource.key)
    return of_workload, of_identity


def _checked(fleet: Fleet, workload: Workload) -> Iterator[str]:
    if check := fleet.check(workload):
        yield f"secret:{check.vault}/{check.secret}"


def _with_needs(keys: Iterable[str], objects: Mapping[str, Wanted]) -> Iterator[Wanted]:
    """The objects of these keys and all that must exist before them."""
    seen: set[str] = set()
    todo = list(keys)
    while todo:
        key = todo.pop()
        if key not in seen and (item := objects.get(key)):
            seen.add(key)
            yield item
            todo += item.needs
