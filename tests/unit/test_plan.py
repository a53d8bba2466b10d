"""What a plan says in each situation worth telling apart."""

from __future__ import annotations

from typing import Any

import pytest

from fleet import naming
from fleet.changes import Action
from fleet.observed import Found, Observed
from fleet.plan import plan, shown
from fleet.resources import Reference
from fleet.spec import Container, Fleet, ValueFrom, VaultAuthorization, WebhookDelivery

from .aftermath import applied
from .plans import change_of, differences, hold_of, kinds
from .worlds import (
    TENANCY,
    a_fleet,
    aks,
    as_wanted,
    changed,
    deployment,
    elsewhere,
    empty,
    first,
    managed,
    vault,
    without,
    workload,
)

# From nothing


def test_from_nothing_everything_is_created_in_the_order_of_the_chain() -> None:
    planned = plan(a_fleet(clusters=[aks(preview_features=["Preview"])]), empty())
    assert kinds(planned) == [
        "feature",
        "cluster",
        "webhook",
        "vault",
        "access-policy",
        "secret",
        "application",
        "service-principal",
        "access-policy",
        "federated-credential",
        "namespace",
        "service-account",
        "deployment",
    ]
    assert {change.action for change in planned.changes} == {Action.CREATE}
    assert planned.holds == ()


def test_what_only_an_earlier_change_can_tell_stands_as_known_after_apply() -> None:
    credential = change_of(plan(a_fleet(), empty()), "federated-credential")
    assert credential.resource.issuer == Reference(key="cluster:one", output="issuer")
    assert [shown(new) for _, new in differences(credential).values()] == [
        "known after apply",
        "system:serviceaccount:space:account",
        naming.AUDIENCE,
    ]


def test_a_deployment_starts_after_everything_its_pods_will_use() -> None:
    after = set(change_of(plan(a_fleet(), empty()), "deployment").after)
    assert after == {
        "service-account:one/space/account",
        "federated-credential:app/one/space/account",
        "webhook:one",
        "access-policy:app/vault",
        "secret:vault/secret",
    }


def test_on_a_vault_that_decides_by_role_get_and_list_are_a_role() -> None:
    planned = plan(a_fleet(vaults=[vault(authorization="rbac")]), empty())
    assert change_of(planned, "role-assignment").resource.role == "Key Vault Secrets User"
    assert "access-policy" not in kinds(planned)


def test_a_managed_identity_needs_no_application() -> None:
    planned = plan(a_fleet(identities=[managed("app")]), empty())
    assert {"application", "service-principal"}.isdisjoint(kinds(planned))
    reference = Reference(key="managed-identity:app", output="client_id")
    assert change_of(planned, "service-account").resource.client_id == reference


def test_a_cluster_that_is_not_aks_is_used_as_it_is() -> None:
    planned = plan(a_fleet(clusters=[elsewhere("one")]), empty())
    assert "cluster" not in kinds(planned)
    assert change_of(planned, "federated-credential").resource.issuer == "https://issuer.example/one"


def test_workloads_of_one_namespace_share_it() -> None:
    planned = plan(a_fleet(workloads=[workload("a"), workload("b")]), empty())
    assert kinds(planned).count("namespace") == 1


def test_a_workload_on_two_clusters_has_a_credential_for_each() -> None:
    fleet = a_fleet(clusters=[aks("one"), aks("two")], workloads=[workload(clusters=["one", "two"])])
    planned = plan(fleet, empty())
    assert kinds(planned).count("federated-credential") == 2
    assert kinds(planned).count("application") == 1


# Drift


