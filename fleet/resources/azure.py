"""What Azure Resource Manager and Key Vault hold: features, clusters, vaults, secrets, and who may use them."""

from __future__ import annotations

from typing import Literal, Self

from fleet.spec import ValueFrom, VaultAuthorization

from .base import Difference, Resource, Value


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
    settled: bool = True
    """No update is under way. One may be ours, cut short: until it ends, tokens carry the former issuer."""
    busy: str | None = None
    """What somebody else does with the cluster just now, as AKS calls it: it takes no other operation beside that."""

    @property
    def key(self) -> str:
        return f"cluster:{self.name}"

    @property
    def seen_through(self) -> str:
        return "clusters"

    def differences(self, found: Self) -> tuple[Difference, ...]:
        """Settings are only ever switched on: neither can be taken back without breaking somebody."""
        wishes = (field for field in ("oidc_issuer", "workload_identity", "settled") if getattr(self, field))
        return tuple(Difference(field=field, old=False, new=True) for field in wishes if not getattr(found, field))


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


class RoleAssignment(Resource):
    """A role of an identity on a vault."""

    told = ("principal_id",)

    kind: Literal["role-assignment"] = "role-assignment"
    identity: str
    """Empty as found: an assignment tells only its principal."""
    vault: str
    role: str
    scope: str
    """ARM id of the vault."""
    principal_id: Value

    @property
    def title(self) -> str:
        return f"{self.role} to {self.identity or self.principal_id} on {self.vault}"

    @property
    def key(self) -> str:
        return f"role-assignment:{self.identity or self.principal_id}/{self.vault}/{self.role}"

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
