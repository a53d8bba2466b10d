"""What is wanted: one YAML file, one model, which is also the Prefect flows' parameter.

Names, never ids. Everything that can be judged without a request is judged here, all of it at once, so that a wrong
file costs no half-made change.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)

from . import consistency, naming
from .consistency import wrong


def _matching(pattern: re.Pattern[str], allowed: str) -> AfterValidator:
    """Accepts strings of this pattern; the message of a refusal says what is allowed."""

    def check(value: str) -> str:
        if not pattern.fullmatch(value):
            raise wrong(f"{value!r} is not allowed here: {allowed}")
        return value

    return AfterValidator(check)


Name = Annotated[
    str, _matching(naming.RESOURCE_NAME, "1 to 90 letters, digits, dots, dashes, underscores, parentheses")
]
DisplayName = Annotated[str, _matching(naming.DISPLAY_NAME, "1 to 90 characters without quotes, slashes, colons")]
DnsLabel = Annotated[
    str, _matching(naming.DNS_LABEL, "1 to 63 lower-case letters, digits, dashes, a letter or digit at both ends")
]
DnsSubdomain = Annotated[
    str,
    _matching(
        naming.DNS_SUBDOMAIN, "1 to 253 lower-case letters, digits, dashes, dots, a letter or digit at both ends"
    ),
]
VaultName = Annotated[
    str,
    _matching(
        naming.VAULT_NAME, "3 to 24 letters, digits, dashes; starts with a letter, ends with a letter or digit, no --"
    ),
]
SecretName = Annotated[str, _matching(naming.SECRET_NAME, "1 to 127 letters, digits, dashes")]
Location = Annotated[str, _matching(naming.LOCATION, "Azure's short name of a region, such as westeurope")]
FleetName = Annotated[
    str, _matching(naming.FLEET_NAME, "1 to 40 lower-case letters, digits, dashes, a letter or digit at both ends")
]


class Model(BaseModel):
    """Frozen, and deaf to nothing: an unknown field is an error, not a silent wish."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class WebhookDelivery(StrEnum):
    """Who runs the admission webhook on a cluster."""

    ADDON = "addon"
    CHART = "chart"


class Cluster(Model):
    """A Kubernetes cluster: an AKS cluster by its resource group, any other by kubeconfig context and issuer."""

    name: Name
    """The AKS cluster's name; of another cluster, the name to call it by."""
    resource_group: Name | None = None
    """The AKS cluster's resource group."""
    context: Annotated[str, Field(min_length=1)] | None = None
    """A context of the kubeconfig: how to reach a cluster that is not AKS, or an AKS cluster in preference."""
    issuer: str | None = Field(default=None, max_length=600)
    """The issuer of the ServiceAccount tokens of a cluster that is not AKS. To the byte: a slash at its end counts."""
    webhook: WebhookDelivery = WebhookDelivery.CHART
    """addon: AKS runs the webhook. chart: we install the Helm chart."""
    preview_features: tuple[str, ...] = ()
    """Features of Microsoft.ContainerService to register first. Not needed since they became generally available."""

    @property
    def is_aks(self) -> bool:
        """Whether Azure manages the cluster."""
        return self.resource_group is not None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if self.is_aks and self.issuer is not None:
            raise wrong("an AKS cluster's issuer is read from the cluster: remove issuer, or remove resource_group")
        if not self.is_aks and (self.context is None or self.issuer is None):
            raise wrong("give resource_group (AKS), or context and issuer (any other cluster)")
        if not self.is_aks and self.webhook is WebhookDelivery.ADDON:
            raise wrong("webhook addon is AKS's own: this cluster needs chart")
        if not self.is_aks and self.preview_features:
            raise wrong("preview_features are of AKS clusters")
        if self.issuer is not None and not re.fullmatch(r"https://\S+", self.issuer):
            raise wrong("issuer must be an https:// URL without white space")
        return self