@pytest.mark.parametrize(
    ("kind", "drift", "field", "old", "new"),
    [
        ("feature", {"state": "NotRegistered"}, "state", "NotRegistered", "Registered"),
        ("webhook", {"version": "1.5.0"}, "version", "1.5.0", "1.6.0"),
        ("webhook", {"tenant_id": "another"}, "tenant_id", "another", TENANCY.tenant_id),
        ("webhook", {"serving": False}, "serving", False, True),
        (
            "vault",
            {"authorization": VaultAuthorization.RBAC},
            "authorization",
            VaultAuthorization.RBAC,
            VaultAuthorization.ACCESS_POLICY,
        ),
        ("secret", {"value": "different"}, "value", "different", "as in its source"),
        ("secret", {"value": "disabled"}, "value", "disabled", "as in its source"),
        ("application", {"display_name": "renamed"}, "display_name", "renamed", "app"),
        (
            "application",
            {"sign_in_audience": "AzureADandPersonalMicrosoftAccount"},
            "sign_in_audience",
            "AzureADandPersonalMicrosoftAccount",
            "AzureADMyOrg",
        ),
        ("application", {"owner": None}, "owner", None, "testing"),
        ("service-principal", {"account_enabled": False}, "account_enabled", False, True),
        ("federated-credential", {"audience": "api://x"}, "audience", "api://x", naming.AUDIENCE),
        ("service-account", {"tenant_id": None}, "tenant_id", None, TENANCY.tenant_id),
        ("service-account", {"token_expiration": "3600"}, "token_expiration", "3600", None),
        ("service-account", {"owner": None}, "owner", None, "testing"),
        ("deployment", {"replicas": 0}, "replicas", 0, 1),
        ("deployment", {"use": "True"}, "use", "True", "true"),
        ("deployment", {"service_account": "default"}, "service_account", "default", "account"),
        ("deployment", {"skip_containers": "main"}, "skip_containers", "main", None),
    ],
    ids=lambda value: None if value is None or isinstance(value, dict | bool) else str(value),
)
def test_a_drifted_field_is_the_only_change(kind: str, drift: dict[str, Any], field: str, old: Any, new: Any) -> None:
    fleet = a_fleet(clusters=[aks(preview_features=["Preview"])])
    planned = plan(fleet, changed(as_wanted(fleet), kind, **drift))
    (change,) = planned.changes
    assert (change.action, change.reason) == (Action.UPDATE, f"differs in {field}")
    assert differences(change) == {field: (old, new)}
    assert planned.holds == ()


def test_a_cluster_without_an_issuer_gets_one_and_its_credentials_wait_for_it() -> None:
    fleet = a_fleet()
    observed = changed(without(as_wanted(fleet), "federated-credential"), "cluster", oidc_issuer=False, outputs={})
    planned = plan(fleet, observed)
    assert kinds(planned) == ["cluster", "federated-credential"]
    assert change_of(planned, "cluster").action is Action.UPDATE
    assert change_of(planned, "federated-credential").after == ("cluster:one",)


def test_the_addon_is_switched_on_at_the_cluster() -> None:
    fleet = a_fleet(clusters=[aks(webhook="addon")])
    planned = plan(fleet, changed(as_wanted(fleet), "cluster", workload_identity=False))
    assert differences(change_of(planned, "cluster")) == {"workload_identity": (False, True)}


def test_an_addon_that_the_spec_does_not_mention_stays_on() -> None:
    fleet = a_fleet()
    assert plan(fleet, changed(as_wanted(fleet), "cluster", workload_identity=True)).is_empty


def test_an_update_carries_what_is_known_of_the_object() -> None:
    fleet = a_fleet()
    observed = as_wanted(fleet)
    change = change_of(plan(fleet, changed(observed, "application", display_name="renamed")), "application")
    assert change.known == first(observed, "application").outputs


def test_a_recreated_application_makes_the_service_accounts_client_id_known_after_apply() -> None:
    fleet = a_fleet(workloads=[workload()])
    gone = without(as_wanted(fleet), "application", "service-principal", "federated-credential")
    planned = plan(fleet, gone)
    account = change_of(planned, "service-account")
    old, new = differences(account)["client_id"]
    assert account.action is Action.UPDATE
    assert (old, shown(new)) == ("client_id-of-application:app-old", "known after apply")
    assert account.after == ("application:app",)


def test_a_recreated_application_is_granted_its_access_anew() -> None:
    fleet = a_fleet(workloads=[workload()])
    gone = without(as_wanted(fleet), "application", "service-principal", "federated-credential")
    planned = plan(fleet, gone)
    assert change_of(planned, "access-policy").action is Action.CREATE
    assert plan(fleet, applied(gone, planned.changes)).is_empty


