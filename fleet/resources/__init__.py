"""The links of the chain as values: each names one object in Azure, Entra, a vault or a cluster, and our fields of it.

The same class describes what is wanted and what was found, so that their difference is a comparison of fields. A
wanted value that an earlier change will bring stands as a :class:`Reference` until that change is applied.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from .azure import AccessPolicy, ClusterSettings, PreviewFeature, RoleAssignment, Secret, Vault
from .base import Difference, Outputs, Reference, Resource, Value
from .entra import Application, FederatedIdentityCredential, ManagedIdentity, ServicePrincipal
from .kubernetes import Deployment, Namespace, ServiceAccount, Webhook
from .rollout import RESTARTABLE, Rollout, RunningPod, pods_of

__all__ = [
    "RESTARTABLE",
    "AccessPolicy",
    "AnyResource",
    "Application",
    "ClusterSettings",
    "Deployment",
    "Difference",
    "FederatedIdentityCredential",
    "ManagedIdentity",
    "Namespace",
    "Outputs",
    "PreviewFeature",
    "Reference",
    "Resource",
    "RoleAssignment",
    "Rollout",
    "RunningPod",
    "Secret",
    "ServiceAccount",
    "ServicePrincipal",
    "Value",
    "Vault",
    "Webhook",
    "pods_of",
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
    | Deployment
    | Rollout,
    Field(discriminator="kind"),
]
"""Every link of the chain, told apart by ``kind`` in JSON."""
