"""Clusters whose tokens cannot be believed: rebuilt, unreachable, with new keys, or with a wrong clock."""

from __future__ import annotations

import uuid

from simulator.kubernetes import signing

from .catalogue import breakage
from .chain import Chain

_LINK = "cluster"
_SKEW_SECONDS = 7200.0


@breakage("cluster-rebuilt", _LINK, "the cluster was built anew under its name, so that it has another issuer and keys")
async def cluster_rebuilt(chain: Chain) -> None:
    """Everything else was restored into it."""
    state = chain.cluster.state
    state.keys[:] = [signing.new_key()]
    state.issuer = state.issuer.rstrip("/").rpartition("/")[0] + f"/{uuid.uuid4()}/"
    for key, cluster in chain.simulation.clusters.items():
        if cluster is chain.cluster and (record := chain.simulation.azure.clusters.get(key)):
            record.body["properties"]["oidcIssuerProfile"]["issuerURL"] = state.issuer


@breakage("issuer-unreachable", _LINK, "the issuer's discovery document cannot be fetched")
async def issuer_unreachable(chain: Chain) -> None:
    """A private issuer, or a firewall before it."""
    chain.cluster.state.unpublished.append("configuration")


@breakage("keys-unreachable", _LINK, "the issuer's discovery document is there, its keys are not")
async def keys_unreachable(chain: Chain) -> None:
    """jwks_uri points into the cluster."""
    chain.cluster.state.unpublished.append("keys")


@breakage("keys-rotated", _LINK, "the cluster signs with a key that its issuer does not publish")
async def keys_rotated(chain: Chain) -> None:
    """Rotated by hand, the JWKS in its bucket forgotten."""
    chain.cluster.state.keys.insert(0, signing.new_key())
    chain.cluster.state.unpublished.append("newest key")


@breakage("clock-ahead", _LINK, "the cluster's clock is two hours ahead")
async def clock_ahead(chain: Chain) -> None:
    """Its tokens are not valid yet."""
    chain.cluster.state.clock_ahead = _SKEW_SECONDS


@breakage("clock-behind", _LINK, "the cluster's clock is two hours behind")
async def clock_behind(chain: Chain) -> None:
    """Its tokens have expired when they are made."""
    chain.cluster.state.clock_ahead = -_SKEW_SECONDS


@breakage("cluster-unreachable", _LINK, "the API server does not answer")
async def cluster_unreachable(chain: Chain) -> None:
    """Stopped, or behind a firewall."""
    chain.cluster.state.reachable = False
