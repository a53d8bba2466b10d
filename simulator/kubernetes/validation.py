"""What the API server refuses in an object that decodes: names, labels, and the rules of single kinds."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from simulator.provenance import Provenance, rule

from . import selectors
from .errors import Cause, invalid
from .resources import Resource

Json = dict[str, Any]

_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_LABEL_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
_LABEL_NAME = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_DATA_KEY = re.compile(r"[-._a-zA-Z0-9]+")

_MUST_BE_SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "
    "and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_MUST_BE_LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end "
    "with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
_MUST_BE_LABEL_VALUE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
_MUST_BE_LABEL_NAME = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
_MUST_BE_DATA_KEY = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  "
    "or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)
_LONGEST_SUBDOMAIN, _LONGEST_LABEL = 253, 63
_LARGEST_DATA = 1 << 20
_LARGEST_PORT = 65535
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


def _quoted(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _metadata(resource: Resource, metadata: Json) -> Causes:
    name = metadata.get("name")
    if not name:
        yield Cause.required("metadata.name", "name or generateName is required")
    elif resource.group == "rbac.authorization.k8s.io":
        if "/" in name or "%" in name:
            yield Cause.invalid(
                "metadata.name", _quoted(name), "may not contain '/'" if "/" in name else "may not contain '%'"
            )
    elif resource.key in _LABEL_NAMED:
        yield from _dns_label("metadata.name", name)
    elif len(name) > _LONGEST_SUBDOMAIN:
        yield Cause.invalid("metadata.name", _quoted(name), f"must be no more than {_LONGEST_SUBDOMAIN} characters")
    elif not _SUBDOMAIN.fullmatch(name):
        yield Cause.invalid("metadata.name", _quoted(name), _MUST_BE_SUBDOMAIN)
    yield from _labels("metadata.labels", metadata.get("labels") or {})
    for key in metadata.get("annotations") or {}:
        yield from _qualified("metadata.annotations", key.lower())


def _dns_label(field: str, name: str) -> Causes:
    if len(name) > _LONGEST_LABEL:
        yield Cause.invalid(field, _quoted(name), f"must be no more than {_LONGEST_LABEL} characters")
    elif not _LABEL.fullmatch(name):
        yield Cause.invalid(field, _quoted(name), _MUST_BE_LABEL)


def _labels(field: str, labels: Json) -> Causes:
    for key, value in labels.items():
        yield from _qualified(field, key)
        if len(value) > _LONGEST_LABEL:
            yield Cause.invalid(field, _quoted(value), f"must be no more than {_LONGEST_LABEL} characters")
        elif not _LABEL_VALUE.fullmatch(value):
            yield Cause.invalid(field, _quoted(value), _MUST_BE_LABEL_VALUE)


def _qualified(field: str, key: str) -> Causes:
    prefix, slash, name = key.rpartition("/")
    if slash and not _SUBDOMAIN.fullmatch(prefix):
        yield Cause.invalid(field, _quoted(key), f"prefix part {_MUST_BE_SUBDOMAIN}")
    if len(name) > _LONGEST_LABEL:
        yield Cause.invalid(field, _quoted(key), f"name part must be no more than {_LONGEST_LABEL} characters")
    elif not _LABEL_NAME.fullmatch(name):
        yield Cause.invalid(field, _quoted(key), _MUST_BE_LABEL_NAME)


def _data(obj: Json) -> Causes:
    data = obj.get("data") or {}
    for key in (*data, *(obj.get("binaryData") or {})):
        if not _DATA_KEY.fullmatch(key):
            yield Cause.invalid(f"data[{key}]", _quoted(key), _MUST_BE_DATA_KEY)
    if sum(map(len, data.values())) > _LARGEST_DATA:
        yield Cause("[]", "FieldValueTooLong", f"Too long: may not be more than {_LARGEST_DATA} bytes")


def _secret(obj: Json) -> Causes:
    data = {key: base64.b64decode(value or "") for key, value in (obj.get("data") or {}).items()}
    yield from _data(obj | {"data": data})
    if obj.get("type") == "kubernetes.io/tls":
        for key in ("tls.crt", "tls.key"):
            if key not in data:
                yield Cause.required(f"data[{key}]")


def _pod(obj: Json) -> Causes:
    return _pod_spec("spec", obj.get("spec") or {})


def _pod_spec(field: str, spec: Json) -> Causes:
    if not spec.get("containers"):
        yield Cause.required(f"{field}.containers")
    volumes = [volume.get("name") for volume in spec.get("volumes") or ()]
    for index, name in enumerate(volumes):
        if not name:
            yield Cause.required(f"{field}.volumes[{index}].name")
        else:
            yield from _dns_label(f"{field}.volumes[{index}].name", name)
        if name in volumes[:index]:
            yield Cause(f"{field}.volumes[{index}].name", "FieldValueDuplicate", f"Duplicate value: {_quoted(name)}")
    names: list[str] = []
    for part in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(part) or ()):
            yield from _container(f"{field}.{part}[{index}]", container, volumes, names)
    if spec.get("restartPolicy") not in ("Always", "OnFailure", "Never", None):
        supported = ("Always", "Never", "OnFailure")
        yield Cause.unsupported(f"{field}.restartPolicy", _quoted(spec["restartPolicy"]), supported)


def _container(field: str, container: Json, volumes: list[Any], names: list[str]) -> Causes:
    name = container.get("name")
    if not name:
        yield Cause.required(f"{field}.name")
    else:
        yield from _dns_label(f"{field}.name", name)
        if name in names:
            yield Cause(f"{field}.name", "FieldValueDuplicate", f"Duplicate value: {_quoted(name)}")
        names.append(name)
    if not container.get("image"):
        yield Cause.required(f"{field}.image")
    for index, port in enumerate(container.get("ports") or ()):
        yield from _container_port(f"{field}.ports[{index}].containerPort", port.get("containerPort"))
    for index, variable in enumerate(container.get("env") or ()):
        if not variable.get("name"):
            yield Cause.required(f"{field}.env[{index}].name")
    paths: list[Any] = []
    for index, mount in enumerate(container.get("volumeMounts") or ()):
        here, path = f"{field}.volumeMounts[{index}]", mount.get("mountPath")
        if mount.get("name") not in volumes:
            yield Cause(f"{here}.name", "FieldValueNotFound", f"Not found: {_quoted(mount.get('name'))}")
        if not path:
            yield Cause.required(f"{here}.mountPath")
        elif path in paths:
            yield Cause.invalid(f"{here}.mountPath", _quoted(path), "must be unique")
        paths.append(path)


def _container_port(field: str, port: Any) -> Causes:
    if not port:
        yield Cause.required(field)
    elif not 0 < port <= _LARGEST_PORT:
        yield Cause.invalid(field, str(port), "must be between 1 and 65535, inclusive")


def _workload(obj: Json) -> Causes:
    spec = obj["spec"]
    selector, labels = spec.get("selector"), spec["template"]["metadata"].get("labels")
    if selector is None:
        yield Cause.required("spec.selector")
    elif not selector.get("matchLabels") and not selector.get("matchExpressions"):
        yield Cause.invalid("spec.selector", "{}", "empty selector is invalid for deployment")
    yield from _labels("spec.template.metadata.labels", labels or {})
    if not selectors.matches(selector, labels):
        why = "`selector` does not match template `labels`"
        yield Cause.invalid("spec.template.metadata.labels", _quoted(labels), why)
    yield from _pod_spec("spec.template.spec", spec["template"]["spec"])


def _same_selector(new: Json, old: Json) -> Causes:
    if new["spec"].get("selector") != old["spec"].get("selector"):
        yield Cause.invalid("spec.selector", _quoted(new["spec"].get("selector")), "field is immutable")


def _same_role(new: Json, old: Json) -> Causes:
    if new["roleRef"] != old["roleRef"]:
        reference = new["roleRef"]
        value = {"APIGroup": reference.get("apiGroup"), "Kind": reference.get("kind"), "Name": reference.get("name")}
        yield Cause.invalid("roleRef", _quoted(value), "cannot change roleRef")


_POD_MAY_CHANGE = {"activeDeadlineSeconds", "terminationGracePeriodSeconds", "tolerations"}
_POD_IMMUTABLE = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)\n"
)


def _same_pod(new: Json, old: Json) -> Causes:
    def fixed(spec: Json) -> Json:
        rest = {name: value for name, value in spec.items() if name not in _POD_MAY_CHANGE}
        for part in ("containers", "initContainers"):
            rest[part] = [item | {"image": ""} for item in spec.get(part) or ()]
        return rest

    if fixed(new["spec"]) != fixed(old["spec"]):
        yield Cause.forbidden("spec", _POD_IMMUTABLE)


def _immutable_data(new: Json, old: Json) -> Causes:
    if old.get("immutable"):
        for name in ("data", "binaryData"):
            if new.get(name) != old.get(name):
                yield Cause.forbidden(name, "field is immutable when `immutable` is set")
    if new["kind"] == "Secret" and new.get("type") != old.get("type"):
        yield Cause.invalid("type", _quoted(new.get("type")), "field is immutable")


def _webhook_configuration(obj: Json) -> Causes:
    for index, webhook in enumerate(obj.get("webhooks") or ()):
        yield from _webhook(f"webhooks[{index}]", webhook)


_FEWEST_SEGMENTS = 3
_LONGEST_TIMEOUT = 30


def _webhook(field: str, webhook: Json) -> Causes:
    name = webhook.get("name") or ""
    if len(name.split(".")) < _FEWEST_SEGMENTS:
        why = "should be a domain with at least three segments separated by dots"
        yield Cause.invalid(f"{field}.name", _quoted(name), why)
    if webhook.get("sideEffects") not in ("None", "NoneOnDryRun"):
        effects = webhook.get("sideEffects")
        if effects is None:
            yield Cause.required(f"{field}.sideEffects", "must specify one of None, NoneOnDryRun")
        else:
            yield Cause.unsupported(f"{field}.sideEffects", _quoted(effects), ("None", "NoneOnDryRun"))
    timeout = webhook.get("timeoutSeconds", 10)
    if not 1 <= timeout <= _LONGEST_TIMEOUT:
        why = f"the timeout value must be between 1 and {_LONGEST_TIMEOUT} seconds"
        yield Cause.invalid(f"{field}.timeoutSeconds", str(timeout), why)
    client = webhook.get("clientConfig") or {}
    if ("url" in client) == ("service" in client):
        yield Cause.required(f"{field}.clientConfig", "exactly one of url or service is required")
    versions = webhook.get("admissionReviewVersions") or []
    if not versions:
        yield Cause.required(f"{field}.admissionReviewVersions", "must specify one of v1, v1beta1")
    elif not {"v1", "v1beta1"} & set(versions):
        why = "must include at least one of v1, v1beta1"
        yield Cause.invalid(f"{field}.admissionReviewVersions", _quoted(versions), why)


def _service(obj: Json) -> Causes:
    spec = obj["spec"]
    if spec["type"] != "ExternalName" and spec.get("clusterIP") != "None" and not spec.get("ports"):
        yield Cause.required("spec.ports")


_BY_KIND: dict[str, Callable[[Json], Causes]] = {
    "ConfigMap": _data,
    "Deployment": _workload,
    "MutatingWebhookConfiguration": _webhook_configuration,
    "Pod": _pod,
    "ReplicaSet": _workload,
    "Secret": _secret,
    "Service": _service,
}

_CHANGES: dict[str, Callable[[Json, Json], Causes]] = {
    "ClusterRoleBinding": _same_role,
    "ConfigMap": _immutable_data,
    "Deployment": _same_selector,
    "Pod": _same_pod,
    "ReplicaSet": _same_selector,
    "RoleBinding": _same_role,
    "Secret": _immutable_data,
}
