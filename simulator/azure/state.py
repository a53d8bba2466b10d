"""What the simulated Azure and Entra know. Values that JSON can hold only, so that a snapshot can keep them.

Wire objects stay the dictionaries they are on the wire; beside them stands what no answer shows: when something
written becomes visible, is honoured, or has ended. All instants are timezone-aware UTC on the simulator's clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Json = dict[str, Any]


@dataclass
class Operator:
    """Someone who administers the simulated cloud: an application with a secret that exists nowhere else."""

    name: str
    client_id: str
    client_secret: str
    object_id: str
    graph: list[str]
    """Application permissions on Microsoft Graph, as in ``Application.ReadWrite.All``."""
    cluster_admin: bool


@dataclass
class Registration:
    """A preview feature or a resource provider of one subscription."""

    name: str
    """``Namespace/Feature`` or ``Namespace``, in the casing it is shown with."""
    state: str
    """What it is, or is about to be: ``NotRegistered``, ``Registered`` or ``Unregistered``."""
    settles_at: datetime | None = None
    """Until then it is on its way, as in ``Registering``."""
    stuck: bool = False
    """Never leaves ``Registering``."""
    gone: bool = False
    """Generally available meanwhile, so the flag does not exist any more."""
    needs_approval: bool = False
    """Somebody at Microsoft would have to approve, and never does."""
    enforced: bool = False
    """What the flag stands for is refused until it is registered."""


@dataclass
class Subscription:
    """A subscription with its registrations, each by its name in lower case."""

    id: str
    name: str
    features: dict[str, Registration] = field(default_factory=dict)
    providers: dict[str, Registration] = field(default_factory=dict)


@dataclass(slots=True)
class Trust:
    """What a federated credential accepts; compared character by character."""

    issuer: str
    subject: str
    audiences: list[str]


@dataclass(slots=True)
class FederatedCredential:
    """A federated identity credential of an application or a managed identity."""

    id: str
    name: str
    trust: Trust
    description: str | None
    written_at: datetime
    honoured_at: datetime
    """From then on the token endpoint goes by ``trust``, before by ``former``."""
    former: Trust | None = None


@dataclass(slots=True)
class Application:
    """An application object; ``body`` is what Graph answers, without the OData context."""

    body: Json
    visible_at: datetime
    owner: str
    """Object id of the service principal that created it."""
    federated: list[FederatedCredential] = field(default_factory=list)
    secrets: dict[str, str] = field(default_factory=dict)
    """Secret text by the ``keyId`` of the password credential."""
    deleted_at: datetime | None = None


@dataclass(slots=True)
class ServicePrincipal:
    """A service principal; its ``id`` is what role assignments and access policies name."""

    body: Json
    visible_at: datetime
    deleted_at: datetime | None = None


@dataclass(slots=True)
class ManagedIdentity:
    """A user-assigned managed identity; ``body`` is what ARM answers."""

    body: Json
    visible_at: datetime
    federated: list[FederatedCredential] = field(default_factory=list)


@dataclass(slots=True)
class RoleAssignment:
    """A role assignment; ``body`` is what ARM lists."""

    body: Json
    effective_at: datetime
    """From then on the data plane honours it; ARM itself does at once."""


@dataclass
class Operation:
    """A long-running operation on a managed cluster."""

    id: str
    kind: str
    """``Creating``, ``Updating`` or ``Deleting``, as ``provisioningState`` says meanwhile."""
    query: str
    """The signed query of its URL, without which it is not found."""
    started_at: datetime
    ends_at: datetime
    fails: bool = False
    """Whether it ends without an effect."""
    settled: bool = False
    """Whether its effect on the cluster has taken place."""


@dataclass
class ManagedCluster:
    """A managed cluster as ARM knows it. ``body`` is how it will be once ``operation`` has ended."""

    body: Json
    operation: Operation | None = None


@dataclass(slots=True)
class SecretVersion:
    """One version of a secret; times in whole Unix seconds."""

    id: str
    value: str
    content_type: str | None
    tags: dict[str, str] | None
    enabled: bool
    created: int
    updated: int
    not_before: int | None = None
    expires: int | None = None


@dataclass
class Secret:
    """A secret with its versions, oldest first."""

    name: str
    versions: list[SecretVersion]
    deleted_at: datetime | None = None
    busy: str = ""
    """What still happens to the name until ``free_at``: ``deleted``, ``recovered`` or ``purged``."""
    free_at: datetime | None = None


@dataclass
class Grant:
    """The secret permissions of one principal in a vault's access policies."""

    secrets: list[str]
    effective_at: datetime
    former: list[str]
    """What holds until then."""


@dataclass
class Vault:
    """A key vault; ``body`` is what ARM answers once its name resolves."""

    body: Json
    registered_at: datetime
    """When the name is in the DNS."""
    grants: dict[str, Grant] = field(default_factory=dict)
    secrets: dict[str, Secret] = field(default_factory=dict)
    """By name in lower case."""
    deleted_at: datetime | None = None


@dataclass(eq=False)
class AzureState:
    """Everything there is. ARM resources are found by their id in lower case, directory objects by their object id."""

    tenant_id: str = ""
    tenant_name: str = ""
    tenant_domain: str = ""
    signing_key: str = ""
    """PEM of the RSA key that signs access tokens; made when the first token is."""
    operators: list[Operator] = field(default_factory=list)
    subscriptions: dict[str, Subscription] = field(default_factory=dict)
    resource_groups: dict[str, Json] = field(default_factory=dict)
    clusters: dict[str, ManagedCluster] = field(default_factory=dict)
    vaults: dict[str, Vault] = field(default_factory=dict)
    """Soft-deleted ones too."""
    identities: dict[str, ManagedIdentity] = field(default_factory=dict)
    role_assignments: dict[str, RoleAssignment] = field(default_factory=dict)
    operations: dict[str, Operation] = field(default_factory=dict)
    """By id, for the poll routes."""
    applications: dict[str, Application] = field(default_factory=dict)
    service_principals: dict[str, ServicePrincipal] = field(default_factory=dict)
    writing: set[str] = field(default_factory=set)
    """Objects that a request is writing right now, where the service refuses a second writer."""
