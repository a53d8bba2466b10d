"""Whose a client id is: an application with its service principal, or a managed identity, and whom it trusts."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from clients.errors import Missing
from clients.session import Clients
from fleet import naming
from fleet.diagnosis.evidence import Credential, IdentityEvidence
from tasks import applications, managed_identities

if TYPE_CHECKING:
    from azure.mgmt.msi.models import Identity


Json = dict[str, Any]


async def by_client_id(clients: Clients, client_id: str) -> IdentityEvidence | None:
    """The identity of a client id, whatever its kind."""
    if not naming.GUID.fullmatch(client_id):
        return None
    for application in await applications.find(clients, f"appId eq '{client_id}'"):
        return await _application(clients, application)
    for item in await managed_identities.listed(clients):
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
    found = await asyncio.gather(*(managed(clients, item) for item in await managed_identities.listed(clients)))
    return next((one for one in found if any(trusts(credential) for credential in one.credentials)), None)


async def foreign_tenant(clients: Clients, client_id: str) -> str:
    """The tenant whose application this is, where ours has its service principal only; '' for none such."""
    if not naming.GUID.fullmatch(client_id):
        return ""
    principal = await _get(clients, f"/servicePrincipals(appId='{client_id}')")
    owner = str((principal or {}).get("appOwnerOrganizationId") or "")
    return owner if owner != clients.tenant_id else ""


async def principal_of(clients: Clients, object_id: str) -> str:
    """The client id of the service principal or application of this object id; '' where there is none."""
    if not naming.GUID.fullmatch(object_id):
        return ""
    for collection in ("servicePrincipals", "applications"):
        found = await _get(clients, f"/{collection}/{object_id}")
        if found is not None:
            return str(found["appId"])
    return ""


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
    credentials, principal = await asyncio.gather(
        managed_identities.credentials_of(clients, group, name),
        _get(clients, f"/servicePrincipals/{quote(item.principal_id or '')}"),
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
