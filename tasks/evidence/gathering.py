"""Gathers the evidence of chains. What several chains share is looked at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from clients.errors import UNREACHABLE, CloudError
from clients.kubernetes import Kubernetes, address_of, path_of
from clients.session import Clients
from fleet.diagnosis.evidence import (
    Attempt,
    ClusterEvidence,
    Evidence,
    Grant,
    Hidden,
    IdentityEvidence,
    Json,
    Question,
    SecretEvidence,
    Token,
    VaultEvidence,
    annotations_of,
)
from fleet.diagnosis.report import Link
from fleet.spec import Cluster
from fleet.webhook_contract import CLIENT_ID
from tasks import applications, vaults

from . import directory, inside, issuers, mentions, roles, using, vault
from .asked import aks_clusters
from .hiding import hidden

Result = TypeVar("Result")

_NEEDS = {
    Link.CLUSTER: "Needs Azure Kubernetes Service Cluster User Role on the cluster",
    Link.WEBHOOK: "Needs list of Deployments, get of MutatingWebhookConfigurations, and create of pods (dry run only)",
    Link.ACCOUNT: "Needs list of ServiceAccounts in the cluster",
    Link.WORKLOAD: "Needs list of pods and Deployments in the namespace",
    Link.IDENTITY: "Needs Application.Read.All of Microsoft Graph, and Reader on the managed identities",
    Link.VAULT: "Needs Reader on the vault's subscription",
    Link.SECRET: "Needs to list the vault's secrets (an access policy, or Key Vault Secrets User)",
    Link.SIGN_IN: "Needs create of serviceaccounts/token in the namespace",
}
"""What an operator lacks who may not look at a link."""


class Gatherer:
    """Looks at chains with the operator's eyes."""

    def __init__(
        self,
        clients: Clients,
        clusters: Mapping[str, Cluster],
        tries: int,
        silent: Mapping[str, str] | None = None,
        at_hand: Token | None = None,
    ) -> None:
        """``clusters`` by name; ``tries`` is how often each chain's token is exchanged.

        Of the ``silent`` clusters it is known that they do not answer, and why. ``at_hand`` is a token that is to be
        looked at too.
        """
        self.silent, self.at_hand = silent or {}, at_hand
        self._clients, self._clusters, self.tries = clients, clusters, tries
        self._looked: dict[Hashable, asyncio.Task[Any]] = {}

    async def gather(self, question: Question) -> Evidence:
        """Everything that can be seen of one chain."""
        return await _Look(self, question).gather()

    async def once(self, key: Hashable, look: Callable[[], Awaitable[Result]]) -> Result:
        """What ``look`` finds, looked at once for all chains."""
        if key not in self._looked:
            self._looked[key] = asyncio.ensure_future(look())
        result: Result = await asyncio.shield(self._looked[key])
        return result

    async def kubernetes(self, name: str) -> Kubernetes:
        """The cluster's API."""
        return await self._clients.cluster(self._clusters[name])


