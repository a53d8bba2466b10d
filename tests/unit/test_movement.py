"""What is told where the world moved between a plan and its application."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.changes import Plan
from fleet.movement import WorldMovedError, movements, refuse_if_moved
from fleet.observed import Observed
from fleet.plan import plan
from fleet.spec import Fleet

from .aftermath import applied
from .worlds import (
    OTHER_FLEET,
    a_fleet,
    application,
    as_wanted,
    changed,
    empty,
    fleets,
    invented,
    unseen,
    without,
    workload,
    worlds,
)

FLEET = a_fleet()
KEPT = as_wanted(FLEET)
ACCOUNT = "service-account:one/space/account"
World = Callable[[Observed], Observed]
MOVED: dict[str, tuple[World, World, list[str]]] = {
    "nothing": (lambda world: world, lambda world: world, []),
    "the same drift": (
        lambda world: changed(world, "service-account", client_id="x"),
        lambda world: changed(world, "service-account", client_id="x"),
        [],
    ),
    "somebody mended it": (
        lambda world: changed(world, "service-account", client_id="x"),
        lambda world: world,
        [f"{ACCOUNT}: to update then, nothing to do now"],
    ),
    "something else drifted": (
        lambda world: world,
        lambda world: changed(world, "deployment", replicas=7),
        ["deployment:one/space/web: nothing to do then, to update now: replicas 7 → 1"],
    ),
    "it drifted further": (
        lambda world: changed(world, "service-account", client_id="x"),
        lambda world: changed(world, "service-account", client_id="y", token_expiration="3600"),
        [f"{ACCOUNT}: client_id x then, y now; token_expiration – then, 3600 now"],
    ),
    "it went": (
        lambda world: changed(world, "service-account", client_id="x"),
        lambda world: without(world, "service-account"),
        [f"{ACCOUNT}: to update then, to create now"],
    ),
    "it came": (
        lambda world: without(world, "secret"),
        lambda world: world,
        ["secret:vault/secret: to create then, nothing to do now"],
    ),
    "it became somebody else's": (
        lambda world: without(world, "service-account"),
        lambda world: changed(world, "service-account", owner=OTHER_FLEET, ours=False),
        [
            f"{ACCOUNT}: to create then, held now: belongs to the fleet {OTHER_FLEET}: rename ours, or set adopt: "
            "true to take it over",
            f"deployment:one/space/web: nothing to do then, held now: waits for {ACCOUNT}",
        ],
    ),
    "it can be seen again": (
        lambda world: unseen(world, "secrets:vault"),
        lambda world: world,
        ["secret:vault/secret: held then, nothing to do now", "deployment:one/space/web: held then, nothing to do now"],
    ),
    "it cannot be seen for another reason": (
        lambda world: unseen(world, "kubernetes:one", "it does not answer"),
        lambda world: unseen(world, "kubernetes:one", "it answers nonsense"),
        [],
    ),
    "the object is another one by the same name": (
        lambda world: changed(world, "application", display_name="x"),
        lambda world: changed(world, "application", display_name="x", outputs=invented("application:app", "new")),
        ["application:app: client_id client_id-of-application:app-old then, client_id-of-application:app-new now"],
    ),
    "others were given more": (
        lambda world: changed(world, "access-policy", secrets=()),
        lambda world: changed(world, "access-policy", secrets=("Backup",)),
        ["access-policy:operator/vault: secrets  then, Backup now"],
    ),
}
"""A world when the plan was made, the world when it is applied, and what is told of their difference, or its start."""


@pytest.mark.parametrize("name", MOVED)
def test_each_object_that_moved_is_told_with_what_moved(name: str) -> None:
    then, now, expected = MOVED[name]
    told = list(movements(plan(FLEET, then(KEPT)), plan(FLEET, now(KEPT))))
    assert [line for line in expected if not any(one.startswith(line) for one in told)] == [], told
    assert len(told) >= len(expected)
    assert bool(told) == bool(expected)


def test_what_only_follows_from_another_objects_movement_is_not_told_too() -> None:
    fleet = a_fleet(workloads=[workload()])
    before = without(as_wanted(fleet), "application", "service-principal", "federated-credential", "service-account")
    made = [change for change in plan(fleet, before).changes if change.key == "application:app"]
    told = list(movements(plan(fleet, before), plan(fleet, applied(before, made))))
    assert told == ["application:app: to create then, nothing to do now"]


def test_a_refusal_names_the_fleet_and_what_to_do() -> None:
    with pytest.raises(WorldMovedError) as raised:
        refuse_if_moved(plan(FLEET, empty()), plan(FLEET, KEPT))
    first, *lines, last = str(raised.value).splitlines()
    assert first == "The world has moved since this plan of testing was made, so nothing was changed:"
    assert len(lines) == 12
    assert "  vault:vault: to create then, nothing to do now" in lines
    assert last == "Plan again, and look at what is new."


def test_where_everything_moved_not_everything_is_told() -> None:
    numbers = range(30)
    fleet = a_fleet(
        identities=[application(f"app-{number}") for number in numbers],
        workloads=[workload(f"account-{number}", identity=f"app-{number}") for number in numbers],
    )
    with pytest.raises(WorldMovedError, match=r"  and \d+ objects more\nPlan again"):
        refuse_if_moved(plan(fleet, empty()), plan(fleet, as_wanted(fleet)))


@st.composite
def two_plans(draw: st.DrawFn) -> tuple[Plan, Plan]:
    """A fleet's plans in two worlds."""
    fleet: Fleet = draw(fleets())
    return plan(fleet, draw(worlds(fleet))), plan(fleet, draw(worlds(fleet)))


def doing(planned: Plan) -> tuple[list[str], list[str]]:
    """All that a plan does, and whom it leaves alone."""
    return [change.model_dump_json() for change in planned.changes], [hold.key for hold in planned.holds]


@given(two_plans())
def test_plans_are_applied_exactly_where_they_do_the_same(plans: tuple[Plan, Plan]) -> None:
    then, now = plans
    assert bool(list(movements(then, now))) == (doing(then) != doing(now))
    assert list(movements(then, then)) == []
