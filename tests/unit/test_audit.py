"""What an audit finds in an inventory, rule by rule, and what it leaves alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from fleet import naming
from fleet.audit.findings import TITLES, WHY, Audit, Level, Rule
from fleet.audit.inventory import (
    Account,
    ClusterInventory,
    Identity,
    Inventory,
    Password,
    Permission,
    Policy,
    Role,
    VaultInventory,
)
from fleet.audit.rules import audit
from fleet.audit.sarif import sarif
from fleet.diagnosis.evidence import Credential, Hidden
from tests.unit.files import load_written

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ISSUER = "https://issuer.example/prod/"
VAULT_ID = "/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/shop-kv"
FLEET = load_written(
    {
        "fleet.yaml": """
name: shop
subscription: Playground
clusters: [{name: prod, resource_group: g}]
vaults: [{name: shop-kv, resource_group: g, location: westeurope}]
identities: [{name: web, access: [{vault: shop-kv, roles: [Reader]}]}]
workloads: [{namespace: shop, service_account: web, clusters: [prod], identity: web}]
"""
    }
)
SOUND = Credential("c", ISSUER, "system:serviceaccount:shop:web", naming.AUDIENCE)
WEB = Identity("web", "client-web", "principal-web", True, (SOUND,), fleet="shop")
ACCOUNTS = (Account("shop", "web", "client-web"), Account("shop", "default"))
PROD = ClusterInventory("prod", ISSUER, frozenset({"shop", "default"}), ACCOUNTS, ())
GRANTED = (
    Role("principal-web", "Reader", VAULT_ID, False),
    Role("principal-web", "Key Vault Secrets User", VAULT_ID, True),
    Role("somebody", "Owner", "/subscriptions/s", False),
)
CLEAN = Inventory(
    now=NOW,
    operator_id="operator",
    identities=(WEB,),
    clusters=(PROD,),
    vaults=(VaultInventory("shop-kv", VAULT_ID, by_role=True),),
    roles=GRANTED,
)


def with_identity(**changes: object) -> Inventory:
    """Clean but for the identity."""
    return replace(CLEAN, identities=(replace(WEB, **changes),))  # type: ignore[arg-type]  # any field of it


def with_credential(**changes: str) -> Inventory:
    """Clean but for one more credential."""
    return with_identity(credentials=(SOUND, replace(SOUND, name="other", **changes)))


def with_cluster(**changes: object) -> Inventory:
    """Clean but for the cluster."""
    return replace(CLEAN, clusters=(replace(PROD, **changes),))  # type: ignore[arg-type]  # any field of it


def with_role(role: str, scope: str, principal: str = "principal-web", *, reads: bool = False) -> Inventory:
    """Clean but for one more role."""
    return replace(CLEAN, roles=(*GRANTED, Role(principal, role, scope, reads)))


def idle(**changes: object) -> Inventory:
    """Clean but for an identity that nothing uses and that may read the vault by a role above it."""
    other = replace(
        WEB, name="idle", client_id="client-idle", principal_id="principal-idle", credentials=(), fleet=None
    )
    reads = with_role("Key Vault Administrator", "/subscriptions/s", "principal-idle", reads=True)
    return replace(reads, identities=(WEB, replace(other, **changes)))  # type: ignore[arg-type]  # any field of it


TOKENS = frozenset({"create tokens", "create pods"})
MEMBERS = (
    Permission("Group team", "shop", TOKENS, "RoleBinding editors"),
    Permission("Group team", "elsewhere", TOKENS, "RoleBinding editors"),
    Permission("Group admins", "", TOKENS, "ClusterRoleBinding admins"),
)
FOUND: dict[str, tuple[Inventory, Rule, Level, str]] = {
    "an issuer of no cluster, on ours": (
        with_credential(issuer="https://issuer.example/gone/"),
        Rule.ISSUER_UNKNOWN,
        Level.ERROR,
        "application web/credential other: it trusts 'https://issuer.example/gone/', which no cluster of the fleet",
    ),
    "an issuer of no cluster, on somebody's": (
        replace(with_credential(issuer="https://issuer.example/gone/"), roles=()),
        Rule.ISSUER_UNKNOWN,
        Level.ERROR,
        "which no cluster of the fleet or the subscription has",
    ),
    "a namespace that is gone": (
        with_credential(subject="system:serviceaccount:gone:web"),
        Rule.NAMESPACE_GONE,
        Level.ERROR,
        "cluster prod has no namespace gone",
    ),
    "a ServiceAccount that is gone": (
        with_credential(subject="system:serviceaccount:shop:gone"),
        Rule.ACCOUNT_GONE,
        Level.ERROR,
        "cluster prod has no ServiceAccount shop/gone",
    ),
    "a client secret": (
        with_identity(passwords=(Password("client secret", "old", NOW + timedelta(days=1)),)),
        Rule.PASSWORD_KEPT,
        Level.WARNING,
        "web/client secret old: it is federated and still signs in with a client secret, good until 2026-01-02",
    ),
    "a certificate without an end": (
        with_identity(passwords=(Password("certificate", "key", None),)),
        Rule.PASSWORD_KEPT,
        Level.WARNING,
        "still signs in with a certificate, good",
    ),
    "a role beyond the spec": (
        with_role("Contributor", "/subscriptions/s"),
        Rule.WIDER_THAN_SPEC,
        Level.WARNING,
        "it holds Contributor at /subscriptions/s, which the fleet file does not say",
    ),
    "a role of the spec, at a wider scope": (
        with_role("Reader", "/subscriptions/s"),
        Rule.WIDER_THAN_SPEC,
        Level.WARNING,
        "it holds Reader at /subscriptions/s",
    ),
    "permissions beyond the spec": (
        replace(CLEAN, policies=(Policy("shop-kv", "principal-web", ("get", "set")),)),
        Rule.WIDER_THAN_SPEC,
        Level.WARNING,
        "it may set secrets, which the fleet file does not say",
    ),
    "a client id of nobody": (
        with_cluster(accounts=(*ACCOUNTS, Account("shop", "jobs", "nobody"))),
        Rule.CLIENT_ID_OF_NOBODY,
        Level.WARNING,
        "cluster prod/ServiceAccount shop/jobs: it is annotated with the client id 'nobody', which nobody has",
    ),
    "an idle reader": (
        idle(),
        Rule.VAULT_READ_BY_IDLE,
        Level.NOTE,
        "vault shop-kv/identity idle: it may read the vault's secrets by Key Vault Administrator at /subscriptions/s",
    ),
    "an idle reader of the fleet's": (
        replace(with_cluster(accounts=()), identities=(replace(WEB, credentials=()),)),
        Rule.VAULT_READ_BY_IDLE,
        Level.WARNING,
        "vault shop-kv/identity web",
    ),
    "members who may act as it": (
        with_cluster(permissions=MEMBERS),
        Rule.ACCOUNT_CAN_BE_MADE,
        Level.WARNING,
        "cluster prod/namespace shop/Group team: may have a token of it made, run a pod as it, of web (web)",
    ),
}
LEFT_ALONE: dict[str, Inventory] = {
    "all as the file says": CLEAN,
    "a pipeline's trust": with_credential(issuer="https://pipelines.example", subject="repo:shop/web:ref:main"),
    "an expired secret": with_identity(passwords=(Password("client secret", "old", NOW),)),
    "a secret of what is not federated": replace(
        CLEAN,
        identities=(
            WEB,
            Identity("cli", "client-cli", "principal-cli", True, (), (Password("client secret", "s", None),)),
        ),
    ),
    "a namespace that cannot be seen": replace(
        with_credential(subject="system:serviceaccount:shop:gone"),
        clusters=(replace(PROD, namespaces=None, accounts=None),),
    ),
    "a client id where the directory cannot be seen": replace(
        with_cluster(accounts=(*ACCOUNTS, Account("shop", "jobs", "unseen"))),
        not_seen=(Hidden("applications", "Needs Application.Read.All"),),
    ),
    "the operator, who reads the vault": idle(principal_id="operator"),
    "a reader whom a ServiceAccount uses": replace(
        idle(), clusters=(replace(PROD, accounts=(*ACCOUNTS, Account("x", "y", "client-idle"))),)
    ),
    "members where nothing is trusted": with_cluster(permissions=MEMBERS[1:]),
}


def named(found: Audit) -> list[tuple[Rule, Level]]:
    """What was found, without words."""
    return [(one.rule, one.level) for one in found.findings]


@pytest.mark.parametrize("case", FOUND)
def test_what_is_wrong_is_found_and_nothing_else(case: str) -> None:
    inventory, rule, level, says = FOUND[case]
    found = audit(FLEET, inventory)
    assert named(found) == [(rule, level)]
    assert says in str(found.findings[0])
    assert found.findings[0].advice


@pytest.mark.parametrize("case", LEFT_ALONE)
def test_what_is_not_wrong_is_left_alone(case: str) -> None:
    assert audit(FLEET, LEFT_ALONE[case]).findings == ()


def test_every_rule_has_a_case_a_title_and_a_reason() -> None:
    assert {rule for _, rule, _, _ in FOUND.values()} == set(Rule) == set(TITLES) == set(WHY)


def test_the_worst_comes_first() -> None:
    worse = with_credential(subject="system:serviceaccount:shop:gone").identities
    found = audit(FLEET, replace(idle(), identities=(*idle().identities, *worse)))
    levels = [level for _, level in named(found)]
    assert levels == sorted(levels, key=list(Level).index)
    assert len(set(levels)) > 1


@pytest.mark.parametrize("case", FOUND)
def test_sarif_has_each_finding_with_its_rule_its_place_and_a_fingerprint_that_stays(case: str) -> None:
    found = audit(FLEET, FOUND[case][0])
    (run,) = sarif(found, "fleet.yaml", "1.0")["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert len(run["results"]) == len(found.findings)
    for result, finding in zip(run["results"], found.findings, strict=True):
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"] == finding.rule.value
        assert result["level"] in ("error", "warning", "note")
        assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "fleet.yaml"
        assert result["locations"][0]["logicalLocations"][0]["fullyQualifiedName"] == finding.where
    again = sarif(audit(FLEET, FOUND[case][0]), "fleet.yaml", "2.0")["runs"][0]
    assert [one["partialFingerprints"] for one in again["results"]] == [
        one["partialFingerprints"] for one in run["results"]
    ]


def test_sarif_tells_what_could_not_be_seen() -> None:
    found = audit(FLEET, replace(CLEAN, not_seen=(Hidden("vaults", "Needs Reader on the subscription"),)))
    (invocation,) = sarif(found, "fleet.yaml", "1.0")["runs"][0]["invocations"]
    (told,) = invocation["toolExecutionNotifications"]
    assert told["message"]["text"] == "vaults: not visible. Needs Reader on the subscription"
