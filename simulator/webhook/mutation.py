"""What the webhook makes of a pod: the pure part, from a pod and its service account to the pod that is admitted.

The rules are those of the recording of version 1.6.0 (see the sources named at each of them). What the webhook does
not look at matters as much: neither the label, nor the operation, nor the namespace. Selecting pods is the API
server's work.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from simulator.copying import copied
from simulator.provenance import Provenance, rule

from .proxy_sidecar import DEFAULT_PORT, inject_proxy
from .settings import ANNOTATIONS, CustomTokenEndpoint, Settings

MOUNT_PATH = "/var/run/secrets/azure/wi"
TOKEN_PATH = "token/azure-identity-token"

_SHORTEST, _LONGEST = 3600, 86400
_RESERVED_VOLUME = "azure-workload-identity-reserved-"


class Denied(Exception):
    """The pod is not admitted; the text is the message of the admission response, whose code is always 400."""


@rule("webhook", "order of checks", Provenance.RECORDED, "admission.yaml order_of_checks")
def mutate(
    pod: dict[str, Any], service_account: dict[str, Any] | None, settings: Settings, server_version: str
) -> dict[str, Any]:
    """The pod as the webhook wants it, or :class:`Denied`.

    ``service_account`` is the one that the pod names, None if it does not exist; ``server_version`` is the API
    server's, like ``v1.36.2``. The given pod is left as it is.
    """
    if service_account is None:
        raise Denied(f'serviceaccounts "{service_account_name(pod)}" not found')
    pod = _reencoded(pod)
    spec, annotations = pod["spec"], pod["metadata"].get("annotations") or {}
    if ANNOTATIONS + "inject-proxy-sidecar" in annotations:
        if spec.get("hostNetwork"):
            raise Denied("hostNetwork is set to true, cannot inject proxy sidecar")
        inject_proxy(spec, _proxy_port(annotations), settings, server_version)
    expiration = _expiration(annotations, service_account["metadata"].get("annotations") or {})
    endpoint = _custom_token_endpoint(annotations, settings)
    volume = _volume(pod, expiration, endpoint, settings)
    variables = _variables(service_account, settings, endpoint)
    skipped = {name.strip() for name in annotations.get(ANNOTATIONS + "skip-containers", "").split(";")}
    for container in (*spec.get("initContainers", ()), *spec["containers"]):
        if container["name"] not in skipped:
            _add_variables(container, variables)
            _add_mount(container, volume["name"])
    _put_named(spec.setdefault("volumes", []), volume)
    return pod


def service_account_name(pod: dict[str, Any]) -> str:
    """The name of the service account that a pod runs as."""
    return pod["spec"].get("serviceAccountName") or "default"


_NEWER_THAN_THE_WEBHOOK: tuple[tuple[str, ...], ...] = (
    ("resources",),
    ("hostnameOverride",),
    ("containers", "*", "restartPolicyRules"),
    ("initContainers", "*", "restartPolicyRules"),
    ("containers", "*", "lifecycle", "stopSignal"),
    ("initContainers", "*", "lifecycle", "stopSignal"),
)
"""Fields of a pod's spec that came after the Kubernetes API (1.31) that the webhook was built with."""


@rule("webhook", "fields unknown to its build are lost", Provenance.RECORDED, "admission.yaml round_trip")
def _reencoded(pod: dict[str, Any]) -> dict[str, Any]:
    """The pod after a round trip through the webhook's own Go types."""
    pod = copied(pod)
    pod.setdefault("metadata", {}).setdefault("creationTimestamp", None)
    pod.setdefault("status", {})
    for path in _NEWER_THAN_THE_WEBHOOK:
        _drop(pod["spec"], path)
    for container in (*pod["spec"].get("initContainers", ()), *pod["spec"].setdefault("containers", [])):
        container.setdefault("resources", {})
        for variable in container.get("env", ()):
            if variable.get("value") == "":
                del variable["value"]
    return pod


def _drop(value: Any, path: tuple[str, ...]) -> None:
    """Remove the member at ``path`` where there is one; ``*`` stands for every item of a list."""
    first, *rest = path
    if first == "*":
        for item in value:
            _drop(item, tuple(rest))
    elif not rest:
        value.pop(first, None)
    elif first in value:
        _drop(value[first], tuple(rest))


