"""YAML as a fleet file may use it: what PyYAML reads is read the same, what would do harm is refused at once."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from fleet import building, reading
from fleet.building import Building
from fleet.files import FleetFileError, load
from fleet.reading import Document

WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=8)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | WORDS | st.dates()
DATA = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4), max_leaves=20
)


TOO_MANY = "up to here it holds more than 1,000,000 values, aliases written out"


def wrong(text: str) -> str:
    """The one thing that is wrong with the text."""
    with pytest.raises(FleetFileError) as raised:
        Document(text)
    (mistake,) = raised.value.mistakes
    return str(mistake)


@given(DATA, st.booleans())
def test_whatever_is_written_as_yaml_is_read_back(data: Any, flow: bool) -> None:
    assert Building(yaml.safe_dump(data, default_flow_style=flow, allow_unicode=True)).document() == data


@pytest.mark.parametrize(
    "text",
    [
        "{a: 1, b: 0x1F, c: 1_000, d: 1.5e3, e: ~, f: yes, g: 2024-02-03, h: '1', i: !!str 1, j: ! 1, k: '', l: }",
        "a: &one {x: 1}\nb: *one\nc: [*one, *one]\n",
        "a: &one {x: 1, y: 2}\nb: {<<: *one, y: 3}\n",
        "a: &one {x: 1}\nb: &two {x: 2, z: 2}\nc: {<<: [*one, *two], w: 0}\n",
        "a: &one {x: 1}\nb: &two {<<: *one, y: 1}\nc: {<<: *two}\n",
        "a: |\n  one\n  two\nb: >\n  one\n  two\n",
        "? a\n: b\n1: c\nfalse: d\n",
        "a: !!map {b: !!seq [1]}",
        "'<<': 1",
    ],
    ids=[
        "scalars",
        "aliases",
        "merging",
        "merging two",
        "merging twice",
        "blocks",
        "keys",
        "tags",
        "quoted",
    ],
)
def test_it_means_what_pyyaml_makes_of_it(text: str) -> None:
    assert Document(text).data == yaml.safe_load(text)


def test_what_merging_brings_is_no_word_in_a_value() -> None:
    assert Document("a: <<\nb: [<<]\n").data == {"a": "<<", "b": ["<<"]}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: &a [*a]", "line 1: this is not YAML: an alias stands within what it stands for"),
        ("a: &a {b: 1, c: *a}", "line 1: this is not YAML: an alias stands within what it stands for"),
        ("a: *b", "line 1: this is not YAML: found an alias without an anchor before it"),
        ("a: {<<: 1}", "line 1: this is not YAML: << takes a mapping, or a list of mappings"),
        ("a: {<<: [{}, 1]}", "line 1: this is not YAML: << takes a mapping, or a list of mappings"),
        ("a: !!set {b}", "line 1: this is not YAML: there is no use for the tag it"),
        ("a: {? {b: c} : d}", "line 1: this is not YAML: a key must be a word"),
        ("a: 1\nb: 2\n'a': 3", "line 3: this is not YAML: a stands twice here"),
        ("a: {b: 1, 'b': 2}", "line 1: this is not YAML: b stands twice here"),
        ("a: [1", "line 1: this is not YAML: did not find expected ',' or ']'"),
        ("a: [1\nb: 2\n", "line 2: this is not YAML: did not find expected ',' or ']'"),
        (f"a: {'9' * 5000}", "this is not YAML: Exceeds the limit"),
    ],
)
def test_what_yaml_allows_and_a_fleet_does_not_is_told_with_its_line(text: str, expected: str) -> None:
    assert wrong(text).startswith(expected)


def laughs(levels: int) -> str:
    """A billion laughs: each line is nine times the one before."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels)]
    return "\n".join(lines)


def merged_laughs(levels: int) -> str:
    """The same by merging."""
    lines = ["a0: &a0 {x: 1}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, levels)]
    return "\n".join(lines)


def test_an_anchor_may_be_set_anew() -> None:
    assert Document("a: &x 1\nb: &x 2\nc: *x\n").data["c"] == 2


@pytest.mark.parametrize(
    ("text", "line"), [(laughs(9), 7), (laughs(200), 7), (merged_laughs(9), 7), (merged_laughs(200), 7)]
)
def test_a_bomb_of_aliases_is_refused_where_it_goes_off(text: str, line: int) -> None:
    assert wrong(text) == f"line {line}: this is not YAML: {TOO_MANY}"


@pytest.mark.parametrize("text", ["x: [" + "a," * 1_000_000 + "]", "x:\n" + "- a\n" * 1_000_000])
def test_more_values_than_a_fleet_can_need_are_given_up_on_the_way(text: str) -> None:
    assert wrong(text).endswith(TOO_MANY)


def test_aliases_may_be_used_a_thousand_times() -> None:
    text = "\n".join(["a: &a {x: 1, y: [1, 2, 3]}", *(f"b{number}: *a" for number in range(1000))])
    assert len(Document(text).data) == 1001


@pytest.mark.parametrize("text", ["[" * 100_000, "- " * 100_000, "{a: " * 100_000, "? " * 100_000])
def test_nesting_is_refused_before_it_can_do_harm(text: str) -> None:
    assert wrong(text) == "line 1: this is not YAML: it is nested more than 50 times"


def test_aliases_do_not_get_around_the_limit_of_nesting() -> None:
    text = "a0: &a0 [x]\n" + "\n".join(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 100))
    assert wrong(text) == "line 51: this is not YAML: aliases nest this more than 50 times"


def test_as_deep_as_allowed_is_fine() -> None:
    depth = building.MAX_DEPTH - 1
    assert Document(f"a: {'[' * depth}{']' * depth}").data["a"]


def test_fifty_megabytes_are_refused_without_a_look_at_them() -> None:
    with pytest.raises(FleetFileError) as raised:
        load("[" * 50_000_000)
    (mistake,) = raised.value.mistakes
    assert mistake.message == (
        "with 50.0 MB the fleet is too large to be read: its files together may have 16.0 MB; templates say the same "
        "in less, or divide the fleet"
    )


def test_a_size_is_counted_in_bytes_and_not_in_letters() -> None:
    with pytest.raises(FleetFileError, match=r"with 17\.0 MB the fleet is too large"):
        load("é" * 8_500_000)


@pytest.mark.parametrize(
    ("location", "line"),
    [
        ((), 1),
        (("name",), 1),
        (("list",), 2),
        (("list", 0), 3),
        (("list", 1), 4),
        (("list", 1, "b"), 5),
        (("list", 1, "missing"), 4),
        (("list", 9), 2),
        (("flow", 1, "x"), 6),
        (("absent",), 1),
        ((7,), 7),
    ],
)
def test_every_place_has_its_line_or_that_of_what_is_around_it(location: tuple[str | int, ...], line: int) -> None:
    text = "name: x\nlist:\n- a: 1\n- a: 2\n  b: 3\nflow: [1, {x: 2}]\n7: seven\n"
    assert Document(text).line(location) == line


def test_the_limit_leaves_room_for_ten_thousand_workloads_with_their_deployments() -> None:
    assert reading.MAX_BYTES > 10_000 * 500
