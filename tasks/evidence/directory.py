"""Whose a client id is: an application with its service principal, or a managed identity, and whom it trusts."""

from __future__ import annotations

import asyncio
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from clients.errors import Missing, translated
from clients.session import Clients
from fleet.diagnosis.evidence import Credential, IdentityEvidence
from tasks import applications

if TYPE_CHECKING:
    from azure.mgmt.msi.models import Identity

_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_AT_ONCE = 8

Json = dict[str, Any]


async def by_client_id(clients: Clients, client_id: str) -> IdentityEvidence | None:
    """The identity of a client id, whatever its kind."""
    if not _GUID.fullmatch(client_id):
        return None
    for application in await applications.find(clients, f"appId eq '{client_id}'"):
        return await _application(clients, application)
    for item in await managed_identities(clients):
        if (item.client_id or "").lower() == client_id.lower():
            return await managed(clients, item)
    return None


async def trusting(clients: Clients, issuer: str, subject: str) -> IdentityEvidence | None:
    """An identity of the tenant, or of the subscription, that trusts this ServiceAccount of this issuer."""

    def trusts(credential: Credential) -> bool:
        return (credential.issuer, credential.subject) == (issuer, subject)

    for application in await applications.find(clients, ""):
        if any(trusts(one) for one in credentials_of(application)):
            return await _application(clients, application)
    room = asyncio.Semaphore(_AT_ONCE)

    async def looked_at(item: Identity) -> IdentityEvidence:
        async with room:
            return await managed(clients, item)

    found = await asyncio.gather(*(looked_at(item) for item in await managed_identities(clients)))
    return next((one for one in found if any(trusts(credential) for credential in one.credentials)), None)


async def foreign_tenant(clients: Clients, client_id: str) -> str:
    """The tenant whose application this is, where ours has its service principal only; '' for none such."""
    if not _GUID.fullmatch(client_id):
        return ""
    principal = await _get(clients, f"/servicePrincipals(appId='{client_id}')")
    owner = str((principal or {}).get("appOwnerOrganizationId") or "")
    return owner if owner != clients.tenant_id else ""


async def principal_of(clients: Clients, object_id: str) -> str:
    """The client id of the service principal or application of this object id; '' where there is none."""
    if not _GUID.fullmatch(object_id):
        return ""
    for collection in ("servicePrincipals", "applications"):
        found = await _get(clients, f"/{collection}/{object_id}")
        if found is not None:
            return str(found["appId"])
    return ""


async def deleted(clients: Clients) -> frozenset[str]:
    """The client ids of the tenant's deleted applications."""
    what, path = "the tenant's deleted applications", "/directory/deletedItems/microsoft.graph.application"
    return frozenset(str(item.get("appId")) for item in await clients.graph.list(what, path))


async def managed_identities(clients: Clients) -> list[Identity]:
    """The subscription's managed identities."""

    async def everything() -> list[Identity]:
        with translated("the subscription's managed identities"):
            return [item async for item in clients.arm.identities.user_assigned_identities.list_by_subscription()]

    return await clients.patience.request(everything)


async def _application(clients: Clients, application: Json) -> IdentityEvidence:
    principal = await _get(clients, f"/servicePrincipals(appId='{application['appId']}')")
    created = application.get("createdDateTime")
    return IdentityEvidence(
        client_id=application["appId"],
        name=application["displayName"],
        is_application=True,
        object_id=application["id"],
        credentials=credentials_of(application),
        principal_id=principal["id"] if principal else None,
        enabled=bool(principal.get("accountEnabled", True)) if principal else True,
        created=datetime.fromisoformat(created) if created else None,
    )


def credentials_of(application: Json) -> tuple[Credential, ...]:
    """An application's federated credentials, as Graph tells them."""
    return tuple(
        Credential(one["name"], one["issuer"] or "", one["subject"] or "", ", ".join(one["audiences"] or ()))
        for one in application.get("federatedIdentityCredentials") or ()
    )


async def managed(clients: Clients, item: Identity) -> IdentityEvidence:
    """A managed identity with its federated credentials, which ARM lists for each alone."""
    group, name = (item.id or "").split("/")[4], item.name or ""

    async def everything() -> list[Any]:
        with translated(f"federated credentials of {name}"):
            return [one async for one in clients.arm.identities.federated_identity_credentials.list(group, name)]

    credentials, principal = await asyncio.gather(
        clients.patience.request(everything), _get(clients, f"/servicePrincipals/{quote(item.principal_id or '')}")
    )
    return IdentityEvidence(
        client_id=str(item.client_id),
        name=name,
        is_application=False,
        object_id=item.id or "",
        credentials=tuple(
            Credential(one.name or "", one.issuer or "", one.subject or "", ", ".join(one.audiences or ()))
            for one in credentials
        ),
        principal_id=str(item.principal_id),
        enabled=bool(principal.get("accountEnabled", True)) if principal else True,
    )


async def _get(clients: Clients, path: str) -> Json | None:
    try:
        return await clients.patience.request(lambda: clients.graph.get(f"directory object {path}", path))
    except Missing:
        return None
