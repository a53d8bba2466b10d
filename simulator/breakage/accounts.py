"""ServiceAccounts without their annotations, or with others."""

from __future__ import annotations

import uuid

from .catalogue import breakage
from .chain import CLIENT_ID, Chain

_LINK = "ServiceAccount"
TENANT_ID = "azure.workload.identity/tenant-id"
_EXPIRATION = "azure.workload.identity/service-account-token-expiration"
_USE = "azure.workload.identity/use"
SOMEBODY = "kubectl-edit"
"""The field manager of whoever breaks things in a cluster."""


def annotate(chain: Chain, **annotations: str | None) -> None:
    """Set annotations of the ServiceAccount as somebody else would; None takes one away."""
    account = chain.account
    kept = {**(account["metadata"].get("annotations") or {}), **annotations}
    account["metadata"]["annotations"] = {name: value for name, value in kept.items() if value is not None}
    chain.cluster.write("serviceaccounts", account, manager=SOMEBODY)


@breakage("account-missing", _LINK, "the ServiceAccount is gone")
async def account_missing(chain: Chain) -> None:
    """Its pods run on until they are made anew."""
    chain.cluster.remove("serviceaccounts", chain.account["metadata"]["name"], chain.namespace)


@breakage("client-id-missing", _LINK, "the ServiceAccount has no client id")
async def client_id_missing(chain: Chain) -> None:
    """A full replace without it, as azwi does the other way round."""
    annotate(chain, **{CLIENT_ID: None})


@breakage("client-id-unknown", _LINK, "the ServiceAccount's client id is nobody's")
async def client_id_unknown(chain: Chain) -> None:
    """The object id by mistake, or of an application long gone."""
    annotate(chain, **{CLIENT_ID: str(uuid.uuid4())})


@breakage("client-id-other", _LINK, "the ServiceAccount's client id is another identity's")
async def client_id_other(chain: Chain) -> None:
    """An application of the tenant that has no credential for this workload."""
    annotate(chain, **{CLIENT_ID: chain.simulation.azure.operators[0].client_id})


@breakage("client-id-object", _LINK, "the ServiceAccount has the application's object id for its client id")
async def client_id_object(chain: Chain) -> None:
    """Two guids side by side in the portal."""
    annotate(chain, **{CLIENT_ID: chain.principal.body["id"]})


@breakage("client-id-space", _LINK, "the ServiceAccount's client id ends with a space")
async def client_id_space(chain: Chain) -> None:
    """As pasted."""
    annotate(chain, **{CLIENT_ID: f"{chain.client_id} "})


@breakage("tenant-id-empty", _LINK, "the ServiceAccount's tenant id is present and empty")
async def tenant_id_empty(chain: Chain) -> None:
    """Which takes the variable away from its pods, as an absent one would not."""
    annotate(chain, **{TENANT_ID: ""})


@breakage("tenant-id-other", _LINK, "the ServiceAccount's tenant id is that of another tenant")
async def tenant_id_other(chain: Chain) -> None:
    """Of whoever wrote the example."""
    annotate(chain, **{TENANT_ID: str(uuid.uuid4())})


@breakage("expiration-short", _LINK, "the ServiceAccount asks for tokens that live for less than an hour")
async def expiration_short(chain: Chain) -> None:
    """Out of range: the pods are denied."""
    annotate(chain, **{_EXPIRATION: "600"})


@breakage("expiration-word", _LINK, "the ServiceAccount asks for tokens that live for 1h, which is no number")
async def expiration_word(chain: Chain) -> None:
    """Seconds are meant."""
    annotate(chain, **{_EXPIRATION: "1h"})


@breakage("label-on-account", _LINK, "the label azure.workload.identity/use is on the ServiceAccount, not on its pods")
async def label_on_account(chain: Chain) -> None:
    """Where releases before 1.0 read it."""
    account = chain.account
    account["metadata"].setdefault("labels", {})[_USE] = "true"
    chain.cluster.write("serviceaccounts", account, manager=SOMEBODY)
    deployment = chain.deployment
    deployment["spec"]["template"]["metadata"]["labels"].pop(_USE, None)
    chain.cluster.write("deployments.apps", deployment, manager=SOMEBODY)
