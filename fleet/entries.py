"""What the lists of a fleet file hold: clusters, vaults, identities, workloads, each judged by itself."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from . import naming
from .fields import DisplayName, DnsLabel, DnsSubdomain, Location, Model, Name, SecretName, VaultName, defaulted
from .problems import wrong

MAX_SHARDS = 50
"""Arbitrary: a thousand federated credentials. What needs more is better two identities."""
MAX_IDENTITY_NAME = 90


class WebhookDelivery(StrEnum):
    """Who runs the admission webhook on a cluster."""

    ADDON = "addon"
    CHART = "chart"


class Cluster(Model):
    """A Kubernetes cluster: an AKS cluster by its resource group, any other by kubeconfig context and issuer."""

    name: Annotated[Name, Field(examples=["prod-westeurope"])]
    """The AKS cluster's name; of another cluster, the name to call it by."""
    resource_group: Name | None = Field(default=None, examples=["prod-clusters"])
    """The AKS cluster's resource group."""
    context: Annotated[str, Field(min_length=1)] | None = Field(default=None, examples=["kind-local"])
    """A context of the kubeconfig: how to reach a cluster that is not AKS, or an AKS cluster in preference."""
    issuer: str | None = Field(default=None, max_length=600, examples=["https://issuer.example/prod/"])
    """The issuer of the ServiceAccount tokens of a cluster that is not AKS. To the byte: a slash at its end counts."""
    webhook: WebhookDelivery = WebhookDelivery.CHART
    """addon: AKS runs the webhook. chart: we install the Helm chart."""
    preview_features: tuple[str, ...] = Field(default=(), examples=[["EnableOIDCIssuerPreview"]])
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

    env: str | None = Field(default=None, examples=["KEYVAULT_SECRET_VALUE"])
    """Name of an environment variable."""
    prefect_block: str | None = Field(default=None, examples=["keyvault-secret-value"])
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

    name: Annotated[SecretName, Field(examples=["database-password"])]
    """The secret's name in the vault."""
    value_from: ValueFrom
    """Where its value is read when it is needed."""


class VaultAuthorization(StrEnum):
    """How a vault decides who may read its secrets."""

    ACCESS_POLICY = "access-policy"
    RBAC = "rbac"


class Vault(Model):
    """A Key Vault and the secrets that the fleet keeps in it."""

    model_config = defaulted("resource_group", "location")

    name: Annotated[VaultName, Field(examples=["shop-prod-kv"])]
    """The vault's name, which no other vault in all of Azure has."""
    resource_group: Annotated[Name, Field(examples=["shop-prod"])]
    """The vault's resource group."""
    location: Annotated[Location, Field(examples=["westeurope"])]
    """The vault's region."""
    authorization: VaultAuthorization = VaultAuthorization.RBAC
    """How the vault decides who may read: rbac, by roles. access-policy, by its own list."""
    soft_deleted: Literal["refuse", "recover"] = "refuse"
    """What to do when the vault, or a secret of it, is soft-deleted. Nothing is ever purged."""
    secrets: tuple[Secret, ...] = ()
    """The secrets to keep in the vault."""
    adopt: bool = False
    """Take over an existing vault that does not carry our mark. It is never deleted."""


class Grant(Model):
    """What an identity may do on a vault."""

    vault: Annotated[str, Field(examples=["shop-prod-kv"])]
    """Name of a vault of this fleet."""
    secrets: tuple[Literal["get", "list"], ...] = ("get",)
    """Operations on secrets: an access policy, or on an RBAC vault the role Key Vault Secrets User."""
    roles: tuple[str, ...] = Field(default=(), examples=[["Reader"]])
    """Further Azure roles on the vault, by name."""


class IdentityKind(StrEnum):
    """What stands in Entra for a workload."""

    APPLICATION = "application"
    MANAGED_IDENTITY = "managed-identity"


