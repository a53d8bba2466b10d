"""Everything that an audit looks at, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from fleet.diagnosis.evidence import Credential, Hidden


@dataclass(frozen=True)
class Password:
    """A client secret or a certificate of an application."""

    kind: str
    """``client secret`` or ``certificate``."""
    name: str
    expires: datetime | None


@dataclass(frozen=True)
class Identity:
    """An application or a managed identity with its service principal."""

    name: str
    client_id: str
    principal_id: str
    """'' where it has none."""
    is_application: bool
    credentials: tuple[Credential, ...] = ()
    passwords: tuple[Password, ...] = ()
    fleet: str | None = None
    """The fleet whose mark it carries."""


@dataclass(frozen=True)
class Account:
    """A ServiceAccount."""

    namespace: str
    name: str
    client_id: str | None = None
    """As it is annotated."""


@dataclass(frozen=True)
class Permission:
    """Somebody may do something with ServiceAccounts in a namespace."""

    who: str
    """``Group platform``, ``User alice``, ``ServiceAccount ci/builder``."""
    namespace: str
    """'' is every namespace."""
    may: frozenset[str]
    """Of ``create serviceaccounts``, ``create tokens``, ``create pods``."""
    through: str
    """The binding that says so."""


@dataclass(frozen=True)
class ClusterInventory:
    """One cluster, as far as it could be looked at."""

    name: str
    issuer: str
    namespaces: frozenset[str] | None = None
    """None where they are not visible."""
    accounts: tuple[Account, ...] | None = None
    permissions: tuple[Permission, ...] | None = None


@dataclass(frozen=True)
class Role:
    """A role assignment."""

    principal_id: str
    role: str
    scope: str
    reads_secrets: bool


@dataclass(frozen=True)
class Policy:
    """What a vault's access policy lets a principal do with secrets."""

    vault: str
    principal_id: str
    secrets: tuple[str, ...]


@dataclass(frozen=True)
class VaultInventory:
    """A vault."""

    name: str
    id: str
    by_role: bool


@dataclass(frozen=True)
class Inventory:
    """All of it."""

    now: datetime
    operator_id: str
    identities: tuple[Identity, ...] = ()
    clusters: tuple[ClusterInventory, ...] = ()
    """The fleet's and the subscription's."""
    vaults: tuple[VaultInventory, ...] = ()
    policies: tuple[Policy, ...] = ()
    roles: tuple[Role, ...] = ()
    not_seen: tuple[Hidden, ...] = ()

    @cached_property
    def by_issuer(self) -> Mapping[str, ClusterInventory]:
        """The clusters that have an issuer."""
        return {cluster.issuer: cluster for cluster in self.clusters if cluster.issuer}