def _parse_int(text: str, bits: int) -> int:
    """Base ten as Go's strconv.ParseInt reads it, or its error as a :class:`ValueError`."""
    quoted = json.dumps(text, ensure_ascii=False)
    if not re.fullmatch(r"[+-]?[0-9]+", text):
        raise ValueError(f"strconv.ParseInt: parsing {quoted}: invalid syntax")
    number = int(text)
    if not -(1 << bits - 1) <= number < 1 << bits - 1:
        raise ValueError(f"strconv.ParseInt: parsing {quoted}: value out of range")
    return number


@rule("webhook", "proxy port: 32 bit, range unchecked", Provenance.RECORDED, "admission.yaml proxy_port")
def _proxy_port(annotations: dict[str, str]) -> int:
    try:
        return _parse_int(annotations.get(ANNOTATIONS + "proxy-sidecar-port", DEFAULT_PORT), 32)
    except ValueError as error:
        raise Denied(f"failed to parse proxy sidecar port: {error}") from error


@rule("webhook", "token lifetime 3600 to 86400 s, pod over account", Provenance.RECORDED, "admission.yaml expiration")
def _expiration(pod_annotations: dict[str, str], account_annotations: dict[str, str]) -> int:
    """The token's lifetime in seconds: the pod's wish, else the service account's, else an hour."""
    key = ANNOTATIONS + "service-account-token-expiration"
    text = pod_annotations.get(key) or account_annotations.get(key) or str(_SHORTEST)
    try:
        seconds = _parse_int(text, 64)
    except ValueError as error:
        raise Denied(str(error)) from error
    if not _SHORTEST <= seconds <= _LONGEST:
        expected = f"Expected value to be between {_SHORTEST} and {_LONGEST}"
        raise Denied(f"token expiration {seconds} not valid. {expected}")
    return seconds


def _custom_token_endpoint(annotations: dict[str, str], settings: Settings) -> CustomTokenEndpoint | None:
    endpoint = settings.custom_token_endpoint
    return endpoint if endpoint and annotations.get(endpoint.annotation, "").lower() == "true" else None


@rule("webhook", "client and tenant from the account", Provenance.RECORDED, "admission.yaml client_id, tenant_id")
def _variables(
    service_account: dict[str, Any], settings: Settings, endpoint: CustomTokenEndpoint | None
) -> list[tuple[str, str]]:
    annotations = service_account["metadata"].get("annotations") or {}
    variables = [
        ("AZURE_CLIENT_ID", annotations.get(ANNOTATIONS + "client-id", "")),
        ("AZURE_TENANT_ID", annotations.get(ANNOTATIONS + "tenant-id", settings.tenant_id)),
        ("AZURE_FEDERATED_TOKEN_FILE", f"{MOUNT_PATH}/{TOKEN_PATH}"),
        ("AZURE_AUTHORITY_HOST", settings.authority_host),
        *(endpoint.environment if endpoint else ()),
    ]
    return [(name, value) for name, value in variables if value]


@rule("webhook", "variables already there are left alone", Provenance.RECORDED, "admission.yaml env")
def _add_variables(container: dict[str, Any], variables: list[tuple[str, str]]) -> None:
    env = container.setdefault("env", [])
    there = {variable["name"] for variable in env}
    env.extend({"name": name, "value": value} for name, value in variables if name not in there)


@rule("webhook", "a foreign mount at the path goes unnoticed", Provenance.RECORDED, "admission.yaml mount")
def _add_mount(container: dict[str, Any], volume: str) -> None:
    mount = {"name": volume, "mountPath": MOUNT_PATH, "readOnly": True}
    _put_named(container.setdefault("volumeMounts", []), mount)


@rule("webhook", "projected token volume, named by the pod", Provenance.RECORDED, "admission.yaml volume")
def _volume(
    pod: dict[str, Any], expiration: int, endpoint: CustomTokenEndpoint | None, settings: Settings
) -> dict[str, Any]:
    metadata = pod["metadata"]
    name = metadata.get("name") or f"{metadata.get('generateName', '')} (prefix)"
    digest = hashlib.sha256(name.encode()).hexdigest()
    token = {
        "audience": endpoint.audience if endpoint else settings.audience,
        "expirationSeconds": expiration,
        "path": TOKEN_PATH,
    }
    sources: list[dict[str, Any]] = [{"serviceAccountToken": token}]
    if endpoint and endpoint.authority_source:
        sources.append(copied(dict(endpoint.authority_source)))
    return {"name": _RESERVED_VOLUME + digest[:30], "projected": {"sources": sources}}


def _put_named(items: list[dict[str, Any]], item: dict[str, Any]) -> None:
    """Replace the item of the same name in place, or append."""
    for index, existing in enumerate(items):
        if existing["name"] == item["name"]:
            items[index] = item
            return
    items.append(item)
