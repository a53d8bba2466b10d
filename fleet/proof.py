"""What proves a workload's chain, and how a proven chain is recognised again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Any

from . import naming
from .resources import (
    AccessPolicy,
    Application,
    ClusterSettings,
    Deployment,
    FederatedIdentityCredential,
    ManagedIdentity,
    Namespace,
    Resource,
    RoleAssignment,
    Rollout,
    Secret,
    ServiceAccount,
    ServicePrincipal,
    Vault,
    Webhook,
)
from .spec import Model

AUTHORITY_HOST = "https://login.microsoftonline.com/"


class Chain(Model):
    """Everything on which it depends whether a ServiceAccount reaches its secret."""

    cluster: str
    namespace: str
    service_account: str
    identity: str
    issuer: str
    client_id: str
    tenant_id: str
    vault: str
    secret: str
    skip_containers: str | None = None

    @property
    def subject(self) -> str:
        """As the ServiceAccount's tokens carry it."""
        return naming.subject(self.namespace, self.service_account)

    @property
    def credential(self) -> str:
        """Key of the federated credential that it goes by."""
        return f"federated-credential:{self.identity}/{self.cluster}/{self.namespace}/{self.service_account}"

    @property
    def fingerprint(self) -> str:
        """Equal exactly where every link is. A proof holds for a fingerprint, until it expires."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    @property
    def links(self) -> frozenset[tuple[str, ...]]:
        """What it hangs on, each as :func:`link_of` names it."""
        place = (self.cluster, self.namespace, self.service_account)
        return frozenset(
            {
                ("cluster", *place[:1]),
                ("namespace", *place[:2]),
                ("workload", *place),
                ("trust", self.identity, *place[1:]),
                ("identity", self.identity),
                ("vault", self.vault),
                ("secret", self.vault, self.secret),
                ("grant", self.identity, self.vault),
            }
        )


def touched(resources: Iterable[Resource]) -> Callable[[Chain], bool]:
    """Whether a change of these objects may have mended or broken a chain."""
    links = {link for resource in resources if (link := link_of(resource)) is not None}
    return lambda chain: not links.isdisjoint(chain.links)


def link_of(resource: Resource) -> tuple[str, ...] | None:
    """The link of a chain that an object is, as :attr:`Chain.links` names it; None where it is none."""
    match resource:
        case ClusterSettings():
            return ("cluster", resource.name)
        case Webhook():
            return ("cluster", resource.cluster)
        case Namespace():
            return ("namespace", resource.cluster, resource.name)
        case ServiceAccount():
            return ("workload", resource.cluster, resource.namespace, resource.name)
        case Deployment() | Rollout():
            return ("workload", resource.cluster, resource.namespace, resource.service_account)
        case FederatedIdentityCredential():  # as it is found, it does not tell of which cluster it is
            return ("trust", resource.identity, resource.namespace, resource.service_account)
        case Application() | ServicePrincipal() | ManagedIdentity():
            return ("identity", resource.identity)
        case Vault():
            return ("vault", resource.name)
        case Secret():
            return ("secret", resource.vault, resource.name)
        case RoleAssignment() | AccessPolicy():  # nor this whose it is
            known = resource.identity not in ("", naming.OPERATOR)
            return ("grant", resource.identity, resource.vault) if known else ("vault", resource.vault)
        case _:
            return None


class Proof(Model):
    """The outcome of a verification. The secret's value is not in it."""

    chain: Chain
    holds: bool
    tried: int = 0
    """Token exchanges attempted after the first success, itself included."""
    succeeded: int = 0
    at: str = ""
    """When it was tried: ISO 8601, UTC."""
    kept: bool = False
    """Whether it was proven by an earlier run, and is trusted still."""
    problems: tuple[str, ...] = ()
    """What is broken, where, and what to do about it."""

    def __str__(self) -> str:
        chain = self.chain
        if not self.holds:
            return f"{chain.subject} on {chain.cluster} cannot read {chain.secret}: {'; '.join(self.problems)}"
        return f"read {chain.secret} as {chain.subject} on {chain.cluster}"


def admission_problems(pod: dict[str, Any], chain: Chain) -> tuple[str, ...]:
    """How an admitted pod differs from what the webhook (v1.6) should have made of it. Empty: nothing differs.

    The token's path is read from the variable, not assumed: v1.6 moved it, and later versions may again.
    """
    container = pod["spec"]["containers"][0]
    env = {item["name"]: item.get("value") for item in container.get("env") or ()}
    if "AZURE_FEDERATED_TOKEN_FILE" not in env:
        return ("the webhook left the pod as it was: is it running, and does it see this namespace?",)
    expected = {
        "AZURE_CLIENT_ID": chain.client_id,
        "AZURE_TENANT_ID": chain.tenant_id,
        "AZURE_AUTHORITY_HOST": AUTHORITY_HOST,
    }
    problems = [
        f"{name} is {env.get(name) or 'absent'} in the pod, expected {value}"
        for name, value in expected.items()
        if env.get(name) != value
    ]
    token_file = str(env["AZURE_FEDERATED_TOKEN_FILE"])
    mount = next(
        (item for item in container.get("volumeMounts") or () if token_file.startswith(item["mountPath"] + "/")), None
    )
    volumes = {volume["name"]: volume for volume in pod["spec"].get("volumes") or ()}
    sources = (volumes.get(mount["name"], {}).get("projected") or {}).get("sources") or () if mount else ()
    audiences = [source["serviceAccountToken"].get("audience") for source in sources if "serviceAccountToken" in source]
    if naming.AUDIENCE not in audiences:
        problems.append(f"no volume puts a token for {naming.AUDIENCE} at {token_file}")
    return tuple(problems)
