"""Teardown takes away what the fleet made, dependents first, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from fleet.changes import Action, Plan
from fleet.observed import Observed
from fleet.spec import Fleet
from fleet.teardown import plan_teardown
from fleet.wanted import wanted

from .worlds import (
    OTHER_FLEET,
    SOME,
    a_fleet,
    application,
    as_wanted,
    changed,
    empty,
    first,
    managed,
    only,
    situations,
    unseen,
    vault,
    without,
    workload,
)

Situation = tuple[Fleet, Observed]


def keys(planned: Plan) -> list[str]:
    """What is taken away, in order."""
    return [change.key for change in planned.changes]


def kinds(planned: Plan) -> list[str]:
    """The kinds of what is taken away, in order."""
    return [change.resource.kind for change in planned.changes]


def after(planned: Plan) -> dict[str, set[str]]:
    """Of every deletion, the keys of all deletions that it directly or indirectly comes after."""
    everything: dict[str, set[str]] = {}
    for change in planned.changes:
        everything[change.key] = {*change.after, *(key for near in change.after for key in everything[near])}
    return everything


# Order


def test_dependents_go_first() -> None:
    fleet = a_fleet()
    assert keys(plan_teardown(fleet, as_wanted(fleet))) == [
        "deployment:one/space/web",
        "service-account:one/space/account",
        "namespace:one/space",
        "federated-credential:app/one/space/account",
        "access-policy:app/vault",
        "application:app",
        "access-policy:operator/vault",
    ]


def test_with_everything_vault_and_webhook_go_too_and_last() -> None:
    fleet = a_fleet()
    gone = keys(plan_teardown(fleet, as_wanted(fleet), everything=True))
    assert gone[-2:] == ["vault:vault", "webhook:one"]


def test_a_namespace_waits_for_all_that_is_in_it() -> None:
    fleet = a_fleet(workloads=[workload("a"), workload("b")])
    before = after(plan_teardown(fleet, as_wanted(fleet)))
    assert before["namespace:one/space"] == {"service-account:one/space/a", "service-account:one/space/b"}


def test_a_role_is_taken_back_before_the_application_that_has_it_goes() -> None:
    fleet = a_fleet(vaults=[vault(authorization="rbac")])
    before = after(plan_teardown(fleet, as_wanted(fleet)))
    assert "role-assignment:app/vault/Key Vault Secrets User" in before["application:app"]


def test_what_the_application_brought_is_not_taken_away_one_by_one() -> None:
    fleet = a_fleet()
    assert "service-principal" not in kinds(plan_teardown(fleet, as_wanted(fleet), everything=True))


def test_issuer_features_and_secrets_stay_even_with_everything() -> None:
    fleet = a_fleet()
    gone = kinds(plan_teardown(fleet, as_wanted(fleet), everything=True))
    assert {"cluster", "feature", "secret"}.isdisjoint(gone)


# What stays


@pytest.mark.parametrize("everything", [False, True])
def test_from_nothing_there_is_nothing_to_take_away(everything: bool) -> None:
    assert plan_teardown(a_fleet(), empty(), everything=everything).is_empty


@pytest.mark.parametrize("owner", [None, OTHER_FLEET], ids=["nobody's", "another fleet's"])
@pytest.mark.parametrize("kind", ["vault", "application", "namespace", "service-account", "deployment"])
def test_what_is_not_ours_stays(kind: str, owner: str | None) -> None:
    fleet = a_fleet()
    observed = changed(as_wanted(fleet), kind, owner=owner, ours=False)
    assert kind not in kinds(plan_teardown(fleet, observed, everything=True))


def test_a_foreign_managed_identity_stays() -> None:
    fleet = a_fleet(identities=[managed("app")])
    observed = changed(as_wanted(fleet), "managed-identity", owner=None, ours=False)
    assert "managed-identity" not in kinds(plan_teardown(fleet, observed))


def test_a_foreign_applications_credentials_and_access_stay_with_it() -> None:
    fleet = a_fleet()
    observed = changed(as_wanted(fleet), "application", owner=None, ours=False)
    gone = keys(plan_teardown(fleet, observed))
    assert "federated-credential:app/one/space/account" not in gone
    assert "access-policy:app/vault" not in gone
    assert "service-account:one/space/account" in gone


@pytest.mark.parametrize("authorization", ["access-policy", "rbac"])
def test_nobodys_access_to_a_foreign_vault_is_taken_away_not_even_ours(authorization: str) -> None:
    fleet = a_fleet(vaults=[vault(authorization=authorization)])
    observed = changed(as_wanted(fleet), "vault", owner=None, ours=False)
    assert {"access-policy", "role-assignment"}.isdisjoint(kinds(plan_teardown(fleet, observed, everything=True)))


def test_what_is_adopted_is_released_after_what_we_added_to_it_is_gone() -> None:
    fleet = a_fleet(identities=[application(adopt=True)])
    planned = plan_teardown(fleet, changed(as_wanted(fleet), "application", adopted=True))
    (release,) = (change for change in planned.changes if change.action is Action.RELEASE)
    assert (release.key, release.reason) == ("application:app", "was there before the fleet, and stays")
    assert release.known["object_id"]
    assert "federated-credential:app/one/space/account" in after(planned)["application:app"]


def test_what_we_made_goes_even_where_it_could_have_been_adopted() -> None:
    fleet = a_fleet(identities=[application(adopt=True)])
    (gone,) = (change for change in plan_teardown(fleet, as_wanted(fleet)).changes if change.key == "application:app")
    assert gone.action is Action.DELETE


@given(situations())
def test_everything_that_was_there_before_the_fleet_stays(situation: Situation) -> None:
    fleet, observed = situation
    for change in plan_teardown(fleet, observed, everything=True).changes:
        found = observed.find(change.resource)
        assert found is not None
        assert (change.action is Action.RELEASE) == found.adopted, change.key


def test_a_foreign_object_stays_even_where_it_could_be_adopted() -> None:
    fleet = a_fleet(adopt=True)
    observed = changed(as_wanted(fleet), "application", owner=None, ours=False)
    assert "application" not in kinds(plan_teardown(fleet, observed))


def test_a_soft_deleted_vault_is_gone_already() -> None:
    fleet = a_fleet()
    observed = changed(without(as_wanted(fleet), "access-policy", "secret"), "vault", soft_deleted=True)
    assert "vault" not in kinds(plan_teardown(fleet, observed, everything=True))


def test_what_cannot_be_observed_stays_and_says_why() -> None:
    fleet = a_fleet()
    planned = plan_teardown(fleet, unseen(as_wanted(fleet), "kubernetes:one", "it does not answer"))
    assert {hold.key: hold.reason for hold in planned.holds} == {
        "deployment:one/space/web": "it does not answer",
        "service-account:one/space/account": "it does not answer",
        "namespace:one/space": "it does not answer",
    }
    assert kinds(planned) == ["federated-credential", "access-policy", "application", "access-policy"]


# How it goes


def test_a_credential_is_removed_by_the_name_that_it_really_has() -> None:
    fleet = a_fleet()
    observed = changed(as_wanted(fleet), "federated-credential", name="made-by-azwi")
    planned = plan_teardown(fleet, observed)
    (credential,) = (change for change in planned.changes if change.resource.kind == "federated-credential")
    assert credential.resource.name == "made-by-azwi"


def test_a_deletion_carries_what_is_known_of_the_object() -> None:
    fleet = a_fleet()
    observed = as_wanted(fleet)
    (change,) = (item for item in plan_teardown(fleet, observed).changes if item.key == "application:app")
    assert change.known == first(observed, "application").outputs


def test_a_half_made_fleet_is_taken_away_as_far_as_it_is_there() -> None:
    fleet = a_fleet()
    half = only(as_wanted(fleet), lambda found: found.resource.kind in ("namespace", "application", "cluster"))
    assert kinds(plan_teardown(fleet, half)) == ["namespace", "application"]


# Laws


@given(situations(), SOME)
def test_a_teardown_only_deletes(situation: Situation, everything: bool) -> None:
    assert all(change.takes_away for change in plan_teardown(*situation, everything=everything).changes)


@given(situations(), SOME)
def test_nothing_foreign_is_ever_deleted(situation: Situation, everything: bool) -> None:
    fleet, observed = situation
    for change in plan_teardown(fleet, observed, everything=everything).changes:
        found = observed.find(change.resource)
        assert found is not None, change.key
        assert found.ours, change.key
        assert getattr(found.resource, "owner", fleet.name) == fleet.name, change.key


@given(situations(), SOME)
def test_nothing_is_deleted_before_what_needs_it(situation: Situation, everything: bool) -> None:
    fleet, observed = situation
    planned = plan_teardown(fleet, observed, everything=everything)
    needs = _all_needs(fleet, observed)
    before = after(planned)
    deleted = set(before)
    for key in deleted:
        assert needs[key] & deleted <= {other for other in deleted if key in before[other]}, key


def _all_needs(fleet: Fleet, observed: Observed) -> dict[str, set[str]]:
    """Of every wanted object, the keys of all that it directly or indirectly needs."""
    everything: dict[str, set[str]] = {}
    for item in wanted(fleet, observed):
        near = set(item.needs)
        everything[item.resource.key] = near.union(*(everything.get(key, set()) for key in near))
    return everything


@given(situations(), SOME)
def test_every_deletion_comes_after_earlier_ones_of_the_same_plan_only(situation: Situation, everything: bool) -> None:
    earlier: set[str] = set()
    for change in plan_teardown(*situation, everything=everything).changes:
        assert earlier.issuperset(change.after), change.key
        assert change.key not in earlier
        earlier.add(change.key)


@given(situations())
def test_vaults_and_webhooks_go_only_with_everything(situation: Situation) -> None:
    assert {"vault", "webhook"}.isdisjoint(kinds(plan_teardown(*situation)))


@given(situations())
def test_everything_is_never_less(situation: Situation) -> None:
    assert set(keys(plan_teardown(*situation))) <= set(keys(plan_teardown(*situation, everything=True)))


@given(situations(), SOME)
def test_nothing_that_is_out_of_sight_is_deleted(situation: Situation, everything: bool) -> None:
    fleet, observed = situation
    for change in plan_teardown(fleet, observed, everything=everything).changes:
        assert observed.why_unknown(change.resource) is None


@given(situations(), SOME)
def test_after_a_teardown_there_is_nothing_left_to_take_away(situation: Situation, everything: bool) -> None:
    fleet, observed = situation
    gone = [observed.find(change.resource) for change in plan_teardown(fleet, observed, everything=everything).changes]
    left: Any = only(observed, lambda found: not any(found is one for one in gone))
    assert plan_teardown(fleet, left, everything=everything).changes == ()
