"""What the API server refuses in an object that decodes: names, labels, and the rules of single kinds."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any

from simulator.provenance import Provenance, rule

from . import legacy_tokens, selectors
from . import validation_names as names
from .errors import Cause, invalid
from .resources import Resource
from .validation_pods import pod_spec, same_pod
from .validation_roles import binding
from .validation_selectors import selector as validate_selector
from .validation_services import endpoint_slice, endpoints, service

Json = dict[str, Any]

_LARGEST_DATA = 1 << 20
_LABEL_NAMED = {"namespaces", "services"}

Causes = Iterator[Cause]


@rule("kubernetes", "validation of names, labels and kinds", Provenance.RECORDED, "kubernetes/errors.yaml cases")
def check(resource: Resource, obj: Json, old: Json | None = None) -> None:
    """Refuse with 422 an object that breaks rules, naming all of them. ``old`` is what an update replaces."""
    causes = [*_metadata(resource, obj["metadata"])]
    if validator := _BY_KIND.get(obj["kind"]):
        causes += validator(obj)
    if old is not None and (comparer := _CHANGES.get(obj["kind"])):
        causes += comparer(obj, old)
    if causes:
        raise invalid(obj["kind"], resource.group, obj["metadata"].get("name"), causes)


def _metadata(resource: Resource, metadata: Json) -> Causes:
    name = metadata.get("name")
    if not name:
        yield Cause.required("metadata.name", "name or generateName is required")
    elif resource.group == "rbac.authorization.k8s.io":
        if "/" in name or "%" in name:
            yield Cause.invalid(
                "metadata.name", names.quoted(name), "may not contain '/'" if "/" in name else "may not contain '%'"
            )
    elif resource.key in _LABEL_NAMED:
        yield from names.dns_label("metadata.name", name)
    else:
        yield from names.dns_subdomain("metadata.name", name)
    yield from names.label_set("metadata.labels", metadata.get("labels") or {})
    for key in metadata.get("annotations") or {}:
        yield from names.qualified("metadata.annotations", key.lower())
    for owner in metadata.get("ownerReferences") or ():
        yield from _owner(owner)


@rule("kubernetes", "an owner is named in full", Provenance.REPORTED, "kube-apiserver, ValidateOwnerReferences")
def _owner(reference: Json) -> Causes:
    for field in ("apiVersion", "kind", "name", "uid"):
        if not reference.get(field):
            why = "version must not be empty" if field == "apiVersion" else "must not be empty"
            yield Cause.invalid(f"metadata.ownerReferences.{field}", '""', why)


def _data(obj: Json) -> Causes:
    data = obj.get("data") or {}
    for key in (*data, *(obj.get("binaryData") or {})):
        yield from names.data_key(f"data[{key}]", key)
    if sum(map(len, data.values())) > _LARGEST_DATA:
        yield Cause("[]", "FieldValueTooLong", f"Too long: may not be more than {_LARGEST_DATA} bytes")


def _secret(obj: Json) -> Causes:
    data = {key: base64.b64decode(value or "") for key, value in (obj.get("data") or {}).items()}
    yield from _data(obj | {"data": data})
    if obj.get("type") == "kubernetes.io/tls":
        for key in ("tls.crt", "tls.key"):
            if key not in data:
                yield Cause.required(f"data[{key}]")
    elif obj.get("type") == legacy_tokens.TYPE:
        yield from _account_of(obj)


@rule("kubernetes", "a token Secret names its account", Provenance.DOCUMENTED, "Kubernetes, Secrets: token Secrets")
def _account_of(obj: Json) -> Causes:
    if not (obj["metadata"].get("annotations") or {}).get(legacy_tokens.ACCOUNT_NAME):
        yield Cause.required(f"metadata.annotations[{legacy_tokens.ACCOUNT_NAME}]")


def _pod(obj: Json) -> Causes:
    return pod_spec("spec", obj.get("spec") or {})


def _workload(obj: Json) -> Causes:
    spec = obj["spec"]
    if (replicas := spec.get("replicas", 1)) < 0:
        yield Cause.invalid("spec.replicas", str(replicas), "must be greater than or equal to 0")
    selector, labels = spec.get("selector"), spec["template"]["metadata"].get("labels")
    if selector is None:
        yield Cause.required("spec.selector")
    elif not selector.get("matchLabels") and not selector.get("matchExpressions"):
        yield Cause.invalid("spec.selector", "{}", "empty selector is invalid for deployment")
    yield from names.label_set("spec.template.metadata.labels", labels or {})
    wrong = [*validate_selector("spec.selector", selector)]
    yield from wrong
    if not wrong and not selectors.matches(selector, labels):
        why = "`selector` does not match template `labels`"
        yield Cause.invalid("spec.template.metadata.labels", names.quoted(labels), why)
    yield from pod_spec("spec.template.spec", spec["template"]["spec"])


def _same_selector(new: Json, old: Json) -> Causes:
    if new["spec"].get("selector") != old["spec"].get("selector"):
        yield Cause.invalid("spec.selector", names.quoted(new["spec"].get("selector")), "field is immutable")


def _same_role(new: Json, old: Json) -> Causes:
    if new["roleRef"] != old["roleRef"]:
        reference = new["roleRef"]
        value = {"APIGroup": reference.get("apiGroup"), "Kind": reference.get("kind"), "Name": reference.get("name")}
        yield Cause.invalid("roleRef", names.quoted(value), "cannot change roleRef")


def _immutable_data(new: Json, old: Json) -> Causes:
    if old.get("immutable"):
        for name in ("data", "binaryData"):
            if new.get(name) != old.get(name):
                yield Cause.forbidden(name, "field is immutable when `immutable` is set")
    if new["kind"] == "Secret" and new.get("type") != old.get("type"):
        yield Cause.invalid("type", names.quoted(new.get("type")), "field is immutable")


def _webhook_configuration(obj: Json) -> Causes:
    for index, webhook in enumerate(obj.get("webhooks") or ()):
        yield from _webhook(f"webhooks[{index}]", webhook)


_FEWEST_SEGMENTS = 3
_LONGEST_TIMEOUT = 30


def _webhook(field: str, webhook: Json) -> Causes:
    name = webhook.get("name") or ""
    if len(name.split(".")) < _FEWEST_SEGMENTS:
        why = "should be a domain with at least three segments separated by dots"
        yield Cause.invalid(f"{field}.name", names.quoted(name), why)
    if webhook.get("sideEffects") not in ("None", "NoneOnDryRun"):
        effects = webhook.get("sideEffects")
        if effects is None:
            yield Cause.required(f"{field}.sideEffects", "must specify one of None, NoneOnDryRun")
        else:
            yield Cause.unsupported(f"{field}.sideEffects", names.quoted(effects), ("None", "NoneOnDryRun"))
    timeout = webhook.get("timeoutSeconds", 10)
    if not 1 <= timeout <= _LONGEST_TIMEOUT:
        why = f"the timeout value must be between 1 and {_LONGEST_TIMEOUT} seconds"
        yield Cause.invalid(f"{field}.timeoutSeconds", str(timeout), why)
    for name in ("objectSelector", "namespaceSelector"):
        yield from validate_selector(f"{field}.{name}", webhook.get(name))
    client = webhook.get("clientConfig") or {}
    if ("url" in client) == ("service" in client):
        yield Cause.required(f"{field}.clientConfig", "exactly one of url or service is required")
    versions = webhook.get("admissionReviewVersions") or []
    if not versions:
        yield Cause.required(f"{field}.admissionReviewVersions", "must specify one of v1, v1beta1")
    elif not {"v1", "v1beta1"} & set(versions):
        why = "must include at least one of v1, v1beta1"
        yield Cause.invalid(f"{field}.admissionReviewVersions", names.quoted(versions), why)


def _budget(obj: Json) -> Causes:
    return validate_selector("spec.selector", (obj.get("spec") or {}).get("selector"))


_BY_KIND: dict[str, Callable[[Json], Causes]] = {
    "ClusterRoleBinding": binding,
    "ConfigMap": _data,
    "DaemonSet": _workload,
    "Deployment": _workload,
    "EndpointSlice": endpoint_slice,
    "Endpoints": endpoints,
    "MutatingWebhookConfiguration": _webhook_configuration,
    "Pod": _pod,
    "PodDisruptionBudget": _budget,
    "ReplicaSet": _workload,
    "RoleBinding": binding,
    "Secret": _secret,
    "Service": service,
    "StatefulSet": _workload,
}

_CHANGES: dict[str, Callable[[Json, Json], Causes]] = {
    "ClusterRoleBinding": _same_role,
    "ConfigMap": _immutable_data,
    "DaemonSet": _same_selector,
    "Deployment": _same_selector,
    "Pod": same_pod,
    "ReplicaSet": _same_selector,
    "RoleBinding": _same_role,
    "Secret": _immutable_data,
    "StatefulSet": _same_selector,
}
