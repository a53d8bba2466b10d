"""How others verify the cluster's tokens: the issuer's documents, published by AKS and by the API server itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from simulator.provenance import Provenance, rule
from simulator.routing import Refusal, Routes

from .encoding import dump
from .errors import refuse

if TYPE_CHECKING:
    from simulator.simulation import Simulation

    from .cluster import Cluster

Json = dict[str, Any]

_KEY_SET = "application/jwk-set+json"
_CACHED = {"Cache-Control": "public, max-age=3600"}


def configuration(cluster: Cluster) -> Json:
    """The discovery document of the cluster's issuer."""
    issuer = cluster.state.issuer
    return {
        "issuer": issuer,
        "jwks_uri": f"{issuer.rstrip('/')}/openid/v1/jwks",
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    }


@rule("kubernetes", "the API server's discovery document", Provenance.RECORDED, "tokens-and-oidc.yaml oidc")
def own_configuration(cluster: Cluster) -> Response:
    """GET /.well-known/openid-configuration on the API server."""
    return Response(dump(configuration(cluster)), headers=_CACHED, media_type="application/json")


@rule("kubernetes", "the API server's key set", Provenance.RECORDED, "tokens-and-oidc.yaml oidc.jwks")
def own_keys(cluster: Cluster, request: Request) -> Response:
    """GET /openid/v1/jwks on the API server, which has one media type only."""
    accepted = request.headers.get("Accept", "*/*")
    if not any(part.partition(";")[0].strip() in (_KEY_SET, "*/*", "application/*") for part in accepted.split(",")):
        raise refuse(406, "NotAcceptable", f"406: Not Acceptable\n\nAvailable representations: {_KEY_SET}", {})
    return Response(dump(cluster.jwks()), headers=_CACHED, media_type=_KEY_SET)


def _envelope(_request: Request, refusal: Refusal) -> Response:
    return JSONResponse({"error": {"code": refusal.code, "message": refusal.message}}, refusal.status)


ROUTES = Routes("kubernetes", _envelope)
"""The public issuer of AKS clusters, at ``<location>.oic.prod-aks.azure.com``; everybody may read it."""


def _issuing(simulation: Simulation, request: Request, document: str) -> Cluster:
    host = request.scope.get("simulated_host") or request.url.hostname
    issuer = f"https://{host}/{request.path_params['tenant']}/{request.path_params['guid']}/"
    for cluster in simulation.clusters.values():
        if cluster.state.issuer == issuer and document not in cluster.state.unpublished:
            return cluster
    raise Refusal(404, "NotFound", f"No issuer {issuer}")


@ROUTES.add(
    "GET", "/{tenant}/{guid}/.well-known/openid-configuration", Provenance.DOCUMENTED, "AKS: use the OIDC issuer"
)
async def _configuration(simulation: Simulation, request: Request) -> Response:
    return JSONResponse(configuration(_issuing(simulation, request, "configuration")), headers=_CACHED)


@ROUTES.add("GET", "/{tenant}/{guid}/openid/v1/jwks", Provenance.DOCUMENTED, "AKS: use the OIDC issuer")
async def _keys(simulation: Simulation, request: Request) -> Response:
    return JSONResponse(_issuing(simulation, request, "keys").jwks(), headers=_CACHED)