class ValueFrom(Model):
    """Where a secret's value is read when it is needed: exactly one of the sources. Never the value itself."""

    env: str | None = None
    """Name of an environment variable."""
    prefect_block: str | None = None
    """Name of a Prefect Secret block."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        """What is refused here is not repeated: it may be the value itself, where its source belongs."""
        if (self.env is None) == (self.prefect_block is None):
            raise wrong("give exactly one of env, prefect_block")
        if self.env is not None and not naming.ENVIRONMENT_VARIABLE.fullmatch(self.env):
            raise wrong("env is the name of an environment variable: letters, digits, underscores")
        if self.prefect_block is not None and not naming.PREFECT_BLOCK.fullmatch(self.prefect_block):
            raise wrong("prefect_block is the name of a Prefect block: lower-case letters, digits, dashes")
        return self

    def __str__(self) -> str:
        return f"environment variable {self.env}" if self.env else f"Prefect block {self.prefect_block}"


class Secret(Model):
    """A secret to keep in a vault. One that exists is left alone where its source holds no value."""

    name: SecretName
    value_from: ValueFrom


class VaultAuthorization(StrEnum):
    """How a vault decides who may read its secrets."""

    ACCESS_POLICY = "access-policy"
    RBAC = "rbac"


class Vault(Model):
    """A Key Vault and the secrets that the fleet keeps in it."""

    name: VaultName
    resource_group: Name
    location: Location
    authorization: VaultAuthorization = VaultAuthorization.RBAC
    soft_deleted: Literal["refuse", "recover"] = "refuse"
    """What to do when the vault, or a secret of it, is soft-deleted. Nothing is ever purged."""
    secrets: tuple[Secret, ...] = ()
    adopt: bool = False
    """Take over an existing vault that does not carry our mark."""


class Grant(Model):
    """What an identity may do on a vault."""

    vault: str
    """Name of a vault of this file."""
    secrets: tuple[Literal["get", "list"], ...] = ("get",)
    """Operations on secrets: an access policy, or on an RBAC vault the role Key Vault Secrets User."""
    roles: tuple[str, ...] = ()
    """Further Azure roles on the vault, by name."""


class IdentityKind(StrEnum):
    """What stands in Entra for a workload."""

    APPLICATION = "application"
    MANAGED_IDENTITY = "managed-identity"


class Identity(Model):
    """An identity in Entra: an application with its service principal, or a user-assigned managed identity."""

    name: DisplayName
    kind: IdentityKind = IdentityKind.APPLICATION
    resource_group: Name | None = None
    """Of a managed identity."""
    location: Location | None = None
    """Of a managed identity."""
    access: tuple[Grant, ...] = ()
    adopt: bool = False
    """Take over an existing application or managed identity of this name that does not carry our mark."""

    @model_validator(mode="after")
    def _rightly_named(self) -> Self:
        if self.name == naming.OPERATOR:
            raise wrong(f"{self.name} stands for whoever runs us: choose another name")
        if self.kind is IdentityKind.MANAGED_IDENTITY and not naming.MANAGED_IDENTITY_NAME.fullmatch(self.name):
            raise wrong(
                "a managed identity is named by 3 to 128 letters, digits, dashes, underscores, a letter or digit first"
            )
        return self

    @model_validator(mode="after")
    def _located(self) -> Self:
        located = self.resource_group is not None and self.location is not None
        if self.kind is IdentityKind.MANAGED_IDENTITY and not located:
            raise wrong("a managed identity needs resource_group and location")
        if self.kind is IdentityKind.APPLICATION and (self.resource_group or self.location):
            raise wrong("an application has no resource_group and no location")
        return self


class Container(Model):
    """A container of a deployment."""

    name: DnsLabel
    image: Annotated[str, Field(min_length=1)]
    command: tuple[str, ...] = ()
    env: dict[str, str] = Field(default_factory=dict)
    """Plain values. A secret has no place here: that is what the identity is for."""


class Deployment(Model):
    """A Deployment whose pods use the identity."""

    name: DnsSubdomain
    containers: Annotated[tuple[Container, ...], Field(min_length=1)]
    replicas: Annotated[int, Field(ge=0, le=1000)] = 1
    skip_containers: tuple[str, ...] = ()
    """Containers that get neither the token nor the variables."""


class Check(Model):
    """The secret that proves a workload's chain."""

    vault: str
    secret: str


class Workload(Model):
    """A ServiceAccount that is to have an identity, on one or several clusters."""

    namespace: DnsLabel
    service_account: DnsSubdomain
    clusters: Annotated[tuple[str, ...], Field(min_length=1)]
    """Names of clusters of this file."""
    identity: str
    """Name of an identity of this file."""
    token_expiration: Annotated[int, Field(ge=3600, le=86400)] | None = None
    """Seconds that a projected token lives; the webhook accepts 3600 to 86400 and takes 3600 by itself."""
    deployment: Deployment | None = None
    verify: Check | None = None
    """What to read as the proof; by itself the first secret that the identity may get."""
    adopt: bool = False
    """Take over an existing ServiceAccount or Deployment that does not carry our mark."""

    def __str__(self) -> str:
        return f"{self.namespace}/{self.service_account}"


class Fleet(Model):
    """A fleet: clusters, vaults, identities, and the workloads that use them."""

    name: FleetName
    """Marks what this fleet owns. Changing it disowns everything."""
    subscription: Annotated[str, Field(min_length=1)]
    """Name or id."""
    clusters: Annotated[tuple[Cluster, ...], Field(min_length=1)]
    vaults: tuple[Vault, ...] = ()
    identities: Annotated[tuple[Identity, ...], Field(min_length=1)]
    workloads: Annotated[tuple[Workload, ...], Field(min_length=1)]
    adopt: bool = False
    """Take over every existing object that does not carry our mark."""

    def cluster(self, name: str) -> Cluster:
        """The cluster of this name. KeyError where there is none."""
        return _named(self.clusters, name)

    def vault(self, name: str) -> Vault:
        """The vault of this name. KeyError where there is none."""
        return _named(self.vaults, name)

    def identity(self, name: str) -> Identity:
        """The identity of this name. KeyError where there is none."""
        return _named(self.identities, name)

    def check(self, workload: Workload) -> Check | None:
        """The secret that proves the workload's chain, or None where its identity may read no secret of this file."""
        if workload.verify is not None:
            return workload.verify
        for grant in self.identity(workload.identity).access:
            vault = self.vault(grant.vault)
            if "get" in grant.secrets and vault.secrets:
                return Check(vault=vault.name, secret=vault.secrets[0].name)
        return None

    @model_validator(mode="wrap")
    @classmethod
    def _all_errors_at_once(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Check what spans several parts also where a part is wrong by itself, so that one look shows everything."""
        problems = []
        fleet: Self | None = None
        try:
            fleet = handler(data)
        except ValidationError as error:
            problems += consistency.kept(error)
        parts: dict[str, type[Model]] = {
            "clusters": Cluster,
            "vaults": Vault,
            "identities": Identity,
            "workloads": Workload,
        }
        if isinstance(data, dict):
            problems += consistency.problems({part: consistency.sound(data.get(part), m) for part, m in parts.items()})
        if problems or fleet is None:
            raise ValidationError.from_exception_data("fleet", problems)
        return fleet


_Item = TypeVar("_Item", Cluster, Vault, Identity)


def _named(items: Iterable[_Item], name: str) -> _Item:
    for item in items:
        if item.name == name:
            return item
    raise KeyError(name)
