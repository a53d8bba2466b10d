"""An identity that needs more federated credentials than one may hold is spread over several, and nothing moves."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from fleet import naming, sharding
from fleet.entries import MAX_SHARDS, Workload
from fleet.files import FleetFileError, load
from fleet.spec import Fleet
from fleet.wanted import wanted

from .worlds import a_fleet, aks, application, deployment, empty, fleet_data, managed, workload

NAMES = st.from_regex(r"[a-z]{1,6}", fullmatch=True)
PAIRS = st.sets(st.tuples(NAMES, NAMES, NAMES), min_size=1, max_size=12)
SHARDS = st.integers(min_value=1, max_value=MAX_SHARDS - 1)


def wrongs_of(**parts: Any) -> list[str]:
    """What is wrong with a fleet that is right but for these parts."""
    with pytest.raises(FleetFileError) as raised:
        load(yaml.safe_dump(fleet_data(**parts)))
    return [str(mistake) for mistake in raised.value.mistakes]


def places(pairs: Collection[tuple[str, str, str]], shards: int) -> dict[tuple[str, str, str], str]:
    """The identity of each ServiceAccount of a cluster, as a loaded fleet has it."""
    clusters = sorted({cluster for cluster, _, _ in pairs})
    fleet = Fleet.model_validate(
        fleet_data(
            clusters=[aks(name) for name in clusters],
            identities=[application(shards=shards)],
            workloads=[workload(name, namespace=space, clusters=[cluster]) for cluster, space, name in pairs],
        )
    )
    return {
        (cluster, item.namespace, item.service_account): item.identity
        for item in fleet.workloads
        for cluster in item.clusters
    }


@given(PAIRS, st.tuples(NAMES, NAMES, NAMES), SHARDS)
def test_another_workload_moves_none(pairs: set[tuple[str, str, str]], one: tuple[str, str, str], shards: int) -> None:
    fewer, more = places(pairs - {one} or pairs, shards), places(pairs | {one}, shards)
    assert fewer.items() <= more.items()


@given(PAIRS, SHARDS)
def test_another_shard_takes_from_the_others_and_moves_nothing_between_them(
    pairs: set[tuple[str, str, str]], shards: int
) -> None:
    before, after = places(pairs, shards), places(pairs, shards + 1)
    new = naming.shard_name("app", shards + 1)
    assert all(after[pair] in (before[pair], new) for pair in pairs)


@given(PAIRS, SHARDS)
def test_every_workload_is_on_a_shard_that_the_fleet_has(pairs: set[tuple[str, str, str]], shards: int) -> None:
    held = places(pairs, shards)
    assert held.keys() == pairs
    assert set(held.values()) <= {naming.shard_name("app", number) for number in range(1, shards + 1)}


@given(st.lists(st.tuples(NAMES, NAMES, NAMES), unique=True, min_size=2, max_size=8), SHARDS)
def test_the_order_in_the_file_does_not_matter(pairs: list[tuple[str, str, str]], shards: int) -> None:
    assert places(pairs, shards) == places(pairs[::-1], shards)


def test_where_a_workload_belongs_never_changes_between_versions() -> None:
    item = Workload.model_validate(workload())
    assert [sharding.shard_number("app", shards, "one", item) for shards in (1, 2, 3, 10, 50)] == [1, 2, 2, 4, 14]


def test_a_clusters_case_does_not_matter_and_that_of_its_identity_does() -> None:
    items = [Workload.model_validate(workload(f"a{number}")) for number in range(30)]
    numbers = [sharding.shard_number("app", 9, "one", item) for item in items]
    assert numbers == [sharding.shard_number("app", 9, "ONE", item) for item in items]
    assert numbers != [sharding.shard_number("App", 9, "one", item) for item in items]


def test_the_shards_are_filled_about_evenly() -> None:
    items = [Workload.model_validate(workload(f"a{number}")) for number in range(1000)]
    held = Counter(sharding.shard_number("app", 10, "one", item) for item in items)
    assert len(held) == 10
    assert max(held.values()) < 140


@pytest.mark.parametrize(("number", "name"), [(1, "app"), (2, "app-2"), (50, "app-50")])
def test_the_first_shard_keeps_the_name_so_that_an_identity_may_outgrow_its_budget(number: int, name: str) -> None:
    assert naming.shard_name("app", number) == name


def test_a_workload_on_more_clusters_than_an_identity_may_hold_is_divided_between_the_shards() -> None:
    names = [f"c{number}" for number in range(30)]
    fleet = a_fleet(
        clusters=[aks(name) for name in names],
        identities=[managed(shards=3)],
        workloads=[workload(identity="managed", clusters=names, deployment=deployment())],
    )
    assert [item.name for item in fleet.identities] == ["managed", "managed-2", "managed-3"]
    assert all(item.shards == 1 and item.access for item in fleet.identities)
    assert sorted(name for item in fleet.workloads for name in item.clusters) == sorted(names)
    assert all(len(item.clusters) <= 20 and str(item) == "space/account" for item in fleet.workloads)


def test_what_is_wanted_of_a_shard_is_what_is_wanted_of_any_identity() -> None:
    fleet = a_fleet(identities=[application(shards=2)], workloads=[workload(f"a{number}") for number in range(22)])
    keys = [item.resource.key for item in wanted(fleet, empty())]
    assert {key for key in keys if key.startswith(("application", "access-policy:app"))} == {
        "application:app",
        "application:app-2",
        "access-policy:app/vault",
        "access-policy:app-2/vault",
    }
    held = Counter(match[1] for key in keys if (match := re.match("federated-credential:([^/]+)/", key)))
    assert sum(held.values()) == 22
    assert set(held) == {"app", "app-2"}


def test_a_workload_that_names_a_shard_stays_there() -> None:
    pinned = [workload(f"p{number}", identity="app-2") for number in range(3)]
    fleet = a_fleet(identities=[application(shards=2)], workloads=[*pinned, workload("a")])
    assert [item.identity for item in fleet.workloads if item.service_account.startswith("p")] == ["app-2"] * 3


def test_a_shard_that_overflows_is_refused_with_the_arithmetic_and_the_number_that_is_enough() -> None:
    workloads = [workload(f"a{number}") for number in range(70)]
    (mistake,) = wrongs_of(identities=[application(shards=3)], workloads=workloads)
    told = re.fullmatch(
        r"identities\[0\]: app would need 70 federated credentials \(70 workloads × 1 cluster: space/a0, space/a1, "
        r"space/a2, \.\.\.\), and of its 3 shards each holds at most 20: app (\d+), app-2 (\d+), app-3 (\d+); "
        r"set shards: (\d+), or divide its workloads among several identities",
        mistake,
    )
    assert told is not None
    *held, enough = map(int, told.groups())
    assert sum(held) == 70
    assert max(held) > 20
    assert len(a_fleet(identities=[application(shards=enough)], workloads=workloads).identities) == enough
    wrongs_of(identities=[application(shards=enough - 1)], workloads=workloads)


def test_workloads_that_name_a_shard_count_there() -> None:
    workloads = [workload(f"a{number}", identity="app-2") for number in range(21)]
    (mistake,) = wrongs_of(identities=[application(shards=2)], workloads=workloads)
    assert "app-2 21" in mistake
    assert mistake.endswith("; divide its workloads among several identities")


def test_what_no_number_of_shards_can_hold_is_told_without_one() -> None:
    workloads = [workload(f"a{number}") for number in range(1001)]
    (mistake,) = wrongs_of(workloads=workloads)
    assert mistake.endswith("holds at most 20; divide its workloads among several identities")


def test_the_arithmetic_is_told_by_the_number_of_clusters() -> None:
    many = [f"c{number}" for number in range(9)]
    workloads = [workload("a", clusters=many), workload("b", clusters=many), workload("c", clusters=many[:3])]
    (mistake,) = wrongs_of(clusters=[aks(name) for name in many], workloads=workloads)
    assert (
        "21 federated credentials (2 workloads × 9 clusters: space/a, space/b; 1 workload × 3 clusters: space/c)"
        in (mistake)
    )


@pytest.mark.parametrize(
    ("identities", "expected"),
    [
        (
            [application(shards=2), application("app-2")],
            [
                "identities[0].name: app-2 is named more than once, also at identities[1].name",
                "identities[1].name: app-2 is named more than once, also at identities[0].name",
            ],
        ),
        ([application(shards=0)], ["identities[0].shards: Input should be greater than or equal to 1"]),
        ([application(shards=51)], ["identities[0].shards: Input should be less than or equal to 50"]),
        (
            [application(), application("x" * 89, shards=2)],
            [f"identities[1]: {'x' * 89}-2 is longer than 90 characters: choose a shorter name to spread"],
        ),
    ],
    ids=["a name of another", "none", "too many", "too long"],
)
def test_shards_are_identities_and_keep_their_rules(identities: list[dict[str, Any]], expected: list[str]) -> None:
    assert wrongs_of(identities=identities) == expected
