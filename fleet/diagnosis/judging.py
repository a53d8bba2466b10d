"""From the evidence of a chain to its report: every link is judged by itself, so that one fault hides no other."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from . import accounts, clusters, credentials, identities, keys, pods, signing_in, vaults, webhooks
from .evidence import Evidence, Hidden
from .report import Link, Report

_JUDGES = (
    clusters.judge,
    webhooks.judge,
    identities.judge,
    credentials.judge,
    accounts.judge,
    pods.judge,
    vaults.judge,
)
_SHUT = frozenset({"ForbiddenByFirewall", "ForbiddenByConnection"})


def judge(evidence: Evidence) -> Report:
    """What is wrong with the chain, in its order."""
    causes = [cause for one in _JUDGES for cause in one(evidence)]
    causes += signing_in.judge(evidence, causes)
    order = list(Link)
    question = evidence.question
    return Report(
        cluster=question.cluster,
        namespace=question.namespace,
        service_account=question.service_account,
        identity=question.identity,
        vault=question.vault,
        secret=question.secret,
        causes=tuple(sorted(causes, key=lambda cause: order.index(cause.link))),
        not_visible=(*evidence.hidden, *masked(evidence, {cause.link for cause in causes})),
        at_hand=tuple(keys.problems(evidence)),
        seen=tuple(_seen(evidence)),
    )


def masked(evidence: Evidence, broken: Collection[Link]) -> Iterator[Hidden]:
    """What could not be tried because of what is broken before it, of links that are not ``broken`` themselves."""
    question, identity, vault = evidence.question, evidence.identity, evidence.vault
    signed_in = any(not one.code for one in evidence.exchanges)
    if evidence.cluster.token is None and not evidence.cluster.silent and evidence.sees(Link.SIGN_IN):
        yield Hidden(Link.CLUSTER, "Its clock and its signing key show in a token, which is not to be had")
    if vault is not None and vault.deleted and question.secret:
        yield Hidden(Link.SECRET, "The vault has to be there first")
    if identity is None:
        if evidence.sees(Link.IDENTITY):
            yield Hidden(Link.CREDENTIAL, "The identity has to be there first")
            yield Hidden(Link.VAULT, "What the identity may do shows when it is there")
        return
    if not signed_in and Link.CREDENTIAL not in broken and credentials.matching(evidence):
        yield Hidden(Link.CREDENTIAL, "Whether Entra honours it shows when nothing else stops the sign-in")
    read = vault.read if vault is not None else None
    asked = read is not None and read.code not in _SHUT
    if question.vault and vault is not None and Link.VAULT not in broken and not asked:
        yield Hidden(Link.VAULT, "Whether it honours what the identity may do shows when it is asked")


def _seen(evidence: Evidence) -> Iterator[str]:
    """What was found, a line for each link that could be looked at."""
    token = evidence.cluster.token
    if token is not None:
        header = ", ".join(f"{key} {token.header[key]}" for key in ("alg", "kid") if key in token.header)
        claims = ", ".join(
            f"{key} {token.claims[key]}" for key in ("iss", "sub", "aud", "iat", "exp") if key in token.claims
        )
        yield f"token: {header}; {claims}"
    yield from keys.seen(evidence)
    identity = evidence.identity
    if identity is not None:
        yield f"identity: {identity.name}, client id {identity.client_id}, principal {identity.principal_id or 'none'}"
        for one in identity.credentials:
            yield f"federated credential {one.name}: {one.issuer}, {one.subject}, {one.audience}"
    if evidence.exchanges:
        succeeded = sum(not one.code for one in evidence.exchanges)
        said = next((f": {one.message}" for one in evidence.exchanges if one.code), "")
        yield f"sign-in: {succeeded} of {len(evidence.exchanges)} exchanges succeeded{said}"
    if evidence.vault is not None and evidence.vault.read is not None:
        outcome = evidence.vault.read.code or "succeeded"
        yield f"reading {evidence.question.secret} of vault {evidence.vault.name} as the workload: {outcome}"