# Federated credentials


def test_a_credential_under_another_name_is_accepted() -> None:
    fleet = a_fleet()
    assert plan(fleet, changed(as_wanted(fleet), "federated-credential", name="made-by-azwi")).is_empty


@pytest.mark.parametrize(
    "drift",
    [{"subject": "system:serviceaccount:space:Account"}, {"issuer": "https://issuer.example/one/old"}],
    ids=["subject in another case", "issuer without its slash"],
)
def test_a_credential_of_our_name_with_another_pair_is_updated_under_its_name(drift: dict[str, str]) -> None:
    fleet = a_fleet()
    observed = as_wanted(fleet)
    change = change_of(plan(fleet, changed(observed, "federated-credential", **drift)), "federated-credential")
    assert change.action is Action.UPDATE
    assert [difference.field for difference in change.differences] == list(drift)
    assert change.resource.name == first(observed, "federated-credential").resource.name


def test_a_credential_of_another_name_with_a_wrong_audience_is_updated_under_that_name() -> None:
    fleet = a_fleet()
    observed = changed(as_wanted(fleet), "federated-credential", name="made-by-azwi", audience="api://x")
    change = change_of(plan(fleet, observed), "federated-credential")
    assert (change.action, change.resource.name) == (Action.UPDATE, "made-by-azwi")


def test_a_cluster_that_is_being_upgraded_holds_what_depends_on_a_change_of_it_and_nothing_else() -> None:
    fleet = a_fleet(clusters=[aks("one"), aks("two")], workloads=[workload("a"), workload("b", clusters=["two"])])
    world = changed(as_wanted(fleet), "cluster", oidc_issuer=False, busy="Upgrading", outputs={})
    planned = plan(fleet, without(world, "service-account"))
    reasons = {hold.key: hold.reason for hold in planned.holds if hold.mistake}
    assert list(reasons) == ["cluster:one"]
    assert reasons["cluster:one"].startswith("the cluster is Upgrading, and takes no other change beside that")
    assert [change.key for change in planned.changes] == ["service-account:two/space/b"]


def test_a_cluster_that_is_being_upgraded_and_as_wanted_holds_nothing() -> None:
    fleet = a_fleet()
    assert plan(fleet, changed(as_wanted(fleet), "cluster", busy="Upgrading")).is_empty


def test_credentials_of_others_on_the_same_identity_are_no_difference() -> None:
    fleet = a_fleet()
    observed = as_wanted(fleet)
    mine = first(observed, "federated-credential").resource
    other = mine.model_copy(update={"name": "github", "issuer": "https://token.actions", "subject": "repo:x"})
    assert plan(fleet, empty(found=(Found(resource=other), *observed.found))).is_empty


# Access


@pytest.mark.parametrize(
    "had",
    [("get", "list", "set"), ("all",), ("All",), ("Get", "Set", "List", "Delete", "Recover"), ("all", "purge")],
    ids=" ".join,
)
def test_an_access_policy_that_permits_more_is_accepted(had: tuple[str, ...]) -> None:
    fleet = a_fleet()
    observed = as_wanted(fleet)
    principal = first(observed, "service-principal").outputs["principal_id"]
    assert plan(fleet, _with_policy(observed, principal, had)).is_empty


def test_a_missing_permission_is_added_to_those_of_others() -> None:
    fleet = a_fleet()
    observed = as_wanted(fleet)
    principal = first(observed, "service-principal").outputs["principal_id"]
    change = change_of(plan(fleet, _with_policy(observed, principal, ("Set",))), "access-policy")
    assert differences(change) == {"secrets": (("Set",), ("get", "set"))}
    assert change.resource.secrets == ("get",)


def _with_policy(observed: Observed, principal: str, secrets: tuple[str, ...]) -> Observed:
    found = [
        found.model_copy(update={"resource": found.resource.model_copy(update={"secrets": secrets})})
        if getattr(found.resource, "principal_id", None) == principal
        else found
        for found in observed.found
    ]
    return empty(found=tuple(found))