class _Look:
    """The look at one chain."""

    def __init__(self, gatherer: Gatherer, question: Question) -> None:
        self._gatherer, self._clients, self._question = gatherer, gatherer._clients, question
        self._hidden: list[Hidden] = []

    async def gather(self) -> Evidence:
        now = await self._gatherer.once("time", lambda: issuers.entra_time(self._clients))
        evidence = await self._inside(Evidence(self._question, now, at_hand=self._gatherer.at_hand))
        evidence, assertion = await self._issuer(evidence)
        evidence = await self._identity(evidence)
        evidence = await self._use(mentions.completed(evidence), assertion)
        return replace(evidence, hidden=tuple(self._hidden))

    async def _seen(self, link: Link, look: Callable[[], Awaitable[Result]]) -> Result | None:
        """What a look finds; where it fails the link is hidden, and why is noted."""
        try:
            return await look()
        except CloudError as error:
            self._hide(link, error)
            return None

    def _hide(self, link: Link, error: CloudError) -> None:
        if all(hidden.link != link for hidden in self._hidden):
            self._hidden.append(hidden(link, error, _NEEDS.get(link, "")))

    async def _inside(self, evidence: Evidence) -> Evidence:
        """What the cluster shows."""
        question, gatherer = self._question, self._gatherer
        name, namespace = question.cluster, question.namespace
        silent, kubernetes = await self._reached(name)
        if kubernetes is None:
            for link in (Link.WEBHOOK, Link.ACCOUNT, Link.WORKLOAD, Link.SIGN_IN):
                self._hidden.append(Hidden(link, f"The API server of {name} has to answer first"))
            return replace(evidence, cluster=replace(evidence.cluster, silent=silent))
        served = kubernetes

        async def listed(link: Link, kind: str, where: str = "") -> tuple[Json, ...]:
            path = path_of(kind, where)
            return tuple(await self._seen(link, lambda: gatherer.once((name, path), lambda: served.list(path))) or ())

        accounts, pods, deployments, webhook = await asyncio.gather(
            listed(Link.ACCOUNT, "ServiceAccount"),
            listed(Link.WORKLOAD, "Pod", namespace),
            listed(Link.WORKLOAD, "Deployment", namespace),
            self._seen(Link.WEBHOOK, lambda: inside.webhook(served, namespace, question.service_account)),
        )
        address = (namespace, question.service_account)
        account = next((one for one in accounts if address_of(one) == address), None)
        return replace(
            evidence,
            account=account,
            accounts=accounts,
            pods=pods,
            deployments=deployments,
            webhook=webhook,
        )

    async def _reached(self, name: str) -> tuple[str, Kubernetes | None]:
        """The cluster's API; else why nobody answers, '' where it is not that but that we are not let in."""
        gatherer = self._gatherer
        if name in gatherer.silent:
            return gatherer.silent[name], None
        try:
            kubernetes = await gatherer.kubernetes(name)
            await gatherer.once(("version", name), lambda: kubernetes.get("/version"))
        except CloudError as error:
            if error.code == UNREACHABLE:
                return str(error), None
            self._hide(Link.CLUSTER, error)
            return "", None
        return "", kubernetes

    async def _issuer(self, evidence: Evidence) -> tuple[Evidence, str | None]:
        """The cluster's tokens, and what its issuer publishes of them."""
        question, clients = self._question, self._clients
        presented = None
        if all(hidden.link not in (Link.CLUSTER, Link.ACCOUNT) for hidden in self._hidden):
            kubernetes = await self._gatherer.kubernetes(question.cluster)
            presented = await self._seen(
                Link.SIGN_IN, lambda: inside.token(kubernetes, question.namespace, question.service_account)
            )
        listed = await self._gatherer.once("issuers", self._issuers)
        cluster = ClusterEvidence(
            silent=evidence.cluster.silent,
            issuer=listed.get(question.cluster),
            token=presented.shown if presented else None,
            other_issuers={issuer: name for name, issuer in listed.items() if name != question.cluster},
        )
        if cluster.presented:
            issuer = cluster.presented
            found = await self._gatherer.once(("issuer", issuer), lambda: issuers.published(clients, issuer))
            cluster = replace(cluster, discovery=found.discovery, keys=found.keys)
        if presented is not None:
            made = float(presented.shown.claims.get("iat", evidence.now.timestamp()))
            cluster = replace(
                cluster,
                clock_ahead=made - evidence.now.timestamp(),
                signed_by_published_key=issuers.verifies(cluster.keys, presented.assertion),
            )
        return replace(evidence, cluster=cluster), presented.assertion if presented else None

    async def _issuers(self) -> dict[str, str]:
        try:
            listed = await aks_clusters(self._clients)
        except CloudError:
            return {}
        return {cluster.name: issuer for cluster, issuer in listed if issuer}

    async def _identity(self, evidence: Evidence) -> Evidence:
        """Whose the client id is, and whose it should be."""
        clients, question = self._clients, self._question
        client_id = annotations_of(evidence.account).get(CLIENT_ID, "").strip()

        async def found(wanted: str) -> IdentityEvidence | None:
            if not wanted:
                return None
            return await self._gatherer.once(("identity", wanted), lambda: directory.by_client_id(clients, wanted))

        async def everything() -> Evidence:
            annotated, meant = await asyncio.gather(found(client_id), found(question.client_id))
            seen = replace(evidence, annotated=annotated, meant=meant)
            if meant is None and not question.identity:
                seen = replace(seen, meant=await self._trusting(seen))
            if annotated is None and client_id:
                binned, principal, foreign = await asyncio.gather(
                    self._gatherer.once("bin", lambda: applications.deleted(clients)),
                    directory.principal_of(clients, client_id),
                    directory.foreign_tenant(clients, client_id),
                )
                is_binned = any(one.get("appId") in (client_id, question.client_id) for one in binned)
                seen = replace(seen, binned=is_binned, principal_of=principal, foreign_tenant=foreign)
            return seen

        return await self._seen(Link.IDENTITY, everything) or evidence

    async def _trusting(self, evidence: Evidence) -> IdentityEvidence | None:
        """Without a fleet file: the identity that trusts this ServiceAccount, where the annotated one does not."""
        issuer, subject = evidence.cluster.presented, self._question.subject
        annotated = evidence.annotated
        if issuer is None:
            return None
        if annotated and any((one.issuer, one.subject) == (issuer, subject) for one in annotated.credentials):
            return annotated
        return await directory.trusting(self._clients, issuer, subject)

    async def _use(self, evidence: Evidence, assertion: str | None) -> Evidence:
        """What comes of the chain: tokens, the vault, and the secret."""
        question, identity, clients = evidence.question, evidence.identity, self._clients
        client_id = identity.client_id if identity is not None else self._client_id(evidence)
        if client_id and assertion is not None:
            exchanges = await using.exchange(clients, client_id, assertion, self._gatherer.tries)
            evidence = replace(evidence, exchanges=exchanges)
        if not question.vault:
            return evidence
        seen = await self._seen(Link.VAULT, lambda: self._vault(question.vault, identity))
        if seen is None:
            return evidence
        signed_in = any(not one.code for one in evidence.exchanges)
        if seen.deleted or not question.secret:
            return replace(evidence, vault=seen)
        attempt, by_reading = Attempt("", ""), None
        if client_id and assertion is not None and signed_in:
            attempt, by_reading = await self._read(client_id, assertion, evidence)
            seen = replace(seen, read=attempt)
        return replace(evidence, vault=replace(seen, secret=await self._secret(question, attempt, by_reading)))

    def _client_id(self, evidence: Evidence) -> str:
        """As whom to try where the directory is hidden: as who is meant, else as the ServiceAccount says."""
        if all(hidden.link != Link.IDENTITY for hidden in self._hidden):
            return ""
        return evidence.question.client_id or annotations_of(evidence.account).get(CLIENT_ID, "").strip()

    async def _read(self, client_id: str, assertion: str, evidence: Evidence) -> tuple[Attempt, SecretEvidence | None]:
        """The secret, read as the workload; while the credential flaps, once more until a token is had."""
        question = evidence.question
        attempt, secret = Attempt(), None
        for _ in range(self._gatherer.tries):
            attempt, secret = await using.read(self._clients, client_id, assertion, question.vault, question.secret)
            if not attempt.code.startswith("AADSTS"):
                break
        return attempt, secret

    async def _vault(self, name: str, identity: IdentityEvidence | None) -> VaultEvidence | None:
        clients, gatherer = self._clients, self._gatherer
        listed = await gatherer.once("vaults", lambda: vaults.listed(clients))
        found = next((one for one in listed if (one.name or "").lower() == name.lower()), None)
        if found is None:
            if name.lower() in await vaults.deleted_names(clients):
                return VaultEvidence(name=name, deleted=True)
            reason = f"There is no vault {name} in the subscription {clients.subscription_id}: is it in another?"
            self._hidden.append(Hidden(Link.VAULT, reason))
            return None
        principal = identity.principal_id if identity else None
        held: tuple[Grant, ...] = ()
        if principal:
            roles_held = await gatherer.once(("roles", principal), lambda: roles.held(clients, principal))
            held = tuple(Grant(one.role, one.scope, one.reads_secrets, one.created) for one in roles_held)
        return vault.reading(found, principal or "", held, listed)

    async def _secret(
        self, question: Question, attempt: Attempt, by_reading: SecretEvidence | None
    ) -> SecretEvidence | None:
        """The secret as the operator sees it, else as the workload's own reading tells."""
        if by_reading is not None and attempt.code == "":
            return by_reading
        try:
            return await vault.secret(self._clients, question.vault, question.secret)
        except CloudError as error:
            if by_reading is None and attempt.code != "SecretNotFound":
                self._hide(Link.SECRET, error)
            return by_reading
