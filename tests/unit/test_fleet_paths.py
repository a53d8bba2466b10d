"""A fleet on disk: a file with what it includes, or a folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from fleet import reading
from fleet.files import FleetFileError
from flows.fleet_files import load_path

from .files import only, without
from .worlds import a_fleet, fleet_data, workload


def write(folder: Path, files: dict[str, Any]) -> Path:
    """Write these files, and return the folder."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return folder


def wrongs(path: Path) -> list[str]:
    """What is wrong with the fleet at this path."""
    with pytest.raises(FleetFileError) as raised:
        load_path(path)
    return [str(mistake) for mistake in raised.value.mistakes]


def test_a_file_is_a_fleet(tmp_path: Path) -> None:
    assert load_path(write(tmp_path, {"fleet.yaml": fleet_data()}) / "fleet.yaml") == a_fleet()


def test_a_path_may_be_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, {"fleet.yaml": fleet_data(), "folder/fleet.yaml": fleet_data()})
    monkeypatch.chdir(tmp_path)
    assert load_path(Path("fleet.yaml")) == load_path(Path("folder")) == a_fleet()


def test_a_file_includes_by_patterns_from_its_own_folder_on(tmp_path: Path) -> None:
    files = {
        "prod/fleet.yaml": {**without("vaults", "workloads"), "include": ["../shared/*.yaml", "teams/**/*.yaml"]},
        "shared/vaults.yaml": only("vaults"),
        "prod/teams/a/deep/one.yaml": {"workloads": [workload("a")]},
        "prod/teams/b.yaml": {"workloads": [workload("b")]},
        "prod/teams/.#b.yaml": {"workloads": [workload("b")]},
        "prod/teams/b.yaml~": {"workloads": [workload("b")]},
    }
    fleet = load_path(write(tmp_path, files) / "prod" / "fleet.yaml")
    assert fleet == a_fleet(workloads=[workload("a"), workload("b")])


def test_a_folder_is_the_yaml_files_in_it_together(tmp_path: Path) -> None:
    files = {
        "a.yaml": without("vaults", "workloads"),
        "b.yml": only("vaults"),
        "c.yaml": {"include": ["teams/*.yaml"]},
        "teams/a.yaml": only("workloads"),
        "notes.txt": b"no YAML: [",
        ".hidden.yaml": b"no YAML: [",
        "other/d.yaml": b"no YAML: [",
    }
    assert load_path(write(tmp_path, files)) == a_fleet()


def test_a_folder_of_links_is_read_as_kubernetes_mounts_it(tmp_path: Path) -> None:
    write(tmp_path / "..data", {"fleet.yaml": {**without("vaults"), "include": ["v*.yaml"]}, "v.yaml": only("vaults")})
    for name in ("fleet.yaml", "v.yaml"):
        (tmp_path / name).symlink_to(Path("..data") / name)
    assert load_path(tmp_path) == load_path(tmp_path / "fleet.yaml") == a_fleet()


def test_mistakes_name_files_from_the_fleets_folder_on(tmp_path: Path) -> None:
    files = {
        "prod/fleet.yaml": {**without("workloads"), "include": ["../shared/w.yaml"]},
        "shared/w.yaml": {"workloads": [workload(identity="bot")]},
    }
    (mistake,) = wrongs(write(tmp_path, files) / "prod" / "fleet.yaml")
    assert mistake == (
        "../shared/w.yaml:4: workloads[0].identity: there is no identity bot in this fleet, there is: app"
    )


@pytest.mark.parametrize(
    ("files", "path", "expected"),
    [
        ({}, "fleet.yaml", ["fleet.yaml: No such file or directory"]),
        ({}, ".", ["no file in this folder is named *.yaml or *.yml"]),
        ({"fleet.yaml": b"\xff\xfe"}, "fleet.yaml", ["fleet.yaml: this is not a text file in UTF-8"]),
        (
            {"fleet.yaml": {**fleet_data(), "include": ["/absolute/*.yaml"]}},
            "fleet.yaml",
            ["fleet.yaml:9: include[0]: give a path or a pattern from the folder of this file on"],
        ),
        (
            {"fleet.yaml": {**fleet_data(), "include": ["teams"]}, "teams/a.yaml": only("workloads")},
            "fleet.yaml",
            ["fleet.yaml:9: include[0]: no file matches teams"],
        ),
        (
            {"fleet.yaml": {**fleet_data(), "include": ["a/**b.yaml"]}},
            "fleet.yaml",
            ["fleet.yaml:9: include[0]: Invalid pattern: '**' can only be an entire path component"],
        ),
    ],
    ids=["missing", "empty folder", "binary", "absolute", "a folder", "a bad pattern"],
)
def test_what_cannot_be_read_is_a_mistake_like_any_other(
    tmp_path: Path, files: dict[str, Any], path: str, expected: list[str]
) -> None:
    assert wrongs(write(tmp_path, files) / path) == expected


def test_a_fleet_may_come_through_a_pipe(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.write(writer, yaml.safe_dump(fleet_data()).encode())
    os.close(writer)
    assert load_path(Path(f"/dev/fd/{reader}")) == a_fleet()
    os.close(reader)


def test_a_file_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_BYTES", 1000)
    (mistake,) = wrongs(Path("/dev/zero"))
    assert mistake.startswith("zero: with 0.0 MB the fleet is too large")


def test_fifty_megabytes_are_refused_by_their_size(tmp_path: Path) -> None:
    with (tmp_path / "fleet.yaml").open("wb") as file:
        file.truncate(50_000_000)
    (mistake,) = wrongs(tmp_path / "fleet.yaml")
    assert mistake.startswith("fleet.yaml: with 50.0 MB the fleet is too large")