class Identity(Model):
    """An identity in Entra: an application with its service principal, or a user-assigned managed identity."""

    name: Annotated[DisplayName, Field(examples=["shop-prod"])]
    """The application's display name, or the managed identity's name."""
    kind: IdentityKind = IdentityKind.APPLICATION
    """application: in Entra, with its service principal. managed-identity: an Azure resource, user-assigned."""
    resource_group: Name | None = Field(default=None, examples=["shop-prod"])
    """The resource group of a managed identity."""
    location: Location | None = Field(default=None, examples=["westeurope"])
    """The region of a managed identity."""
    access: tuple[Grant, ...] = ()
    """What the identity may do, vault by vault."""
    shards: Annotated[int, Field(ge=1, le=MAX_SHARDS, examples=[3])] = 1
    """Over how many identities to spread the workloads, where one's 20 federated credentials are too few. They are
    named NAME, NAME-2, NAME-3 and so on; a workload that names one of the latter stays there."""
    adopt: bool = False
    """Take over an application or managed identity of this name without our mark. It is never deleted."""

    @model_validator(mode="after")
    def _rightly_named(self) -> Self:
        longest = naming.shard_name(self.name, self.shards)
        if self.shards > 1 and len(longest) > MAX_IDENTITY_NAME:
            raise wrong(f"{longest} is longer than {MAX_IDENTITY_NAME} characters: choose a shorter name to spread")
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

    name: Annotated[DnsLabel, Field(examples=["main"])]
    """The container's name in its pods."""
    image: Annotated[str, Field(min_length=1, examples=["example.org/shop:1.2"])]
    """The image that it runs."""
    command: tuple[str, ...] = Field(default=(), examples=[["serve", "--now"]])
    """What it runs in place of the image's own entry point."""
    env: dict[str, str] = Field(default_factory=dict, examples=[{"MODE": "fast"}])
    """Plain values. A secret has no place here: that is what the identity is for."""


class Deployment(Model):
    """A Deployment whose pods use the identity."""

    name: Annotated[DnsSubdomain, Field(examples=["shop"])]
    """The Deployment's name in the workload's namespace."""
    containers: Annotated[tuple[Container, ...], Field(min_length=1)]
    """The containers of its pods that are ours; others' stay as they are."""
    replicas: Annotated[int, Field(ge=0, le=1000, examples=[2])] = 1
    """How many pods."""
    skip_containers: tuple[str, ...] = Field(default=(), examples=[["sidecar"]])
    """Containers that get neither the token nor the variables."""


class Check(Model):
    """The secret that proves a workload's chain."""

    vault: Annotated[str, Field(examples=["shop-prod-kv"])]
    """Name of a vault of this fleet."""
    secret: Annotated[str, Field(examples=["database-password"])]
    """Name of a secret that the fleet keeps there."""


class Workload(Model):
    """A ServiceAccount that is to have an identity, on one or several clusters."""

    model_config = defaulted("namespace", "service_account", "clusters", "identity")

    namespace: Annotated[DnsLabel, Field(examples=["shop"])]
    """The ServiceAccount's namespace, made where it is missing."""
    service_account: Annotated[DnsSubdomain, Field(examples=["checkout"])]
    """The ServiceAccount's name."""
    clusters: Annotated[tuple[str, ...], Field(min_length=1, examples=[["prod-westeurope", "prod-northeurope"]])]
    """Names of clusters of this fleet: on each, one federated credential of the identity."""
    identity: Annotated[str, Field(examples=["shop-prod"])]
    """Name of an identity of this fleet. Any number of ServiceAccounts may share one."""
    token_expiration: Annotated[int, Field(ge=3600, le=86400)] | None = Field(default=None, examples=[7200])
    """Seconds that a projected token lives; the webhook accepts 3600 to 86400 and takes 3600 by itself."""
    deployment: Deployment | None = None
    """A Deployment to run with the ServiceAccount. Leave it out where something else deploys."""
    verify: Check | None = None
    """What to read as the proof; by itself the first secret that the identity may get."""
    adopt: bool = False
    """Take over an existing ServiceAccount or Deployment that does not carry our mark. It is never deleted."""

    def __str__(self) -> str:
        return f"{self.namespace}/{self.service_account}"
