"""What the API server refuses in the binding of a role."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from simulator.provenance import Provenance, rule

from . import validation_names as names
from .errors import Cause

Json = dict[str, Any]
Causes = Iterator[Cause]

_SUBJECTS = ("ServiceAccount", "User", "Group")


@rule("kubernetes", "what a binding must name", Provenance.DOCUMENTED, "Kubernetes API reference, RoleRef and Subject")
def binding(obj: Json) -> Causes:
    """What is wrong with a RoleBinding or ClusterRoleBinding."""
    reference = obj.get("roleRef") or {}
    group, kind = reference.get("apiGroup", ""), reference.get("kind", "")
    roles = ("ClusterRole",) if obj["kind"] == "ClusterRoleBinding" else ("Role", "ClusterRole")
    if group != "rbac.authorization.k8s.io":
        yield Cause.unsupported("roleRef.apiGroup", names.quoted(group), ("rbac.authorization.k8s.io",))
    if kind not in roles:
        yield Cause.unsupported("roleRef.kind", names.quoted(kind), roles)
    if not reference.get("name"):
        yield Cause.required("roleRef.name")
    for index, subject in enumerate(obj.get("subjects") or ()):
        yield from _subject(f"subjects[{index}]", subject)


def _subject(field: str, subject: Json) -> Causes:
    if not subject.get("name"):
        yield Cause.required(f"{field}.name")
    kind = subject.get("kind", "")
    if kind not in _SUBJECTS:
        yield Cause.unsupported(f"{field}.kind", names.quoted(kind), _SUBJECTS)
    elif kind == "ServiceAccount" and not subject.get("namespace"):
        yield Cause.required(f"{field}.namespace")
