"""The federated credentials that nobody wants: of a cluster's former issuer, orphaned, or made by somebody else."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import cached_property

from . import naming
from .observed import Found, Observed
from .resources import Application, FederatedIdentityCredential, ManagedIdentity, Reference
from .spec import Fleet, IdentityKind
from .wanted import Wanted


class Status(Enum):
    """What an unwanted credential is."""

    SUPERSEDED = auto()
    """Ours, for a workload that the identity has still, by a former issuer of its cluster."""
    ORPHANED = auto()
    """Ours, and the identity has no such workload any more."""
    FOREIGN = auto()
    """Its name is not of our making."""


@dataclass(frozen=True)
class Unwanted:
    """A credential that the fleet does not name."""

    found: Found
    resource: FederatedIdentityCredential
    status: Status
    reason: str
    may_be: tuple[str, ...] = ()
    """Keys of wanted credentials that it may be, or that take its place: while one of them is held, it stays."""
    replaced_by: tuple[str, ...] = ()
    """Of those that take its place, the keys of those whose chain can be proven."""

    @property
    def provable(self) -> bool:
        """Whether it can be shown that it is needed no more."""
        return bool(self.replaced_by)


class Trust:
    """The credentials that are wanted beside those that are there."""

    def __init__(self, fleet: Fleet, observed: Observed, items: Collection[Wanted], matched: Collection[int]) -> None:
        self._fleet, self._observed, self._matched = fleet, observed, matched
        self.wanted_keys = frozenset(item.resource.key for item in items)
        credentials = [item.resource for item in items if isinstance(item.resource, FederatedIdentityCredential)]
        self._by_address = {(each.cluster, each.namespace, each.service_account): each for each in credentials}
        self._by_subject: Mapping[tuple[str, str], list[FederatedIdentityCredential]] = defaultdict(list)
        for each in credentials:
            self._by_subject[each.place, each.subject].append(each)
        self._provable = {
            (cluster, workload.namespace, workload.service_account)
            for workload in fleet.workloads
            if fleet.check(workload) is not None
            for cluster in workload.clusters
        }

    def holder(self, credential: FederatedIdentityCredential) -> Found | None:
        """The identity that has the credential."""
        return self._holders.get((credential.identity_kind, credential.identity))

    @cached_property
    def unwanted(self) -> list[Unwanted]:
        """Every credential that is there and not wanted, in the order in which they were found."""
        return [
            self._judged(found, found.resource)
            for found in self._observed.found
            if isinstance(found.resource, FederatedIdentityCredential) and id(found) not in self._matched
        ]

    def unwanted_on(self, kind: IdentityKind, identity: str) -> Sequence[Unwanted]:
        """Those of one identity."""
        return self._unwanted_on.get((kind, identity), ())

    @cached_property
    def _unwanted_on(self) -> Mapping[tuple[IdentityKind, str], list[Unwanted]]:
        by_identity: Mapping[tuple[IdentityKind, str], list[Unwanted]] = defaultdict(list)
        for each in self.unwanted:
            by_identity[each.resource.identity_kind, each.resource.identity].append(each)
        return by_identity

    @cached_property
    def _holders(self) -> Mapping[tuple[IdentityKind, str], Found]:
        kinds = {Application: IdentityKind.APPLICATION, ManagedIdentity: IdentityKind.MANAGED_IDENTITY}
        return {
            (kinds[type(found.resource)], found.resource.identity): found
            for found in self._observed.found
            if isinstance(found.resource, Application | ManagedIdentity)
        }

    def _judged(self, found: Found, there: FederatedIdentityCredential) -> Unwanted:
        same_subject = self._by_subject.get((there.place, there.subject), ())
        unclear = tuple(each.key for each in same_subject if isinstance(each.issuer, Reference))
        if not naming.is_federated_credential_name(there.name or "", str(there.issuer), there.subject):
            may_be = tuple(each.key for each in same_subject)
            return Unwanted(found, there, Status.FOREIGN, "the fleet names no such trust, and did not make it", may_be)
        clusters = [name for name in self._clusters() if self._is_named_after(there, name)]
        successors = [new for name in clusters if (new := self._by_address.get(_address(there, name)))]
        here = [new for new in successors if new.place == there.place]
        if here:
            reason = f"cluster {here[0].cluster} has another issuer now"
            return Unwanted(found, there, Status.SUPERSEDED, reason, *self._successors(here))
        if successors:
            reason = f"the workload has the identity {successors[0].identity} now"
            return Unwanted(found, there, Status.ORPHANED, reason, *self._successors(successors))
        where = f"on {' or '.join(clusters)}" if clusters else "on any cluster of that issuer"
        return Unwanted(found, there, Status.ORPHANED, f"the fleet has no such workload {where}", unclear)

    def _successors(self, new: Iterable[FederatedIdentityCredential]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        new = list(new)
        provable = tuple(each.key for each in new if _address(each, each.cluster) in self._provable)
        return tuple(each.key for each in new), provable

    def _clusters(self) -> Iterable[str]:
        return (cluster.name for cluster in self._fleet.clusters)

    def _is_named_after(self, there: FederatedIdentityCredential, cluster: str) -> bool:
        name = naming.federated_credential_name(cluster, there.namespace, there.service_account, str(there.issuer))
        return name == there.name


def _address(credential: FederatedIdentityCredential, cluster: str) -> tuple[str, str, str]:
    return cluster, credential.namespace, credential.service_account
