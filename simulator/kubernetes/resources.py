"""The resources that the simulated API server serves, and those of a real cluster that it leaves out."""

from __future__ import annotations

from dataclasses import dataclass, field

STANDARD = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
_CREATE = ("create",)
_PART = ("get", "patch", "update")


@dataclass(frozen=True)
class Subresource:
    """A part of an object with a path of its own. ``foreign`` is the apiVersion of a kind from another group."""

    name: str
    kind: str
    verbs: tuple[str, ...] = _PART
    foreign: str = ""


@dataclass(frozen=True)
class Resource:
    """One served collection: where it is found, what it holds, what may be done with it."""

    name: str
    group: str
    version: str
    kind: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    verbs: tuple[str, ...] = STANDARD
    storage_hash: str = ""
    categories: tuple[str, ...] = ()
    subresources: tuple[Subresource, ...] = ()

    @property
    def key(self) -> str:
        """``deployments.apps``, or ``pods`` in the core group: the name in errors and in the state."""
        return f"{self.name}.{self.group}" if self.group else self.name

    @property
    def api_version(self) -> str:
        """``apps/v1``, or ``v1`` in the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def singular(self) -> str:
        """The lower-case kind, which is also the singular name of every resource served here."""
        return self.kind.lower()

    @property
    def stored(self) -> bool:
        """Whether objects of it exist; reviews are only answered."""
        return "get" in self.verbs

    def subresource(self, name: str) -> Subresource | None:
        """The subresource of this name, if it has one."""
        return next((part for part in self.subresources if part.name == name), None)


def _status(kind: str) -> Subresource:
    return Subresource("status", kind)


_SCALE = Subresource("scale", "Scale", foreign="autoscaling/v1")
_ALL = ("all",)
_EXTENSION = ("api-extensions",)
_RBAC = "rbac.authorization.k8s.io"
_ADMISSION = "admissionregistration.k8s.io"


def _core(name: str, kind: str, short_names: tuple[str, ...] = (), storage_hash: str = "", **more: object) -> Resource:
    return Resource(name, "", "v1", kind, short_names=short_names, storage_hash=storage_hash, **more)  # type: ignore[arg-type]


def _review(group: str, name: str, kind: str, *, namespaced: bool = False) -> Resource:
    return Resource(name, group, "v1", kind, namespaced=namespaced, verbs=_CREATE)


RESOURCES: tuple[Resource, ...] = (
    _core("configmaps", "ConfigMap", ("cm",), "qFsyl6wFWjQ="),
    _core("endpoints", "Endpoints", ("ep",), "fWeeMqaN/OA="),
    _core("events", "Event", ("ev",), "r2yiGXH7wu8="),
    _core("limitranges", "LimitRange", ("limits",)),
    _core(
        "namespaces",
        "Namespace",
        ("ns",),
        "Q3oi5N2YM8M=",
        namespaced=False,
        verbs=tuple(verb for verb in STANDARD if verb != "deletecollection"),
        subresources=(Subresource("finalize", "Namespace", ("update",)), _status("Namespace")),
    ),
    _core("nodes", "Node", ("no",), namespaced=False, subresources=(_status("Node"),)),
    _core(
        "pods",
        "Pod",
        ("po",),
        "xPOwRZ+Yhw8=",
        categories=_ALL,
        subresources=(
            Subresource("attach", "PodAttachOptions", ("create", "get")),
            Subresource("exec", "PodExecOptions", ("create", "get")),
            Subresource("log", "Pod", ("get",)),
            _status("Pod"),
        ),
    ),
    _core("resourcequotas", "ResourceQuota", ("quota",), subresources=(_status("ResourceQuota"),)),
    _core("secrets", "Secret", (), "S6u1pOWzb84="),
    _core(
        "serviceaccounts",
        "ServiceAccount",
        ("sa",),
        "pbx9ZvyFpBE=",
        subresources=(Subresource("token", "TokenRequest", _CREATE, "authentication.k8s.io/v1"),),
    ),
    _core("services", "Service", ("svc",), "0/CO1lhkEBI=", categories=_ALL, subresources=(_status("Service"),)),
    Resource(
        "daemonsets",
        "apps",
        "v1",
        "DaemonSet",
        short_names=("ds",),
        storage_hash="dd7pWHUlMKQ=",
        categories=_ALL,
        subresources=(_status("DaemonSet"),),
    ),
    Resource(
        "deployments",
        "apps",
        "v1",
        "Deployment",
        short_names=("deploy",),
        storage_hash="8aSe+NMegvE=",
        categories=_ALL,
        subresources=(_SCALE, _status("Deployment")),
    ),
    Resource(
        "replicasets",
        "apps",
        "v1",
        "ReplicaSet",
        short_names=("rs",),
        storage_hash="P1RzHs8/mWQ=",
        categories=_ALL,
        subresources=(_SCALE, _status("ReplicaSet")),
    ),
    Resource(
        "statefulsets",
        "apps",
        "v1",
        "StatefulSet",
        short_names=("sts",),
        storage_hash="H+vl74LkKdo=",
        categories=_ALL,
        subresources=(_SCALE, _status("StatefulSet")),
    ),
    _review("authentication.k8s.io", "selfsubjectreviews", "SelfSubjectReview"),
    _review("authentication.k8s.io", "tokenreviews", "TokenReview"),
    _review("authorization.k8s.io", "localsubjectaccessreviews", "LocalSubjectAccessReview", namespaced=True),
    _review("authorization.k8s.io", "selfsubjectaccessreviews", "SelfSubjectAccessReview"),
    _review("authorization.k8s.io", "selfsubjectrulesreviews", "SelfSubjectRulesReview"),
    _review("authorization.k8s.io", "subjectaccessreviews", "SubjectAccessReview"),
    Resource(
        "poddisruptionbudgets",
        "policy",
        "v1",
        "PodDisruptionBudget",
        short_names=("pdb",),
        storage_hash="EVWiDmWqyJw=",
        subresources=(_status("PodDisruptionBudget"),),
    ),
    Resource("clusterrolebindings", _RBAC, "v1", "ClusterRoleBinding", namespaced=False, storage_hash="48tpQ8gZHFc="),
    Resource("clusterroles", _RBAC, "v1", "ClusterRole", namespaced=False, storage_hash="bYE5ZWDrJ44="),
    Resource("rolebindings", _RBAC, "v1", "RoleBinding", storage_hash="eGsCzGH6b1g="),
    Resource("roles", _RBAC, "v1", "Role", storage_hash="7FuwZcIIItM="),
    Resource(
        "mutatingwebhookconfigurations",
        _ADMISSION,
        "v1",
        "MutatingWebhookConfiguration",
        namespaced=False,
        storage_hash="Sqi0GUgDaX0=",
        categories=_EXTENSION,
    ),
    Resource(
        "customresourcedefinitions",
        "apiextensions.k8s.io",
        "v1",
        "CustomResourceDefinition",
        namespaced=False,
        short_names=("crd", "crds"),
        storage_hash="jfWCUB31mvA=",
        categories=_EXTENSION,
        subresources=(_status("CustomResourceDefinition"),),
    ),
    Resource("leases", "coordination.k8s.io", "v1", "Lease", storage_hash="gqkMMb/YqFM="),
    Resource("endpointslices", "discovery.k8s.io", "v1", "EndpointSlice", storage_hash="qgS0xkrxYAI="),
)
"""Every served resource; groups in the order in which the real server lists them."""


@dataclass(frozen=True)
class LeftOut:
    """What a real cluster has beyond :data:`RESOURCES`: asking for it must be loud, not a 404."""

    groups: frozenset[str] = frozenset(
        {
            "apiregistration.k8s.io",
            "autoscaling",
            "batch",
            "certificates.k8s.io",
            "events.k8s.io",
            "flowcontrol.apiserver.k8s.io",
            "metrics.k8s.io",
            "networking.k8s.io",
            "node.k8s.io",
            "resource.k8s.io",
            "scheduling.k8s.io",
            "storage.k8s.io",
        }
    )
    resources: frozenset[str] = frozenset(
        {
            "bindings",
            "componentstatuses",
            "controllerrevisions.apps",
            "mutatingadmissionpolicies.admissionregistration.k8s.io",
            "mutatingadmissionpolicybindings.admissionregistration.k8s.io",
            "persistentvolumeclaims",
            "persistentvolumes",
            "podtemplates",
            "replicationcontrollers",
            "validatingadmissionpolicies.admissionregistration.k8s.io",
            "validatingadmissionpolicybindings.admissionregistration.k8s.io",
            "validatingwebhookconfigurations.admissionregistration.k8s.io",
        }
    )
    subresources: frozenset[str] = frozenset(
        {
            "nodes/proxy",
            "pods/binding",
            "pods/ephemeralcontainers",
            "pods/eviction",
            "pods/portforward",
            "pods/proxy",
            "pods/resize",
            "services/proxy",
        }
    )


@dataclass(frozen=True)
class _Index:
    by_key: dict[str, Resource] = field(default_factory=lambda: {resource.key: resource for resource in RESOURCES})
    by_kind: dict[tuple[str, str], Resource] = field(
        default_factory=lambda: {(resource.api_version, resource.kind): resource for resource in RESOURCES}
    )


LEFT_OUT = LeftOut()
_INDEX = _Index()
GROUPS: tuple[str, ...] = tuple(dict.fromkeys(resource.group for resource in RESOURCES))


def find(group: str, name: str) -> Resource | None:
    """The resource by its group ("" for the core) and plural name."""
    return _INDEX.by_key.get(f"{name}.{group}" if group else name)


def by_key(key: str) -> Resource:
    """The resource by its key; KeyError for what is not served."""
    return _INDEX.by_key[key]


def by_kind(api_version: str, kind: str) -> Resource | None:
    """The resource whose objects carry this apiVersion and kind."""
    return _INDEX.by_kind.get((api_version, kind))


def of_group(group: str) -> tuple[Resource, ...]:
    """The resources of one group, in discovery order."""
    return tuple(resource for resource in RESOURCES if resource.group == group)
