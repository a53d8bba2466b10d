"""What was seen of one chain, link by link: the whole ground on which it is judged, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from fleet import naming

Json = dict[str, Any]


@dataclass(frozen=True)
class Question:
    """Which chain is in doubt, and what is known of how it should be. '' is unknown."""

    cluster: str
    namespace: str
    service_account: str
    tenant_id: str
    """Of the subscription, where the identity should be."""
    pod: str = ""
    deployment: str = ""
    """What runs as the ServiceAccount, or should."""
    identity: str = ""
    """Its name in the fleet file."""
    managed: bool = False
    """Whether it is a managed identity: ARM knows at once where one is gone, the directory does not."""
    client_id: str = ""
    """Of the identity that is meant."""
    vault: str = ""
    secret: str = ""
    others: frozenset[str] = frozenset()
    """Subjects that the identity serves too, as the fleet file says."""
    clusters: frozenset[str] = frozenset()
    """Names of the clusters on which the workload has this identity, as the fleet file says."""
    skip_containers: str | None = None
    """What the fleet file lets the webhook pass by."""

    @property
    def subject(self) -> str:
        """As its tokens carry it."""
        return naming.subject(self.namespace, self.service_account)

    def __str__(self) -> str:
        return f"{self.namespace}/{self.service_account} on {self.cluster}"


@dataclass(frozen=True)
class Hidden:
    """A link that could not be looked at. What depends on it is not judged."""

    link: str
    reason: str
    """What happened, and what is needed to see it."""

    def __str__(self) -> str:
        return f"{self.link}: not visible. {self.reason}"


@dataclass(frozen=True)
class Token:
    """A ServiceAccount token without its signature."""

    header: Json
    claims: Json

    @property
    def audiences(self) -> tuple[str, ...]:
        """For whom it is: one string or several on the wire."""
        told = self.claims.get("aud") or ()
        return (told,) if isinstance(told, str) else tuple(told)


@dataclass(frozen=True)
class Document:
    """One of the documents that an issuer publishes; Entra reads them from outside, as we do."""

    url: str
    content: Json | None
    problem: str = ""
    """Why it could not be read."""


@dataclass(frozen=True)
class ClusterEvidence:
    """Of the cluster itself and its issuer."""

    silent: str = ""
    """Why its API server does not answer."""
    issuer: str | None = None
    """As ARM tells it; None of a cluster that is not AKS."""
    token: Token | None = None
    """One for the ServiceAccount, made just now."""
    clock_ahead: float | None = None
    """Seconds by which the cluster's clock is ahead of Entra's."""
    discovery: Document | None = None
    keys: Document | None = None
    signed_by_published_key: bool | None = None
    """Whether a key that the issuer publishes verifies the token."""
    other_issuers: Mapping[str, str] = field(default_factory=dict)
    """The issuers of the subscription's other clusters, each with the cluster's name."""

    @property
    def presented(self) -> str | None:
        """The issuer that Entra is shown: the token's, else what the cluster should put there."""
        return self.token.claims.get("iss") if self.token else self.issuer


@dataclass(frozen=True)
class WebhookEvidence:
    """Of the admission webhook."""

    configured_in: str | None
    """The namespace of the service that the API server calls; None where nothing is registered."""
    configured_at: datetime | None = None
    authority_problem: str = ""
    """What is wrong with the certificate by which the API server knows it."""
    installations: Mapping[str, int] = field(default_factory=dict)
    """Ready replicas by namespace."""
    tenant_id: str | None = None
    """Of its ConfigMap."""
    admitted: Json | None = None
    """What it makes of a pod that asks for it, in this namespace, as this ServiceAccount: a dry run."""
    refusal: str = ""
    """Why such a pod would be refused."""
    selector: Mapping[str, str] | None = None
    """By which its service finds its pods; None where that was not looked at."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Of its pods."""

    @property
    def environment(self) -> dict[str, str]:
        """What a new pod's first container is given."""
        containers = (self.admitted or {}).get("spec", {}).get("containers") or [{}]
        return {item["name"]: item.get("value", "") for item in containers[0].get("env") or ()}


