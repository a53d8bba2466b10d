"""What a plan leaves alone, why, and what it says is to be done about it."""

from __future__ import annotations

from typing import Any

import pytest

from fleet.changes import Action, Hold, Plan
from fleet.plan import plan
from fleet.spec import WebhookDelivery

from .plans import differences, held, hold_of, kinds
from .worlds import (
    OTHER_FLEET,
    a_fleet,
    aks,
    application,
    as_wanted,
    changed,
    deployment,
    empty,
    managed,
    only,
    unseen,
    vault,
    without,
    workload,
)


@pytest.mark.parametrize("kind", ["vault", "application", "service-account", "deployment"])
def test_a_foreign_object_is_held_with_the_way_out(kind: str) -> None:
    fleet = a_fleet()
    planned = plan(fleet, changed(as_wanted(fleet), kind, owner=None, ours=False))
    hold = hold_of(planned, kind)
    assert hold.reason == "exists and does not carry our mark: rename ours, or set adopt: true to take it over"
    assert hold.mistake
    assert planned.changes == ()


def test_a_foreign_managed_identity_is_held() -> None:
    fleet = a_fleet(identities=[managed("app")])
    planned = plan(fleet, changed(as_wanted(fleet), "managed-identity", owner=None, ours=False))
    assert "does not carry our mark" in hold_of(planned, "managed-identity").reason


def test_an_object_of_another_fleet_is_held_and_the_fleet_is_named() -> None:
    fleet = a_fleet()
    planned = plan(fleet, changed(as_wanted(fleet), "service-account", owner=OTHER_FLEET, ours=False))
    reason = "belongs to the fleet somebody-else: rename ours, or set adopt: true to take it over"
    assert hold_of(planned, "service-account").reason == reason


@pytest.mark.parametrize(
    ("kind", "parts"),
    [
        ("vault", {"vaults": [vault(adopt=True)]}),
        ("application", {"identities": [application(adopt=True)]}),
        ("service-account", {"workloads": [workload(deployment=deployment(), adopt=True)]}),
        ("deployment", {"workloads": [workload(deployment=deployment(), adopt=True)]}),
        ("application", {"adopt": True}),
        ("vault", {"adopt": True}),
    ],
    ids=["vault", "application", "service-account", "deployment", "fleet: application", "fleet: vault"],
)
def test_adopt_takes_a_foreign_object_over_by_its_mark(kind: str, parts: dict[str, Any]) -> None:
    fleet = a_fleet(**parts)
    (change,) = plan(fleet, changed(as_wanted(fleet), kind, owner=OTHER_FLEET, ours=False)).changes
    assert (change.action, differences(change)) == (Action.UPDATE, {"owner": (OTHER_FLEET, "testing")})
    assert change.adopted, "it is marked as what was there before"


@pytest.mark.parametrize(("adopt", "adopted"), [(True, True), (False, False)])
def test_a_mark_that_somebody_took_off_is_set_anew_as_adopted_where_that_may_be(adopt: bool, adopted: bool) -> None:
    fleet = a_fleet(adopt=adopt)
    (change,) = plan(fleet, changed(as_wanted(fleet), "service-account", owner=None)).changes
    assert change.adopted is adopted


def test_an_adopted_service_account_may_leave_its_tenant_to_the_webhook() -> None:
    fleet = a_fleet(adopt=True)
    (change,) = plan(
        fleet, changed(as_wanted(fleet), "service-account", owner=None, tenant_id=None, ours=False)
    ).changes
    assert differences(change) == {"owner": (None, "testing")}


def test_adopting_one_object_adopts_no_other() -> None:
    fleet = a_fleet(vaults=[vault(adopt=True)])
    assert "application" in held(plan(fleet, changed(as_wanted(fleet), "application", owner=None, ours=False)))


def test_what_hangs_on_a_held_object_waits_and_is_no_mistake_of_its_own() -> None:
    fleet = a_fleet()
    foreign = changed(as_wanted(fleet), "application", owner=None, ours=False)
    planned = plan(fleet, without(foreign, "federated-credential", "service-account"))
    waiting = hold_of(planned, "federated-credential")
    assert (waiting.reason, waiting.mistake) == ("waits for application:app", False)
    assert [hold.key for hold in planned.holds if hold.mistake] == ["application:app"]


def test_a_cluster_that_does_not_answer_holds_what_is_in_it_and_nothing_else() -> None:
    fleet = a_fleet(clusters=[aks("one"), aks("two")], workloads=[workload(clusters=["one", "two"])])
    planned = plan(fleet, unseen(empty(), "kubernetes:one", "it does not answer"))
    assert {hold.key for hold in planned.holds} == {
        "webhook:one",
        "namespace:one/space",
        "service-account:one/space/account",
    }
    assert {hold.reason for hold in planned.holds if hold.mistake} == {"it does not answer"}
    assert "service-account:two/space/account" in {change.key for change in planned.changes}
    assert "federated-credential:app/one/space/account" in {change.key for change in planned.changes}


