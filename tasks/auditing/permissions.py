"""Who may act as a namespace's ServiceAccounts, by the cluster's roles and bindings (Kubernetes RBAC)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from fleet.audit.inventory import Permission

Json = dict[str, Any]

_RIGHTS = {
    "create serviceaccounts": ("", "serviceaccounts", "create"),
    "create tokens": ("", "serviceaccounts/token", "create"),
    "create pods": ("", "pods", "create"),
}
_OF_THE_SYSTEM = ("system:", "kube-", "aks-")


def permissions(
    roles: Iterable[Json], cluster_roles: Iterable[Json], bindings: Iterable[Json], cluster_bindings: Iterable[Json]
) -> Iterator[Permission]:
    """What each binding lets its subjects do with ServiceAccounts; the system's own subjects are left out."""
    by_name = {("ClusterRole", "", item["metadata"]["name"]): item for item in cluster_roles}
    by_name |= {("Role", item["metadata"]["namespace"], item["metadata"]["name"]): item for item in roles}
    for binding in [*bindings, *cluster_bindings]:
        namespace = binding["metadata"].get("namespace", "")
        reference = binding["roleRef"]
        place = namespace if reference["kind"] == "Role" else ""
        role = by_name.get((reference["kind"], place, reference["name"]))
        may = frozenset(right for right in _RIGHTS if role is not None and _allows(role, right))
        for subject in binding.get("subjects") or () if may else ():
            who = _who(subject, namespace)
            if not _is_the_systems(subject):
                yield Permission(who, namespace, may, f"{binding_kind(namespace)} {binding['metadata']['name']}")


def binding_kind(namespace: str) -> str:
    """By where it counts."""
    return "RoleBinding" if namespace else "ClusterRoleBinding"


def _allows(role: Json, right: str) -> bool:
    group, resource, verb = _RIGHTS[right]
    return any(
        _holds(rule.get("apiGroups"), group)
        and _holds(rule.get("resources"), resource)
        and _holds(rule.get("verbs"), verb)
        and not rule.get("resourceNames")
        for rule in role.get("rules") or ()
    )


def _holds(listed: Iterable[str] | None, wanted: str) -> bool:
    return wanted in (listed or ()) or "*" in (listed or ())


def _who(subject: Json, namespace: str) -> str:
    name = subject["name"]
    if subject["kind"] == "ServiceAccount":
        return f"ServiceAccount {subject.get('namespace') or namespace}/{name}"
    return f"{subject['kind']} {name}"


def _is_the_systems(subject: Json) -> bool:
    return subject["name"].startswith(_OF_THE_SYSTEM) or subject.get("namespace") == "kube-system"
