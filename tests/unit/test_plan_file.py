"""A plan file is read as it was written, or refused with what it is instead."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from fleet.movement import movements
from fleet.observed import Observed
from fleet.plan import plan
from fleet.plan_file import Options, PlanFile, PlanFileError, _digest, parse
from fleet.spec import Fleet
from flows import plan_files

from .worlds import SOME, a_fleet, as_wanted, changed, empty, situations

AGAIN = "make it again with plan --out"


def written(**options: bool) -> PlanFile:
    """A plan file of a fleet in an empty world."""
    fleet = a_fleet()
    return PlanFile(fleet=fleet, options=Options(**options), plan=plan(fleet, empty()))


def resealed(**changes: Any) -> str:
    """A plan file that is not ours, though its digest is right."""
    content = {**json.loads(written().text()), **changes}
    content.pop("digest")
    return json.dumps({**content, "digest": _digest(content)})


def edited(text: str) -> str:
    return text.replace('"subject": "system:serviceaccount:space:account"', '"subject": "system:serviceaccount:kube:x"')


REFUSED: dict[str, tuple[Callable[[], str], str]] = {
    "empty": (lambda: "", "this is no plan file, for it is not JSON (line 1)"),
    "a fleet file": (lambda: "name: testing\nclusters: []\n", "not JSON (line 1)"),
    "cut short": (lambda: written().text()[:-40], "not JSON (line "),
    "bottomless": (lambda: "[" * 100_000, "this is no plan file, for it is not JSON"),
    "a list": (lambda: "[]", "this is no plan file: "),
    "another tool's": (lambda: '{"format_version": "1.2", "resource_changes": []}', "this is no plan file: "),
    "plan --json": (lambda: written().plan.model_dump_json(), "this is what plan --json prints, to be looked at: "),
    "a later format": (
        lambda: resealed(format=2),
        "this plan file is of format 2, and this version of workload-identit",
    ),
    "a format in words": (lambda: resealed(format="new"), "this plan file is of format 'new', and this version"),
    "edited by hand": (lambda: edited(written().text()), "this plan file was changed since plan wrote it"),
    "without its digest": (lambda: written().text().replace('"digest"', '"note"'), "was changed since plan wrote it"),
    "without a fleet": (lambda: resealed(fleet=None), "this is no plan file of this version: fleet: "),
    "with something new": (lambda: resealed(prune=True), "of this version: prune: Extra inputs are not permitted"),
    "of an unsound fleet": (lambda: resealed(fleet={"name": "x"}), "no plan file of this version: fleet.subscription:"),
}
"""Texts that are no plan to be applied, and what is said of each."""


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_plan_file_of_ours_is_refused_with_what_it_is(name: str) -> None:
    text, said = REFUSED[name]
    with pytest.raises(PlanFileError) as raised:
        parse(text())
    assert said in str(raised.value)
    assert str(raised.value).endswith(AGAIN)
    assert len(str(raised.value)) < 600


def test_edited_by_hand_is_another_text() -> None:
    assert edited(written().text()) != written().text()


def test_how_it_is_laid_out_does_not_matter() -> None:
    text = json.dumps(dict(reversed(json.loads(written().text()).items())), indent=4)
    assert parse(text) == parse(written().text())


def test_what_was_asked_for_is_kept_beside_the_fleet_as_it_was_written() -> None:
    read = parse(written(adopt=True).text())
    assert not read.fleet.adopt
    assert read.wanted.adopt
    assert not parse(written().text()).wanted.adopt


@given(situations(), SOME)
def test_a_plan_that_is_read_again_is_the_plan_of_the_fleet_that_is_read_again(
    situation: tuple[Fleet, Observed], adopt: bool
) -> None:
    fleet, observed = situation
    options = Options(adopt=adopt)
    file = PlanFile(
        fleet=fleet, options=options, plan=plan(PlanFile.model_construct(fleet=fleet, options=options).wanted, observed)
    )
    read = parse(file.text())
    assert read.fleet == fleet
    assert list(movements(read.plan, plan(read.wanted, observed))) == []
    assert parse(read.text()) == read


# On disk


def test_it_is_written_for_its_owner_alone_in_place_of_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text("something else, and readable")
    path.chmod(0o644)
    plan_files.write(path, written())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert plan_files.read(path).fleet == written().fleet
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "plan.json").mkdir()
    with pytest.raises(IsADirectoryError):
        plan_files.write(tmp_path / "plan.json", written())
    with pytest.raises(FileNotFoundError):
        plan_files.write(tmp_path / "nowhere" / "plan.json", written())
    assert [path.name for path in tmp_path.iterdir()] == ["plan.json"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("missing.json", "missing.json: No such file or directory"),
        ("binary.json", "binary.json: this is not a text file in UTF-8, so it is no plan file"),
        ("folder.json", "folder.json: this is no file"),
        ("/dev/null/x", "/dev/null/x: Not a directory"),
        ("/dev/zero", "/dev/zero: this is no file"),
    ],
)
def test_what_cannot_be_read_is_told_by_its_path(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(PlanFileError, match=said):
        plan_files.read(tmp_path / name)


def test_a_flow_takes_a_plan_file_or_a_fleet_and_not_both(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    plan_files.write(path, written())
    assert plan_files.approved(None, None, None) is None
    approved = plan_files.approved(None, None, str(path))
    assert approved is not None
    assert approved.wanted == a_fleet()
    for fleet, fleet_file in ((a_fleet(), None), (None, "fleet.yaml")):
        with pytest.raises(ValueError, match="give exactly one of fleet, fleet_file, plan_file"):
            plan_files.approved(fleet, fleet_file, str(path))


def test_a_secret_that_differs_is_told_without_its_value() -> None:
    fleet = a_fleet()
    text = PlanFile(fleet=fleet, plan=plan(fleet, changed(as_wanted(fleet), "secret", value="different"))).text()
    assert '"old": "different"' in text
    assert '"env": "VALUE"' in text
