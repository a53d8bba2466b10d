"""The values that the API server fills in for what a manifest leaves out."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any

from simulator.provenance import Provenance, doubt, rule

Json = dict[str, Any]

_FILE_MODE = 0o644
_TOKEN_SECONDS = 3600


@rule("kubernetes", "defaults by kind", Provenance.RECORDED, "kubernetes/server-side-apply.yaml defaults")
def fill(obj: Json) -> None:
    """Fill in the defaults of ``obj``'s kind, in place. What is set stays."""
    if filler := _BY_KIND.get(obj["kind"]):
        filler(obj)


def _default(target: Json, **values: Any) -> None:
    for name, value in values.items():
        if target.get(name) is None:
            target[name] = value


def _namespace(obj: Json) -> None:
    metadata = obj["metadata"]
    if name := metadata.get("name"):
        metadata["labels"] = {**(metadata.get("labels") or {}), "kubernetes.io/metadata.name": name}
    _default(obj, spec={}, status={})


def _secret(obj: Json) -> None:
    plain = obj.pop("stringData", None) or {}
    if plain:
        encoded = {name: base64.b64encode(text.encode()).decode() for name, text in plain.items()}
        obj["data"] = {**(obj.get("data") or {}), **encoded}
    _default(obj, type="Opaque")


def _service(obj: Json) -> None:
    _default(obj, spec={}, status={})
    spec = obj["spec"]
    _default(spec, type="ClusterIP", sessionAffinity="None", internalTrafficPolicy="Cluster")
    for port in spec.get("ports") or ():
        _default(port, protocol="TCP", targetPort=port.get("port"))
    _default(obj["status"], loadBalancer={})


def _pod(obj: Json) -> None:
    _default(obj, spec={}, status={})
    _pod_spec(obj["spec"])
    _default(obj["spec"], enableServiceLinks=True)


def _pod_spec(spec: Json) -> None:
    _default(
        spec,
        restartPolicy="Always",
        terminationGracePeriodSeconds=30,
        dnsPolicy="ClusterFirst",
        securityContext={},
        schedulerName="default-scheduler",
    )
    if account := spec.get("serviceAccountName") or spec.get("serviceAccount"):
        spec["serviceAccountName"] = spec["serviceAccount"] = account
    for container in containers(spec):
        _container(container)
    for volume in spec.get("volumes") or ():
        _volume(volume)


def containers(spec: Json) -> Iterator[Json]:
    """The init containers and containers of a pod specification, in this order."""
    yield from spec.get("initContainers") or ()
    yield from spec.get("containers") or ()


def _container(container: Json) -> None:
    image = container.get("image") or ""
    tag = image.rsplit("/", 1)[-1].partition(":")[2]
    latest = "@" not in image and tag in ("", "latest")
    _default(
        container,
        resources={},
        terminationMessagePath="/dev/termination-log",
        terminationMessagePolicy="File",
        imagePullPolicy="Always" if latest else "IfNotPresent",
    )
    for port in container.get("ports") or ():
        _default(port, protocol="TCP")
    for variable in container.get("env") or ():
        if reference := (variable.get("valueFrom") or {}).get("fieldRef"):
            _default(reference, apiVersion="v1")
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if probe := container.get(name):
            _probe(probe)
    for hook in (container.get("lifecycle") or {}).values():
        if isinstance(hook, dict) and (get := hook.get("httpGet")):
            _default(get, path="/", scheme="HTTP")
    resources = container["resources"]
    if limits := resources.get("limits"):
        resources["requests"] = {**limits, **(resources.get("requests") or {})}


def _probe(probe: Json) -> None:
    _default(probe, timeoutSeconds=1, periodSeconds=10, successThreshold=1, failureThreshold=3)
    if get := probe.get("httpGet"):
        _default(get, path="/", scheme="HTTP")


def _volume(volume: Json) -> None:
    for source in ("secret", "configMap", "downwardAPI", "projected"):
        if body := volume.get(source):
            _default(body, defaultMode=_FILE_MODE)
    if "hostPath" in volume:
        _default(volume["hostPath"], type="")
    if not any(name != "name" for name in volume):
        volume["emptyDir"] = {}
    for item in (volume.get("projected") or {}).get("sources") or ():
        if token := item.get("serviceAccountToken"):
            _default(token, expirationSeconds=_TOKEN_SECONDS)
        for entry in (item.get("downwardAPI") or {}).get("items") or ():
            if reference := entry.get("fieldRef"):
                _default(reference, apiVersion="v1")


