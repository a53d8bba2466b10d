"""Reviews: questions about tokens, about oneself, and about what one may do. Nothing of them is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.provenance import Provenance, rule

from . import authorization, managed_fields, schema, tokens
from .authorization import Attributes
from .context import Options, User
from .errors import bad_request
from .managed_fields import Manager
from .resources import Resource

if TYPE_CHECKING:
    from .cluster import Cluster

Json = dict[str, Any]


@rule(
    "kubernetes",
    "reviews are answered, not stored",
    Provenance.RECORDED,
    "kubernetes/tokens-and-oidc.yaml token_review",
)
def answer(cluster: Cluster, resource: Resource, body: Json, namespace: str, options: Options) -> Json:
    """The review with its status filled in."""
    if complaint := schema.type_complaint(resource.kind, body):
        raise bad_request(f'{resource.kind} in version "v1" cannot be handled as a {resource.kind}: {complaint}')
    spec = body.get("spec") or {}
    review: Json = {"kind": resource.kind, "apiVersion": resource.api_version}
    if resource.kind == "SelfSubjectReview":
        metadata = {"creationTimestamp": cluster.now()}
        return review | {"metadata": metadata, "status": {"userInfo": options.user.info()}}
    status = (
        _token(cluster, spec) if resource.kind == "TokenReview" else _access(resource.kind, spec, namespace, options)
    )
    metadata = _token_metadata(cluster, spec, options) if resource.kind == "TokenReview" else {}
    return review | {"metadata": metadata, "spec": spec, "status": status}


@rule("kubernetes", "a TokenReview says who asked", Provenance.RECORDED, "tokens-and-oidc.yaml token_review.path")
def _token_metadata(cluster: Cluster, spec: Json, options: Options) -> Json:
    review = {"kind": "TokenReview", "metadata": {}, "spec": spec}
    manager = Manager(options.manager, "Update", "authentication.k8s.io/v1")
    return {"managedFields": managed_fields.encode(managed_fields.updated(None, review, {}, manager, cluster.now()))}


def _token(cluster: Cluster, spec: Json) -> Json:
    if not spec.get("token"):
        raise bad_request("token is required for TokenReview in authentication")
    verdict = tokens.authenticated(cluster, spec["token"], spec.get("audiences") or [tokens.api_audience(cluster)])
    if verdict.user is None:
        return {"user": {}, "error": verdict.error}
    return {"authenticated": True, "user": verdict.user.info(), "audiences": list(verdict.audiences)}


def _access(kind: str, spec: Json, namespace: str, options: Options) -> Json:
    user = options.user
    if kind == "SelfSubjectRulesReview":
        return _rules(user)
    if kind in ("SubjectAccessReview", "LocalSubjectAccessReview"):
        user = User(spec.get("user") or "", groups=tuple(spec.get("groups") or ()))
    return {"allowed": authorization.allowed(user, _attributes(spec, namespace))}


def _attributes(spec: Json, namespace: str) -> Attributes:
    if path := spec.get("nonResourceAttributes"):
        return Attributes(verb=path.get("verb", ""), path=path.get("path") or "/")
    wanted = spec.get("resourceAttributes") or {}
    plural, part = wanted.get("resource", ""), wanted.get("subresource", "")
    return Attributes(
        verb=wanted.get("verb", ""),
        group=wanted.get("group", ""),
        resource=f"{plural}/{part}" if part else plural,
        namespace=wanted.get("namespace") or namespace,
        name=wanted.get("name", ""),
    )


def _rules(user: User) -> Json:
    everything = authorization.allowed(user, Attributes("*", "*", "*"))
    resources = [
        {"verbs": ["create"], "apiGroups": ["authorization.k8s.io"], "resources": ["selfsubjectaccessreviews"]}
    ]
    paths = [{"verbs": ["get"], "nonResourceURLs": ["/api", "/api/*", "/apis", "/apis/*", "/version"]}]
    if everything:
        resources.insert(0, {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]})
        paths.insert(0, {"verbs": ["*"], "nonResourceURLs": ["*"]})
    return {"resourceRules": resources, "nonResourceRules": paths, "incomplete": False}
