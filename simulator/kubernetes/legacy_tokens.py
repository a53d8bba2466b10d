"""Secrets that hold a token of a ServiceAccount: filled in by a controller, good as long as both are there."""

from __future__ import annotations

import base64
import hmac
from typing import TYPE_CHECKING, Any

from simulator.provenance import Provenance, doubt, rule

from .context import AUTHENTICATED, User

if TYPE_CHECKING:
    from .cluster import Cluster

Json = dict[str, Any]

TYPE = "kubernetes.io/service-account-token"
ISSUER = "kubernetes/serviceaccount"
"""Who signs these tokens, whatever the cluster's own issuer."""
ACCOUNT_NAME, _ACCOUNT_UID = "kubernetes.io/service-account.name", "kubernetes.io/service-account.uid"
_CLAIMS = "kubernetes.io/serviceaccount"
_MANAGER = "kube-controller-manager"


def react(cluster: Cluster, resource: str, obj: Json) -> None:
    """Bring the token Secrets that a change concerns up to date."""
    metadata = obj["metadata"]
    if resource == "secrets" and obj.get("type") == TYPE:
        _synchronize(cluster, metadata["namespace"], metadata["name"])
    elif resource == "serviceaccounts":
        for secret in cluster.store.list("secrets", metadata["namespace"]):
            if secret.get("type") == TYPE:
                _synchronize(cluster, metadata["namespace"], secret["metadata"]["name"])


def sweep(cluster: Cluster) -> None:
    """Bring all token Secrets up to date."""
    for secret in cluster.store.list("secrets"):
        react(cluster, "secrets", secret)


def _synchronize(cluster: Cluster, namespace: str, name: str) -> None:
    secret = cluster.get("secrets", name, namespace)
    if secret is None:
        return
    annotations = secret["metadata"].get("annotations") or {}
    account = cluster.store.get("serviceaccounts", namespace, annotations.get(ACCOUNT_NAME, ""))
    if _is_orphan(annotations, account):
        cluster.remove("secrets", name, namespace)
    elif account is not None and not secret.get("data", {}).keys() >= {"ca.crt", "namespace", "token"}:
        cluster.write("secrets", _filled(cluster, secret, account), manager=_MANAGER)


@rule(
    "kubernetes", "a token Secret goes with its ServiceAccount", Provenance.DOCUMENTED, "Kubernetes, Service Accounts"
)
def _is_orphan(annotations: Json, account: Json | None) -> bool:
    return account is None or annotations.get(_ACCOUNT_UID) not in (None, "", account["metadata"]["uid"])


@rule("kubernetes", "a token Secret is filled in", Provenance.RECORDED, "tokens-and-oidc.yaml legacy_secret_token")
def _filled(cluster: Cluster, secret: Json, account: Json) -> Json:
    metadata, uid = secret["metadata"], account["metadata"]["uid"]
    namespace, name = metadata["namespace"], account["metadata"]["name"]
    claims = {
        "iss": ISSUER,
        f"{_CLAIMS}/namespace": namespace,
        f"{_CLAIMS}/secret.name": metadata["name"],
        f"{_CLAIMS}/service-account.name": name,
        f"{_CLAIMS}/service-account.uid": uid,
        "sub": f"system:serviceaccount:{namespace}:{name}",
    }
    values = {"ca.crt": cluster.state.ca, "namespace": namespace, "token": cluster.sign(claims)}
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    annotated = metadata | {"annotations": {**metadata["annotations"], _ACCOUNT_UID: uid}}
    return secret | {"metadata": annotated, "data": {**(secret.get("data") or {}), **data}}


@rule("kubernetes", "a token of a Secret has no end", Provenance.DOCUMENTED, "Kubernetes, Configure Service Accounts")
@doubt(
    "kubernetes",
    "which words refuse a token whose Secret is gone",
    "as for a token whose bound object is gone",
    "tokens-and-oidc.yaml legacy_secret_token",
)
def holder(cluster: Cluster, token: str, claims: Json) -> User | str:
    """Whose token it is, as long as Secret and ServiceAccount are there; else what is wrong."""
    namespace, secret_name, name, uid = (
        str(claims.get(f"{_CLAIMS}/{part}", ""))
        for part in ("namespace", "secret.name", "service-account.name", "service-account.uid")
    )
    secret = cluster.store.get("secrets", namespace, secret_name)
    held = base64.b64decode(((secret or {}).get("data") or {}).get("token") or "").decode(errors="replace")
    account = cluster.store.get("serviceaccounts", namespace, name)
    if account is None:
        return f'serviceaccounts "{name}" not found'
    if account["metadata"]["uid"] != uid:
        return f"service account UID ({account['metadata']['uid']}) does not match claim ({uid})"
    if not hmac.compare_digest(held.encode(), token.encode()):
        return "service account token has been invalidated"
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", AUTHENTICATED)
    return User(f"system:serviceaccount:{namespace}:{name}", uid, groups)
