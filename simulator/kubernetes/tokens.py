"""ServiceAccount tokens: asking for one, and checking one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from simulator.provenance import Provenance, doubt, rule

from . import legacy_tokens, registry, schema, signing
from .context import AUTHENTICATED, Options, User
from .encoding import timestamp
from .errors import Cause, bad_request, conflict, invalid, not_found
from .resources import by_key

if TYPE_CHECKING:
    from .cluster import Cluster

Json = dict[str, Any]

_GROUP = "authentication.k8s.io"
_API_VERSION = "authentication.k8s.io/v1"
_SHORTEST = 600
_LONGEST = 1 << 32
_DEFAULT = 3600
_MOUNTED = 3607
"""The lifetime that only the auto-mounted token asks for; the server then signs a year."""
_KNOWN_SECONDS = 10.0
_YEAR = 365 * 24 * 3600
_CREDENTIAL_ID = "authentication.kubernetes.io/credential-id"
_BINDABLE = {"Pod": "pods", "Secret": "secrets", "Node": "nodes"}


@rule("kubernetes", "the API server's own audience", Provenance.ASSUMED, "AKS: the API server's URL")
def api_audience(cluster: Cluster) -> str:
    """The audience of tokens for the API server itself."""
    return f"https://{cluster.state.fqdn}"


@rule("kubernetes", "TokenRequest", Provenance.RECORDED, "kubernetes/tokens-and-oidc.yaml token_request")
def request_token(cluster: Cluster, namespace: str, name: str, body: Json, options: Options) -> Json:
    """Answer a TokenRequest for the ServiceAccount. Lifetimes are in seconds."""
    if cluster.store.get("namespaces", "", namespace) is None:
        raise not_found(by_key("namespaces"), namespace)
    account = registry.stored(cluster, by_key("serviceaccounts"), namespace, name)
    if complaint := schema.type_complaint("TokenRequest", body):
        raise bad_request(f'TokenRequest in version "v1" cannot be handled as a TokenRequest: {complaint}')
    _check_place(body.get("metadata") or {}, namespace, name)
    asked = body.get("spec") or {}
    audiences = asked.get("audiences") or []
    seconds = asked.get("expirationSeconds")
    seconds = _DEFAULT if seconds is None else seconds
    _check_lifetime(seconds)
    reference = asked.get("boundObjectRef")
    bound = _bound(cluster, namespace, name, reference) if reference else {}
    claims = _claims(cluster, account, audiences or [api_audience(cluster)], seconds, bound)
    if "pod" in bound and seconds == _MOUNTED and not audiences:
        claims["kubernetes.io"]["warnafter"] = claims["iat"] + _MOUNTED
        claims["exp"] = claims["iat"] + _YEAR
    spec = {"audiences": claims["aud"], "expirationSeconds": seconds, "boundObjectRef": reference}
    expires = cluster.clock.now() + timedelta(seconds=seconds)
    return {
        "kind": "TokenRequest",
        "apiVersion": _API_VERSION,
        "metadata": _metadata(cluster, account, options, chosen=bool(audiences)),
        "spec": spec,
        "status": {"token": cluster.sign(claims), "expirationTimestamp": timestamp(expires)},
    }


def _check_place(metadata: Json, namespace: str, name: str) -> None:
    if metadata.get("namespace", namespace) not in ("", namespace):
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
    if metadata.get("name", name) not in ("", name):
        why = "must match the service account name if specified"
        cause = Cause.invalid("metadata.name", json.dumps(metadata["name"]), why)
        raise invalid("TokenRequest", _GROUP, name, [cause])


def _check_lifetime(seconds: int) -> None:
    if seconds < _SHORTEST:
        why = "may not specify a duration less than 10 minutes"
    elif seconds > _LONGEST:
        why = "may not specify a duration larger than 2^32 seconds"
    else:
        return
    raise invalid("TokenRequest", _GROUP, "", [Cause.invalid("spec.expirationSeconds", str(seconds), why)])


@rule("kubernetes", "tokens bound to objects", Provenance.RECORDED, "kubernetes/tokens-and-oidc.yaml bound_object")
def _bound(cluster: Cluster, namespace: str, account: str, reference: Json) -> Json:
    """The claims about the object that a token is bound to: its kind in lower case, with name and uid."""
    kind, name = reference.get("kind", ""), reference.get("name", "")
    group, _, version = str(reference.get("apiVersion", "")).rpartition("/")
    if kind not in _BINDABLE or (group, version) != ("", "v1"):
        raise bad_request(f"cannot bind token to object of type {group}/{version}, Kind={kind}")
    resource = by_key(_BINDABLE[kind])
    obj = registry.stored(cluster, resource, namespace if resource.namespaced else "", name)
    uid = obj["metadata"]["uid"]
    if reference.get("uid") not in (None, "", uid):
        why = (
            f"the UID in the bound object reference ({reference['uid']}) does not match the UID in record. "
            "The object might have been deleted and then recreated"
        )
        refusal = conflict(resource, name, why)
        refusal.message = refusal.message.replace(f"on {resource.key} ", f"on {kind} ")
        refusal.extra["details"]["kind"] = kind
        raise refusal
    claims: Json = {kind.lower(): {"name": name, "uid": uid}}
    if kind == "Pod":
        if obj["spec"].get("serviceAccountName") != account:
            running = "pod running with different serviceaccount name."
            raise bad_request(f'cannot bind token for serviceaccount "{account}" to {running}')
        node_name = obj["spec"].get("nodeName", "")
        if node := cluster.store.get("nodes", "", node_name):
            claims["node"] = {"name": node_name, "uid": node["metadata"]["uid"]}
    return claims


@rule("kubernetes", "the claims of a token", Provenance.RECORDED, "kubernetes/tokens-and-oidc.yaml jwt.claims")
def _claims(cluster: Cluster, account: Json, audiences: list[str], seconds: int, bound: Json) -> Json:
    now = int(cluster.clock.seconds())
    namespace, name = account["metadata"]["namespace"], account["metadata"]["name"]
    identity = {"name": name, "uid": account["metadata"]["uid"]}
    return {
        "aud": audiences,
        "exp": now + seconds,
        "iat": now,
        "iss": cluster.state.issuer,
        "jti": cluster.new_uid(),
        "kubernetes.io": {"namespace": namespace, "serviceaccount": identity, **bound},
        "nbf": now,
        "sub": f"system:serviceaccount:{namespace}:{name}",
    }


def _metadata(cluster: Cluster, account: Json, options: Options, *, chosen: bool) -> Json:
    """The metadata of the answer: those of the ServiceAccount, with what the caller set."""
    fields: Json = {"f:expirationSeconds": {}}
    if chosen:
        fields = {"f:audiences": {}} | fields
    entry = {
        "manager": options.manager,
        "operation": "Update",
        "apiVersion": _API_VERSION,
        "time": cluster.now(),
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:spec": fields},
        "subresource": "token",
    }
    kept = {name: account["metadata"][name] for name in ("name", "namespace", "uid")}
    return kept | {"creationTimestamp": cluster.now(), "managedFields": [entry]}


@dataclass(frozen=True)
class Verdict:
    """What came of checking a token: the user and the audiences it is good for, or why it is not."""

    user: User | None = None
    audiences: tuple[str, ...] = ()
    error: str = "invalid bearer token"


@rule("kubernetes", "how a token is checked", Provenance.RECORDED, "kubernetes/tokens-and-oidc.yaml use_of_tokens")
def authenticated(cluster: Cluster, token: str, audiences: list[str]) -> Verdict:
    """Check a ServiceAccount token for one of the audiences: signature, issuer, time, and what it is bound to."""
    claims = signing.verified(token, cluster.state.keys)
    if claims is not None and claims.get("iss") == legacy_tokens.ISSUER:
        return _of_secret(cluster, token, claims, audiences)
    if claims is None or claims.get("iss") != cluster.state.issuer:
        return Verdict()
    now = cluster.clock.seconds()
    if not claims.get("nbf", 0) <= now < claims.get("exp", 0):
        return Verdict(error="[invalid bearer token, service account token has expired]")
    good_for = tuple(audience for audience in claims["aud"] if audience in audiences)
    if not good_for:
        return _misdirected(claims["aud"], audiences)
    if missing := _missing_account(cluster, claims["kubernetes.io"]) or _missing_lately(cluster, claims):
        return Verdict(error=f"[invalid bearer token, {missing}]")
    return Verdict(_user(claims), good_for, "")


@rule("kubernetes", "a good token is known for 10 s", Provenance.RECORDED, "use_of_tokens.bound_object_deleted")
def _missing_lately(cluster: Cluster, claims: Json) -> str:
    """What is gone that the token is bound to; what was there a moment ago is not looked for again."""
    now, known = cluster.clock.seconds(), cluster.known_tokens
    for name in [name for name, until in known.items() if until <= now]:
        del known[name]
    if claims["jti"] in known:
        return ""
    if missing := _missing_object(cluster, claims["kubernetes.io"]):
        return missing
    known[claims["jti"]] = now + _KNOWN_SECONDS
    return ""


def _misdirected(given: list[str], wanted: list[str]) -> Verdict:
    text = f"token audiences {json.dumps(given)} is invalid for the target audiences {json.dumps(wanted)}"
    return Verdict(error=f"[invalid bearer token, {text}]")


def _of_secret(cluster: Cluster, token: str, claims: Json, audiences: list[str]) -> Verdict:
    """The verdict on a token that a Secret holds, which is meant for the API server alone."""
    own = api_audience(cluster)
    if own not in audiences:
        return _misdirected([own], audiences)
    found = legacy_tokens.holder(cluster, token, claims)
    if isinstance(found, str):
        return Verdict(error=f"[invalid bearer token, {found}]")
    return Verdict(found, (own,), "")


@rule("kubernetes", "a token ends with its account", Provenance.RECORDED, "use_of_tokens.sa_deleted, recreated_sa")
def _missing_account(cluster: Cluster, facts: Json) -> str:
    """Why the ServiceAccount is not the one that the token was made for; empty when it is."""
    namespace, account = facts["namespace"], facts["serviceaccount"]
    stored = cluster.store.get("serviceaccounts", namespace, account["name"])
    if stored is None:
        return f'serviceaccounts "{account["name"]}" not found'
    if stored["metadata"]["uid"] != account["uid"]:
        return f"service account UID ({stored['metadata']['uid']}) does not match claim ({account['uid']})"
    return ""


@doubt(
    "kubernetes",
    "what a review says of a token whose bound object is gone, other than that it is not good",
    "that it has been invalidated",
    "tokens-and-oidc.yaml use_of_tokens.bound_object_deleted tells of the 401 only",
)
def _missing_object(cluster: Cluster, facts: Json) -> str:
    """What is gone that the token is bound to; empty when it is there."""
    namespace = facts["namespace"]
    for kind, resource in (("pod", "pods"), ("secret", "secrets")):
        if reference := facts.get(kind):
            obj = cluster.store.get(resource, namespace, reference["name"])
            if obj is None or obj["metadata"]["uid"] != reference["uid"]:
                return "service account token has been invalidated"
    return ""


def _user(claims: Json) -> User:
    namespace = claims["kubernetes.io"]["namespace"]
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", AUTHENTICATED)
    extra = {_CREDENTIAL_ID: (f"JTI={claims['jti']}",)}
    if pod := claims["kubernetes.io"].get("pod"):
        extra["authentication.kubernetes.io/pod-name"] = (pod["name"],)
        extra["authentication.kubernetes.io/pod-uid"] = (pod["uid"],)
    return User(claims["sub"], claims["kubernetes.io"]["serviceaccount"]["uid"], groups, extra)
