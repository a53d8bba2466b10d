"""What a caller may do. Only administrators may do more than find out who they are and how tokens are verified."""

from __future__ import annotations

from dataclasses import dataclass

from simulator.provenance import Provenance, rule
from simulator.routing import Refusal

from .context import AUTHENTICATED, MASTERS, User
from .errors import refuse

_PUBLIC_PATHS = {"/healthz", "/livez", "/readyz", "/version", "/version/"}
_ISSUER_PATHS = ("/.well-known/openid-configuration", "/openid/v1/jwks")
_DISCOVERY_PATHS = ("/api", "/apis", "/openapi")
_SELF_REVIEWS = {"selfsubjectaccessreviews", "selfsubjectrulesreviews", "selfsubjectreviews"}
_SERVICE_ACCOUNTS = "system:serviceaccounts"


@dataclass(frozen=True)
class Attributes:
    """What is to be done: with a resource, or when ``path`` is set with a path that is no resource."""

    verb: str
    group: str = ""
    resource: str = ""
    """The plural, with its subresource: ``serviceaccounts/token``."""
    namespace: str = ""
    name: str = ""
    path: str = ""


def _below(path: str, roots: tuple[str, ...]) -> bool:
    return any(path.rstrip("/") == root or path.startswith(f"{root}/") for root in roots)


@rule("kubernetes", "cluster roles that everyone has", Provenance.RECORDED, "kubernetes/tokens-and-oidc.yaml oidc.who")
def allowed(user: User, wanted: Attributes) -> bool:
    """Whether the user may do it."""
    if MASTERS in user.groups:
        return True
    if wanted.path:
        if wanted.path in _PUBLIC_PATHS and wanted.verb == "get":
            return True
        if wanted.verb != "get" or AUTHENTICATED not in user.groups:
            return False
        if _below(wanted.path, _DISCOVERY_PATHS):
            return True
        return _SERVICE_ACCOUNTS in user.groups and _below(wanted.path, _ISSUER_PATHS)
    return AUTHENTICATED in user.groups and wanted.verb == "create" and wanted.resource in _SELF_REVIEWS


@rule("kubernetes", "what a denied caller reads", Provenance.RECORDED, "kubernetes/errors.yaml forbidden_forms")
def denial(user: User, wanted: Attributes) -> Refusal:
    """The 403 for a user who may not."""
    headers = {"X-Content-Type-Options": "nosniff"}
    if wanted.path:
        message = f'forbidden: User "{user.name}" cannot {wanted.verb} path "{wanted.path}"'
        return refuse(403, "Forbidden", message, {}, headers)
    plural = wanted.resource.partition("/")[0]
    qualified = f"{plural}.{wanted.group}" if wanted.group else plural
    subject = f'{qualified} "{wanted.name}"' if wanted.name else qualified
    where = f'in the namespace "{wanted.namespace}"' if wanted.namespace else "at the cluster scope"
    message = (
        f'{subject} is forbidden: User "{user.name}" cannot {wanted.verb} resource "{wanted.resource}" '
        f'in API group "{wanted.group}" {where}'
    )
    details = {"name": wanted.name} if wanted.name else {}
    if wanted.group:
        details["group"] = wanted.group
    return refuse(403, "Forbidden", message, details | {"kind": plural}, headers)
