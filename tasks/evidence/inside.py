"""What a cluster shows of a chain: the ServiceAccount, what runs as it, the webhook, and a token."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import jwt
from cryptography import x509

from clients.errors import CloudError, Missing
from clients.kubernetes import Kubernetes, path_of
from fleet import naming
from fleet.diagnosis.evidence import Token, WebhookEvidence
from fleet.webhook_contract import CONFIG_MAP, MANAGER, SERVICE
from tasks.webhook import configured_namespace, probe_pod, registered, systems

Json = dict[str, Any]


@dataclass(frozen=True)
class Presented:
    """A token of the ServiceAccount: for the exchange, and what may be shown of it."""

    assertion: str
    """It is a secret."""
    shown: Token


async def token(kubernetes: Kubernetes, namespace: str, account: str) -> Presented | None:
    """A token as the webhook has it put into pods; None where there is no such ServiceAccount."""
    try:
        assertion = await kubernetes.token(namespace, account, naming.AUDIENCE)
    except Missing:
        return None
    claims = jwt.decode(assertion, options={"verify_signature": False})
    return Presented(assertion, Token(jwt.get_unverified_header(assertion), claims))


async def webhook(kubernetes: Kubernetes, namespace: str, account: str) -> WebhookEvidence:
    """How the webhook is registered, where it runs, and what it makes of a pod that asks for it."""
    managers = {
        item["metadata"]["namespace"]: item for item in await systems(kubernetes) if item["metadata"]["name"] == MANAGER
    }
    installations = {
        place: int((item.get("status") or {}).get("readyReplicas") or 0) for place, item in managers.items()
    }
    configuration = await registered(kubernetes)
    place = configured_namespace(configuration)
    admitted, refusal = await _try(kubernetes, namespace, account)
    created = configuration["metadata"].get("creationTimestamp") if configuration else None
    return WebhookEvidence(
        configured_in=place,
        configured_at=datetime.fromisoformat(created) if created else None,
        authority_problem=_authority_problem(configuration),
        installations=installations,
        tenant_id=await _tenant_id(kubernetes, place),
        admitted=admitted,
        refusal=refusal,
        selector=await _selector(kubernetes, place) if refusal and place else None,
        labels=_pod_labels(managers.get(place or "")),
    )


async def _try(kubernetes: Kubernetes, namespace: str, account: str) -> tuple[Json | None, str]:
    try:
        return await kubernetes.try_pod(namespace, probe_pod(account)), ""
    except CloudError as error:
        return None, error.message


async def _tenant_id(kubernetes: Kubernetes, namespace: str | None) -> str | None:
    """Of the webhook's ConfigMap; None where nobody lets us read it: what pods are given tells as well."""
    if namespace is None:
        return None
    try:
        data = (await kubernetes.get(path_of("ConfigMap", namespace, CONFIG_MAP))).get("data") or {}
    except CloudError:
        return None
    tenant_id: str | None = data.get("AZURE_TENANT_ID")
    return tenant_id


def _pod_labels(deployment: Json | None) -> dict[str, str]:
    return dict(deployment["spec"]["template"]["metadata"].get("labels") or {}) if deployment else {}


async def _selector(kubernetes: Kubernetes, namespace: str) -> dict[str, str] | None:
    """Of the webhook's Service; None where there is none, or nobody lets us read it."""
    try:
        return dict((await kubernetes.get(path_of("Service", namespace, SERVICE)))["spec"].get("selector") or {})
    except CloudError:
        return None


def _authority_problem(configuration: Json | None) -> str:
    """What is wrong with the caBundle, as far as it shows by itself."""
    for one in (configuration or {}).get("webhooks") or ():
        bundle = one["clientConfig"].get("caBundle")
        if not bundle:
            continue
        try:
            certificates = x509.load_pem_x509_certificates(base64.b64decode(bundle))
        except ValueError:
            return f"the caBundle of {one['name']} holds no certificate"
        expired = [item for item in certificates if item.not_valid_after_utc < datetime.now(UTC)]
        if len(expired) == len(certificates):
            return f"the certificate in the caBundle of {one['name']} has expired"
    return ""
