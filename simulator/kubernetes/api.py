"""The API server as an ASGI application: who asks, whether they may, and which part answers."""

from __future__ import annotations

import logging
import uuid
from typing import TYPE_CHECKING, Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response

from simulator.provenance import Provenance, doubt, rule
from simulator.routing import Refusal, unknown

from . import (
    attachments,
    authorization,
    definitions,
    discovery,
    errors,
    executions,
    logs,
    negotiation,
    objects,
    oidc,
    openapi,
    paths,
    registry,
    resources,
)
from .authentication import authenticate
from .context import User
from .paths import Target

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from simulator.simulation import Simulation

    from .cluster import Cluster

Json = dict[str, Any]

_log = logging.getLogger(__name__)

_CONVERSATIONS = {"attach": attachments.answer, "exec": executions.answer}
_FLOW = uuid.UUID("8a3b8e0c-6d0b-4b53-9a53-6f3a9f7e2f10")


class KubernetesApi:
    """The API servers of all clusters of a simulation, told apart by host name."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive, send)
        host = scope.get("simulated_host") or request.url.hostname or ""
        cluster = self._simulation.cluster_by_host(host)
        try:
            response = unknown(self._simulation, request) if cluster is None else await self._answer(cluster, request)
        except ClientDisconnect:
            return
        except Refusal as refusal:
            response = errors.answer(refusal)
        if cluster is not None:
            _standing_headers(cluster, response)
        await response(scope, receive, send)

    async def _answer(self, cluster: Cluster, request: Request) -> Response:
        user = await authenticate(self._simulation, cluster, request)
        target = paths.parse(request.url.path)
        watch = request.query_params.get("watch", "").lower() in ("true", "1")
        wanted = paths.attributes(request.method, request.url.path, target, watch=watch)
        if not authorization.allowed(user, wanted):
            raise authorization.denial(user, wanted)
        if not target.resource:
            return self._without_resource(cluster, request)
        return await self._with_resource(cluster, request, target, wanted.verb, user)

    def _without_resource(self, cluster: Cluster, request: Request) -> Response:
        path = request.url.path
        trimmed = path.rstrip("/") or "/"
        if request.method != "GET":
            raise errors.method_not_allowed()
        if trimmed == "/":
            return discovery.root(cluster)
        if trimmed in ("/api", "/apis"):
            _check_discovery_accept(request)
            return discovery.roots(cluster, request, trimmed)
        if trimmed == "/version":
            return discovery.version(cluster)
        if path.split("/")[1] in ("healthz", "livez", "readyz"):
            return _page_not_found() if path.endswith("/") else discovery.health(request, path)
        if trimmed.startswith("/openapi/v3"):
            return openapi.answer(cluster, request, path)
        if trimmed == "/.well-known/openid-configuration":
            return oidc.own_configuration(cluster)
        if trimmed == "/openid/v1/jwks":
            return oidc.own_keys(cluster, request)
        return self._group(cluster, request, trimmed)

    def _group(self, cluster: Cluster, request: Request, path: str) -> Response:
        """GET /api/v1, /apis/<group>, /apis/<group>/<version>, or nothing that exists."""
        parts = path.strip("/").split("/")
        if parts == ["api", "v1"]:
            return discovery.resources(cluster, "")
        groups = discovery.groups(cluster)
        if parts[0] == "apis" and len(parts) in (2, 3) and parts[1] in groups:
            if len(parts) == 2:
                return discovery.group(cluster, parts[1])
            if parts[2] == groups[parts[1]]:
                return discovery.resources(cluster, parts[1])
            raise errors.no_such_path()
        if parts[0] == "apis" and len(parts) > 1 and parts[1] in resources.LEFT_OUT.groups:
            return unknown(self._simulation, request)
        if path == "/openapi/v2":
            raise errors.no_such_path()
        return _page_not_found()

    async def _with_resource(
        self, cluster: Cluster, request: Request, target: Target, verb: str, user: User
    ) -> Response:
        resource = definitions.served(cluster, target.group, target.resource)
        if resource is None or target.version != resource.version or target.rest:
            return self._unserved(request, target)
        if target.subresource and resource.subresource(target.subresource) is None:
            if f"{resource.name}/{target.subresource}" in resources.LEFT_OUT.subresources:
                return unknown(self._simulation, request)
            if resource.custom:
                return unknown(self._simulation, request, "a subresource of a custom resource")
            raise errors.no_such_path()
        if target.namespace and not resource.namespaced:
            raise errors.no_such_path()
        part = resource.subresource(target.subresource)
        if verb not in (part.verbs if part else resource.verbs) or _is_misplaced(verb, target, resource):
            raise errors.method_not_allowed()
        if target.subresource == "log" and (unserved := logs.unserved(request.query_params)):
            return unknown(self._simulation, request, f"the parameter {unserved}")
        if converse := _CONVERSATIONS.get(target.subresource):
            pod = registry.stored(cluster, resource, target.namespace, target.name)
            return converse(self._simulation, cluster, pod, request)
        return await objects.Endpoint(cluster, request, resource, target, user).answer(verb)

    def _unserved(self, request: Request, target: Target) -> Response:
        """What is not served: loud when a real cluster would have it, else the 404 of a real cluster."""
        if target.group and target.group not in resources.GROUPS:
            if target.group in resources.LEFT_OUT.groups:
                return unknown(self._simulation, request)
            return _page_not_found()
        key = f"{target.resource}.{target.group}" if target.group else target.resource
        if key in resources.LEFT_OUT.resources:
            return unknown(self._simulation, request)
        if target.rest and f"{target.resource}/{target.subresource}" in resources.LEFT_OUT.subresources:
            return unknown(self._simulation, request)
        raise errors.no_such_path()


def _is_misplaced(verb: str, target: Target, resource: resources.Resource) -> bool:
    """Whether the verb exists but not here: a POST on an item, a PUT on a collection, a namespaced POST without one."""
    if verb == "create":
        if resource.namespaced and not target.namespace:
            return True
        return bool(target.name) and not target.subresource
    return verb in ("update", "patch", "delete") and not target.name


def _check_discovery_accept(request: Request) -> None:
    """Only v2 of aggregated discovery is served: who accepts nothing else gets 406."""
    accept = request.headers.get("Accept", "")
    if not negotiation.asks_for_discovery(accept, "v2"):
        plain = ",".join(part for part in accept.split(",") if "as=APIGroupDiscoveryList" not in part)
        if accept and not plain:
            raise errors.refuse(406, "NotAcceptable", "406: Not Acceptable", {})
        negotiation.negotiate(plain)


@rule("kubernetes", "a path of no group is a plain 404", Provenance.RECORDED, "errors.yaml path-unknown-group")
@rule("kubernetes", "health paths have no trailing slash", Provenance.RECORDED, "errors.yaml rules.not_errors")
@doubt(
    "kubernetes",
    "how a health path with a trailing slash is refused, which is known not to be accepted",
    "404 as for every path that is not there; and who is not an administrator is not allowed to ask",
    "discovery.yaml media.trailing_slash",
)
def _page_not_found() -> Response:
    return PlainTextResponse("404 page not found\n", 404, headers={"X-Content-Type-Options": "nosniff"})


@rule("kubernetes", "headers of every answer", Provenance.RECORDED, "kubernetes/errors.yaml rules.headers")
def _standing_headers(cluster: Cluster, response: Response) -> None:
    response.headers["Audit-Id"] = str(uuid.uuid4())
    response.headers.setdefault("Cache-Control", "no-cache, private")
    for kind in ("Flowschema", "Prioritylevel"):
        identity = uuid.uuid5(_FLOW, f"{cluster.state.fqdn}/{kind}")
        response.headers[f"X-Kubernetes-Pf-{kind}-Uid"] = str(identity)
