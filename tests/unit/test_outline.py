"""A plan as it is read: what belongs together, in which order, and how much of it there is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given

from fleet.changes import Plan
from fleet.observed import Observed
from fleet.outline import Group, headline, outline
from fleet.plan import plan
from fleet.spec import Fleet
from fleet.teardown import plan_teardown

from .worlds import (
    SOME,
    a_fleet,
    aks,
    application,
    as_wanted,
    changed,
    deployment,
    empty,
    managed,
    situations,
    unseen,
    vault,
    without,
    workload,
)

Situation = tuple[Fleet, Observed]
FEATURE = {"preview_features": ["EnableOIDCIssuerPreview"]}
TWO = [workload("a", identity="app"), workload("b", namespace="other", identity="app")]


def titles(groups: tuple[Group, ...]) -> list[str]:
    """The groups, in order."""
    return [f"{group.kind} {group.name}" for group in groups]


def kinds(group: Group) -> list[str]:
    """The kinds of a group's changes, in order."""
    return [change.resource.kind for change in group.changes]


# What belongs together


def test_what_only_one_workload_uses_is_read_with_it() -> None:
    groups = outline(plan(a_fleet(), empty()))
    assert titles(groups) == ["cluster one", "vault vault", "workload space/account"]
    assert [kinds(group) for group in groups] == [
        ["cluster", "webhook"],
        ["vault", "access-policy", "secret"],
        [
            "application",
            "service-principal",
            "access-policy",
            "federated-credential",
            "namespace",
            "service-account",
            "deployment",
        ],
    ]


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"clusters": [aks(**FEATURE)]}, ["subscription Playground", "cluster one", "vault vault", "workload space/a"]),
        ({"workloads": TWO}, ["cluster one", "vault vault", "identity app", "workload space/a", "workload other/b"]),
        (
            {
                "identities": [application(), managed()],
                "workloads": [workload("a"), workload("b", identity="managed")],
            },
            ["cluster one", "vault vault", "namespace space", "workload space/a", "workload space/b"],
        ),
        (
            {"identities": [application(), managed("idle", access=[])]},
            ["cluster one", "vault vault", "identity idle", "workload space/a"],
        ),
    ],
    ids=["a feature", "a shared identity", "a shared namespace", "an identity that nobody uses"],
)
def test_what_is_shared_has_a_group_of_its_own_before_the_workloads(parts: dict[str, Any], expected: list[str]) -> None:
    fleet = a_fleet(**{"workloads": [workload("a", deployment=deployment())], **parts})
    assert titles(outline(plan(fleet, empty()))) == expected


def test_a_workload_on_two_clusters_is_one_group_that_names_those_where_something_changes() -> None:
    fleet = a_fleet(clusters=[aks("one"), aks("two")], workloads=[workload(clusters=["one", "two"])])
    (*_, group) = outline(plan(fleet, empty()))
    assert (group.name, group.clusters) == ("space/account", ("one", "two"))
    (group,) = outline(plan(fleet, changed(as_wanted(fleet), "service-account", client_id="another")))
    assert group.clusters == ("one",)


def test_a_hold_stands_with_the_object_that_it_concerns() -> None:
    fleet = a_fleet(workloads=[workload("a"), workload("b")])
    groups = outline(plan(fleet, unseen(as_wanted(fleet), "kubernetes:one")))
    assert {f"{group.kind} {group.name}": [hold.key for hold in group.holds] for group in groups} == {
        "cluster one": ["webhook:one"],
        "namespace space": ["namespace:one/space"],
        "workload space/a": ["service-account:one/space/a"],
        "workload space/b": ["service-account:one/space/b"],
    }


def test_a_teardown_is_read_from_the_workloads_on() -> None:
    fleet = a_fleet(workloads=TWO)
    groups = outline(plan_teardown(fleet, as_wanted(fleet), everything=True))
    assert {title.partition(" ")[0] for title in titles(groups)[:2]} == {"workload"}
    assert titles(groups)[2:] == ["identity app", "vault vault", "cluster one"]


# How much


def _soft_deleted(world: Observed) -> Observed:
    return changed(without(world, "secret", "access-policy"), "vault", soft_deleted=True)


@pytest.mark.parametrize(
    ("world", "expected"),
    [
        (lambda _: empty(), "12 to create"),
        (lambda world: changed(world, "service-account", client_id="another"), "1 to update"),
        (lambda world: changed(without(world, "secret"), "application", display_name="x"), "1 to create, 1 to update"),
        (_soft_deleted, "3 to create, 1 to recover"),
        (lambda world: unseen(world, "kubernetes:one"), "4 held"),
        (lambda world: world, ""),
    ],
)
def test_the_headline_counts_by_what_is_done(world: Callable[[Observed], Observed], expected: str) -> None:
    fleet = a_fleet(vaults=[vault(soft_deleted="recover")])
    planned = plan(fleet, world(as_wanted(fleet)))
    assert headline(planned.changes, planned.holds) == expected


def test_a_headline_of_what_is_done_says_so() -> None:
    fleet = a_fleet()
    assert headline(plan(fleet, empty()).changes, done=True) == "12 created"
    assert headline(plan_teardown(fleet, as_wanted(fleet)).changes, done=True) == "7 deleted"
    adopted = changed(as_wanted(fleet), "application", adopted=True)
    assert headline(plan_teardown(fleet, adopted).changes, done=True) == "6 deleted, 1 released"


# Laws


def plans(situation: Situation, everything: bool) -> tuple[Plan, Plan]:
    """Both kinds of plan."""
    return plan(*situation), plan_teardown(*situation, everything=everything)


@given(situations(), SOME)
def test_nothing_is_read_before_what_it_comes_after(situation: Situation, everything: bool) -> None:
    for planned in plans(situation, everything):
        read: set[str] = set()
        for group in outline(planned):
            for change in group.changes:
                assert read.issuperset(change.after), change.key
                read.add(change.key)


@given(situations(), SOME)
def test_everything_is_read_once(situation: Situation, everything: bool) -> None:
    for planned in plans(situation, everything):
        groups = outline(planned)
        kept = [group for group in groups if not any(change.takes_away for change in group.changes)]
        assert len(titles(kept)) == len(set(titles(kept))), "what goes is read again, in groups of its own"
        assert sorted(change.key for group in groups for change in group.changes) == sorted(
            change.key for change in planned.changes
        )
        assert sorted(hold.key for group in groups for hold in group.holds) == sorted(
            hold.key for hold in planned.holds
        )