@dataclass(frozen=True)
class Credential:
    """A federated credential."""

    name: str
    issuer: str
    subject: str
    audience: str


@dataclass(frozen=True)
class IdentityEvidence:
    """An application or a managed identity, and its service principal."""

    client_id: str
    name: str
    is_application: bool
    object_id: str
    """Of the application; the ARM id of a managed identity."""
    credentials: tuple[Credential, ...] = ()
    principal_id: str | None = None
    """None where it has no service principal in the tenant."""
    enabled: bool = True
    created: datetime | None = None


@dataclass(frozen=True)
class Attempt:
    """One try of something as the workload. Without a code it succeeded."""

    code: str = ""
    message: str = ""


@dataclass(frozen=True)
class Grant:
    """A role that the identity holds at a vault or above it."""

    role: str
    scope: str
    reads_secrets: bool
    created: datetime | None = None


@dataclass(frozen=True)
class SecretEvidence:
    """A secret's newest version. Never its value."""

    enabled: bool = True
    not_before: datetime | None = None
    expires: datetime | None = None
    deleted: bool = False


@dataclass(frozen=True)
class VaultEvidence:
    """Of the vault, and of what the identity may do there."""

    name: str
    deleted: bool = False
    """Soft-deleted, so that its name does not resolve."""
    by_role: bool = False
    permissions: tuple[str, ...] | None = None
    """Of the identity's access policy for secrets; None where it has none."""
    grants: tuple[Grant, ...] = ()
    elsewhere: tuple[str, ...] = ()
    """Names of other vaults whose secrets it may read."""
    public: bool = True
    open_to_all: bool = True
    """Whether its firewall's default lets everybody in."""
    changed: datetime | None = None
    secret: SecretEvidence | None = None
    """None where there is no such secret."""
    read: Attempt | None = None
    """The secret, read with the workload's own token; None where there was no token to try with."""


@dataclass(frozen=True)
class Evidence:
    """Everything that was seen. What is None was not found, or is among the ``hidden``."""

    question: Question
    now: datetime
    """By Entra's clock where it told, else by ours."""
    cluster: ClusterEvidence = field(default_factory=ClusterEvidence)
    webhook: WebhookEvidence | None = None
    account: Json | None = None
    accounts: tuple[Json, ...] = ()
    """Every ServiceAccount of the cluster."""
    pods: tuple[Json, ...] = ()
    """Every pod of the namespace."""
    deployments: tuple[Json, ...] = ()
    """Every Deployment of the namespace."""
    annotated: IdentityEvidence | None = None
    """Whose client id the ServiceAccount has."""
    meant: IdentityEvidence | None = None
    """The identity that should be behind it: by the fleet file, by whoever asks, or because it trusts this subject."""
    binned: bool = False
    """Whether the identity is among the tenant's deleted applications."""
    principal_of: str = ""
    """The client id of the principal whose object id the ServiceAccount is annotated with."""
    foreign_tenant: str = ""
    """The tenant of the application that the ServiceAccount is annotated with, where only its principal is in ours."""
    exchanges: tuple[Attempt, ...] = ()
    """The token exchanged at Entra, again and again, as the identity that is meant."""
    vault: VaultEvidence | None = None
    at_hand: Token | None = None
    """One that somebody has, such as a pod's; of whatever chain."""
    hidden: tuple[Hidden, ...] = ()

    @property
    def identity(self) -> IdentityEvidence | None:
        """By which the rest of the chain is judged."""
        return self.meant or self.annotated

    def sees(self, link: str) -> bool:
        """Whether this link could be looked at."""
        return all(hidden.link != link for hidden in self.hidden)


def annotations_of(item: Json | None) -> dict[str, str]:
    """An object's annotations."""
    return dict((item or {}).get("metadata", {}).get("annotations") or {})


def labels_of(item: Json | None) -> dict[str, str]:
    """An object's labels."""
    return dict((item or {}).get("metadata", {}).get("labels") or {})
