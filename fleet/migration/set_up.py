"""What a cluster has of AAD Pod Identity, and of what runs with it, as it was seen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum, IntEnum, StrEnum

from fleet.diagnosis.evidence import Hidden

__all__ = ["Hidden"]

DEFAULT = "default"
"""The ServiceAccount of every pod that names none."""


class IdentityType(IntEnum):
    """``spec.type`` of an AzureIdentity (documentation of AAD Pod Identity)."""

    MANAGED_IDENTITY = 0
    SERVICE_PRINCIPAL = 1
    CERTIFICATE = 2


class Scope(Enum):
    """Whether a binding selects pods of its own namespace alone."""

    NAMESPACE = "namespace"
    """Pod Identity runs with forceNamespaced, as AKS's add-on always does."""
    CLUSTER = "cluster"
    """Pods of every namespace, but for identities that are annotated otherwise."""
    UNKNOWN = "unknown"
    """What runs Pod Identity was not found: taken for the cluster, and said."""


class Kind(StrEnum):
    """What pods come from, at the top of their chain of owners."""

    DEPLOYMENT = "Deployment"
    STATEFUL_SET = "StatefulSet"
    DAEMON_SET = "DaemonSet"
    REPLICA_SET = "ReplicaSet"
    REPLICATION_CONTROLLER = "ReplicationController"
    JOB = "Job"
    CRON_JOB = "CronJob"
    POD = "Pod"
    """A pod that nothing makes anew."""


@dataclass(frozen=True)
class AzureIdentity:
    """An AzureIdentity object."""

    namespace: str
    name: str
    type: int
    """One of :class:`IdentityType`, unless somebody wrote another number."""
    resource_id: str
    """ARM id of a managed identity."""
    client_id: str = ""
    namespaced: bool = False
    """Whether its annotation keeps it to the pods of its own namespace."""

    def __str__(self) -> str:
        return f"AzureIdentity {self.namespace}/{self.name}"


@dataclass(frozen=True)
class Binding:
    """An AzureIdentityBinding object: which label gives pods the identity of this name in its own namespace."""

    namespace: str
    name: str
    identity: str
    selector: str

    def __str__(self) -> str:
        return f"AzureIdentityBinding {self.namespace}/{self.name}"


@dataclass(frozen=True)
class Assignment:
    """An AzureAssignedIdentity object: what Pod Identity made of a binding for one pod, and takes away with it."""

    namespace: str
    name: str
    binding: str
    """Namespace and name of the binding."""


@dataclass(frozen=True)
class PodException:
    """An AzurePodIdentityException object: pods with these labels get past Pod Identity, to the node's identity."""

    namespace: str
    name: str
    labels: Mapping[str, str] = field(hash=False)

    def covers(self, owner: Owner) -> bool:
        """Whether an owner's pods are let past."""
        here = owner.namespace == self.namespace and bool(self.labels)
        return here and all(owner.labels.get(key) == value for key, value in self.labels.items())

    def __str__(self) -> str:
        return f"AzurePodIdentityException {self.namespace}/{self.name}"


@dataclass(frozen=True)
class Pod:
    """A pod of an owner."""

    name: str
    service_account: str
    client_id: str | None
    """AZURE_CLIENT_ID, as the webhook injects it."""
    has_token: bool
    """Whether a container is told of a token file."""


@dataclass(frozen=True)
class Before:
    """What a template said before it was switched: the way back."""

    service_account: str | None
    use: str | None
    proxy: str | None
    proxy_port: str | None = None


@dataclass(frozen=True)
class Owner:
    """What makes pods, and what its template says of them."""

    kind: Kind
    namespace: str
    name: str
    uid: str = ""
    service_account: str = DEFAULT
    label: str | None = None
    """``aadpodidbinding``, of its template, or of its pods where somebody put it there by hand."""
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    use: str | None = None
    """The label by which the webhook is asked to act."""
    proxy: str | None = None
    """The annotation that asks for the proxy sidecar."""
    proxy_port: str | None = None
    made_by: str = ""
    """A controller of a kind that is not known here, which writes all of it."""
    host_network: bool = False
    on_delete: bool = False
    """Whether its pods follow a new template only once somebody deletes them."""
    before: Before | None = None
    """Where we have switched it."""
    managers: tuple[str, ...] = ()
    """Who else writes its template, and may write it back."""
    pods: tuple[Pod, ...] = ()

    @property
    def is_switched(self) -> bool:
        """Whether its template asks for Workload Identity by our doing."""
        return self.before is not None

    @property
    def former_service_account(self) -> str:
        """The ServiceAccount that it ran as before any switch."""
        return self.service_account if self.before is None else self.before.service_account or DEFAULT

    @property
    def address(self) -> str:
        """Namespace and name."""
        return f"{self.namespace}/{self.name}"

    def __str__(self) -> str:
        return f"{self.kind} {self.address}"


@dataclass(frozen=True)
class Account:
    """A ServiceAccount, and what hangs on it that another one would not have."""

    namespace: str
    name: str
    fleet: str | None = None
    """Whose mark it carries."""
    client_id: str | None = None
    pull_secrets: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    """What binds roles to it."""


@dataclass(frozen=True)
class SetUp:
    """All of it, as far as the operator may see."""

    identities: tuple[AzureIdentity, ...] = ()
    bindings: tuple[Binding, ...] = ()
    exceptions: tuple[PodException, ...] = ()
    assignments: tuple[Assignment, ...] = ()
    """None where Pod Identity runs in managed mode, which makes none."""
    owners: tuple[Owner, ...] = ()
    """Also those that have nothing to do with Pod Identity: they may share a ServiceAccount."""
    accounts: tuple[Account, ...] = ()
    scope: Scope = Scope.UNKNOWN
    hidden: tuple[Hidden, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing of Pod Identity."""
        return not (self.identities or self.bindings or self.exceptions)

    def hides(self, *kinds: str) -> bool:
        """Whether objects of any of these kinds could not be looked at."""
        return any(hidden.link in kinds for hidden in self.hidden)


@dataclass(frozen=True)
class Match:
    """A binding that selects an owner's pods, and the identity that it names, if that is there."""

    binding: Binding
    identity: AzureIdentity | None


def matches(set_up: SetUp, owner: Owner) -> tuple[Match, ...]:
    """The bindings that select an owner's pods, by name. A binding without a selector selects nothing."""
    identities = {(identity.namespace, identity.name): identity for identity in set_up.identities}
    found = [
        Match(binding, identities.get((binding.namespace, binding.identity)))
        for binding in set_up.bindings
        if binding.selector and binding.selector == owner.label
    ]
    return tuple(match for match in _sorted(found) if _reaches(set_up.scope, match, owner))


def _reaches(scope: Scope, match: Match, owner: Owner) -> bool:
    if match.binding.namespace == owner.namespace:
        return True
    return scope is not Scope.NAMESPACE and not (match.identity is not None and match.identity.namespaced)


def _sorted(found: Iterable[Match]) -> list[Match]:
    return sorted(found, key=lambda match: (match.binding.namespace, match.binding.name))
