"""What a person is asked before a plan is applied."""

from __future__ import annotations

from fleet.plan import plan
from fleet.spec import Fleet
from flows.approval import text

from .worlds import a_fleet, as_wanted, empty, unseen, workload


def question(fleet: Fleet | None = None, **parts: object) -> str:
    fleet = fleet or a_fleet()
    return text(plan(fleet, empty(), **parts), "operator in Playground", "its schedule", 30)  # type: ignore[arg-type]


def test_it_tells_what_as_whom_for_whom_and_until_when() -> None:
    asked = question()
    assert "## Apply this plan of testing?" in asked
    assert "to create" in asked
    assert "nothing is deleted" in asked
    assert "Asked for by its schedule; it would be done as operator in Playground" in asked
    assert "within 30 minutes" in asked
    assert "| + | federate space/account on one |" in asked


def test_deletions_are_counted_and_stand_first() -> None:
    before = a_fleet(workloads=[workload(), workload("former")])
    planned = plan(a_fleet(), as_wanted(before), prune=True)
    asked = text(planned, "operator", "somebody by hand", 60)
    assert "of them deletions**" in asked or "of them deletion" in asked
    table = [line for line in asked.splitlines() if line.startswith("| ") and "change" not in line]
    assert table[0].startswith("| − |")


def test_a_large_plan_is_cut_and_says_so() -> None:
    fleet = a_fleet(workloads=[workload(f"account-{number}") for number in range(15)])
    many = a_fleet(
        identities=[{"name": f"app-{n}", "access": [{"vault": "vault"}]} for n in range(40)],
        workloads=[workload(f"account-{n}", identity=f"app-{n}") for n in range(40)],
    )
    assert "more: see the plan" not in question(fleet)
    asked = question(many)
    assert "more: see the plan among the run's artifacts" in asked
    assert len(asked.splitlines()) < 220


def test_what_is_held_is_told_with_its_reason() -> None:
    fleet = a_fleet()
    planned = plan(fleet, unseen(as_wanted(fleet), "directory"))
    assert "- held: application:app: " in text(planned, "operator", "its schedule", 60)
