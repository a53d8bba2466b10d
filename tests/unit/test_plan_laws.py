"""What holds of every plan, whatever the fleet and the world."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from fleet.changes import Action, Change
from fleet.observed import Observed
from fleet.plan import plan
from fleet.resources import Reference, Resource
from fleet.spec import Fleet
from fleet.wanted import wanted

from .aftermath import applied, brings_to_light
from .worlds import as_wanted, fleets, situations

Situation = tuple[Fleet, Observed]


def picture(observed: Observed) -> list[str]:
    """Everything that is there, without order."""
    return sorted(found.model_dump_json() for found in observed.found)


def references(change: Change) -> Iterable[Reference]:
    """The values of a change that earlier ones will bring."""
    values = (getattr(change.resource, field) for field in type(change.resource).model_fields)
    return [value for value in values if isinstance(value, Reference)]


def comes_after(changes: Iterable[Change]) -> dict[str, set[str]]:
    """Of every change, the keys of all changes that it directly or indirectly comes after."""
    everything: dict[str, set[str]] = {}
    for change in changes:
        everything[change.key] = {*change.after, *(key for near in change.after for key in everything[near])}
    return everything


def in_order(changes: tuple[Change, ...], wishes: list[str]) -> list[Change]:
    """The changes in an order that ``after`` allows, otherwise as near to the wished one as can be."""
    waiting = sorted(changes, key=lambda change: wishes.index(change.key))
    order: list[Change] = []
    while waiting:
        open_keys = {change.key for change in waiting}
        ready = next(change for change in waiting if open_keys.isdisjoint(change.after))
        order.append(ready)
        waiting.remove(ready)
    return order


def adopts(fleet: Fleet, resource: Resource) -> bool:
    """Whether the fleet file says that this object may be taken over."""
    if fleet.adopt:
        return True
    if resource.kind == "vault":
        return fleet.vault(resource.name).adopt
    if resource.kind in ("application", "managed-identity"):
        return fleet.identity(resource.identity).adopt
    owners = [
        workload
        for workload in fleet.workloads
        if workload.namespace == resource.namespace
        and resource.name in (workload.service_account, workload.deployment and workload.deployment.name)
    ]
    return any(workload.adopt for workload in owners)


@given(fleets())
def test_a_world_that_is_as_wanted_needs_no_change(fleet: Fleet) -> None:
    assert plan(fleet, as_wanted(fleet)).is_empty


@given(situations())
def test_the_same_picture_gives_the_same_plan(situation: Situation) -> None:
    assert plan(*situation) == plan(*situation)


@given(situations())
def test_after_a_plan_is_applied_there_is_nothing_left_to_change(situation: Situation) -> None:
    """But for what a proven chain replaces on an identity that was just being adopted: it is ours from then on."""
    fleet, observed = situation
    planned = plan(fleet, observed)
    after = applied(observed, planned.changes)
    again = plan(fleet, after)
    if brings_to_light(observed, planned.changes):
        assert all(change.takes_away and change.after_proof for change in again.changes)
        again = plan(fleet, applied(after, again.changes))
    assert again.changes == ()
    assert {hold.key for hold in again.holds} == {hold.key for hold in planned.holds}


@given(situations(), st.data())
def test_every_order_that_after_allows_ends_in_the_same_picture(situation: Situation, data: st.DataObject) -> None:
    fleet, observed = situation
    changes = plan(fleet, observed).changes
    order = in_order(changes, data.draw(st.permutations([change.key for change in changes])))
    assert picture(applied(observed, order)) == picture(applied(observed, changes))


@given(situations())
def test_what_is_not_ours_is_not_changed_unless_it_is_adopted(situation: Situation) -> None:
    fleet, observed = situation
    for change in plan(fleet, observed).changes:
        found = observed.find(change.resource)
        assert found is None or found.ours or adopts(fleet, change.resource), change.key


@given(situations())
def test_a_namespace_that_exists_is_used_as_it_is(situation: Situation) -> None:
    fleet, observed = situation
    for change in plan(fleet, observed).changes:
        assert change.resource.kind != "namespace" or observed.find(change.resource) is None


@given(situations())
def test_nothing_depends_on_what_is_unknown(situation: Situation) -> None:
    fleet, observed = situation
    unknown: set[str] = set()
    for item in wanted(fleet, observed):
        if observed.why_unknown(item.resource) or unknown.intersection(item.needs):
            unknown.add(item.resource.key)
    planned = plan(fleet, observed)
    assert unknown.isdisjoint(change.key for change in planned.changes)
    assert unknown.issubset(hold.key for hold in planned.holds)


@given(situations())
def test_every_change_comes_after_earlier_changes_of_the_same_plan_only(situation: Situation) -> None:
    earlier: set[str] = set()
    for change in plan(*situation).changes:
        assert earlier.issuperset(change.after), change.key
        assert change.key not in earlier
        earlier.add(change.key)


@given(situations())
def test_a_reference_is_to_a_change_that_has_been_applied_by_then(situation: Situation) -> None:
    changes = plan(*situation).changes
    before = comes_after(changes)
    for change in changes:
        assert {reference.key for reference in references(change)} <= before[change.key], change.key


@given(situations())
def test_an_object_is_changed_or_held_but_never_both(situation: Situation) -> None:
    planned = plan(*situation)
    assert {change.key for change in planned.changes}.isdisjoint(hold.key for hold in planned.holds)


@given(situations())
def test_every_hold_says_why(situation: Situation) -> None:
    assert all(hold.reason for hold in plan(*situation).holds)


@given(situations())
def test_where_nothing_is_left_over_a_plan_never_deletes(situation: Situation) -> None:
    """Where a cluster has no issuer yet, the one that it will have may be another than that which is trusted."""
    assert all(change.after_proof for change in plan(*situation).changes if change.takes_away)


@given(situations())
def test_a_change_that_is_no_creation_says_in_which_fields_the_object_differs(situation: Situation) -> None:
    for change in plan(*situation).changes:
        assert change.action is Action.CREATE or change.differences, change.key


@given(situations())
def test_a_plan_survives_being_written_down(situation: Situation) -> None:
    planned = plan(*situation)
    again = type(planned).model_validate_json(planned.model_dump_json())
    assert [change.resource for change in again.changes] == [change.resource for change in planned.changes]
    assert again.holds == planned.holds