def _deployment(obj: Json) -> None:
    _default(obj, spec={}, status={})
    spec = obj["spec"]
    _default(spec, replicas=1, strategy={}, revisionHistoryLimit=10, progressDeadlineSeconds=600)
    strategy = spec["strategy"]
    _default(strategy, type="RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        _default(strategy, rollingUpdate={})
        _default(strategy["rollingUpdate"], maxUnavailable="25%", maxSurge="25%")
    _template(spec)


def _replica_set(obj: Json) -> None:
    _default(obj, spec={}, status={})
    _default(obj["spec"], replicas=1)
    _template(obj["spec"])


@rule("kubernetes", "defaults of StatefulSets", Provenance.DOCUMENTED, "Kubernetes API reference, StatefulSetSpec")
def _stateful_set(obj: Json) -> None:
    _default(obj, spec={}, status={})
    spec = obj["spec"]
    _default(spec, replicas=1, podManagementPolicy="OrderedReady", revisionHistoryLimit=10, updateStrategy={})
    retained = {"whenDeleted": "Retain", "whenScaled": "Retain"}
    _default(spec, persistentVolumeClaimRetentionPolicy=retained)
    _default(spec["updateStrategy"], type="RollingUpdate")
    if spec["updateStrategy"]["type"] == "RollingUpdate":
        _default(spec["updateStrategy"], rollingUpdate={})
        _default(spec["updateStrategy"]["rollingUpdate"], partition=0)
    _template(spec)


@rule("kubernetes", "defaults of DaemonSets", Provenance.DOCUMENTED, "Kubernetes API reference, DaemonSetSpec")
def _daemon_set(obj: Json) -> None:
    _default(obj, spec={}, status={})
    spec = obj["spec"]
    _default(spec, revisionHistoryLimit=10, updateStrategy={})
    _default(spec["updateStrategy"], type="RollingUpdate")
    if spec["updateStrategy"]["type"] == "RollingUpdate":
        _default(spec["updateStrategy"], rollingUpdate={})
        _default(spec["updateStrategy"]["rollingUpdate"], maxUnavailable=1, maxSurge=0)
    _template(spec)


@rule("kubernetes", "defaults of ReplicationControllers", Provenance.DOCUMENTED, "Kubernetes API, v1 core")
def _replication_controller(obj: Json) -> None:
    _replica_set(obj)
    if labels := obj["spec"]["template"]["metadata"].get("labels"):
        _default(obj["spec"], selector=dict(labels))


@rule("kubernetes", "defaults of Jobs and CronJobs", Provenance.DOCUMENTED, "Kubernetes API, Job v1 batch")
@doubt(
    "kubernetes",
    "the selector and labels that a Job gets by its own uid",
    "none: its pods are found by their owner alone",
    "Kubernetes, Jobs: specifying your own pod selector",
)
def _job(obj: Json) -> None:
    _default(obj, spec={}, status={})
    _job_spec(obj["spec"])


def _job_spec(spec: Json) -> None:
    _default(spec, completions=1, parallelism=1, backoffLimit=6, completionMode="NonIndexed", suspend=False)
    _template(spec)


def _cron_job(obj: Json) -> None:
    _default(obj, spec={}, status={})
    spec = obj["spec"]
    _default(spec, concurrencyPolicy="Allow", suspend=False, successfulJobsHistoryLimit=3, failedJobsHistoryLimit=1)
    _default(spec, jobTemplate={})
    _default(spec["jobTemplate"], metadata={}, spec={})
    _template(spec["jobTemplate"]["spec"])


def _template(spec: Json) -> None:
    _default(spec, template={})
    _default(spec["template"], metadata={}, spec={})
    _pod_spec(spec["template"]["spec"])


def _webhooks(obj: Json) -> None:
    for webhook in obj.get("webhooks") or ():
        _default(
            webhook,
            failurePolicy="Fail",
            matchPolicy="Equivalent",
            namespaceSelector={},
            objectSelector={},
            timeoutSeconds=10,
            reinvocationPolicy="Never",
        )
        for item in webhook.get("rules") or ():
            _default(item, scope="*")
        if service := (webhook.get("clientConfig") or {}).get("service"):
            _default(service, port=443)


def _binding(obj: Json) -> None:
    _default(obj, roleRef={})
    _default(obj["roleRef"], apiGroup="rbac.authorization.k8s.io")
    for subject in obj.get("subjects") or ():
        if subject.get("kind") in ("User", "Group"):
            _default(subject, apiGroup="rbac.authorization.k8s.io")


def _role(obj: Json) -> None:
    if not obj.get("rules"):
        obj["rules"] = None


def _lease(obj: Json) -> None:
    _default(obj, spec={})


def _with_status(obj: Json) -> None:
    _default(obj, spec={}, status={})


def _definition(obj: Json) -> None:
    _default(obj, spec={}, status={})
    spec = obj["spec"]
    names = spec.get("names")
    if isinstance(names, dict) and (kind := names.get("kind")):
        _default(names, singular=kind.lower(), listKind=f"{kind}List")
    _default(spec, conversion={"strategy": "None"})


_BY_KIND: dict[str, Callable[[Json], None]] = {
    "ClusterRole": _role,
    "ClusterRoleBinding": _binding,
    "CronJob": _cron_job,
    "CustomResourceDefinition": _definition,
    "DaemonSet": _daemon_set,
    "Deployment": _deployment,
    "Job": _job,
    "Lease": _lease,
    "MutatingWebhookConfiguration": _webhooks,
    "Namespace": _namespace,
    "Node": _with_status,
    "Pod": _pod,
    "PodDisruptionBudget": _with_status,
    "ReplicaSet": _replica_set,
    "ReplicationController": _replication_controller,
    "ResourceQuota": _with_status,
    "Role": _role,
    "RoleBinding": _binding,
    "Secret": _secret,
    "Service": _service,
    "StatefulSet": _stateful_set,
}
