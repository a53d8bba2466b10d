"""Taking down a part of a fleet leaves everything that the other parts need."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fleet.observed import Observed
from fleet.plan import plan
from fleet.selection import Selection, SelectionError, remainder
from fleet.spec import Fleet
from fleet.teardown import plan_teardown
from fleet.wanted import wanted

from .worlds import SOME, a_fleet, aks, application, as_wanted, deployment, empty, fleets, only, vault, workload, worlds


def shop(**parts: Any) -> Fleet:
    """Two clusters, two vaults; a workload on both clusters, one on the first, and one that shares its identity."""
    return a_fleet(
        **{
            "clusters": [aks("west"), aks("north")],
            "vaults": [vault("shop-kv"), vault("bank-kv"), vault("idle-kv")],
            "identities": [
                application("web", access=[{"vault": "shop-kv"}]),
                application("bank", access=[{"vault": "bank-kv"}, {"vault": "shop-kv"}]),
                application("idle", access=[]),
            ],
            "workloads": [
                workload("web", namespace="shop", clusters=["west", "north"], identity="web", deployment=deployment()),
                workload("jobs", namespace="shop", clusters=["west"], identity="web"),
                workload("ledger", namespace="bank", clusters=["west"], identity="bank"),
            ],
            **parts,
        }
    )


def gone(selection: Selection, fleet: Fleet | None = None, *, everything: bool = False) -> set[str]:
    """What a teardown of the selection takes away where everything is as wanted."""
    fleet = fleet or shop()
    planned = plan_teardown(fleet, as_wanted(fleet), everything=everything, selection=selection)
    assert planned.holds == ()
    return {change.key for change in planned.changes}


LEDGER = {
    "service-account:west/bank/ledger",
    "namespace:west/bank",
    "federated-credential:bank/west/bank/ledger",
    "access-policy:bank/bank-kv",
    "access-policy:bank/shop-kv",
    "application:bank",
    "access-policy:operator/bank-kv",
}
ON_NORTH = {
    "deployment:north/shop/web",
    "service-account:north/shop/web",
    "namespace:north/shop",
    "federated-credential:web/north/shop/web",
}
SELECTED: dict[str, tuple[Selection, set[str]]] = {
    "a workload with an identity of its own": (Selection(workloads=("bank/ledger",)), LEDGER),
    "by its ServiceAccount alone": (Selection(workloads=("ledger",)), LEDGER),
    "one of two that share identity and namespace": (
        Selection(workloads=("shop/jobs",)),
        {"service-account:west/shop/jobs", "federated-credential:web/west/shop/jobs"},
    ),
    "a cluster: the identity stays with the others": (Selection(clusters=("north",)), ON_NORTH),
    "a workload on one of its clusters": (Selection(workloads=("web",), clusters=("north",)), ON_NORTH),
    "a workload everywhere": (
        Selection(workloads=("shop/web",)),
        {
            *ON_NORTH,
            "deployment:west/shop/web",
            "service-account:west/shop/web",
            "federated-credential:web/west/shop/web",
        },
    ),
    "workloads that are on the cluster, of those named": (
        Selection(workloads=("bank/ledger", "shop/jobs"), clusters=("west",)),
        {*LEDGER, "service-account:west/shop/jobs", "federated-credential:web/west/shop/jobs"},
    ),
}


@pytest.mark.parametrize("name", SELECTED)
def test_of_a_selection_goes_what_nobody_else_uses(name: str) -> None:
    selection, expected = SELECTED[name]
    assert gone(selection) == expected


def test_with_everything_go_also_the_vault_and_the_webhook_that_nobody_else_uses() -> None:
    assert gone(Selection(workloads=("ledger",)), everything=True) - LEDGER == {"vault:bank-kv"}
    assert gone(Selection(clusters=("north",)), everything=True) - ON_NORTH == {"webhook:north"}


def test_what_no_workload_uses_stays_until_the_last_workload_goes() -> None:
    selected = Selection(workloads=("shop/web", "shop/jobs"))
    assert "application:idle" not in gone(selected)
    assert "vault:idle-kv" not in gone(selected, everything=True)
    last = Selection(clusters=("west", "north"))
    assert {"application:idle", "vault:idle-kv", "webhook:west"} <= gone(last, everything=True)


def test_a_cluster_without_workloads_is_taken_down_by_its_name_alone() -> None:
    fleet = shop(clusters=[aks("west"), aks("north"), aks("new")])
    assert gone(Selection(clusters=("new",)), fleet, everything=True) == {"webhook:new"}
    assert gone(Selection(clusters=("new",)), fleet) == set()


def test_a_vault_that_proves_another_workload_stays() -> None:
    proving = workload(
        "x", namespace="x", clusters=["west"], identity="web", verify={"vault": "bank-kv", "secret": "secret"}
    )
    fleet = shop(workloads=[workload("ledger", namespace="bank", clusters=["west"], identity="bank"), proving])
    assert "vault:bank-kv" not in gone(Selection(workloads=("ledger",)), fleet, everything=True)


def test_workloads_of_one_service_account_on_several_shards_go_together() -> None:
    fleet = shop(
        workloads=[
            workload("web", clusters=["west"], identity="web"),
            workload("web", clusters=["north"], identity="bank"),
            workload("jobs", clusters=["west"], identity="web"),
        ]
    )
    keys = gone(Selection(workloads=("web",)), fleet)
    assert {"service-account:west/space/web", "service-account:north/space/web", "application:bank"} <= keys
    assert "application:web" not in keys


# Mistakes


@pytest.mark.parametrize(
    ("selection", "said"),
    [
        (
            Selection(workloads=("shop/wev",)),
            "there is no workload shop/wev in this fleet, there is: bank/ledger, shop/jobs, shop/web",
        ),
        (
            Selection(workloads=("shop",)),
            "there is no workload shop in this fleet, there is: bank/ledger, shop/jobs, sh",
        ),
        (Selection(clusters=("east",)), "there is no cluster east in this fleet, there is: north, west"),
        (
            Selection(workloads=("nobody",), clusters=("east",)),
            "there is no cluster east in this fleet, there is: north, west\nthere is no workload nobody in this fleet",
        ),
        (Selection(workloads=("jobs",), clusters=("north",)), "shop/jobs is not on north: it is on west"),
        (Selection(workloads=("",)), "there is no workload  in this fleet"),
    ],
)
def test_a_name_that_selects_nothing_is_a_mistake_that_lists_what_there_is(selection: Selection, said: str) -> None:
    with pytest.raises(SelectionError) as raised:
        remainder(shop(), selection)
    assert str(raised.value).startswith(said)


def test_a_service_account_of_several_workloads_does_not_tell_which() -> None:
    fleet = shop(workloads=[workload("web", namespace=name, clusters=["west"], identity="web") for name in ("b", "a")])
    with pytest.raises(
        SelectionError, match="web is the ServiceAccount of several workloads, say of which: a/web, b/web"
    ):
        remainder(fleet, Selection(workloads=("web",)))


def test_of_many_workloads_the_nearest_are_named() -> None:
    fleet = shop(
        workloads=[workload(f"web-{number}", clusters=["west"], identity="web") for number in range(12)],
    )
    with pytest.raises(SelectionError) as raised:
        remainder(fleet, Selection(workloads=("space/web_11",)))
    said = str(raised.value)
    assert said.startswith("there is no workload space/web_11 in this fleet among its 12, the nearest: space/web-11")


# Laws


@st.composite
def selections(draw: st.DrawFn, fleet: Fleet) -> Selection:
    """Selections of workloads, of clusters, or of both."""
    workloads = draw(st.lists(st.sampled_from([str(item) for item in fleet.workloads]), unique=True))
    clusters = draw(st.lists(st.sampled_from([item.name for item in fleet.clusters]), unique=True))
    selection = Selection(workloads=tuple(workloads), clusters=tuple(clusters))
    try:
        remainder(fleet, selection)
    except SelectionError:
        assume(False)
    return selection


@st.composite
def selected(draw: st.DrawFn) -> tuple[Fleet, Observed, Selection]:
    """A fleet, a world, and a selection that is not empty."""
    fleet = draw(fleets())
    selection = draw(selections(fleet))
    assume(selection)
    return fleet, draw(worlds(fleet)), selection


@given(selected(), SOME)
def test_what_the_rest_of_the_fleet_wants_is_never_touched(
    case: tuple[Fleet, Observed, Selection], everything: bool
) -> None:
    fleet, observed, selection = case
    needed = {id(observed.find(item.resource)) for item in wanted(remainder(fleet, selection), observed)}
    for change in plan_teardown(fleet, observed, everything=everything, selection=selection).changes:
        assert id(observed.find(change.resource)) not in needed, change.key


@given(selected(), SOME)
def test_a_part_takes_nothing_that_the_whole_would_not_take(
    case: tuple[Fleet, Observed, Selection], everything: bool
) -> None:
    fleet, observed, selection = case
    part = plan_teardown(fleet, observed, everything=everything, selection=selection)
    whole = plan_teardown(fleet, observed, everything=everything)
    assert {change.key for change in part.changes} <= {change.key for change in whole.changes}
    assert {hold.key for hold in part.holds} <= {hold.key for hold in whole.holds}


@given(selected(), SOME)
def test_all_workloads_or_all_clusters_are_the_whole_fleet(
    case: tuple[Fleet, Observed, Selection], everything: bool
) -> None:
    fleet, observed, _ = case
    whole = plan_teardown(fleet, observed, everything=everything)
    workloads = Selection(workloads=tuple(map(str, fleet.workloads)))
    clusters = Selection(clusters=tuple(item.name for item in fleet.clusters))
    for all_of_it in (workloads, clusters):
        assert plan_teardown(fleet, observed, everything=everything, selection=all_of_it) == whole


@given(selected(), SOME)
def test_once_a_part_is_taken_down_the_rest_is_as_wanted(
    case: tuple[Fleet, Observed, Selection], everything: bool
) -> None:
    fleet, _, selection = case
    observed = as_wanted(fleet)
    planned = plan_teardown(fleet, observed, everything=everything, selection=selection)
    taken = {id(observed.find(change.resource)) for change in planned.changes}
    left = only(observed, lambda found: id(found) not in taken)
    rest = remainder(fleet, selection)
    assert plan(rest, left).is_empty
    assert plan_teardown(fleet, left, everything=everything, selection=selection).is_empty


@given(fleets())
def test_an_empty_selection_selects_nothing(fleet: Fleet) -> None:
    assert remainder(fleet, Selection()) is fleet


@given(selected())
def test_of_the_rest_every_reference_leads_somewhere(case: tuple[Fleet, Observed, Selection]) -> None:
    fleet, _, selection = case
    rest = remainder(fleet, selection)
    if rest.workloads:
        assert Fleet.model_validate_json(rest.model_dump_json()) == rest
    else:
        assert list(wanted(rest, empty())) == []
