"""Whatever stands in a fleet file, it is a fleet or a list of mistakes, and never anything else."""

from __future__ import annotations

from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.files import FleetFileError, Mistake, load
from fleet.spec import Fleet

from .worlds import fleet_data

SCALARS = st.none() | st.booleans() | st.integers(-2, 10**6) | st.sampled_from(["one", "app", "vault", "${a}", "é", ""])
KEYS = st.sampled_from(["name", "clusters", "for_each", "workloads", "access", "a", "vault", "deployment", "env", 1])
NONSENSE = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)
"""Anything, under names that mean something here."""
LISTS = ["clusters", "vaults", "identities", "workloads", "templates"]


def outcome(written: dict[str, Any]) -> Fleet | tuple[Mistake, ...]:
    """The fleet, or what is wrong with it."""
    try:
        return load(yaml.safe_dump(written))
    except FleetFileError as error:
        return error.mistakes


@given(st.sampled_from([*Fleet.model_fields, "include", "colour"]), NONSENSE)
@settings(max_examples=200)
def test_a_field_of_nonsense_yields_a_fleet_or_mistakes(part: str, value: Any) -> None:
    result = outcome(fleet_data() | {part: value})
    if isinstance(result, Fleet):
        assert Fleet.model_validate(result.model_dump(mode="json")) == result
    else:
        assert result


@given(st.sampled_from(LISTS), st.lists(NONSENSE, min_size=1, max_size=3))
@settings(max_examples=200)
def test_nonsense_beside_what_is_right_is_all_that_is_told(part: str, values: list[Any]) -> None:
    written = fleet_data()
    first = len(written.get(part, []))
    written[part] = [*written.get(part, []), *values]
    result = outcome(written)
    assert not isinstance(result, Fleet)
    places = tuple(f"{part}[{position}]" for position in range(first, len(written[part])))
    assert all(mistake.path.startswith(places) for mistake in result)
    assert {place for place in places if any(mistake.path.startswith(place) for mistake in result)} == set(places)
