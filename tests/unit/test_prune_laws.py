"""What holds of every plan that may take something away, whatever the fleet, the world and its remnants."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fleet.changes import Action
from fleet.observed import Observed
from fleet.outline import outline
from fleet.plan import plan
from fleet.spec import Fleet
from fleet.stages import after_proof, before_proof
from fleet.wanted import wanted

from .aftermath import applied, brings_to_light, find
from .remnants import is_foreign, littered
from .test_plan_laws import in_order, picture
from .worlds import SOME

Situation = tuple[Fleet, Observed]


@given(littered(), SOME)
def test_after_a_plan_is_applied_nothing_is_left_to_change(situation: Situation, prune: bool) -> None:
    """What hangs on an object that is just being adopted, or recovered, is the next plan's to prune."""
    fleet, observed = situation
    planned = plan(fleet, observed, prune=prune)
    after = applied(observed, planned.changes)
    again = plan(fleet, after, prune=prune)
    if brings_to_light(observed, planned.changes):
        assert all(change.takes_away for change in again.changes)
        again = plan(fleet, applied(after, again.changes), prune=prune)
    assert again.changes == ()
    assert {hold.key for hold in again.holds} == {hold.key for hold in planned.holds}


@given(littered(), SOME, st.data())
def test_every_order_that_after_allows_ends_in_the_same_picture(
    situation: Situation, prune: bool, data: st.DataObject
) -> None:
    fleet, observed = situation
    changes = plan(fleet, observed, prune=prune).changes
    order = in_order(changes, data.draw(st.permutations([change.key for change in changes])))
    assert picture(applied(observed, order)) == picture(applied(observed, changes))


@given(littered(), SOME)
def test_nothing_foreign_is_taken_away(situation: Situation, prune: bool) -> None:
    fleet, observed = situation
    for change in plan(fleet, observed, prune=prune).changes:
        if change.takes_away:
            assert not is_foreign(fleet, observed, find(observed, change.resource)), change.key


@given(littered(), SOME)
def test_what_was_there_before_the_fleet_is_released_and_nothing_else_is(situation: Situation, prune: bool) -> None:
    fleet, observed = situation
    for change in plan(fleet, observed, prune=prune).changes:
        if change.takes_away:
            adopted = find(observed, change.resource).adopted
            assert change.action is (Action.RELEASE if adopted else Action.DELETE), change.key


@given(littered())
def test_nothing_is_taken_away_unasked_but_what_a_proven_chain_replaces(situation: Situation) -> None:
    for change in plan(*situation).changes:
        if change.takes_away:
            assert change.resource.kind == "federated-credential"
            assert change.after_proof


@given(littered())
def test_nothing_that_the_fleet_names_is_taken_away(situation: Situation) -> None:
    fleet, observed = situation
    named = {id(observed.find(item.resource)) for item in wanted(fleet, observed)}
    for change in plan(fleet, observed, prune=True).changes:
        if change.takes_away:
            assert id(find(observed, change.resource)) not in named, change.key


@given(littered())
def test_to_prune_changes_nothing_about_what_else_is_planned(situation: Situation) -> None:
    plain, pruning = plan(*situation), plan(*situation, prune=True)
    wanted_too = [change for change in pruning.changes if not change.takes_away]
    assert wanted_too == [change for change in plain.changes if not change.takes_away]
    assert pruning.holds == plain.holds


@given(littered())
def test_what_would_be_pruned_is_found_without_pruning(situation: Situation) -> None:
    plain, pruning = plan(*situation), plan(*situation, prune=True)
    gone = {change.key for change in pruning.changes} - {change.key for change in plain.changes}
    assert {finding.key for finding in plain.findings if finding.prunable} == gone
    assert {finding.key for finding in plain.findings if not finding.prunable} == {
        finding.key for finding in pruning.findings
    }


@given(littered(), SOME)
def test_every_deletion_comes_after_earlier_changes_of_the_same_plan_only(situation: Situation, prune: bool) -> None:
    earlier: set[str] = set()
    for change in plan(*situation, prune=prune).changes:
        assert earlier.issuperset(change.after), change.key
        assert change.key not in earlier
        earlier.add(change.key)


@given(littered(), SOME)
def test_a_plan_is_read_in_its_order_and_whole(situation: Situation, prune: bool) -> None:
    planned = plan(*situation, prune=prune)
    read: list[str] = []
    for group in outline(planned):
        for change in group.changes:
            assert set(read).issuperset(change.after), change.key
            read.append(change.key)
    assert sorted(read) == sorted(change.key for change in planned.changes)


@given(littered(), SOME, st.data())
def test_every_change_is_before_a_proof_or_after_it_or_waits(
    situation: Situation, prune: bool, data: st.DataObject
) -> None:
    changes = plan(*situation, prune=prune).changes
    proofs = sorted({key for change in changes for key in change.after_proof})
    proven = data.draw(st.sets(st.sampled_from(proofs))) if proofs else set()
    first = before_proof(changes)
    ready, waiting = after_proof(changes, proven)
    keys = [change.key for change in (*first, *ready)]
    assert sorted([*keys, *waiting]) == sorted(change.key for change in changes)
    for position, change in enumerate((*first, *ready)):
        assert set(keys[:position]).issuperset(change.after), change.key
        assert proven.issuperset(change.after_proof), change.key


@given(littered(), SOME)
def test_a_plan_survives_being_written_down(situation: Situation, prune: bool) -> None:
    planned = plan(*situation, prune=prune)
    again = type(planned).model_validate_json(planned.model_dump_json())
    assert [(change.resource, change.after_proof) for change in again.changes] == [
        (change.resource, change.after_proof) for change in planned.changes
    ]
    assert again.findings == planned.findings
