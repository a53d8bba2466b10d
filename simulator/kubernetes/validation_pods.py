"""What the API server refuses in a pod, or in the template of one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from simulator.provenance import Provenance, rule

from . import validation_names as names
from .errors import Cause

Json = dict[str, Any]
Causes = Iterator[Cause]

_NOT_IN_WINDOWS_PODS = (
    "appArmorProfile",
    "seLinuxOptions",
    "seccompProfile",
    "fsGroup",
    "fsGroupChangePolicy",
    "sysctls",
    "runAsUser",
    "runAsGroup",
    "supplementalGroups",
    "supplementalGroupsPolicy",
)
_NOT_IN_WINDOWS_CONTAINERS = (
    "appArmorProfile",
    "seLinuxOptions",
    "seccompProfile",
    "capabilities",
    "readOnlyRootFilesystem",
    "privileged",
    "allowPrivilegeEscalation",
    "procMount",
    "runAsUser",
    "runAsGroup",
)


def pod_spec(field: str, spec: Json) -> Causes:
    """What is wrong with a pod's specification."""
    if not spec.get("containers"):
        yield Cause.required(f"{field}.containers")
    volumes = [volume.get("name") for volume in spec.get("volumes") or ()]
    for index, name in enumerate(volumes):
        if not name:
            yield Cause.required(f"{field}.volumes[{index}].name")
        else:
            yield from names.dns_label(f"{field}.volumes[{index}].name", name)
        if name in volumes[:index]:
            yield Cause(
                f"{field}.volumes[{index}].name", "FieldValueDuplicate", f"Duplicate value: {names.quoted(name)}"
            )
    for index, volume in enumerate(spec.get("volumes") or ()):
        yield from _files(f"{field}.volumes[{index}]", volume)
    taken: list[str] = []
    for part in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(part) or ()):
            yield from _container(f"{field}.{part}[{index}]", container, volumes, taken)
    if spec.get("restartPolicy") not in ("Always", "OnFailure", "Never", None):
        supported = ("Always", "Never", "OnFailure")
        yield Cause.unsupported(f"{field}.restartPolicy", names.quoted(spec["restartPolicy"]), supported)
    system = (spec.get("os") or {}).get("name")
    if system == "windows":
        yield from _windows(field, spec)
    elif system not in ("linux", None):
        yield Cause.unsupported(f"{field}.os.name", names.quoted(system), ("linux", "windows"))


@rule("kubernetes", "what a Windows pod cannot set", Provenance.DOCUMENTED, "Kubernetes API reference, PodSpec.os")
@rule("kubernetes", "a Windows pod without Linux settings", Provenance.RECORDED, "admission.yaml windows-proxy")
def _windows(field: str, spec: Json) -> Causes:
    why = "cannot be set for a windows pod"
    yield from (Cause.forbidden(f"{field}.{name}", why) for name in ("hostPID", "hostIPC") if spec.get(name))
    settings = spec.get("securityContext") or {}
    yield from (
        Cause.forbidden(f"{field}.securityContext.{name}", why) for name in _NOT_IN_WINDOWS_PODS if name in settings
    )
    if spec.get("shareProcessNamespace"):
        yield Cause.forbidden(f"{field}.shareProcessNamespace", why)
    for part in ("initContainers", "containers"):
        for index, container in enumerate(spec.get(part) or ()):
            settings = container.get("securityContext") or {}
            for name in _NOT_IN_WINDOWS_CONTAINERS:
                if name in settings:
                    yield Cause.forbidden(f"{field}.{part}[{index}].securityContext.{name}", why)


@rule("kubernetes", "files of a volume have a path", Provenance.DOCUMENTED, "Kubernetes API reference, Volume")
def _files(field: str, volume: Json) -> Causes:
    """What is missing of the files that a volume's sources name."""
    for kind in ("secret", "configMap", "downwardAPI"):
        yield from _items(f"{field}.{kind}", volume.get(kind))
    for index, source in enumerate((volume.get("projected") or {}).get("sources") or ()):
        here = f"{field}.projected.sources[{index}]"
        for kind in ("secret", "configMap", "downwardAPI"):
            yield from _items(f"{here}.{kind}", source.get(kind))
        token = source.get("serviceAccountToken")
        if token is not None and not token.get("path"):
            yield Cause.required(f"{here}.serviceAccountToken.path")


def _items(field: str, source: Json | None) -> Causes:
    needed = ("path",) if field.endswith("downwardAPI") else ("key", "path")
    for index, item in enumerate((source or {}).get("items") or ()):
        for name in needed:
            if not item.get(name):
                yield Cause.required(f"{field}.items[{index}].{name}")


def _duplicate(field: str, name: str) -> Cause:
    return Cause(field, "FieldValueDuplicate", f"Duplicate value: {names.quoted(name)}")


def _container(field: str, container: Json, volumes: list[Any], taken: list[str]) -> Causes:
    name = container.get("name")
    if not name:
        yield Cause.required(f"{field}.name")
    else:
        yield from names.dns_label(f"{field}.name", name)
        if name in taken:
            yield _duplicate(f"{field}.name", name)
        taken.append(name)
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
            yield Cause(f"{here}.name", "FieldValueNotFound", f"Not found: {names.quoted(mount.get('name'))}")
        if not path:
            yield Cause.required(f"{here}.mountPath")
        elif path in paths:
            yield Cause.invalid(f"{here}.mountPath", names.quoted(path), "must be unique")
        paths.append(path)


def _container_port(field: str, port: Any) -> Causes:
    if port:
        yield from names.port(field, port)
    else:
        yield Cause.required(field)


_POD_MAY_CHANGE = {"activeDeadlineSeconds", "terminationGracePeriodSeconds", "tolerations"}
_POD_IMMUTABLE = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)\n"
)


def same_pod(new: Json, old: Json) -> Causes:
    """What was changed of a pod that must stay as it is."""

    def fixed(spec: Json) -> Json:
        rest = {name: value for name, value in spec.items() if name not in _POD_MAY_CHANGE}
        for part in ("containers", "initContainers"):
            rest[part] = [item | {"image": ""} for item in spec.get(part) or ()]
        return rest

    if fixed(new["spec"]) != fixed(old["spec"]):
        yield Cause.forbidden("spec", _POD_IMMUTABLE)
