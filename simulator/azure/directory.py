"""Who is who in the simulated Entra: look-ups over applications, service principals and managed identities."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakKeyDictionary

from simulator.provenance import Provenance, rule

from .state import Application, AzureState, FederatedCredential, ServicePrincipal

if TYPE_CHECKING:
    from datetime import datetime

    from simulator.simulation import Simulation


Thing = TypeVar("Thing", Application, ServicePrincipal)

_FOUND: WeakKeyDictionary[AzureState, dict[tuple[str, str], str]] = WeakKeyDictionary()
"""Where something was found the last time: object ids by what was looked for. Never believed without a look."""


@dataclass(frozen=True)
class Identity:
    """Who may ask for a token as ``client_id``."""

    client_id: str
    object_id: str
    """Of its service principal."""
    name: str
    federated: Sequence[FederatedCredential]
    application: Application | None
    """None for a managed identity."""
    enabled: bool = True
    """Whether its service principal may sign in."""


@rule("graph", "what was written is read from replicas that follow later", Provenance.REPORTED, "entra-apps.yaml lag")
def visible(thing: Application | ServicePrincipal, now: datetime) -> bool:
    """Whether every reader sees the object: it has been replicated and is not deleted."""
    return thing.deleted_at is None and thing.visible_at <= now


def application_by_client_id(azure: AzureState, client_id: str) -> Application | None:
    """The application that is not deleted, replicated or not."""
    return _looked_up(azure, "application", azure.applications, "appId", client_id.lower(), live=True)


def application_by_unique_name(azure: AzureState, name: str) -> Application | None:
    """The application, deleted or not."""
    return _looked_up(azure, "named application", azure.applications, "uniqueName", name, live=False)


def principal_by_client_id(azure: AzureState, client_id: str) -> ServicePrincipal | None:
    """The service principal that is not deleted, replicated or not."""
    return _looked_up(azure, "principal", azure.service_principals, "appId", client_id.lower(), live=True)


def _looked_up(
    azure: AzureState, kind: str, things: dict[str, Thing], member: str, value: str, *, live: bool
) -> Thing | None:
    """The first thing whose member has the value, found without looking at all of them where it was found before."""

    def fits(one: Thing | None) -> bool:
        return one is not None and one.body[member] == value and not (live and one.deleted_at)

    found_before = _FOUND.setdefault(azure, {})
    known = things.get(found_before.get((kind, value), ""))
    if fits(known):
        return known
    found = next((key for key, one in reversed(things.items()) if fits(one)), None)
    if found is None:
        return None
    found_before[kind, value] = found
    return things[found]


def principal(azure: AzureState, object_id: str) -> ServicePrincipal | None:
    """The service principal that is not deleted, replicated or not."""
    found = azure.service_principals.get(object_id.lower())
    return found if found is not None and found.deleted_at is None else None


def _principals_of(azure: AzureState, application: Application) -> Iterator[ServicePrincipal]:
    return (one for one in azure.service_principals.values() if one.body["appId"] == application.body["appId"])


@rule("graph", "an application's service principal is deleted and restored with it", Provenance.DOCUMENTED, "E1")
def mark_deleted(azure: AzureState, application: Application, at: datetime | None) -> None:
    """Soft-delete the application with its service principals, or with None restore them."""
    application.deleted_at = at
    for one in _principals_of(azure, application):
        one.deleted_at = at


def erase(azure: AzureState, application: Application) -> None:
    """Delete for good."""
    for one in list(_principals_of(azure, application)):
        del azure.service_principals[one.body["id"]]
    del azure.applications[application.body["id"]]


def sign_in_identity(simulation: Simulation, client_id: str) -> tuple[Identity | None, bool]:
    """Who signs in as ``client_id`` as far as the token endpoint has heard of it, else None.

    The flag says whether the application is known while its service principal is not.
    """
    azure, now = simulation.azure, simulation.clock.now()
    application = application_by_client_id(azure, client_id)
    enterprise = principal_by_client_id(azure, client_id)
    if enterprise is None or not visible(enterprise, now):
        return None, application is not None and visible(application, now)
    managed = next(
        (one for one in azure.identities.values() if one.body["properties"]["clientId"] == client_id.lower()), None
    )
    owner = managed or application
    federated = owner.federated if owner is not None else ()
    return (
        Identity(
            enterprise.body["appId"],
            enterprise.body["id"],
            enterprise.body["displayName"],
            federated,
            application,
            enterprise.body["accountEnabled"] is not False,
        ),
        False,
    )
