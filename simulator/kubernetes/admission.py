"""Admission: what may change or refuse a write between decoding and validation."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from simulator.copying import copied
from simulator.provenance import Provenance, rule

from . import defaults
from .context import Options
from .errors import forbidden, not_found
from .resources import Resource, by_key
from .store import Change
from .webhooks import Webhooks

if TYPE_CHECKING:
    from .cluster import Cluster

Json = dict[str, Any]

TOKEN_DIRECTORY = "/var/run/secrets/kubernetes.io/serviceaccount"
_PRIORITIES = {"": 0, "system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}
_DEFAULT_ACCOUNT_WAIT = 1.0
"""Seconds of real time to wait for the default ServiceAccount of a namespace that was just made."""


async def admit(
    cluster: Cluster, resource: Resource, obj: Json, old: Json | None, options: Options, subresource: str = ""
) -> Json:
    """The object as admission leaves it; ``old`` is None for a create. Refuses with 403, 404, or a webhook's answer.

    The plugins inside the API server run once more after a webhook changed the object, and then those webhooks that
    ask for it.
    """
    if old is None:
        _check_namespace(cluster, resource, obj)
    webhooks = Webhooks(cluster, resource, old, options, subresource)
    obj = await _built_in(cluster, resource, obj, old, subresource)
    obj = await webhooks.call(obj)
    if webhooks.changed:
        obj = await _built_in(cluster, resource, obj, old, subresource)
        obj = await webhooks.call_again(obj)
    return obj


@rule("kubernetes", "no creation in a missing or ending namespace", Provenance.RECORDED, "lifecycle.yaml create_inside")
def _check_namespace(cluster: Cluster, resource: Resource, obj: Json) -> None:
    name = obj["metadata"].get("namespace", "")
    if not resource.namespaced:
        return
    namespace = cluster.store.get("namespaces", "", name)
    if namespace is None:
        raise not_found(by_key("namespaces"), name)
    if "deletionTimestamp" in namespace["metadata"]:
        why = f"unable to create new content in namespace {name} because it is being terminated"
        cause = {
            "reason": "NamespaceTerminating",
            "message": f"namespace {name} is being terminated",
            "field": "metadata.namespace",
        }
        raise forbidden(resource, obj["metadata"].get("name", ""), why, causes=[cause])


async def _built_in(cluster: Cluster, resource: Resource, obj: Json, old: Json | None, subresource: str) -> Json:
    if resource.key != "pods" or old is not None or subresource:
        return obj
    obj = copied(obj)
    spec = obj["spec"]
    if not spec.get("serviceAccountName"):
        spec["serviceAccountName"] = spec["serviceAccount"] = "default"
    account = await _service_account(cluster, obj)
    _mount_token(cluster, spec, account)
    if not spec.get("imagePullSecrets") and account.get("imagePullSecrets"):
        spec["imagePullSecrets"] = copied(account["imagePullSecrets"])
    _prioritise(obj)
    _tolerate(spec)
    return obj


@rule("kubernetes", "a pod's ServiceAccount must exist", Provenance.RECORDED, "kubernetes/errors.yaml pod-missing-sa")
async def _service_account(cluster: Cluster, pod: Json) -> Json:
    namespace, name = pod["metadata"]["namespace"], pod["spec"]["serviceAccountName"]
    account = cluster.store.get("serviceaccounts", namespace, name)
    if account is None and name == "default":
        account = await _appearing(cluster, namespace, name)
    if account is None:
        why = f'error looking up service account {namespace}/{name}: serviceaccount "{name}" not found'
        raise forbidden(by_key("pods"), pod["metadata"].get("name", ""), why)
    return account


async def _appearing(cluster: Cluster, namespace: str, name: str) -> Json | None:
    """The ServiceAccount, once its controller has made it; None when that takes too long."""
    appeared: asyncio.Future[Json] = asyncio.get_running_loop().create_future()

    def look(change: Change) -> None:
        metadata = change.object["metadata"]
        wanted = (change.resource, metadata.get("namespace"), metadata["name"]) == ("serviceaccounts", namespace, name)
        if wanted and change.type == "ADDED" and not appeared.done():
            appeared.set_result(change.object)

    stop = cluster.store.listen(look)
    try:
        async with asyncio.timeout(_DEFAULT_ACCOUNT_WAIT):
            return await appeared
    except TimeoutError:
        return None
    finally:
        stop()


@rule("kubernetes", "the kube-api-access volume", Provenance.RECORDED, "server-side-apply.yaml defaults.Pod.api_access")
def _mount_token(cluster: Cluster, spec: Json, account: Json) -> None:
    wanted = spec.get("automountServiceAccountToken", account.get("automountServiceAccountToken", True))
    if not wanted:
        return
    without = [container for container in defaults.containers(spec) if not _has_token(container)]
    if not without:
        return
    name = _token_volume(cluster, spec)
    for container in without:
        mount = {"name": name, "readOnly": True, "mountPath": TOKEN_DIRECTORY}
        container["volumeMounts"] = [*(container.get("volumeMounts") or ()), mount]


def _has_token(container: Json) -> bool:
    return any(mount.get("mountPath") == TOKEN_DIRECTORY for mount in container.get("volumeMounts") or ())


def _token_volume(cluster: Cluster, spec: Json) -> str:
    for volume in spec.get("volumes") or ():
        if str(volume.get("name", "")).startswith("kube-api-access-"):
            return str(volume["name"])
    suffix = "".join(cluster.random.choices("bcdfghjklmnpqrstvwxz2456789", k=5))
    name = f"kube-api-access-{suffix}"
    namespace = {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
    sources = [
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [namespace]}},
    ]
    volume = {"name": name, "projected": {"sources": sources, "defaultMode": 420}}
    spec["volumes"] = [*(spec.get("volumes") or ()), volume]
    return name


@rule("kubernetes", "the system's priority classes", Provenance.DOCUMENTED, "pod priority and preemption")
def _prioritise(pod: Json) -> None:
    """Set the priority that the pod's class stands for; other classes than the system's are not simulated."""
    spec = pod["spec"]
    name = spec.get("priorityClassName", "")
    if name not in _PRIORITIES:
        why = f"no PriorityClass with name {name} was found"
        raise forbidden(by_key("pods"), pod["metadata"].get("name", ""), why)
    spec.setdefault("priority", _PRIORITIES[name])
    spec.setdefault("preemptionPolicy", "PreemptLowerPriority")


def _tolerate(spec: Json) -> None:
    """Let a pod stay five minutes on a node that fails."""
    tolerations = list(spec.get("tolerations") or ())
    for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"):
        if not any(item.get("key") in (key, None, "") for item in tolerations):
            seconds = {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
            tolerations.append(seconds)
    spec["tolerations"] = tolerations
