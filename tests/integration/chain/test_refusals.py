"""What cannot be seen or may not be done is told: what, where and the way out. Everything else is planned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from clients.errors import Denied, Invalid
from clients.session import find_tenancy, open_clients
from clients.waiting import Patience
from fleet.changes import Plan
from fleet.files import load
from fleet.plan import plan
from fleet.spec import Fleet
from flows.observing import observe
from simulator.azure import graph_applications
from tests.conftest import DEMO_CLOUD, DEMO_FLEET, Cloud, running_cloud

SUBSCRIPTION = "Visual Studio Premium with MSDN"
OPERATOR = "33333333-3333-4333-8333-333333333333"


def cloud_with(**operator: Any) -> str:
    """The demo's cloud, its operator with other permissions."""
    described = yaml.safe_load(DEMO_CLOUD.read_text(encoding="utf-8"))
    described["operators"][0].update(operator)
    text: str = yaml.safe_dump(described)
    return text


def fleet_with(change: Callable[[dict[str, Any]], Any]) -> Fleet:
    """The demo's fleet, changed."""
    described = yaml.safe_load(DEMO_FLEET.read_text(encoding="utf-8"))
    change(described)
    return load(yaml.safe_dump(described))


@dataclass(frozen=True)
class Case:
    """What an operator lacks, what is held therefore and why, and what is planned all the same."""

    operator: dict[str, Any]
    held: str
    why: tuple[str, ...]
    planned: frozenset[str]


IN_AZURE = frozenset({"feature", "cluster", "vault", "secret", "access-policy"})
IN_ENTRA = frozenset({"application", "service-principal", "federated-credential", "role-assignment"})
IN_CLUSTER = frozenset({"webhook", "namespace"})
LACKING: dict[str, Case] = {
    "any permission in Graph": Case(
        {"graph": []},
        "application:sysadminas-aad-workload-identity-demo-app",
        ("the tenant's applications", "Authorization_RequestDenied", "Application.ReadWrite.OwnedBy is needed"),
        IN_AZURE | IN_CLUSTER,
    ),
    "any permission in the cluster": Case(
        {"cluster_admin": False},
        "namespace:sysadminas/sysadminas-demo",
        ("cluster sysadminas", "is forbidden", "Give the operator the RBAC permission on the cluster"),
        IN_AZURE | IN_ENTRA,
    ),
    "everything but Reader": Case(
        {"roles": [{"role": "Reader", "scope": SUBSCRIPTION}], "graph": [], "cluster_admin": False},
        "webhook:sysadminas",
        ("cluster sysadminas, its kubeconfig", "listClusterUserCredential/action", "Give the operator a role"),
        IN_AZURE,
    ),
}


@pytest.mark.parametrize("what", LACKING)
async def test_an_operator_who_lacks_something_is_told_and_the_rest_is_planned(
    tmp_path: Path, fleet: Fleet, what: str
) -> None:
    case = LACKING[what]
    async with running_cloud(tmp_path, cloud=cloud_with(**case.operator)) as cloud:
        planned = await cloud.plan(fleet)
    reasons = {hold.key: hold.reason for hold in planned.holds if hold.mistake}
    for said in case.why:
        assert said in reasons[case.held]
    assert {change.resource.kind for change in planned.changes} == case.planned
    waiting = [hold.reason for hold in planned.holds if not hold.mistake]
    assert all(reason.startswith("waits for ") for reason in waiting)


async def test_what_is_not_denied_is_applied_all_the_same(tmp_path: Path, fleet: Fleet) -> None:
    async with running_cloud(tmp_path, cloud=cloud_with(graph=[])) as cloud:
        await cloud.apply(fleet)
        again = await cloud.plan(fleet)
    assert again.changes == ()
    assert again.holds


async def test_a_change_that_is_denied_names_action_and_scope_at_once(tmp_path: Path, fleet: Fleet) -> None:
    contributor = [{"role": "Contributor", "scope": SUBSCRIPTION}]
    async with running_cloud(tmp_path, cloud=cloud_with(roles=contributor)) as cloud:
        with pytest.raises(Denied) as refusal:
            await cloud.apply(fleet)
    told = str(refusal.value)
    assert "role Reader of sysadminas-aad-workload-identity-demo-app on vault sysadminas-demo-kv" in told
    assert "Microsoft.Authorization/roleAssignments/write" in told
    assert "Give the operator a role with this action at this scope" in told


