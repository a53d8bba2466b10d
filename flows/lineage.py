"""The links of a proven chain as Prefect assets: cluster and identity → federated credential → secret.

Told as Prefect's own ``materialize`` would, of each chain when it is proven: a decorated task would have to be made for
every chain.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from prefect.assets import Asset, AssetProperties
from prefect.events import emit_event

from fleet.proof import Chain

_NOT_IN_KEYS = re.compile(r"[^A-Za-z0-9._~-]")
_LONGEST = 512
"""Characters of an asset's key, says Prefect."""
_MATERIALIZED = "prefect.asset.materialization.succeeded"


def proven(fleet: str, chain: Chain) -> None:
    """Tell that this chain's links are there and work together."""
    cluster = _asset(fleet, "cluster", chain.cluster, description=f"Issuer {chain.issuer}")
    identity = _asset(fleet, "identity", chain.identity, description=f"Client id {chain.client_id}")
    place = (chain.identity, chain.cluster, chain.namespace, chain.service_account)
    credential = _asset(fleet, "federated-credential", *place, description=f"{chain.subject} on {chain.cluster}")
    secret = _asset(fleet, "secret", chain.vault, chain.secret, description=f"Read as {chain.identity}")
    _materialized(credential, (cluster, identity))
    _materialized(secret, (credential,))


def _asset(fleet: str, kind: str, *names: str, description: str) -> Asset:
    path = "/".join(_NOT_IN_KEYS.sub("_", name) for name in (fleet, kind, *names))
    properties = AssetProperties(name=f"{kind} {'/'.join(names)}", description=description)
    return Asset(key=f"workloadidentity://{path}"[:_LONGEST], properties=properties)


def _materialized(asset: Asset, upstream: Iterable[Asset]) -> None:
    properties = asset.properties or AssetProperties()
    resource = {
        "prefect.resource.id": asset.key,
        "prefect.resource.name": properties.name or asset.key,
        "prefect.asset.description": properties.description or "",
    }
    related = [{"prefect.resource.id": each.key, "prefect.resource.role": "asset"} for each in upstream]
    emit_event(_MATERIALIZED, resource=resource, related=related)
