"""The proof: what the webhook makes of a pod, and a real token that reads the real secret. No pod is needed."""

from __future__ import annotations

import asyncio

from clients.errors import PROPAGATING, CloudError
from clients.session import Clients
from fleet import naming
from fleet.observed import Observed
from fleet.proof import Chain, Proof, admission_problems
from fleet.spec import Fleet, Workload
from fleet.wanted import identity_key

from . import signing_in
from .webhook import probe_pod

EXCHANGES = 3
"""A young federated credential may flap (about 2 % of exchanges): one success proves little."""
EXCHANGES_NEEDED = 2
_DENIED_FOR_NOW = frozenset({"AccessDenied", "ForbiddenByRbac"})


def chains(fleet: Fleet, observed: Observed) -> tuple[list[Chain], list[str]]:
    """The chains that can be tried, and for each of the others what is missing."""
    found, gaps = [], []
    for workload in fleet.workloads:
        for name in workload.clusters:
            try:
                found.append(chain_of(fleet, observed, workload, name))
            except LookupError as error:
                gaps.append(f"{workload} on {name}: {error.args[0]}")
    return found, gaps


async def verify(clients: Clients, fleet: Fleet, chain: Chain, patience_seconds: float) -> Proof:
    """Try the chain, of one that names no secret as far as Entra's token.

    What may still be propagating is waited for up to ``patience_seconds``.
    """
    kubernetes = await clients.cluster(fleet.cluster(chain.cluster))
    try:
        admitted = await kubernetes.try_pod(chain.namespace, probe_pod(chain.service_account))
        problems = admission_problems(admitted, chain)
        if problems:
            return Proof(chain=chain, holds=False, problems=problems)

        async def read() -> str:  # each time with a new token: an old one may carry an issuer that is no more
            token = await kubernetes.token(chain.namespace, chain.service_account, naming.AUDIENCE)
            await _used(clients, chain, token)
            return token

        codes = PROPAGATING | _DENIED_FOR_NOW
        assertion = await clients.patience.request(read, codes=codes, seconds=patience_seconds)
    except CloudError as error:
        return Proof(chain=chain, holds=False, problems=(str(error),))
    outcomes = [True, *await asyncio.gather(*(_exchange(clients, chain, assertion) for _ in range(EXCHANGES - 1)))]
    succeeded = sum(outcomes)
    flapping = f"only {succeeded} of {EXCHANGES} token exchanges succeeded: the federated credential is still settling"
    holds = succeeded >= EXCHANGES_NEEDED
    return Proof(chain=chain, holds=holds, tried=EXCHANGES, succeeded=succeeded, problems=() if holds else (flapping,))


def chain_of(
    fleet: Fleet, observed: Observed, workload: Workload, cluster_name: str, *, to_secret: bool = True
) -> Chain:
    """The chain of a workload on a cluster; not ``to_secret``, one that may end where Entra has signed it in.

    Raises ``LookupError`` that says what is missing.
    """
    if reason := observed.why_unreachable(f"kubernetes:{cluster_name}"):  # or each of its chains would wait for it
        raise LookupError(reason)
    cluster, identity, check = fleet.cluster(cluster_name), fleet.identity(workload.identity), fleet.check(workload)
    if check is None and to_secret:
        raise LookupError("its identity may read no secret of this file: name one in verify")
    issuer = cluster.issuer or observed.output(f"cluster:{cluster.name}", "issuer")
    client_id = observed.output(identity_key(identity), "client_id")
    if issuer is None:
        raise LookupError(f"cluster {cluster.name} has no OIDC issuer yet: reconcile first")
    if client_id is None:
        raise LookupError(f"identity {identity.name} does not exist yet: reconcile first")
    skipped = workload.deployment.skip_containers if workload.deployment else ()
    return Chain(
        cluster=cluster.name,
        namespace=workload.namespace,
        service_account=workload.service_account,
        identity=identity.name,
        issuer=issuer,
        client_id=client_id,
        tenant_id=observed.tenancy.tenant_id,
        vault=check.vault if check else "",
        secret=check.secret if check else "",
        skip_containers=";".join(skipped) or None,
    )


async def _exchange(clients: Clients, chain: Chain, assertion: str) -> bool:
    """Whether one more exchange succeeds, however the weather is."""
    try:
        await clients.patience.request(lambda: _signed_in(clients, chain, assertion))
    except CloudError:
        return False
    return True


async def _signed_in(clients: Clients, chain: Chain, assertion: str) -> None:
    await signing_in.sign_in(clients, chain.subject, chain.tenant_id, chain.client_id, assertion)


async def _used(clients: Clients, chain: Chain, assertion: str) -> None:
    """As far as the chain goes: to its secret, or to Entra's token where it names none."""
    if not chain.secret:
        await _signed_in(clients, chain, assertion)
        return
    what = f"secret {chain.secret} of vault {chain.vault}, as {chain.subject}"
    who = (chain.tenant_id, chain.client_id, assertion)
    await signing_in.read_secret(clients, what, *who, chain.vault, chain.secret)
