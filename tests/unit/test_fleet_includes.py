"""A fleet may be written in several files: they add up, nothing stands twice, and every mistake names its file."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from fleet import reading
from fleet.files import FleetFileError, Mistake, load, load_files

from .files import Written, load_written, only, without, wrongs_in
from .worlds import a_fleet, fleet_data, vault, workload


def test_what_the_files_hold_adds_up_to_one_fleet() -> None:
    files = {
        "fleet.yaml": {**without("vaults", "workloads"), "include": ["vaults.yaml", "teams/*.yaml"]},
        "vaults.yaml": only("vaults"),
        "teams/a.yaml": {"workloads": [workload("a")]},
        "teams/b.yaml": {"workloads": [workload("b")]},
    }
    assert load_written(files) == a_fleet(workloads=[workload("a"), workload("b")])


def test_a_folders_files_add_up_without_including_each_other() -> None:
    files = {"a.yaml": without("clusters"), "b.yaml": only("clusters")}
    assert load_written(files, "a.yaml", "b.yaml") == a_fleet()


def test_a_pattern_is_relative_to_the_file_that_includes() -> None:
    files = {
        "fleet.yaml": {**without("workloads"), "include": ["teams/all.yaml"]},
        "teams/all.yaml": {"include": ["shop/*.yaml"]},
        "teams/shop/web.yaml": only("workloads"),
        "shop/other.yaml": {"colour": "red"},
    }
    assert load_written(files) == a_fleet()


def test_a_file_that_is_included_in_two_ways_is_read_once() -> None:
    files = Written(
        {
            "fleet.yaml": {**without("vaults", "workloads"), "include": ["a.yaml", "b.yaml", "*.yaml"]},
            "a.yaml": {**only("vaults"), "include": ["b.yaml"]},
            "b.yaml": only("workloads"),
        }
    )
    assert load_files(["fleet.yaml"], files) == a_fleet()
    assert sorted(files.read) == ["a.yaml", "b.yaml", "fleet.yaml"]


def test_an_entry_comes_before_those_that_its_file_includes() -> None:
    files: dict[str, Any] = {
        "fleet.yaml": {**fleet_data(workloads=[workload("b")]), "include": ["a.yaml"]},
        "a.yaml": {"workloads": [workload("a")]},
    }
    assert [item.service_account for item in load_written(files).workloads] == ["b", "a"]


HEAD = """\
name: demo
subscription: Playground
clusters: [{name: one, resource_group: group}]
identities: [{name: app}]
workloads: [{namespace: space, service_account: account, clusters: [one], identity: app}]
"""


@pytest.mark.parametrize(
    ("include", "others", "expected"),
    [
        (
            "[fleet.yaml]",
            {},
            ["fleet.yaml:6: include[0]: the files include each other in a circle: fleet.yaml → fleet.yaml"],
        ),
        (
            "[a.yaml]",
            {"a.yaml": "include: [b.yaml]\n", "b.yaml": "include:\n- a.yaml\n"},
            ["b.yaml:2: include[0]: the files include each other in a circle: a.yaml → b.yaml → a.yaml"],
        ),
        (
            "[a/a.yaml]",
            {"a/a.yaml": "include: [b/b.yaml]\n", "a/b/b.yaml": "include: [../../fleet.yaml]\n"},
            [
                "a/b/b.yaml:1: include[0]: the files include each other in a circle: "
                "fleet.yaml → a/a.yaml → a/b/b.yaml → fleet.yaml"
            ],
        ),
        (
            "[teams/*.yaml,\n  x.yaml]",
            {},
            [
                "fleet.yaml:6: include[0]: no file matches teams/*.yaml",
                "fleet.yaml:7: include[1]: no file matches x.yaml",
            ],
        ),
        ("teams/*.yaml", {}, ["fleet.yaml:6: include: give a list of files or patterns"]),
        ("[1]", {}, ["fleet.yaml:6: include[0]: give a file or a pattern, such as teams/*.yaml"]),
        (
            "[a.yaml]",
            {"a.yaml": ""},
            ["a.yaml: the file is empty: a fleet has name, subscription, clusters, ..."],
        ),
        ("[a.yaml]", {"a.yaml": "a: 1\na: 2\n"}, ["a.yaml: line 2: this is not YAML: a stands twice here"]),
        (
            "[a.yaml]",
            {"a.yaml": "adopt: true\nname: other\n"},
            ["a.yaml:2: name: name stands in fleet.yaml already: a fleet has one"],
        ),
        ("[a.yaml]", {"a.yaml": "workloads: none\n"}, ["a.yaml:1: workloads: give a list"]),
        ("[a.yaml]", {"a.yaml": "vaults: none\n"}, ["a.yaml:1: vaults: give a list"]),
    ],
    ids=[
        "itself",
        "a circle",
        "a circle through folders",
        "nothing",
        "no list",
        "no pattern",
        "empty",
        "not YAML",
        "a field twice",
        "no list of entries",
        "no list anywhere",
    ],
)
def test_what_cannot_be_put_together_is_told_with_file_and_place(
    include: str, others: dict[str, str], expected: list[str]
) -> None:
    assert wrongs_in({"fleet.yaml": f"{HEAD}include: {include}\n", **others}) == expected


def _lines(data: dict[str, Any]) -> str:
    """YAML in which every entry of a part stands on a line of its own."""
    lines: list[str] = []
    for part, value in data.items():
        if isinstance(value, list):
            lines += [f"{part}:", *(f"- {_flow(item)}" for item in value)] if value else [f"{part}: []"]
        else:
            lines.append(f"{part}: {_flow(value)}")
    return "\n".join(lines)


def _flow(value: Any) -> str:
    text: str = yaml.safe_dump(value, default_flow_style=True, width=10_000)
    return text.removesuffix("...\n").strip()


def test_mistakes_of_all_files_are_told_together_with_their_lines() -> None:
    files = {
        "fleet.yaml": _lines({**without("workloads", "vaults"), "include": ["b.yaml", "a.yaml"]}),
        "a.yaml": _lines({"workloads": [workload("a"), workload("b", identity="bot")]}),
        "b.yaml": _lines({"vaults": [vault(), vault("x")], "workloads": [workload("a"), workload(colour="red")]}),
    }
    assert wrongs_in(files) == [
        "b.yaml:3: vaults[1].name: 'x' is not allowed here: 3 to 24 letters, digits, dashes; starts with a letter, "
        "ends with a letter or digit, no --",
        "b.yaml:6: workloads[1].colour: there is no such field",
        "a.yaml:2: workloads[0]: space/a on one is already b.yaml: workloads[0]: a ServiceAccount has one identity",
        "a.yaml:3: workloads[1].identity: there is no identity bot in this fleet, there is: app",
    ]


@pytest.mark.parametrize("part", ["clusters", "vaults", "identities"])
def test_the_same_name_in_two_files_is_told_in_both(part: str) -> None:
    files = {"a.yaml": fleet_data(), "b.yaml": only(part)}
    one, other = wrongs_in(files, "a.yaml", "b.yaml")
    assert one.startswith("a.yaml:")
    assert f"is named more than once, also at b.yaml: {part}[0].name" in one
    assert other.startswith("b.yaml:")
    assert f"is named more than once, also at a.yaml: {part}[0].name" in other


def test_what_could_not_be_read_is_not_called_missing() -> None:
    files = {"a.yaml": without("clusters", "identities", "name"), "b.yaml": "clusters: [", "c.yaml": "colour: red"}
    assert [mistake.partition(": ")[0] for mistake in wrongs_in(files, *files)] == ["b.yaml", "c.yaml:1"]


def test_what_no_file_says_is_missing_in_the_first() -> None:
    assert wrongs_in({"a.yaml": without("name"), "b.yaml": {"adopt": True}}, "a.yaml", "b.yaml") == [
        "a.yaml:1: name: this field is missing"
    ]


def test_the_files_of_a_fleet_are_measured_together(monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"a.yaml": fleet_data(), "b.yaml": "adopt: true" + " " * 1000}
    monkeypatch.setattr(reading, "MAX_BYTES", 1500)
    (mistake,) = wrongs_in(files, "a.yaml", "b.yaml")
    assert mistake.startswith("b.yaml: with 0.0 MB the fleet is too large")


def test_a_text_that_stands_alone_includes_nothing() -> None:
    with pytest.raises(FleetFileError) as raised:
        load("include: [a.yaml]")
    assert Mistake("include[0]", "there are no files beside this text: give the path of a file", "", 1) in (
        raised.value.mistakes
    )


def test_include_is_a_matter_of_files_and_not_of_a_fleet() -> None:
    with pytest.raises(ValueError, match="there is no such field"):
        a_fleet(include=["a.yaml"])
