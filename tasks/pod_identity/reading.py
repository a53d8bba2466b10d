"""What a cluster has of AAD Pod Identity, and of all that runs in it: one list of each kind."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from clients.errors import Denied, Missing
from clients.kubernetes import Kubernetes, path_of
from fleet import naming, ownership
from fleet.migration.set_up import (
    DEFAULT,
    Account,
    Assignment,
    AzureIdentity,
    Before,
    Binding,
    Hidden,
    Kind,
    Owner,
    Pod,
    PodException,
    Scope,
    SetUp,
)
from fleet.running import runs
from fleet.webhook_contract import CLIENT_ID, PROXY, PROXY_PORT, USE

Json = dict[str, Any]

OLD_KINDS = ("AzureIdentity", "AzureIdentityBinding", "AzurePodIdentityException")
_ASSIGNMENT = "AzureAssignedIdentity"
LABEL = "aadpodidbinding"
"""On pods: the selector of the bindings that are meant for them."""
_BEHAVIOUR = "aadpodidentity.k8s.io/Behavior"
_BINDINGS_OF_ROLES = ("RoleBinding", "ClusterRoleBinding")
_AGENTS = frozenset({"mic", "nmi"})
"""Containers that run Pod Identity."""
_OURS = frozenset({naming.FIELD_MANAGER, naming.MIGRATION_MANAGER})
_CLUSTERS_OWN = frozenset(
    {"kube-controller-manager", "kube-scheduler", "kubelet", "kubectl-rollout", "before-first-apply"}
)
_MADE_BY_HAND = ("kubectl",)


class NotInstalledError(Exception):
    """The cluster knows nothing of AAD Pod Identity."""


async def read(kubernetes: Kubernetes, namespace: str | None = None) -> SetUp:
    """Everything that may be seen. What may not is told in ``hidden``, and the rest is there all the same.

    Who may not look at all namespaces sees ``namespace`` alone. Raises :class:`NotInstalledError` where no kind of Pod
    Identity is served; where just some are, the others are hidden.
    """
    kinds = (*OLD_KINDS, _ASSIGNMENT, *Kind, *_BINDINGS_OF_ROLES, "ServiceAccount")
    lists = await asyncio.gather(*(_listed(kubernetes, kind, namespace or "") for kind in kinds))
    found = dict(zip(kinds, lists, strict=True))
    if all(not found[kind].served for kind in OLD_KINDS):
        raise NotInstalledError
    hidden = [answer.hidden for answer in lists if answer.hidden is not None]
    absent = "Its CustomResourceDefinition is not installed, or not served in version v1"
    hidden += [Hidden(kind, absent) for kind in OLD_KINDS if not found[kind].served]
    items = {kind: answer.items for kind, answer in found.items()}
    return SetUp(
        identities=tuple(map(_identity, items["AzureIdentity"])),
        bindings=tuple(map(_binding, items["AzureIdentityBinding"])),
        exceptions=tuple(map(_exception, items["AzurePodIdentityException"])),
        assignments=tuple(map(_assignment, items[_ASSIGNMENT])),
        owners=tuple(_owners({kind: items[kind] for kind in Kind})),
        accounts=tuple(_accounts(items)),
        scope=_scope([*items[Kind.DEPLOYMENT], *items[Kind.DAEMON_SET]]),
        hidden=tuple(hidden),
    )


@dataclass(frozen=True)
class _Listed:
    """The objects of a kind, as far as they are served and may be seen."""

    items: list[Json]
    served: bool = True
    hidden: Hidden | None = None


async def _listed(kubernetes: Kubernetes, kind: str, namespace: str) -> _Listed:
    try:
        return _Listed(await kubernetes.list(path_of(kind)))
    except Missing:
        return _Listed([], served=False)
    except Denied as error:
        needs = f"Needs list of {path_of(kind).rpartition('/')[2]} in all namespaces"
        if namespace and kind != "ClusterRoleBinding":
            with contextlib.suppress(Denied):
                items = await kubernetes.list(path_of(kind, namespace))
                return _Listed(items, hidden=Hidden(kind, f"Only those of namespace {namespace} are seen. {needs}"))
        return _Listed([], hidden=Hidden(kind, f"{error.message}. {needs}"))


_BETWEEN = {Kind.DEPLOYMENT: Kind.REPLICA_SET, Kind.CRON_JOB: Kind.JOB}
"""What stands between an owner and its pods."""


async def again(kubernetes: Kubernetes, owner: Owner) -> Owner:
    """The owner as it is now, with its pods. Raises ``Missing`` where it has gone."""
    item = await kubernetes.get(path_of(owner.kind, owner.namespace, owner.name))
    items: dict[Kind, list[Json]] = {kind: [] for kind in Kind} | {owner.kind: [item]}
    for kind in {Kind.POD, _BETWEEN.get(owner.kind, Kind.POD)} - {owner.kind}:
        items[kind] = await kubernetes.list(path_of(kind, owner.namespace))
    uid = item["metadata"]["uid"]
    return next(one for one in _owners(items) if one.uid == uid)


def _spec(item: Json) -> Callable[[str], Any]:
    """A field of the specification, in whatever case it was written: early releases wrote ResourceID and Selector."""
    spec = item.get("spec")
    fields = {key.lower(): value for key, value in spec.items()} if isinstance(spec, dict) else {}
    return lambda name: fields.get(name.lower())


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _identity(item: Json) -> AzureIdentity:
    field, metadata = _spec(item), item["metadata"]
    kind = field("type")
    annotations = metadata.get("annotations") or {}
    return AzureIdentity(
        namespace=metadata["namespace"],
        name=metadata["name"],
        type=0 if kind is None else kind if isinstance(kind, int) and not isinstance(kind, bool) else -1,
        resource_id=_text(field("resourceID")),
        client_id=_text(field("clientID")),
        namespaced=_text(annotations.get(_BEHAVIOUR)).lower() == "namespaced",
    )


def _binding(item: Json) -> Binding:
    field, metadata = _spec(item), item["metadata"]
    return Binding(metadata["namespace"], metadata["name"], _text(field("azureIdentity")), _text(field("selector")))


def _assignment(item: Json) -> Assignment:
    binding, metadata = _spec(item)("azureBindingRef"), item["metadata"]
    of = binding.get("metadata") if isinstance(binding, dict) else None
    address = f"{of.get('namespace')}/{of.get('name')}" if isinstance(of, dict) else ""
    return Assignment(metadata["namespace"], metadata["name"], address)


def _exception(item: Json) -> PodException:
    labels, metadata = _spec(item)("podLabels"), item["metadata"]
    return PodException(metadata["namespace"], metadata["name"], labels if isinstance(labels, dict) else {})


def _scope(items: Iterable[Json]) -> Scope:
    """By how the programs of Pod Identity are called, where they run as workloads of the cluster."""
    containers = [
        container
        for item in items
        for container in item["spec"]["template"]["spec"].get("containers") or ()
        if container.get("name") in _AGENTS
    ]
    if not containers:
        return Scope.UNKNOWN
    said = {
        str(word).lower().lstrip("-")
        for one in containers
        for word in (*(one.get("command") or ()), *(one.get("args") or ()))
    }
    said |= {f"{env['name']}={env.get('value')}".lower() for one in containers for env in one.get("env") or ()}
    namespaced = {"forcenamespaced", "forcenamespaced=true", "operation-mode=managed"}
    return Scope.NAMESPACE if said & namespaced else Scope.CLUSTER


def template_of(item: Json) -> Json:
    """The pod template of what makes pods; a pod is its own."""
    spec: Json = item.get("spec") or {}
    if "jobTemplate" in spec:
        spec = spec["jobTemplate"].get("spec") or {}
    template: Json = spec.get("template", item)
    return template


def before_of(item: Json) -> Before | None:
    """What a template said before it was switched, where it is."""
    written = (item["metadata"].get("annotations") or {}).get(naming.BEFORE_MIGRATION)
    if written is None:
        return None
    try:
        said = json.loads(written)
        return Before(said["service_account"], said["use"], said["proxy"], said["proxy_port"])
    except (ValueError, KeyError, TypeError):
        return None


def _owners(items: dict[Kind, list[Json]]) -> Iterable[Owner]:
    """What stands at the top of each chain of owners, with its pods; what is over is left out."""
    every = {item["metadata"]["uid"]: (kind, item) for kind, listed in items.items() for item in listed}
    pods: dict[str, list[Json]] = {}
    for item in items[Kind.POD]:
        pods.setdefault(_top(every, item), []).append(item)
    for uid, (kind, item) in every.items():
        above = _controller(item)
        if above is not None and above["kind"] in list(Kind):
            continue  # belongs to what is over it, also where that cannot be seen
        if not _is_over(kind, item):
            yield _owner(kind, item, pods.get(uid, []))


def _controller(item: Json) -> Json | None:
    references: list[Json] = item["metadata"].get("ownerReferences") or []
    return next((one for one in references if one.get("controller")), None)


def _top(every: dict[str, tuple[Kind, Json]], item: Json) -> str:
    """The uid of the first in the chain of controllers that is seen; of itself where none is."""
    uid: str = item["metadata"]["uid"]
    visited = {uid}
    while True:
        above = _controller(item)
        if above is None or above["uid"] in visited or above["uid"] not in every:
            return uid
        uid, item = above["uid"], every[above["uid"]][1]
        visited.add(uid)


def _is_over(kind: Kind, item: Json) -> bool:
    status = item.get("status") or {}
    if kind is Kind.JOB:
        conditions = status.get("conditions") or ()
        return any(one["type"] in ("Complete", "Failed") and one["status"] == "True" for one in conditions)
    return kind is Kind.POD and status.get("phase") in ("Succeeded", "Failed")


def _owner(kind: Kind, item: Json, pods: list[Json]) -> Owner:
    template = template_of(item)
    metadata, spec = template.get("metadata") or {}, template.get("spec") or {}
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    above = _controller(item)
    by_hand = (pod["metadata"].get("labels") or {} for pod in pods)
    return Owner(
        kind=kind,
        namespace=item["metadata"]["namespace"],
        name=item["metadata"]["name"],
        uid=item["metadata"]["uid"],
        service_account=spec.get("serviceAccountName") or spec.get("serviceAccount") or DEFAULT,
        label=labels.get(LABEL) or next((one[LABEL] for one in by_hand if LABEL in one), None),
        labels=labels,
        use=labels.get(USE),
        proxy=annotations.get(PROXY),
        proxy_port=annotations.get(PROXY_PORT),
        made_by=f"{above['kind']} {above['name']}" if above else "",
        host_network=bool(spec.get("hostNetwork")),
        on_delete=((item.get("spec") or {}).get("updateStrategy") or {}).get("type") == "OnDelete",
        before=before_of(item),
        managers=_managers(kind, item),
        pods=tuple(_pod(pod) for pod in pods if runs(pod)),
    )


def _managers(kind: Kind, item: Json) -> tuple[str, ...]:
    """Programs that write the template, other than a person's kubectl."""
    if kind in (Kind.POD, Kind.JOB):
        return ()
    path = '"f:jobTemplate"' if kind is Kind.CRON_JOB else '"f:template"'
    names = {
        str(entry.get("manager"))
        for entry in item["metadata"].get("managedFields") or ()
        if path in json.dumps(entry.get("fieldsV1") or {})
    }
    return tuple(sorted(name for name in names - _OURS - _CLUSTERS_OWN if not name.startswith(_MADE_BY_HAND)))


