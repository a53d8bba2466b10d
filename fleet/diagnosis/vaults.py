"""Whether the vault can be reached, lets the identity read, and has the secret."""

from __future__ import annotations

from collections.abc import Iterator

from fleet import naming

from .evidence import Evidence, SecretEvidence, VaultEvidence
from .report import Cause, Link

ROLE_SECONDS, POLICY_SECONDS = 600.0, 120.0
"""How long a role may take to be in effect (documented: up to ten minutes), and an access policy (some seconds)."""
_DENIED = frozenset({"AccessDenied", "ForbiddenByRbac", "ForbiddenByPolicy"})


def judge(evidence: Evidence) -> Iterator[Cause]:
    """What is wrong with the vault, with what the identity may do there, and with the secret."""
    vault = evidence.vault
    if vault is None:
        return
    where = f"vault {vault.name}"
    if vault.deleted:
        yield Cause(
            name="vault-deleted",
            link=Link.VAULT,
            where=where,
            what="it is soft-deleted, so that its name does not resolve",
            mend=f"az keyvault recover --name {vault.name}",
        )
        return
    yield from _network(where, vault)
    yield from _access(where, evidence, vault)
    yield from _secret(evidence, vault)


def _network(where: str, vault: VaultEvidence) -> Iterator[Cause]:
    code = vault.read.code if vault.read else ""
    if not vault.public:
        yield Cause(
            name="vault-private",
            link=Link.VAULT,
            where=where,
            what="it answers on private endpoints only",
            evidence=("publicNetworkAccess: Disabled",),
            mend=f"use it from its private endpoint's network, or az keyvault update --name {vault.name} "
            "--public-network-access Enabled",
        )
    elif not vault.open_to_all and code in ("", "ForbiddenByFirewall") and (code or vault.read is None):
        yield Cause(
            name="vault-firewall",
            link=Link.VAULT,
            where=where,
            what="its firewall does not let this network in",
            evidence=("networkAcls.defaultAction: Deny", *([vault.read.message] if vault.read else ())),
            mend=f"az keyvault network-rule add --name {vault.name} --ip-address ADDRESS, that of the cluster's egress",
        )


def _access(where: str, evidence: Evidence, vault: VaultEvidence) -> Iterator[Cause]:
    identity = evidence.identity
    if identity is None or identity.principal_id is None or not evidence.sees(Link.VAULT):
        return
    by_role = any(one.reads_secrets for one in vault.grants)
    by_policy = "get" in (vault.permissions or ())
    if by_role if vault.by_role else by_policy:
        yield from _young(where, evidence, vault)
        return
    mend = (
        f"az role assignment create --assignee {identity.client_id} --role 'Key Vault Secrets User' --scope VAULT_ID"
        if vault.by_role
        else f"az keyvault set-policy --name {vault.name} --spn {identity.client_id} --secret-permissions get"
    )
    name, what, seen = _lacking(vault, by_role=by_role, by_policy=by_policy)
    yield Cause(name=name, link=Link.VAULT, where=where, what=f"{identity.name} {what}", evidence=seen, mend=mend)


def _lacking(vault: VaultEvidence, *, by_role: bool, by_policy: bool) -> tuple[str, str, tuple[str, ...]]:
    roles = tuple(f"{one.role} at {one.scope}" for one in vault.grants)
    permissions = vault.permissions
    if vault.by_role and by_policy:
        return (
            "access-model",
            "has an access policy here, and the vault goes by roles",
            ("enableRbacAuthorization: true",),
        )
    if not vault.by_role and by_role:
        return (
            "access-model",
            "has a role here, and the vault goes by access policies",
            (
                "enableRbacAuthorization: false",
                *roles,
            ),
        )
    if vault.elsewhere:
        return (
            "access-elsewhere",
            "may read another vault, not this one",
            tuple(f"vault {one}" for one in vault.elsewhere),
        )
    if not vault.by_role and permissions:
        return "access-narrow", "may not read its secrets", (f"access policy: {', '.join(permissions)}",)
    reading = tuple(one for one in roles if one.startswith("Key Vault "))
    if vault.by_role and reading:
        return "access-narrow", "may not read its secrets", reading
    return (
        "access-missing",
        f"has no {'role' if vault.by_role else 'access policy'} here that lets it read secrets",
        roles,
    )


def _young(where: str, evidence: Evidence, vault: VaultEvidence) -> Iterator[Cause]:
    """Access is there, and is not honoured."""
    if vault.read is None or vault.read.code not in _DENIED:
        return
    limit = ROLE_SECONDS if vault.by_role else POLICY_SECONDS
    granted = [one.created for one in vault.grants if one.reads_secrets and one.created]
    since = max(granted, default=None) if vault.by_role else vault.changed
    age = (evidence.now - since).total_seconds() if since else None
    wait = max(limit - age, 40.0) if age is not None else limit
    name = evidence.identity.name if evidence.identity else ""
    yield Cause(
        name="access-young",
        link=Link.VAULT,
        where=where,
        what=f"{name} may read its secrets, and the vault does not honour it yet",
        evidence=(vault.read.message, *([f"granted {age:.0f} s ago"] if age is not None else ())),
        mend=f"wait, about {wait:.0f} s more",
        wait_seconds=wait,
    )


def _secret(evidence: Evidence, vault: VaultEvidence) -> Iterator[Cause]:
    name = evidence.question.secret
    if not name or not evidence.sees(Link.SECRET):
        return
    where, url = f"secret {name} of vault {vault.name}", f"{naming.vault_url(vault.name)}/secrets/{name}"
    secret = vault.secret
    at = f"--vault-name {vault.name} --name {name}"
    if secret is None:
        yield Cause(
            name="secret-missing",
            link=Link.SECRET,
            where=where,
            what="there is no such secret",
            evidence=(url,),
            mend=f"az keyvault secret set {at} --file FILE",
        )
    elif secret.deleted:
        yield Cause(
            name="secret-deleted",
            link=Link.SECRET,
            where=where,
            what="it is soft-deleted, and its name reserved",
            mend=f"az keyvault secret recover {at}",
        )
    else:
        yield from _attributes(where, at, evidence, secret)


def _attributes(where: str, at: str, evidence: Evidence, secret: SecretEvidence) -> Iterator[Cause]:
    update = f"az keyvault secret set-attributes {at}"
    found = []
    if not secret.enabled:
        found.append(("secret-disabled", "it is disabled", "enabled: false", f"{update} --enabled true"))
    if secret.expires is not None and secret.expires <= evidence.now:
        found.append(("secret-expired", "it has expired", f"exp: {secret.expires}", f"{update} --expires DATE"))
    if secret.not_before is not None and secret.not_before > evidence.now:
        found.append(
            ("secret-early", "it is not valid yet", f"nbf: {secret.not_before}", f"{update} --not-before DATE")
        )
    for name, what, seen, mend in found:
        yield Cause(name=name, link=Link.SECRET, where=where, what=what, evidence=(seen,), mend=mend)
