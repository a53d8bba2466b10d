"""Identities that are gone, disabled, or not those that are meant."""

from __future__ import annotations

from datetime import timedelta

from simulator.azure import directory
from simulator.azure.state import Application

from .catalogue import breakage
from .chain import Chain

_LINK = "identity"
_UNREPLICATED = timedelta(days=365)


@breakage("identity-deleted", _LINK, "the application is in the bin, or the managed identity gone")
async def identity_deleted(chain: Chain) -> None:
    """Its service principal goes with it."""
    identity, azure = chain.identity, chain.simulation.azure
    if isinstance(identity, Application):
        directory.mark_deleted(azure, identity, chain.simulation.clock.now())
    else:
        del azure.identities[identity.body["id"].lower()]
        del azure.service_principals[identity.body["properties"]["principalId"]]


@breakage("principal-missing", _LINK, "the application has no service principal in the tenant")
async def principal_missing(chain: Chain) -> None:
    """As after az ad app create alone."""
    del chain.simulation.azure.service_principals[chain.principal.body["id"]]


@breakage("principal-disabled", _LINK, "the service principal is disabled for sign-in")
async def principal_disabled(chain: Chain) -> None:
    """As an administrator does in the portal."""
    chain.principal.body["accountEnabled"] = False


@breakage("identity-not-replicated", _LINK, "the identity was made just now and is not known everywhere yet")
async def identity_not_replicated(chain: Chain) -> None:
    """For as long as anybody will look."""
    chain.principal.visible_at = chain.identity.visible_at = chain.simulation.clock.now() + _UNREPLICATED
