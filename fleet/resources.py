"""The links of the chain as values: each names one object in Azure, Entra, a vault or a cluster, and our fields of it.

The same class describes what is wanted and what was found, so that their difference is a comparison of fields. A
wanted value that an earlier change will bring stands as a :class:`Reference` until that change is applied.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field

from . import naming
from .spec import Container, IdentityKind, Model, ValueFrom, VaultAuthorization, WebhookDelivery


class Reference(Model):
    """A value that is known after the change ``key`` is applied: its output of this name."""

    key: str
    output: str

    def __str__(self) -> str:
        return "known after apply"


Value = str | Reference
Outputs = Mapping[str, Mapping[str, str]]
"""What applied changes told, by the change's key: ``{"cluster:c": {"issuer": "https://..."}}``."""


class Difference(Model):
    """One field of one object: what it is and what it should be. Secret values never stand here."""

    field: str
    old: Any
    new: Any


class Resource(Model):
    """What all links have in common. Subclasses say which fields are theirs to compare."""

    compared: ClassVar[tuple[str, ...]] = ()
    told: ClassVar[tuple[str, ...]] = ()
    """The fields that a creation is told by, where those compared do not tell enough."""

    kind: str

    @property
    def key(self) -> str:
        """Names the wanted object within a plan, readable, the same in every run."""
        raise NotImplementedError

    @property
    def title(self) -> str:
        """The object as a person would name it, without its kind."""
        return self.key.partition(":")[2]

    @property
    def place(self) -> str:
        """Where a found object is looked for; one place may hold several (all credentials of an identity)."""
        return self.key

    @property
    def seen_through(self) -> str:
        """The observation that tells whether it exists; where that failed, the object is unknown, not absent."""
        raise NotImplementedError

    def likeness(self, found: Self) -> int:
        """How surely a found object in the same place is this one: 0 not at all, the highest wins."""
        return int(found.kind == self.kind)

    def differences(self, found: Self) -> tuple[Difference, ...]:
        """The fields in which the found object is not as wanted."""
        pairs = ((field, getattr(found, field), getattr(self, field)) for field in self.compared)
        return tuple(Difference(field=field, old=old, new=new) for field, old, new in pairs if old != new)

    def resolved(self, outputs: Outputs) -> Self:
        """This object with its references replaced. KeyError where an output is missing."""
        known = {
            field: outputs[value.key][value.output]
            for field in type(self).model_fields
            if isinstance(value := getattr(self, field), Reference)
        }
        return self.model_copy(update=known) if known else self


class PreviewFeature(Resource):
    """A preview feature of Microsoft.ContainerService, registered for the subscription."""

    compared = ("state",)

    kind: Literal["feature"] = "feature"
    name: str
    state: str = "Registered"

    @property
    def key(self) -> str:
        return f"feature:{self.name}"

    @property
    def seen_through(self) -> str:
        return "features"


class ClusterSettings(Resource):
    """What the chain needs of a managed cluster. ``workload_identity`` is AKS's managed webhook; None: not our wish."""

    told = ("oidc_issuer", "workload_identity")

    kind: Literal["cluster"] = "cluster"
    name: str
    resource_group: str
    oidc_issuer: bool = True
    workload_identity: bool | None = None

    @property
    def key(self) -> str:
        return f"cluster:{self.name}"

    @property
    def seen_through(self) -> str:
        return "clusters"

    def differences(self, found: Self) -> tuple[Difference, ...]:
        """Settings are only ever switched on: neither can be taken back without breaking somebody."""
        wishes = (field for field in ("oidc_issuer", "workload_identity") if getattr(self, field))
        return tuple(Difference(field=field, old=False, new=True) for field in wishes if not getattr(found, field))


class Webhook(Resource):
    """The admission webhook of a cluster. ``serving`` means that it answered for a dry-run pod."""

    compared = ("version", "tenant_id", "serving")

    kind: Literal["webhook"] = "webhook"
    cluster: str
    delivery: WebhookDelivery
    version: str | None = None
    """Of the chart; AKS chooses the add-on's."""
    tenant_id: str
    serving: bool = True

    @property
    def key(self) -> str:
        return f"webhook:{self.cluster}"

    @property
    def seen_through(self) -> str:
        return f"kubernetes:{self.cluster}"


class Vault(Resource):
    """A Key Vault."""

    compared = ("authorization", "owner")

    kind: Literal["vault"] = "vault"
    name: str
    resource_group: str
    location: str
    authorization: VaultAuthorization
    owner: str | None
    soft_deleted: bool = False

    @property
    def key(self) -> str:
        return f"vault:{self.name}"

    @property
    def seen_through(self) -> str:
        return "vaults"


class Secret(Resource):
    """A secret in a vault. ``value`` tells how it compares with its source, never what it is."""

    compared = ("value",)

    kind: Literal["secret"] = "secret"
    vault: str
    name: str
    source: ValueFrom
    value: Literal["as in its source", "different", "disabled"] = "as in its source"
    soft_deleted: bool = False

    @property
    def key(self) -> str:
        return f"secret:{self.vault}/{self.name}"

    @property
    def seen_through(self) -> str:
        return f"secrets:{self.vault}"


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
    resource_group: str
    location: str
    owner: str | None

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
    namespace: str
    service_account: str
    name: str | None = None
    """As found. A new credential's name follows from its issuer."""
    issuer: Value
    subject: str
    audience: str = naming.AUDIENCE

    @property
    def title(self) -> str:
        return f"{self.namespace}/{self.service_account} on {self.cluster}"

    @property
    def key(self) -> str:
        return f"federated-credential:{self.identity}/{self.cluster}/{self.namespace}/{self.service_account}"

    @property
    def place(self) -> str:
        return f"federated-credentials:{self.identity}"

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


