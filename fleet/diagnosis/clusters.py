"""Whether the cluster's tokens can be believed: it answers, its clock is right, and its issuer publishes its keys."""

from __future__ import annotations

from collections.abc import Iterator

from .evidence import ClusterEvidence, Evidence
from .report import Cause, Link

TOLERATED_SKEW = 300.0
"""Seconds by which Entra lets clocks differ (documented for its tokens; assumed for assertions)."""


def judge(evidence: Evidence) -> Iterator[Cause]:
    """What is wrong with the cluster."""
    question, cluster = evidence.question, evidence.cluster
    where = f"cluster {question.cluster}"
    if cluster.silent:
        yield Cause(
            name="cluster-unreachable",
            link=Link.CLUSTER,
            where=where,
            what="its API server does not answer",
            evidence=(cluster.silent,),
            mend=f"az aks show --name {question.cluster} --query powerState; then the way from here: kubectl version",
        )
        return
    yield from _clock(where, cluster)
    yield from _documents(where, question.cluster, cluster)


def _clock(where: str, cluster: ClusterEvidence) -> Iterator[Cause]:
    ahead = cluster.clock_ahead
    if ahead is None or abs(ahead) <= TOLERATED_SKEW:
        return
    token = cluster.token
    made = f"the token says iat {token.claims.get('iat')}, exp {token.claims.get('exp')}" if token else ""
    refused = "Entra takes its tokens for not yet valid" if ahead > 0 else "Entra takes its tokens for expired"
    yield Cause(
        name="clock-ahead" if ahead > 0 else "clock-behind",
        link=Link.CLUSTER,
        where=where,
        what=f"its clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} Entra's: {refused}",
        evidence=(made,) if made else (),
        mend="set the clock of the control plane's machines (NTP); az aks stop and start moves it to other machines",
    )


def _documents(where: str, name: str, cluster: ClusterEvidence) -> Iterator[Cause]:
    discovery, keys = cluster.discovery, cluster.keys
    reconcile = f"let anybody read it: az aks update --name {name} makes AKS publish it anew"
    if discovery is not None and discovery.content is None:
        yield Cause(
            name="issuer-unreachable",
            link=Link.CLUSTER,
            where=where,
            what="its issuer's discovery document cannot be read from outside, so Entra cannot either",
            evidence=(f"GET {discovery.url}: {discovery.problem}",),
            mend=reconcile,
        )
    elif keys is not None and keys.content is None:
        yield Cause(
            name="keys-unreachable",
            link=Link.CLUSTER,
            where=where,
            what="its issuer's keys cannot be read from outside, so Entra cannot check a signature",
            evidence=(f"GET {keys.url}: {keys.problem}",),
            mend=reconcile,
        )
    elif keys is not None and keys.content is not None and cluster.signed_by_published_key is False:
        published = [str(key.get("kid")) for key in keys.content.get("keys") or ()]
        kid = cluster.token.header.get("kid") if cluster.token else None
        yield Cause(
            name="keys-rotated",
            link=Link.CLUSTER,
            where=where,
            what="it signs with a key that its issuer does not publish: the key was rotated and the keys were not",
            evidence=(f"the token is signed by kid {kid}", f"{keys.url} has {', '.join(published) or 'none'}"),
            mend="publish the key at the issuer's jwks_uri: kubectl get --raw /openid/v1/jwks has it",
        )
