"""The templates of workloads: switched to Workload Identity, and back to what they said before."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from clients.kubernetes import Kubernetes, api_version_of, path_of
from fleet import naming
from fleet.migration.set_up import Before, Kind, Owner
from fleet.webhook_contract import PROXY, PROXY_PORT, USE

from .reading import before_of, template_of

Json = dict[str, Any]


async def switch(kubernetes: Kubernetes, owner: Owner, service_account: str, *, proxy: int | None) -> None:
    """Let an owner's pods run as the ServiceAccount, with what the webhook injects, and the proxy sidecar on a port.

    What the template said before is kept on the owner. Only these fields become ours. Raises ``Conflict`` where another
    object has its name by now.
    """
    live = await kubernetes.get(path_of(owner.kind, owner.namespace, owner.name))
    before = before_of(live) or _said(template_of(live))
    metadata: Json = {"labels": {USE: "true"}, "annotations": _sidecar(_said(template_of(live)), proxy)}
    wanted = {
        "apiVersion": api_version_of(owner.kind),
        "kind": str(owner.kind),
        "metadata": {
            "name": owner.name,
            "namespace": owner.namespace,
            "uid": owner.uid,
            "annotations": {naming.BEFORE_MIGRATION: json.dumps(asdict(before))},
        },
        "spec": _around(owner.kind, {"metadata": metadata, "spec": {"serviceAccountName": service_account}}),
    }
    await kubernetes.apply(wanted, naming.MIGRATION_MANAGER)


async def undo(kubernetes: Kubernetes, owner: Owner) -> bool:
    """Bring the template back to what it said before it was switched. False where that is not known."""
    path = path_of(owner.kind, owner.namespace, owner.name)
    before = before_of(await kubernetes.get(path))
    if before is None:
        return False
    template = {
        "metadata": {
            "labels": {USE: before.use},
            "annotations": {PROXY: before.proxy, PROXY_PORT: before.proxy_port},
        },
        # Of the second, Kubernetes makes the first where that is missing.
        "spec": {"serviceAccountName": before.service_account, "serviceAccount": before.service_account},
    }
    patch = {
        "metadata": {"annotations": {naming.BEFORE_MIGRATION: None}},
        "spec": _around(owner.kind, template),
    }
    await kubernetes.merge(path, patch, naming.MIGRATION_MANAGER)
    return True


def _said(template: Json) -> Before:
    metadata, spec = template.get("metadata") or {}, template.get("spec") or {}
    return Before(
        service_account=spec.get("serviceAccountName") or spec.get("serviceAccount"),
        use=(metadata.get("labels") or {}).get(USE),
        proxy=(metadata.get("annotations") or {}).get(PROXY),
        proxy_port=(metadata.get("annotations") or {}).get(PROXY_PORT),
    )


def _sidecar(there: Before, proxy: int | None) -> dict[str, str]:
    """The annotations of the sidecar that is wanted, else of the one that is there."""
    if proxy is None:
        found = {PROXY: there.proxy, PROXY_PORT: there.proxy_port}
        return {key: value for key, value in found.items() if value is not None}
    return {PROXY: "true", PROXY_PORT: str(proxy)}


def _around(kind: Kind, template: Json) -> Json:
    """The specification that holds the template."""
    return {"jobTemplate": {"spec": {"template": template}}} if kind is Kind.CRON_JOB else {"template": template}
