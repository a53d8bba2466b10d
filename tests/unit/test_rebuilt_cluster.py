"""A cluster that was built anew: its new credentials are made and proven before those of its former issuer go."""

from __future__ import annotations

from typing import Any

import pytest

from fleet import naming
from fleet.changes import Action, Plan
from fleet.observed import Found, Observed
from fleet.plan import plan
from fleet.spec import Fleet
from fleet.stages import after_proof, before_proof

from .aftermath import applied
from .test_leftovers import FORMER as FORMER_ISSUER
from .test_leftovers import TRUST, beside, change_of, credential, deleted
from .worlds import a_fleet, aks, as_wanted, changed, unseen, workload

FORMER = f"federated-credential:app/{naming.federated_credential_name('one', 'space', 'account', FORMER_ISSUER)}"


def rebuilt(**parts: Any) -> tuple[Fleet, Observed]:
    """A fleet whose first cluster has another issuer than when its credentials were made."""
    fleet = a_fleet(**parts)
    issuer = {"issuer": "https://issuer.example/rebuilt/"}
    return fleet, changed(as_wanted(fleet, "older"), "cluster", outputs=issuer)


def in_order(planned: Plan) -> list[str]:
    return [f"{change.action} {change.key}" for change in planned.changes]


def test_the_new_credential_is_made_and_the_old_one_goes_after_the_proof() -> None:
    planned = plan(*rebuilt())
    assert in_order(planned) == [f"create {TRUST}", f"delete {FORMER}"]
    old = change_of(planned, FORMER)
    assert (old.after, old.after_proof, old.group) == ((TRUST,), (TRUST,), "workload:space/account")
    assert planned.findings == ()


def test_before_the_proof_only_the_new_one_is_made() -> None:
    planned = plan(*rebuilt())
    assert [change.key for change in before_proof(planned.changes)] == [TRUST]
    assert after_proof(planned.changes, {TRUST})[0] == [change_of(planned, FORMER)]
    assert after_proof(planned.changes, set()) == ([], {FORMER: f"stays until the chain of {TRUST} is proven"})


def test_a_run_that_ended_before_the_proof_is_taken_up_by_the_next() -> None:
    fleet, observed = rebuilt()
    made = applied(observed, before_proof(plan(fleet, observed).changes))
    assert in_order(plan(fleet, made)) == [f"delete {FORMER}"]


def test_a_credential_whose_audience_drifted_is_put_right_under_its_name() -> None:
    fleet = a_fleet()
    (change,) = plan(fleet, changed(as_wanted(fleet), "federated-credential", audience="api://wrong")).changes
    assert (change.action, change.key) == (Action.UPDATE, TRUST)


def test_while_the_new_one_is_held_the_old_one_stays() -> None:
    fleet, observed = rebuilt()
    planned = plan(fleet, unseen(observed, "clusters"), prune=True)
    assert deleted(planned) == []
    assert planned.findings == ()


def test_of_a_chain_that_cannot_be_proven_the_old_credential_goes_only_on_request() -> None:
    """An identity that reads no secret: nothing shows that the new credential works."""
    fleet, observed = rebuilt(identities=[{"name": "app"}])
    assert in_order(plan(fleet, observed)) == [f"create {TRUST}"]
    (finding,) = plan(fleet, observed).findings
    assert (finding.key, finding.prunable) == (FORMER, True)
    assert finding.what.endswith("cluster one has another issuer now")
    assert in_order(plan(fleet, observed, prune=True)) == [f"create {TRUST}", f"delete {FORMER}"]


def test_clusters_that_share_an_identity_leave_each_others_credentials_alone() -> None:
    fleet, observed = rebuilt(clusters=[aks("one"), aks("two")], workloads=[workload(clusters=["one", "two"])])
    planned = plan(fleet, observed)
    assert {change.key for change in planned.changes} == {TRUST, FORMER}


# Where an identity holds as many as it may


def full(others: int, **fields: Any) -> tuple[Fleet, Observed]:
    """An identity with this many credentials beside the one that a rebuilt cluster makes necessary."""
    fleet, observed = rebuilt()
    more = [credential(name=f"theirs-{number}", subject=f"repo:{number}", **fields) for number in range(others)]
    return fleet, beside(observed, *more)


def test_with_room_for_one_more_the_old_one_stays_until_the_proof() -> None:
    assert in_order(plan(*full(18))) == [f"create {TRUST}", f"delete {FORMER}"]


def test_without_room_the_old_one_goes_first_and_the_reason_is_told() -> None:
    planned = plan(*full(19))
    assert in_order(planned) == [f"delete {FORMER}", f"create {TRUST}"]
    old = change_of(planned, FORMER)
    assert (old.after_proof, change_of(planned, TRUST).after) == ((), (FORMER,))
    assert old.reason.startswith("makes room: app holds as many federated credentials as it may")


def orphans(count: int) -> list[Found]:
    return [credential(account=f"gone-{number}") for number in range(count)]


@pytest.mark.parametrize("prune", [False, True])
def test_a_new_workload_without_room_is_held_unless_pruning_makes_some(prune: bool) -> None:
    fleet = a_fleet(workloads=[workload(), workload("new")])
    former = as_wanted(a_fleet(workloads=[workload()]))
    planned = plan(fleet, beside(former, *orphans(19)), prune=prune)
    new = "federated-credential:app/one/space/new"
    holds = {hold.key: hold.reason for hold in planned.holds}
    if prune:
        assert holds == {}
        assert len(deleted(planned)) == 19
        before = change_of(planned, new).after
        assert [change.key for change in planned.changes].index(before[0]) < [
            change.key for change in planned.changes
        ].index(new)
    else:
        assert list(holds) == [new]
        assert holds[new].startswith("app holds 20 federated credentials, the most there may be")
