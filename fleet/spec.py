"""What is wanted: one YAML file or several, one model, which is also the Prefect flows' parameter.

Names, never ids. Everything that can be judged without a request is judged here, all of it at once, so that a wrong
file costs no half-made change.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Self

from pydantic import Field, ModelWrapValidatorHandler, ValidationError, ValidationInfo, model_validator

from . import budget, consistency, sharding
from .entries import (
    Check,
    Cluster,
    Container,
    Deployment,
    Grant,
    Identity,
    IdentityKind,
    Secret,
    ValueFrom,
    Vault,
    VaultAuthorization,
    WebhookDelivery,
    Workload,
)
from .expansion import Expansion, Reading, expand
from .fields import FleetName, Model
from .problems import kept
from .sound import Part, sound
from .sources import Defaults, Template

__all__ = [
    "Check",
    "Cluster",
    "Container",
    "Deployment",
    "Fleet",
    "Grant",
    "Identity",
    "IdentityKind",
    "Model",
    "Secret",
    "ValueFrom",
    "Vault",
    "VaultAuthorization",
    "WebhookDelivery",
    "Workload",
]

_ENTRIES: Mapping[str, type[Model]] = {
    "clusters": Cluster,
    "vaults": Vault,
    "identities": Identity,
    "workloads": Workload,
}


class Fleet(Model):
    """A fleet: clusters, vaults, identities, and the workloads that use them."""

    name: Annotated[FleetName, Field(examples=["shop-prod"])]
    """Marks what this fleet owns. Changing it disowns everything."""
    subscription: Annotated[str, Field(min_length=1, examples=["Visual Studio Premium with MSDN"])]
    """The Azure subscription, by name or id; its tenant is found out."""
    defaults: Defaults | None = None
    """What entries are where they say nothing else."""
    clusters: Annotated[tuple[Cluster, ...], Field(min_length=1)]
    """The Kubernetes clusters."""
    vaults: tuple[Vault, ...] = ()
    """The Key Vaults, and the secrets in them."""
    identities: tuple[Identity, ...] = ()
    """The identities in Entra, and what they may do. At least one, here or from a template."""
    workloads: tuple[Workload, ...] = ()
    """The ServiceAccounts, and whose identity they have. At least one, here or from a template."""
    templates: tuple[Template, ...] = ()
    """Vaults, identities and workloads that are written once for many."""
    adopt: bool = False
    """Take over every existing object that does not carry our mark. It is never deleted."""

    def cluster(self, name: str) -> Cluster:
        """The cluster of this name. KeyError where there is none."""
        return self._clusters[name]

    def vault(self, name: str) -> Vault:
        """The vault of this name. KeyError where there is none."""
        return self._vaults[name]

    def identity(self, name: str) -> Identity:
        """The identity of this name. KeyError where there is none."""
        return self._identities[name]

    def check(self, workload: Workload) -> Check | None:
        """The secret that proves the workload's chain, or None where its identity may read no secret of this fleet."""
        if workload.verify is not None:
            return workload.verify
        for grant in self.identity(workload.identity).access:
            vault = self.vault(grant.vault)
            if "get" in grant.secrets and vault.secrets:
                return Check(vault=vault.name, secret=vault.secrets[0].name)
        return None

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """As pydantic's, but the copy looks its entries up anew."""
        copy = super().model_copy(update=update, deep=deep)
        for index in ("_clusters", "_vaults", "_identities"):
            copy.__dict__.pop(index, None)
        return copy

    @cached_property
    def _clusters(self) -> dict[str, Cluster]:
        return {cluster.name: cluster for cluster in self.clusters}

    @cached_property
    def _vaults(self) -> dict[str, Vault]:
        return {vault.name: vault for vault in self.vaults}

    @cached_property
    def _identities(self) -> dict[str, Identity]:
        return {identity.name: identity for identity in self.identities}

    @model_validator(mode="wrap")
    @classmethod
    def _all_errors_at_once(cls, data: Any, handler: ModelWrapValidatorHandler[Self], info: ValidationInfo) -> Self:
        """Check what spans several parts also where a part is wrong by itself, so that one look shows everything."""
        if not isinstance(data, dict):
            return handler(data)
        reading = info.context if isinstance(info.context, Reading) else Reading()
        expansion = expand(data)
        problems = []
        fleet: Self | None = None
        try:
            fleet = handler(
                {**data, **{part: entries for part, entries in expansion.parts.items() if part in data or entries}}
            )
        except ValidationError as error:
            problems += kept(error, read=reading.complete, meant=expansion.complete)
        parts = {part: _sound(part, fleet, expansion, reading) for part in _ENTRIES}
        problems += consistency.problems(parts, expansion, reading)
        problems += budget.problems(parts)
        problems = expansion.told([*problems, *consistency.absent(data, expansion, reading)])
        if problems or fleet is None:
            raise ValidationError.from_exception_data("fleet", problems)
        identities, workloads = sharding.spread(fleet.identities, fleet.workloads)
        meant = {"identities": tuple(identities), "workloads": tuple(workloads), "templates": (), "defaults": None}
        return fleet.model_copy(update=meant)


def _sound(part: str, fleet: Fleet | None, expansion: Expansion, reading: Reading) -> Part:
    """The sound entries of a part: all of a fleet that is sound, else each that is so by itself."""
    if fleet is not None:
        return Part(tuple(enumerate(getattr(fleet, part))), complete=reading.complete and expansion.complete)
    entries = sound(expansion.parts[part], _ENTRIES[part])
    return Part(entries.items, complete=entries.complete and reading.complete and expansion.complete)
