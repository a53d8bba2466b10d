"""A restart in a plan: when it is one, what it comes after, what holds it, and what is said where it is none."""

from __future__ import annotations

from typing import Any

import pytest

from fleet.changes import Plan
from fleet.observed import Found, Observation, Observed, Unknown
from fleet.plan import plan
from fleet.plan_file import Options
from fleet.proof import link_of
from fleet.resources import Rollout, RunningPod
from fleet.spec import Fleet

from .worlds import TENANCY, a_fleet, as_wanted, changed, deployment, empty, unseen, workload


def fleet_of(**fields: Any) -> Fleet:
    """One workload with a Deployment."""
    return a_fleet(workloads=[workload(deployment=deployment(), **fields)])


def client_id(observed: Observed) -> str:
    value = observed.output("application:app", "client_id")
    assert value is not None
    return value


def pods(*running: RunningPod, owner_kind: str = "Deployment", name: str = "web") -> Observation:
    """What a look at pods brings home."""
    rollout = Rollout(
        cluster="one",
        namespace="space",
        service_account="account",
        owner_kind=owner_kind,
        name=name,
        pods=running,
    )
    return Observation(found=(Found(resource=rollout),))


BARE = RunningPod(name="web-1", given=False)
OLD = RunningPod(name="web-2", given=True, client_id="before", tenant_id=TENANCY.tenant_id)


def planned(observed: Observed, *running: RunningPod, heal: bool = True, fleet: Fleet | None = None, **of: Any) -> Plan:
    return plan(fleet or fleet_of(), observed.and_seen([pods(*running, **of)]), heal=heal)


def restarts(found: Plan) -> list[Any]:
    return [change for change in found.changes if change.resource.kind == "rollout"]


def test_pods_as_a_new_one_would_be_are_no_matter() -> None:
    observed = as_wanted(fleet_of())
    good = RunningPod(name="web-1", given=True, client_id=client_id(observed), tenant_id=TENANCY.tenant_id)
    for heal in (False, True):
        found = planned(observed, good, heal=heal)
        assert (found.changes, found.holds, found.findings) == ((), (), ())


def test_a_restart_is_planned_only_when_it_is_asked_for() -> None:
    observed = as_wanted(fleet_of())
    told = planned(observed, BARE, OLD, heal=False)
    assert told.is_empty
    (finding,) = told.findings
    assert finding.group == "workload:space/account"
    assert "2 of 2 running pods of Deployment space/web on one" in finding.what
    assert "web-1, web-2, with nothing of what the webhook injects; the client id before" in finding.what
    (change,) = planned(observed, BARE, OLD).changes
    assert (change.action.value, change.reason) == ("update", "is older than what it should be given")
    assert link_of(change.resource) == ("workload", "one", "space", "account")
    assert planned(observed, BARE, OLD).findings == ()


def test_many_pods_are_counted_and_some_are_named() -> None:
    many = [RunningPod(name=f"web-{number}", given=False) for number in range(8)]
    (finding,) = planned(as_wanted(fleet_of()), *many, heal=False).findings
    assert "web-0, web-1, web-2, web-3, web-4 and 3 more" in finding.what


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("webhook", {"serving": False}),
        ("service-account", {"client_id": "another"}),
        ("deployment", {"replicas": 7}),
    ],
)
def test_a_restart_comes_after_what_its_pods_are_made_by(kind: str, fields: dict[str, Any]) -> None:
    fleet = fleet_of()
    name = fleet.workloads[0].deployment.name if fleet.workloads[0].deployment else ""
    found = planned(changed(as_wanted(fleet), kind, **fields), BARE, name=name)
    (before, restart) = found.changes
    assert before.resource.kind == kind
    assert restart.after == (before.key,)


def test_pods_of_an_identity_that_is_made_first_get_what_it_tells() -> None:
    found = planned(empty(), OLD)
    (restart,) = restarts(found)
    told = {difference.field: difference.new for difference in restart.differences}
    assert str(told["client_id"]) == str(restart.resource.client_id)
    resolved = restart.resolved({"application:app": {"client_id": "known now"}})
    assert resolved.resource.client_id == "known now"
    assert [change.key for change in found.changes][-1] == restart.key


def test_a_restart_waits_with_what_is_held() -> None:
    fleet = fleet_of()
    foreign = changed(as_wanted(fleet), "service-account", owner=None, client_id="theirs", ours=False)
    found = planned(foreign, BARE)
    assert not restarts(found)
    held = {hold.key: hold for hold in found.holds}
    (hold,) = (hold for key, hold in held.items() if key.startswith("rollout:"))
    assert hold.reason == "waits for service-account:one/space/account"
    assert not hold.mistake


def test_of_an_identity_that_cannot_be_seen_no_pod_is_said_to_be_of_before() -> None:
    blind = unseen(as_wanted(fleet_of()), "directory")
    for heal in (False, True):
        found = planned(blind, OLD, heal=heal)
        assert not restarts(found)
        assert not [one for one in found.findings if one.key.startswith("rollout:")]


def test_a_second_plan_has_nothing_to_restart() -> None:
    fleet, observed = fleet_of(), as_wanted(fleet_of()).and_seen([pods(BARE, OLD)])
    first = plan(fleet, observed, heal=True)
    after = observed.with_applied([change.resource for change in first.changes], {})
    assert plan(fleet, after, heal=True).is_empty
    assert plan(fleet, after).findings == ()


ADVICE = {
    "Pod": "nobody makes it anew: delete it, and make it again as it was made: kubectl -n space delete pod web-1",
    "Job": "a Job's pods are made once: let it end",
    "ReplicaSet": "delete them one by one: kubectl -n space delete pod web-1",
    "ReplicationController": "delete them one by one: kubectl -n space delete pod web-1",
    "Rollout": "have Rollout web make its pods anew by its own means, or delete them one by one",
}


@pytest.mark.parametrize("kind", ADVICE)
def test_owners_that_no_restart_helps_are_told_what_does(kind: str) -> None:
    for heal in (False, True):
        found = planned(as_wanted(fleet_of()), BARE, heal=heal, owner_kind=kind)
        assert found.is_empty
        (finding,) = found.findings
        assert ADVICE[kind] in finding.advice
        assert "they cannot sign in" in finding.danger


def test_where_pods_cannot_be_seen_that_is_said_once_and_only_where_the_cluster_can_be() -> None:
    fleet, observed = fleet_of(), as_wanted(fleet_of())
    blind = Unknown(through="pods:one", reason="forbidden.")
    silent = Unknown(through="kubernetes:one", reason="no answer")
    (finding,) = plan(fleet, observed.and_seen([Observation(unknown=(blind,))])).findings
    assert finding.what == "the pods of cluster one could not be looked at: forbidden"
    (hold,) = plan(fleet, observed.and_seen([Observation(unknown=(blind,))]), heal=True).holds
    assert (hold.key, hold.mistake) == ("pods:one", True)
    both = observed.and_seen([Observation(unknown=(blind, silent))])
    assert plan(fleet, both).findings == ()
    assert "pods:one" not in {one.key for one in plan(fleet, both, heal=True).holds}


def test_a_plan_file_says_whether_it_heals() -> None:
    assert not Options().heal
    assert Options.model_validate_json(Options(heal=True).model_dump_json()).heal
