"""The environment variables of a container, with everything that they refer to looked up."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any

from simulator.provenance import Provenance, rule

if TYPE_CHECKING:
    from .cluster import Cluster

Json = dict[str, Any]


class MissingReferenceError(LookupError):
    """A container refers to an object or a key that is not there; it waits until it is."""


@rule(
    "kubernetes", "container environment", Provenance.DOCUMENTED, "Kubernetes API reference, EnvVar and EnvFromSource"
)
def environment_of(cluster: Cluster, pod: Json, container: Json) -> dict[str, str]:
    """The container's variables: envFrom, then env, later ones over earlier ones, ``$(NAME)`` expanded.

    Raises :class:`MissingReferenceError`, worded as the kubelet words it.
    """
    variables: dict[str, str] = {}
    namespace = pod["metadata"]["namespace"]
    for source in container.get("envFrom", ()):
        prefix = source.get("prefix", "")
        variables |= {prefix + key: value for key, value in _whole(cluster, namespace, source).items()}
    for variable in container.get("env", ()):
        value = (
            _referred(cluster, pod, variable["valueFrom"])
            if "valueFrom" in variable
            else _expanded(variable.get("value", ""), variables)
        )
        if value is not None:
            variables[variable["name"]] = value
    return variables


def data_of(cluster: Cluster, kind: str, namespace: str, reference: Json) -> dict[str, bytes]:
    """The data of a Secret or ConfigMap (``kind``) by its ``name``; empty if it is optional and not there."""
    name = reference.get("name") or reference.get("secretName", "")
    found = cluster.get(f"{kind}s", name, namespace)
    if found is None:
        if reference.get("optional"):
            return {}
        raise MissingReferenceError(f'{kind} "{name}" not found')
    if kind == "secret":
        return {key: base64.b64decode(value) for key, value in (found.get("data") or {}).items()}
    binary = {key: base64.b64decode(value) for key, value in (found.get("binaryData") or {}).items()}
    return {key: value.encode() for key, value in (found.get("data") or {}).items()} | binary


def _whole(cluster: Cluster, namespace: str, source: Json) -> dict[str, str]:
    kind = "secret" if "secretRef" in source else "configmap"
    data = data_of(cluster, kind, namespace, source.get("secretRef") or source["configMapRef"])
    return {key: value.decode() for key, value in data.items()}


def _referred(cluster: Cluster, pod: Json, source: Json) -> str | None:
    if "fieldRef" in source:
        return field_of(pod, source["fieldRef"]["fieldPath"])
    if "secretKeyRef" not in source and "configMapKeyRef" not in source:
        return None
    kind, spelled = ("secret", "Secret") if "secretKeyRef" in source else ("configmap", "ConfigMap")
    reference = source.get("secretKeyRef") or source["configMapKeyRef"]
    namespace = pod["metadata"]["namespace"]
    data = data_of(cluster, kind, namespace, reference)
    if reference["key"] in data:
        return data[reference["key"]].decode()
    if reference.get("optional"):
        return None
    raise MissingReferenceError(f"couldn't find key {reference['key']} in {spelled} {namespace}/{reference['name']}")


def field_of(pod: Json, path: str) -> str:
    """A field of the pod for the downward API: ``metadata.name``, ``metadata.labels['app']``, ``status.podIP``..."""
    if match := re.fullmatch(r"metadata\.(labels|annotations)\['(.+)'\]", path):
        return str((pod["metadata"].get(match[1]) or {}).get(match[2], ""))
    value: Any = pod
    for name in path.split("."):
        value = (value or {}).get(name)
    if isinstance(value, dict):
        return "\n".join(f'{key}="{text}"' for key, text in sorted(value.items()))
    return "" if value is None else str(value)


def _expanded(text: str, variables: dict[str, str]) -> str:
    """``$(NAME)`` replaced where the variable is known, ``$$`` an escaped dollar."""
    return re.sub(
        r"\$\$|\$\((\w[\w.-]*)\)",
        lambda match: "$" if match[1] is None else variables.get(match[1], match[0]),
        text,
    )