def test_a_role_under_another_assignments_name_is_accepted() -> None:
    fleet = a_fleet(vaults=[vault(authorization="rbac")])
    observed = as_wanted(fleet)
    scope = first(observed, "role-assignment").resource.scope
    assert plan(fleet, changed(observed, "role-assignment", scope=scope.upper())).is_empty


# Deployments


def test_a_foreign_sidecar_and_foreign_variables_are_no_difference() -> None:
    fleet = a_fleet()
    containers = (
        Container(name="proxy", image="mesh:9"),
        Container(name="main", image="image:1", command=("run",), env={"A": "1", "INJECTED": "yes"}),
    )
    assert plan(fleet, changed(as_wanted(fleet), "deployment", containers=containers)).is_empty


@pytest.mark.parametrize(
    ("container", "field", "old", "new"),
    [
        (Container(name="main", image="image:0", env={"A": "1"}), "containers[main].image", "image:0", "image:1"),
        (Container(name="main", image="image:1", env={"A": "2"}), "containers[main].env[A]", "2", "1"),
        (Container(name="main", image="image:1"), "containers[main].env[A]", None, "1"),
        (Container(name="other", image="image:1", env={"A": "1"}), "containers[main]", None, "image:1"),
    ],
    ids=["image", "variable", "no variable", "no container"],
)
def test_our_fields_of_our_containers_are_compared(container: Container, field: str, old: Any, new: Any) -> None:
    fleet = a_fleet()
    change = change_of(plan(fleet, changed(as_wanted(fleet), "deployment", containers=(container,))), "deployment")
    assert differences(change) == {field: (old, new)}


def test_a_command_is_compared_where_the_spec_gives_one() -> None:
    containers = [{"name": "main", "image": "image:1", "command": ["sleep", "1"]}]
    fleet = a_fleet(workloads=[workload(deployment=deployment(containers=containers))])
    there = (Container(name="main", image="image:1", command=("sleep", "2")),)
    change = change_of(plan(fleet, changed(as_wanted(fleet), "deployment", containers=there)), "deployment")
    assert differences(change) == {"containers[main].command": ("sleep 2", "sleep 1")}


# Values as a person reads them


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "–"),
        (True, "on"),
        (False, "off"),
        (7, "7"),
        ("text", "text"),
        (("get", "list"), "get, list"),
        (Reference(key="cluster:one", output="issuer"), "known after apply"),
        (VaultAuthorization.ACCESS_POLICY, "access-policy"),
        (WebhookDelivery.ADDON, "addon"),
        (ValueFrom(env="VALUE"), "environment variable VALUE"),
    ],
    ids=str,
)
def test_a_value_is_shown_as_the_fleet_file_writes_it(value: object, words: str) -> None:
    assert shown(value) == words


def test_a_container_is_shown_without_its_variables() -> None:
    assert "hunter2" not in shown((Container(name="main", image="image:1", env={"A": "hunter2"}),))


def test_no_change_of_the_demo_shows_a_secrets_value(fleet: Fleet) -> None:
    for change in plan(fleet, empty()).changes:
        if change.resource.kind == "secret":
            assert differences(change) == {"value": (None, "as in its source")}


def _foreign(observed: Observed, kind: str) -> Observed:
    found = [item.model_copy(update={"ours": item.resource.kind != kind}) for item in observed.found]
    return Observed(tenancy=observed.tenancy, found=tuple(found))


def test_a_webhook_that_somebody_else_installed_serves_as_well_as_ours() -> None:
    fleet = a_fleet()
    world = _foreign(changed(as_wanted(fleet), "webhook", version="1.5.1"), "webhook")
    assert plan(fleet, world).is_empty


def test_a_foreign_webhook_that_does_not_serve_is_its_owners_to_mend() -> None:
    fleet = a_fleet()
    planned = plan(fleet, _foreign(changed(as_wanted(fleet), "webhook", serving=False), "webhook"))
    assert "somebody else installed" in hold_of(planned, "webhook").reason