def test_a_vaults_secrets_that_cannot_be_read_hold_the_deployment_but_not_the_identity() -> None:
    fleet = a_fleet()
    planned = plan(fleet, unseen(empty(), "secrets:vault"))
    assert held(planned) == {"secret", "deployment"}
    assert "application" in kinds(planned)


def test_a_conflict_holds_its_object_with_its_reason() -> None:
    fleet = a_fleet()
    planned = plan(fleet, empty(conflicts={"cluster:one": "there is no AKS cluster group/one"}))
    assert hold_of(planned, "cluster").reason == "there is no AKS cluster group/one"
    assert {"webhook", "federated-credential", "namespace", "service-account", "deployment"} <= held(planned)
    assert kinds(planned) == ["vault", "access-policy", "secret", "application", "service-principal", "access-policy"]


def test_a_conflict_about_something_that_is_not_wanted_holds_nothing() -> None:
    fleet = a_fleet()
    assert plan(fleet, empty(found=as_wanted(fleet).found, conflicts={"webhook:elsewhere": "twice"})).is_empty


@pytest.mark.parametrize("kind", ["vault", "secret"])
def test_something_soft_deleted_is_held_with_the_line_that_brings_it_back(kind: str) -> None:
    fleet = a_fleet()
    planned = plan(fleet, changed(as_wanted(fleet), kind, soft_deleted=True))
    assert "set soft_deleted: recover on the vault to bring it back" in hold_of(planned, kind).reason


@pytest.mark.parametrize("kind", ["vault", "secret"])
def test_something_soft_deleted_is_recovered_where_the_spec_says_so(kind: str) -> None:
    fleet = a_fleet(vaults=[vault(soft_deleted="recover")])
    (change,) = plan(fleet, changed(as_wanted(fleet), kind, soft_deleted=True)).changes
    assert (change.resource.kind, change.action) == (kind, Action.RECOVER)
    assert differences(change) == {"soft_deleted": (True, False)}
    assert not change.resource.soft_deleted


def test_a_foreign_vault_that_is_soft_deleted_is_not_recovered() -> None:
    fleet = a_fleet(vaults=[vault(soft_deleted="recover")])
    observed = changed(as_wanted(fleet), "vault", soft_deleted=True, owner=OTHER_FLEET, ours=False)
    assert "belongs to the fleet" in hold_of(plan(fleet, observed), "vault").reason


@pytest.mark.parametrize(("wants", "has"), [("chart", "addon"), ("addon", "chart")])
def test_the_other_delivery_of_the_webhook_is_held_not_replaced(wants: str, has: str) -> None:
    fleet = a_fleet(clusters=[aks(webhook=wants)])
    planned = plan(fleet, changed(as_wanted(fleet), "webhook", delivery=WebhookDelivery(has)))
    assert f"has the webhook as {has}, the spec wants {wants}" in hold_of(planned, "webhook").reason
    assert f"set webhook: {has}" in hold_of(planned, "webhook").reason
    assert held(planned) == {"webhook", "deployment"}


def test_a_foreign_namespace_is_used_as_it_is() -> None:
    fleet = a_fleet()
    assert plan(fleet, changed(as_wanted(fleet), "namespace", owner=OTHER_FLEET, ours=False)).is_empty


def test_a_plan_that_only_holds_is_not_empty() -> None:
    assert not Plan(fleet="testing", holds=(Hold(key="vault:vault", reason="foreign"),)).is_empty


def test_in_a_world_half_there_only_the_rest_is_created() -> None:
    fleet = a_fleet()
    half = only(as_wanted(fleet), lambda found: found.resource.kind in ("cluster", "webhook", "vault", "application"))
    created = kinds(plan(fleet, half))
    assert {"cluster", "webhook", "vault", "application"}.isdisjoint(created)
    assert "service-principal" in created


@pytest.mark.parametrize(("held_already", "fits"), [(0, 2), (3998, 2), (3999, 1), (4000, 0), (4100, 0)])
def test_role_assignments_beyond_what_a_subscription_takes_are_held_and_the_others_made(
    held_already: int, fits: int
) -> None:
    fleet = a_fleet(vaults=[vault(authorization="rbac")], identities=[application(), application("bot")])
    world = without(as_wanted(fleet), "role-assignment")
    planned = plan(fleet, world.model_copy(update={"role_assignments": held_already}))
    roles = [change for change in planned.changes if change.resource.kind == "role-assignment"]
    assert len(roles) == fits
    full = [hold for hold in planned.holds if hold.key.startswith("role-assignment:") and hold.mistake]
    assert len(full) == 2 - fits
    assert all(f"the subscription holds {held_already:,} of 4,000 role assignments" in hold.reason for hold in full)


def test_where_nothing_is_missing_a_full_subscription_holds_nothing() -> None:
    fleet = a_fleet(vaults=[vault(authorization="rbac")])
    assert plan(fleet, as_wanted(fleet).model_copy(update={"role_assignments": 4000})).is_empty
