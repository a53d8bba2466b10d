"""Identities, and whom they trust: what Entra knows, through Microsoft Graph or as managed identities through ARM."""

from __future__ import annotations

from typing import Literal, Self

from fleet import naming
from fleet.spec import IdentityKind

from .base import Reference, Resource, Value


class Application(Resource):
    """An Entra application of this tenant alone. Its outputs: client_id, object_id.

    A federated application must not accept personal accounts: besides the risk, Graph allows only 60 writes a minute
    to those (Microsoft Graph throttling limits).
    """

    compared = ("display_name", "sign_in_audience", "owner")

    kind: Literal["application"] = "application"
    identity: str
    display_name: str
    unique_name: str
    sign_in_audience: str = "AzureADMyOrg"
    owner: str | None

    @property
    def key(self) -> str:
        return f"application:{self.identity}"

    @property
    def seen_through(self) -> str:
        return "directory"


class ServicePrincipal(Resource):
    """The application's principal in the tenant, which roles are given to. Its output: principal_id."""

    compared = ("account_enabled", "owner")

    kind: Literal["service-principal"] = "service-principal"
    identity: str
    client_id: Value
    account_enabled: bool = True
    owner: str | None

    @property
    def key(self) -> str:
        return f"service-principal:{self.identity}"

    @property
    def seen_through(self) -> str:
        return "directory"


class ManagedIdentity(Resource):
    """A user-assigned managed identity. Its outputs: client_id, principal_id."""

    compared = ("owner",)

    kind: Literal["managed-identity"] = "managed-identity"
    identity: str
    """The fleet's name for it; of one that the fleet has in another resource group, ``group/name``."""
    resource_group: str
    location: str
    owner: str | None

    @property
    def name(self) -> str:
        """As Azure knows it."""
        return self.identity.rpartition("/")[2]

    @property
    def key(self) -> str:
        return f"managed-identity:{self.identity}"

    @property
    def seen_through(self) -> str:
        return "managed-identities"


class FederatedIdentityCredential(Resource):
    """An identity's trust in the tokens of one ServiceAccount of one cluster."""

    compared = ("issuer", "subject", "audience")

    kind: Literal["federated-credential"] = "federated-credential"
    identity: str
    identity_kind: IdentityKind
    object_id: Value | None = None
    """Of an application."""
    resource_group: str | None = None
    """Of a managed identity."""
    cluster: str
    """Empty as found: only the name may tell."""
    namespace: str
    service_account: str
    name: str | None = None
    """As found. A new credential's name follows from its issuer."""
    issuer: Value
    subject: str
    audience: str = naming.AUDIENCE

    @property
    def title(self) -> str:
        if not self.cluster:
            return f"{self.name} of {self.identity}"
        return f"{self.namespace}/{self.service_account} on {self.cluster}"

    @property
    def key(self) -> str:
        """A found one does not tell its cluster; its name is unique on its identity."""
        if not self.cluster:
            return f"federated-credential:{self.identity}/{self.name}"
        return f"federated-credential:{self.identity}/{self.cluster}/{self.namespace}/{self.service_account}"

    @property
    def place(self) -> str:
        return f"federated-credentials:{self.identity_kind}/{self.identity}"

    @property
    def seen_through(self) -> str:
        return "directory" if self.identity_kind is IdentityKind.APPLICATION else "managed-identities"

    @property
    def wanted_name(self) -> str | None:
        """The name that follows from issuer and subject, None while the issuer is not known."""
        if isinstance(self.issuer, Reference):
            return None
        return naming.federated_credential_name(self.cluster, self.namespace, self.service_account, self.issuer)

    def likeness(self, found: Self) -> int:
        """By our name, else by the pair that must be unique on an identity anyway."""
        if found.name is not None and found.name == self.wanted_name:
            return 2
        return int((found.issuer, found.subject) == (self.issuer, self.subject))
