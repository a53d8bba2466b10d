"""Vaults by id, by name, and by host name."""

from __future__ import annotations

import re

from simulator.provenance import Provenance, rule

from .state import AzureState, Vault

KIND = "Microsoft.KeyVault/vaults"
DOMAIN = ".vault.azure.net"
_NAME = re.compile(r"(?=.{3,24}$)[A-Za-z](-?[A-Za-z0-9])*")


@rule(
    "arm", "vault names: 3-24, letters, digits, single hyphens inside", Provenance.DOCUMENTED, "E1 Key Vault name 3–24"
)
def check(name: str) -> str:
    """What is wrong with a vault's name, or ''."""
    if _NAME.fullmatch(name):
        return ""
    return (
        f"The vault name '{name}' is invalid. A vault's name must be between 3-24 alphanumeric characters. The name "
        "must begin with a letter, end with a letter or digit, and not contain consecutive hyphens."
    )


def live_vault(azure: AzureState, identity: str) -> Vault | None:
    """The vault with this ARM id that is not deleted."""
    found = azure.vaults.get(identity.lower())
    return found if found is not None and found.deleted_at is None else None


def holder(azure: AzureState, name: str) -> Vault | None:
    """Who has this name, deleted or not, in whatever subscription."""
    return next((one for one in azure.vaults.values() if one.body["name"].lower() == name.lower()), None)


def deleted_vault(azure: AzureState, sub: str, location: str, name: str) -> Vault | None:
    """A soft-deleted vault by where it was."""
    found = holder(azure, name)
    if found is None or found.deleted_at is None or found.body["location"] != location.replace(" ", "").lower():
        return None
    return found if found.body["id"].lower().startswith(f"/subscriptions/{sub.lower()}/") else None


def vault_of_host(azure: AzureState, host: str) -> Vault | None:
    """The vault that is not deleted whose host name this is."""
    found = holder(azure, host.lower().removesuffix(DOMAIN)) if host.lower().endswith(DOMAIN) else None
    return found if found is not None and found.deleted_at is None else None
