"""A plan in parts: everything once, nothing before what it comes after, no identity in two hands."""

from __future__ import annotations

from collections import Counter, defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.observed import Observed
from fleet.plan import plan
from fleet.resources import FederatedIdentityCredential
from fleet.slicing import Parts, parts
from fleet.spec import Fleet

from .worlds import a_fleet, aks, application, empty, situations, workload


def parted(fleet: Fleet, observed: Observed, most: int = 10, *, prune: bool = False) -> Parts:
    names = [cluster.name for cluster in fleet.clusters]
    return parts(plan(fleet, observed, prune=prune).changes, names, most)


def many(count: int, clusters: int = 1) -> Fleet:
    """Workloads with an identity each, on the clusters in turn."""
    names = [f"cluster-{number}" for number in range(clusters)]
    return a_fleet(
        clusters=[aks(name) for name in names],
        identities=[application(f"app-{number}") for number in range(count)],
        workloads=[
            workload(f"account-{n}", identity=f"app-{n}", namespace=f"space-{n}", clusters=[names[n % clusters]])
            for n in range(count)
        ],
    )


@given(situations(), st.integers(1, 12), st.booleans())
def test_every_change_is_in_one_part(situation: tuple[Fleet, Observed], most: int, prune: bool) -> None:
    planned = plan(*situation, prune=prune)
    found = parted(*situation, most, prune=prune)
    keys = [change.key for part in (found.first, *found.slices, found.last) for change in part]
    assert Counter(keys) == Counter(change.key for change in planned.changes)


@given(situations(), st.integers(1, 12), st.booleans())
def test_nothing_comes_before_what_it_waits_for(situation: tuple[Fleet, Observed], most: int, prune: bool) -> None:
    found = parted(*situation, most, prune=prune)
    keys = {change.key for part in (found.first, *found.slices, found.last) for change in part}
    done: set[str] = set()
    for stage in ([found.first], found.slices, [found.last]):
        before = set(done)
        for part in stage:  # slices know nothing of each other
            here = set(before)
            for change in part:
                assert {key for key in change.after if key in keys} <= here, change.key
                here.add(change.key)
            done |= here


@given(situations(), st.integers(1, 12), st.booleans())
def test_an_identitys_credentials_are_written_by_one_slice(
    situation: tuple[Fleet, Observed], most: int, prune: bool
) -> None:
    writers: dict[str, set[int]] = defaultdict(set)
    for number, slice_ in enumerate(parted(*situation, most, prune=prune).slices):
        for change in slice_:
            if isinstance(change.resource, FederatedIdentityCredential):
                writers[change.resource.place].add(number)
    assert all(len(numbers) == 1 for numbers in writers.values())


@pytest.mark.parametrize(("count", "most"), [(30, 40), (30, 7), (7, 1)])
def test_a_slice_holds_as_much_as_it_may(count: int, most: int) -> None:
    found = parted(many(count), empty(), most)
    sizes = [len(slice_) for slice_ in found.slices]
    unit = sum(sizes) // count
    assert all(size <= max(most, unit) for size in sizes)
    assert all(size + unit > most for size in sizes[:-1])


def test_a_slice_is_of_one_cluster() -> None:
    found = parted(many(12, clusters=3), empty(), most=1000)
    assert len(found.slices) == 3
    for slice_ in found.slices:
        assert len({name for change in slice_ if (name := getattr(change.resource, "cluster", None))}) == 1


def test_what_is_shared_comes_first() -> None:
    found = parted(many(3), empty())
    assert {change.resource.kind for change in found.first} >= {"cluster", "webhook", "vault", "secret"}
    assert found.last == ()