def _pod(item: Json) -> Pod:
    env: dict[str, str | None] = {}
    for container in item["spec"].get("containers") or ():
        env |= {one["name"]: one.get("value") for one in container.get("env") or ()}
    return Pod(
        item["metadata"]["name"],
        item["spec"].get("serviceAccountName") or DEFAULT,
        env.get("AZURE_CLIENT_ID"),
        has_token="AZURE_FEDERATED_TOKEN_FILE" in env,
    )


def _accounts(items: dict[str, list[Json]]) -> Iterable[Account]:
    roles: dict[tuple[str, str], list[str]] = {}
    for kind in _BINDINGS_OF_ROLES:
        for binding in items[kind]:
            for subject in binding.get("subjects") or ():
                if subject.get("kind") == "ServiceAccount":
                    place = (subject.get("namespace") or binding["metadata"].get("namespace", ""), subject["name"])
                    roles.setdefault(place, []).append(f"{kind} {binding['metadata']['name']}")
    for item in items["ServiceAccount"]:
        metadata = item["metadata"]
        place = (metadata["namespace"], metadata["name"])
        yield Account(
            *place,
            fleet=ownership.owner_by_labels(metadata.get("labels")),
            client_id=(metadata.get("annotations") or {}).get(CLIENT_ID),
            pull_secrets=tuple(one["name"] for one in item.get("imagePullSecrets") or ()),
            roles=tuple(roles.get(place, ())),
        )
