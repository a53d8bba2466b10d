"""The rules: from an inventory and a fleet to findings."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from fleet import naming
from fleet.diagnosis.difference import shown
from fleet.spec import Fleet
from fleet.webhook_contract import CLIENT_ID

from .findings import Audit, AuditFinding, Level, Rule
from .inventory import ClusterInventory, Identity, Inventory, Permission
from .reach import judge_access

_ACTING = {
    "create serviceaccounts": "make the ServiceAccount anew",
    "create tokens": "have a token of it made",
    "create pods": "run a pod as it",
}


def audit(fleet: Fleet | None, inventory: Inventory) -> Audit:
    """Everything that is found, the worst first; without a fleet, all but what is beyond its spec."""
    found = [
        *(finding for identity in inventory.identities for finding in _trust(fleet, inventory, identity)),
        *(finding for identity in inventory.identities for finding in _passwords(inventory, identity)),
        *judge_access(fleet, inventory),
        *_annotations(inventory),
        *_acting(inventory),
    ]
    order = list(Level)
    ordered = sorted(found, key=lambda finding: (order.index(finding.level), finding.rule, finding.where))
    not_seen = tuple(str(one) for one in inventory.not_seen)
    return Audit(
        fleet=fleet.name if fleet is not None else "the subscription", findings=tuple(ordered), not_seen=not_seen
    )


def _trust(fleet: Fleet | None, inventory: Inventory, identity: Identity) -> Iterator[AuditFinding]:
    """Credentials for ServiceAccounts whose issuer, namespace or account is not there."""
    ours = fleet is not None and identity.fleet == fleet.name
    for credential in identity.credentials:
        account = naming.service_account_of(credential.subject)
        if account is None:
            continue  # a pipeline's, or another program's
        where = f"{_called(identity)}/credential {credential.name}"
        remove = _remove(identity, credential.name)
        cluster = inventory.by_issuer.get(credential.issuer)
        if cluster is None:
            yield AuditFinding(
                rule=Rule.ISSUER_UNKNOWN,
                level=Level.ERROR if ours else Level.NOTE,
                where=where,
                what=f"it trusts {shown(credential.issuer)}, which no cluster of the fleet or the subscription has",
                advice=f"if that cluster is gone: {remove}",
            )
            continue
        yield from _gone(cluster, where, *account, remove)


def _gone(cluster: ClusterInventory, where: str, namespace: str, account: str, remove: str) -> Iterator[AuditFinding]:
    accounts = {(one.namespace, one.name) for one in cluster.accounts or ()}
    if cluster.namespaces is not None and namespace not in cluster.namespaces:
        rule, what = Rule.NAMESPACE_GONE, f"cluster {cluster.name} has no namespace {namespace}"
    elif cluster.accounts is not None and (namespace, account) not in accounts:
        rule, what = Rule.ACCOUNT_GONE, f"cluster {cluster.name} has no ServiceAccount {namespace}/{account}"
    else:
        return
    yield AuditFinding(rule=rule, level=Level.ERROR, where=where, what=what, advice=remove)


def _passwords(inventory: Inventory, identity: Identity) -> Iterator[AuditFinding]:
    """What an application that is federated can still sign in with otherwise."""
    if not identity.credentials:
        return
    for password in identity.passwords:
        if password.expires is not None and password.expires <= inventory.now:
            continue
        until = f" until {password.expires:%Y-%m-%d}" if password.expires else ""
        cert = " --cert" if password.kind == "certificate" else ""
        yield AuditFinding(
            rule=Rule.PASSWORD_KEPT,
            level=Level.WARNING,
            where=f"{_called(identity)}/{password.kind} {password.name}",
            what=f"it is federated and still signs in with a {password.kind}, good{until}",
            advice=f"az ad app credential delete --id {identity.client_id} --key-id KEY_ID{cert}, once nothing uses it",
        )


def _annotations(inventory: Inventory) -> Iterator[AuditFinding]:
    """ServiceAccounts annotated with a client id that neither an application nor a managed identity has."""
    if any(one.link in ("applications", "managed identities") for one in inventory.not_seen):
        return
    known = {identity.client_id for identity in inventory.identities}
    for cluster in inventory.clusters:
        for account in cluster.accounts or ():
            if account.client_id is not None and account.client_id not in known:
                yield AuditFinding(
                    rule=Rule.CLIENT_ID_OF_NOBODY,
                    level=Level.WARNING,
                    where=f"cluster {cluster.name}/ServiceAccount {account.namespace}/{account.name}",
                    what=f"it is annotated with the client id {shown(account.client_id)}, which nobody has",
                    advice=f"kubectl -n {account.namespace} annotate serviceaccount {account.name} "
                    f"{CLIENT_ID}- , or correct it",
                )


def _acting(inventory: Inventory) -> Iterator[AuditFinding]:
    """Who may act as a ServiceAccount that a credential trusts, by rights in its namespace."""
    trusted: dict[tuple[str, str], list[str]] = {}
    for identity in inventory.identities:
        for credential in identity.credentials:
            account = naming.service_account_of(credential.subject)
            cluster = inventory.by_issuer.get(credential.issuer)
            if cluster is not None and account is not None:
                namespace, name = account
                trusted.setdefault((cluster.name, namespace), []).append(f"{name} ({identity.name})")
    for cluster in inventory.clusters:
        members = sorted((one for one in cluster.permissions or () if one.namespace), key=_by_member)
        for (namespace, who), rights in groupby(members, key=_by_member):
            if accounts := trusted.get((cluster.name, namespace)):
                yield _member(cluster, namespace, who, list(rights), accounts)


def _by_member(permission: Permission) -> tuple[str, str]:
    return permission.namespace, permission.who


def _member(
    cluster: ClusterInventory, namespace: str, who: str, rights: list[Permission], accounts: list[str]
) -> AuditFinding:
    may = sorted({_ACTING[right] for one in rights for right in one.may})
    through = ", ".join(sorted({one.through for one in rights}))
    return AuditFinding(
        rule=Rule.ACCOUNT_CAN_BE_MADE,
        level=Level.WARNING,
        where=f"cluster {cluster.name}/namespace {namespace}/{who}",
        what=f"may {', '.join(may)}, of {', '.join(sorted(set(accounts)))}, by {through}",
        advice="give the workload a namespace of its own, or narrow the binding to what its members need",
    )


def _called(identity: Identity) -> str:
    return f"{'application' if identity.is_application else 'managed identity'} {identity.name}"


def _remove(identity: Identity, credential: str) -> str:
    if identity.is_application:
        return f"az ad app federated-credential delete --id {identity.client_id} --federated-credential-id {credential}"
    return f"az identity federated-credential delete --identity-name {identity.name} --name {credential}"
