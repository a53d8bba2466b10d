"""Whether the admission webhook gives pods what they need. Its contract is that of v1.6 (see the README's ledger)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

from fleet.webhook_contract import CONFIGURATION, MANAGER, SERVICE, TENANT_ID, TOKEN_EXPIRATION

from .evidence import Evidence, WebhookEvidence, annotations_of
from .report import Cause, Link

_UNTRUSTED = re.compile(r"x509|certificate", re.IGNORECASE)
_NO_ENDPOINTS = re.compile(r"no endpoints", re.IGNORECASE)
_NOBODY = re.compile(r"no endpoints|connection refused|deadline exceeded|failed calling webhook", re.IGNORECASE)


def judge(evidence: Evidence) -> Iterator[Cause]:
    """What is wrong with the webhook."""
    webhook = evidence.webhook
    if webhook is None:
        return
    where = f"webhook of {evidence.question.cluster}"
    if len(webhook.installations) > 1:
        yield _twice(where, webhook)
    if webhook.configured_in is None:
        yield _missing(where, evidence, webhook)
        return
    yield from _answer(where, webhook)
    yield from _tenant(where, evidence, webhook)
    yield from _passed_by(where, evidence, webhook)


def _twice(where: str, webhook: WebhookEvidence) -> Cause:
    return Cause(
        name="webhook-twice",
        link=Link.WEBHOOK,
        where=where,
        what="the chart and AKS's add-on are both installed and overwrite each other's ClusterRole and configuration",
        evidence=_installed(webhook),
        mend="remove one: helm uninstall workload-identity-webhook -n azure-workload-identity-system, "
        "or az aks update --disable-workload-identity",
    )


def _missing(where: str, evidence: Evidence, webhook: WebhookEvidence) -> Cause:
    seen = tuple(f"its Deployment is in {name}, {ready} ready" for name, ready in webhook.installations.items())
    name = evidence.question.cluster
    return Cause(
        name="webhook-missing",
        link=Link.WEBHOOK,
        where=where,
        what="the API server knows of no such webhook: pods are made without what they need, and nothing says so",
        evidence=(f"no MutatingWebhookConfiguration {CONFIGURATION}", *seen),
        mend=f"az aks update --name {name} --enable-workload-identity; or webhook: chart in FLEET, and reconcile",
    )


def _answer(where: str, webhook: WebhookEvidence) -> Iterator[Cause]:
    ready = sum(webhook.installations.values())
    place = webhook.configured_in
    if webhook.authority_problem or (ready and _UNTRUSTED.search(webhook.refusal)):
        restart = f"kubectl -n {place} rollout restart deployment {MANAGER}"
        yield Cause(
            name="webhook-certificate",
            link=Link.WEBHOOK,
            where=where,
            what="the API server does not trust its certificate, so that labelled pods are refused",
            evidence=tuple(text for text in (webhook.authority_problem, webhook.refusal) if text),
            mend=f"let the webhook write its caBundle again: mend its ClusterRole (helm upgrade), then {restart}",
        )
    elif ready and _NO_ENDPOINTS.search(webhook.refusal) and (wrong := _selects_nothing(webhook)):
        yield _unreached(where, webhook, wrong)
    elif _NOBODY.search(webhook.refusal) or (webhook.installations and not ready):
        told = _installed(webhook) or ("no Deployment",)
        yield Cause(
            name="webhook-down",
            link=Link.WEBHOOK,
            where=where,
            what="nobody answers for it, so that labelled pods are refused",
            evidence=(*told, *([webhook.refusal] if webhook.refusal else ())),
            mend=f"kubectl -n {place} scale deployment {MANAGER} --replicas 2; kubectl -n {place} get events tells why",
        )


def _installed(webhook: WebhookEvidence) -> tuple[str, ...]:
    return tuple(f"{name}: {ready} ready" for name, ready in sorted(webhook.installations.items()))


def _selects_nothing(webhook: WebhookEvidence) -> dict[str, str | None]:
    """What of its service's selector its pods do not have, each with what they have; empty where it selects them."""
    selector = webhook.selector or {}
    return {key: webhook.labels.get(key) for key, value in selector.items() if webhook.labels.get(key) != value}


def _unreached(where: str, webhook: WebhookEvidence, wrong: Mapping[str, str | None]) -> Cause:
    asked = ", ".join(f"{key}={(webhook.selector or {})[key]}" for key in wrong)
    has = ", ".join(f"{key}={value}" if value is not None else f"no {key}" for key, value in wrong.items())
    patch = json.dumps({"spec": {"selector": wrong}}, separators=(",", ":"))
    return Cause(
        name="webhook-unreached",
        link=Link.WEBHOOK,
        where=where,
        what="its pods are ready, and its service selects none of them, so that labelled pods are refused",
        evidence=(*_installed(webhook), f"Service {SERVICE} selects {asked}", f"its pods have {has}", webhook.refusal),
        mend=f"kubectl -n {webhook.configured_in} patch service {SERVICE} -p '{patch}'",
    )


def _tenant(where: str, evidence: Evidence, webhook: WebhookEvidence) -> Iterator[Cause]:
    given = webhook.environment.get("AZURE_TENANT_ID") or webhook.tenant_id
    wanted, own = evidence.question.tenant_id, TENANT_ID in annotations_of(evidence.account)
    if own or not given or given == wanted:
        return
    yield Cause(
        name="webhook-tenant",
        link=Link.WEBHOOK,
        where=where,
        what="it was installed for another tenant, and the ServiceAccount names none itself",
        evidence=(f"pods are given {given}, the subscription's tenant is {wanted}",),
        mend=f"helm upgrade with --set azureTenantID={wanted}, or annotate the ServiceAccount {TENANT_ID}={wanted}",
    )


def _passed_by(where: str, evidence: Evidence, webhook: WebhookEvidence) -> Iterator[Cause]:
    if webhook.admitted is None or "AZURE_FEDERATED_TOKEN_FILE" in webhook.environment:
        return
    if webhook.authority_problem or TOKEN_EXPIRATION in webhook.refusal:
        return
    yield Cause(
        name="webhook-passed-by",
        link=Link.WEBHOOK,
        where=where,
        what=f"it is registered and leaves pods of {evidence.question.namespace} as they are",
        evidence=("a labelled pod came back from a dry run without AZURE_FEDERATED_TOKEN_FILE",),
        mend=f"look at the namespaceSelector: kubectl get mutatingwebhookconfiguration {CONFIGURATION} -o yaml",
    )