async def test_an_operator_who_may_own_no_more_applications_is_told_to_remove_some(
    tmp_path: Path, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph_applications, "QUOTA", 0)
    async with running_cloud(tmp_path, cloud=cloud_with(graph=["Application.ReadWrite.OwnedBy"])) as cloud:
        with pytest.raises(Invalid, match=r"Directory_QuotaExceeded.*[Rr]emove applications, also those in the"):
            await cloud.apply(fleet)


async def test_an_operator_who_sees_no_subscription_is_told_who_that_is(tmp_path: Path, fleet: Fleet) -> None:
    async with running_cloud(tmp_path, cloud=cloud_with(roles=[])) as cloud, cloud.clients() as clients:
        with pytest.raises(Denied, match=rf"operator {OPERATOR} sees no such subscription.*give the operator Reader"):
            await find_tenancy(clients, fleet.subscription)


def rename_cluster(described: dict[str, Any]) -> None:
    described["clusters"][0]["name"] = "elsewhere"
    described["workloads"][0]["clusters"] = ["elsewhere"]


async def test_a_cluster_that_does_not_exist_is_told_once_with_those_that_do(cloud: Cloud) -> None:
    planned = await cloud.plan(fleet_with(rename_cluster))
    (hold,) = [hold for hold in planned.holds if hold.mistake]
    assert hold.key == "cluster:elsewhere"
    assert "there is no AKS cluster sysadminas-aks/elsewhere" in hold.reason
    assert "the operator sees: sysadminas-aks/sysadminas" in hold.reason
    kinds = {change.resource.kind for change in planned.changes}
    assert {"vault", "secret", "application", "service-principal", "role-assignment", "access-policy"} <= kinds
    assert not kinds & {"webhook", "namespace", "service-account", "federated-credential", "deployment"}


def add_closed_cluster(described: dict[str, Any]) -> None:
    described["clusters"].append({"name": "closed", "context": "closed", "issuer": "https://issuer.example/"})
    described["workloads"][0]["clusters"] = ["sysadminas", "closed"]


async def test_a_cluster_that_does_not_answer_holds_only_what_is_in_it(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A context that leads to a closed port. The clock is turned by hand."""
    kubeconfig = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "closed",
        "clusters": [{"name": "closed", "cluster": {"server": "https://127.0.0.1:9"}}],
        "users": [{"name": "me", "user": {"token": "of-nobody"}}],
        "contexts": [{"name": "closed", "context": {"cluster": "closed", "user": "me"}}],
    }
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(kubeconfig), encoding="utf-8")
    monkeypatch.setenv("KUBECONFIG", str(path))
    planned, seconds = await plan_by_hand(fleet_with(add_closed_cluster))
    mistakes = {hold.key: hold.reason for hold in planned.holds if hold.mistake}
    assert set(mistakes) == {"webhook:closed", "namespace:closed/sysadminas-demo"}
    for reason in mistakes.values():
        assert reason.startswith("cluster closed, ")
        assert "cannot be reached: Cannot connect to host 127.0.0.1:9" in reason
        assert "Check the network, the proxy and the name" in reason
    keys = {change.key for change in planned.changes}
    assert "deployment:sysadminas/sysadminas-demo/azure-wi-demo" in keys
    assert any(key.startswith("federated-credential:") and "/closed/" in key for key in keys), (
        "Entra is not the cluster"
    )
    assert not [key for key in keys if key.startswith(("webhook:closed", "namespace:closed", "deployment:closed"))]
    assert seconds < 60


async def plan_by_hand(fleet: Fleet) -> tuple[Plan, float]:
    """The plan, and how long it would have waited."""
    seconds = 0.0

    async def sleep(pause: float) -> None:
        nonlocal seconds
        seconds += pause

    async with open_clients(Patience(sleep=sleep, now=lambda: seconds)) as clients:
        return plan(fleet, await observe(clients, fleet)), seconds


async def test_a_secret_without_a_value_is_told_before_anything_is_written(
    cloud: Cloud, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KEYVAULT_SECRET_VALUE")
    planned = await cloud.plan(fleet)
    (hold,) = [hold for hold in planned.holds if hold.mistake]
    assert hold.key == "secret:sysadminas-demo-kv/sysadminas-demo-kv-secret"
    assert "environment variable KEYVAULT_SECRET_VALUE: is not set" in hold.reason
