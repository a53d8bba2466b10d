"""What saves writing in a fleet file: defaults and templates. A loaded fleet holds just what they stand for."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, WithJsonSchema

from .entries import MAX_SHARDS, Check, Grant, IdentityKind, VaultAuthorization, WebhookDelivery
from .fields import DnsLabel, DnsSubdomain, Location, Model, Name, ParameterName
from .problems import wrong

MAX_PARAMETER = 4096


def _parameter(value: Any) -> Any:
    for item in value if isinstance(value, list | tuple) else (value,):
        if not isinstance(item, str | int | float | None):  # true and false are ints in Python
            raise wrong("a parameter is a text, a number, true, false, null, or a list of those")
        if isinstance(item, str) and len(item) > MAX_PARAMETER:
            raise wrong(f"a parameter has at most {MAX_PARAMETER} characters")
    return value


_SCALARS = ["string", "number", "boolean", "null"]
Parameter = Annotated[
    Any,
    AfterValidator(_parameter),
    WithJsonSchema({"type": [*_SCALARS, "array"], "items": {"type": _SCALARS}}),
]
"""What a parameter may stand for: a text, a number, true, false or null, or a list of those."""


class ClusterDefaults(Model):
    """What a cluster is where it says nothing else."""

    resource_group: Name | None = Field(default=None, examples=["prod-clusters"])
    """The AKS clusters' resource group. A cluster that is not AKS says resource_group: null."""
    webhook: WebhookDelivery | None = None
    """addon: AKS runs the webhook. chart: we install the Helm chart."""
    preview_features: tuple[str, ...] | None = Field(default=None, examples=[["EnableOIDCIssuerPreview"]])
    """Features of Microsoft.ContainerService to register first."""


class VaultDefaults(Model):
    """What a vault is where it says nothing else."""

    resource_group: Name | None = Field(default=None, examples=["shop-prod"])
    """The vaults' resource group."""
    location: Location | None = Field(default=None, examples=["westeurope"])
    """The vaults' region."""
    authorization: VaultAuthorization | None = None
    """How the vaults decide who may read: rbac or access-policy."""
    soft_deleted: Literal["refuse", "recover"] | None = None
    """What to do with soft-deleted vaults and secrets."""
    adopt: bool | None = None
    """Take over existing vaults that do not carry our mark."""


class IdentityDefaults(Model):
    """What an identity is where it says nothing else."""

    kind: IdentityKind | None = None
    """application or managed-identity."""
    resource_group: Name | None = Field(default=None, examples=["shop-prod"])
    """The managed identities' resource group. An application says resource_group: null."""
    location: Location | None = Field(default=None, examples=["westeurope"])
    """The managed identities' region. An application says location: null."""
    access: tuple[Grant, ...] | None = None
    """What the identities may do, vault by vault."""
    shards: Annotated[int, Field(ge=1, le=MAX_SHARDS)] | None = Field(default=None, examples=[3])
    """Over how many identities to spread the workloads of one."""
    adopt: bool | None = None
    """Take over existing applications and managed identities that do not carry our mark."""


class WorkloadDefaults(Model):
    """What a workload is where it says nothing else."""

    namespace: DnsLabel | None = Field(default=None, examples=["shop"])
    """The ServiceAccounts' namespace."""
    service_account: DnsSubdomain | None = Field(default=None, examples=["workload"])
    """The ServiceAccounts' name, where every namespace has one of the same name."""
    clusters: tuple[str, ...] | None = Field(default=None, examples=[["prod-westeurope", "prod-northeurope"]])
    """Names of clusters of this fleet."""
    identity: str | None = Field(default=None, examples=["shop-prod"])
    """Name of an identity of this fleet."""
    token_expiration: Annotated[int, Field(ge=3600, le=86400)] | None = Field(default=None, examples=[7200])
    """Seconds that a projected token lives."""
    verify: Check | None = None
    """What to read as the proof."""
    adopt: bool | None = None
    """Take over existing ServiceAccounts and Deployments that do not carry our mark."""


class Defaults(Model):
    """What entries are where they say nothing else. An entry's own value wins as a whole; null is a value too."""

    clusters: ClusterDefaults | None = None
    """Of clusters."""
    vaults: VaultDefaults | None = None
    """Of vaults."""
    identities: IdentityDefaults | None = None
    """Of identities."""
    workloads: WorkloadDefaults | None = None
    """Of workloads."""


class Template(Model):
    """Entries with gaps, written once for every set of parameters.

    ``${name}`` in a text is the parameter; a text that is nothing else becomes the parameter itself, be it a list or
    a number. ``$${`` stands for ``${``.
    """

    name: Annotated[DnsLabel, Field(examples=["web-service"])]
    """What to call the template by; no two have the same name."""
    for_each: Annotated[
        tuple[dict[ParameterName, Parameter], ...],
        Field(min_length=1, examples=[[{"team": "shop", "clusters": ["prod"]}, {"team": "billing"}]]),
    ]
    """The sets of parameters: what the template generates once for each."""
    vaults: tuple[dict[str, Any], ...] = ()
    """Vaults to generate."""
    identities: tuple[dict[str, Any], ...] = ()
    """Identities to generate."""
    workloads: tuple[dict[str, Any], ...] = ()
    """Workloads to generate."""