class RoleAssignment(Resource):
    """A role of an identity on a vault."""

    told = ("principal_id",)

    kind: Literal["role-assignment"] = "role-assignment"
    identity: str
    vault: str
    role: str
    scope: str
    """ARM id of the vault."""
    principal_id: Value

    @property
    def title(self) -> str:
        return f"{self.role} to {self.identity} on {self.vault}"

    @property
    def key(self) -> str:
        return f"role-assignment:{self.identity}/{self.vault}/{self.role}"

    @property
    def place(self) -> str:
        return f"role-assignments:{self.scope.lower()}"

    @property
    def seen_through(self) -> str:
        return "roles"

    def likeness(self, found: Self) -> int:
        return int((found.role, found.principal_id) == (self.role, self.principal_id))


class AccessPolicy(Resource):
    """What a principal may do with a vault's secrets, on a vault that decides by access policy."""

    told = ("principal_id", "secrets")

    kind: Literal["access-policy"] = "access-policy"
    identity: str
    """An identity of the fleet, or ``operator``: whoever runs us, where we are to write secrets."""
    vault: str
    resource_group: str
    principal_id: Value
    secrets: tuple[str, ...]

    @property
    def title(self) -> str:
        return f"{self.identity} on {self.vault}"

    @property
    def key(self) -> str:
        return f"access-policy:{self.identity}/{self.vault}"

    @property
    def place(self) -> str:
        return f"access-policies:{self.vault}"

    @property
    def seen_through(self) -> str:
        return "vaults"

    def likeness(self, found: Self) -> int:
        return int(found.principal_id == self.principal_id)

    def differences(self, found: Self) -> tuple[Difference, ...]:
        """Permissions beyond ours are somebody else's and stay."""
        had = {permission.lower() for permission in found.secrets}
        if "all" in had or had.issuperset(self.secrets):
            return ()
        return (Difference(field="secrets", old=found.secrets, new=tuple(sorted(had.union(self.secrets)))),)


class Namespace(Resource):
    """A namespace. An existing one is used as it is: teams share namespaces."""

    told = ("owner",)

    kind: Literal["namespace"] = "namespace"
    cluster: str
    name: str
    owner: str | None

    @property
    def title(self) -> str:
        return f"{self.name} on {self.cluster}"

    @property
    def key(self) -> str:
        return f"namespace:{self.cluster}/{self.name}"

    @property
    def seen_through(self) -> str:
        return f"kubernetes:{self.cluster}"


class ServiceAccount(Resource):
    """A ServiceAccount and the annotations that the webhook reads from it."""

    compared = ("client_id", "tenant_id", "token_expiration", "owner")

    kind: Literal["service-account"] = "service-account"
    cluster: str
    namespace: str
    name: str
    client_id: Value | None
    tenant_id: str | None
    token_expiration: str | None = None
    owner: str | None

    @property
    def title(self) -> str:
        return f"{self.namespace}/{self.name} on {self.cluster}"

    @property
    def key(self) -> str:
        return f"service-account:{self.cluster}/{self.namespace}/{self.name}"

    @property
    def seen_through(self) -> str:
        return f"kubernetes:{self.cluster}"


class Deployment(Resource):
    """A Deployment whose pods ask the webhook for the identity."""

    compared = ("service_account", "containers", "replicas", "skip_containers", "use", "owner")

    kind: Literal["deployment"] = "deployment"
    cluster: str
    namespace: str
    name: str
    service_account: str
    containers: tuple[Container, ...]
    replicas: int
    skip_containers: str | None
    """Value of the pod annotation, names separated by semicolons; None: no annotation."""
    use: str | None = "true"
    """Value of the pod label azure.workload.identity/use; only exactly "true" reaches the webhook."""
    owner: str | None

    def differences(self, found: Self) -> tuple[Difference, ...]:
        """Containers and variables that the spec does not name are others' (sidecars, injected settings)."""
        plain = [difference for difference in super().differences(found) if difference.field != "containers"]
        there = {container.name: container for container in found.containers}
        for container in self.containers:
            plain += _container_differences(container, there.get(container.name))
        return tuple(plain)

    @property
    def title(self) -> str:
        return f"{self.namespace}/{self.name} on {self.cluster}"

    @property
    def key(self) -> str:
        return f"deployment:{self.cluster}/{self.namespace}/{self.name}"

    @property
    def seen_through(self) -> str:
        return f"kubernetes:{self.cluster}"


def _container_differences(wanted: Container, found: Container | None) -> list[Difference]:
    where = f"containers[{wanted.name}]"
    if found is None:
        return [Difference(field=where, old=None, new=wanted.image)]
    fields = {"image": (found.image, wanted.image)}
    if wanted.command:
        fields["command"] = (" ".join(found.command), " ".join(wanted.command))
    fields |= {f"env[{name}]": (found.env.get(name, ""), value) for name, value in wanted.env.items()}
    return [
        Difference(field=f"{where}.{field}", old=old or None, new=new)
        for field, (old, new) in fields.items()
        if old != new
    ]


AnyResource = Annotated[
    PreviewFeature
    | ClusterSettings
    | Webhook
    | Vault
    | Secret
    | Application
    | ServicePrincipal
    | ManagedIdentity
    | FederatedIdentityCredential
    | RoleAssignment
    | AccessPolicy
    | Namespace
    | ServiceAccount
    | Deployment,
    Field(discriminator="kind"),
]
"""Every link of the chain, told apart by ``kind`` in JSON."""
