"""What a pod was given by the webhook when it was made, and who keeps it running: told by the pod alone."""

from __future__ import annotations

from typing import Any

from .resources import RESTARTABLE, RunningPod
from .webhook_contract import SKIP_CONTAINERS, USE

TOKEN_FILE = "AZURE_FEDERATED_TOKEN_FILE"
_ENDED = ("Succeeded", "Failed")
_HASH = "pod-template-hash"
"""Labels the pods of a ReplicaSet that a Deployment made; its name ends with it."""

Json = dict[str, Any]


def runs(pod: Json) -> bool:
    """Whether it has not ended, and is not about to."""
    return (pod.get("status") or {}).get("phase") not in _ENDED and not pod["metadata"].get("deletionTimestamp")


def asks(pod: Json) -> bool:
    """Whether the webhook is to see it: only exactly "true" is what it asks for."""
    return (pod["metadata"].get("labels") or {}).get(USE) == "true"


def account_of(template: Json) -> str:
    """As whom a pod or a template runs."""
    return str(template["spec"].get("serviceAccountName") or "default")


def skipped(template: Json) -> set[str]:
    """Names of the containers that the webhook is to pass by."""
    told = (template["metadata"].get("annotations") or {}).get(SKIP_CONTAINERS, "")
    return {name.strip() for name in told.split(";") if name.strip()}


def reading(pod: Json) -> RunningPod | None:
    """What a pod was given. None where it is to be given nothing: it does not ask, or skips every container."""
    if not asks(pod):
        return None
    passed_by = skipped(pod)
    first = next((one for one in pod["spec"]["containers"] if one["name"] not in passed_by), None)
    if first is None:
        return None
    has = {item["name"]: item.get("value") for item in first.get("env") or ()}
    metadata = pod["metadata"]
    return RunningPod(
        name=metadata.get("name") or metadata.get("generateName") or "",
        given=TOKEN_FILE in has,
        client_id=has.get("AZURE_CLIENT_ID"),
        tenant_id=has.get("AZURE_TENANT_ID"),
    )


def owner_of(pod: Json) -> tuple[str, str]:
    """Kind and name of what makes it anew: the Deployment, not its ReplicaSet; where nobody does, the pod itself."""
    metadata = pod["metadata"]
    owner = next((one for one in metadata.get("ownerReferences") or () if one.get("controller")), None)
    if owner is None:
        return "Pod", str(metadata["name"])
    suffix = f"-{(metadata.get('labels') or {}).get(_HASH)}"
    if owner["kind"] == "ReplicaSet" and owner["name"].endswith(suffix):
        return "Deployment", str(owner["name"].removesuffix(suffix))
    return str(owner["kind"]), str(owner["name"])


def anew(namespace: str, owner_kind: str, owner: str, *pods: str) -> str:
    """The one command that has the owner's pods made anew; where its template cannot do that, they are deleted."""
    if owner_kind in RESTARTABLE:
        return f"kubectl -n {namespace} rollout restart {owner_kind.lower()} {owner}"
    return f"kubectl -n {namespace} delete pod {' '.join(pods)}"
